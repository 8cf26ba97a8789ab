"""Makes clean speech of people who never were, a folder for each, where recordings to train on are few."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, non_negative, positive


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and synthesises; what is there stays."""
    parser = Parser(__doc__)
    parser.add_argument("--text_path", required=True, help="text to read, an English sentence in each line")
    parser.add_argument("--weights_path", required=True, help="the synthesiser Kokoro as .onnx, see docs/separation.md")
    parser.add_argument("--voices_path", required=True, help="folder of its voices (.bin)")
    parser.add_argument("--symbols_path", required=True, help='.json with its "vocab"')
    parser.add_argument("--output_path", default="./data/made", help="folder of the speech")
    parser.add_argument("--n_speakers", type=positive, default=100, help="how many speakers, mixtures of the voices")
    parser.add_argument("--n_utterances", type=positive, default=5, help="lines that each of them reads")
    parser.add_argument("--seed", type=non_negative, default=0, help="of everything that is drawn")
    args = parser.parse_args(argv)

    from clearmel.prepare import tts

    seconds = tts.build(
        args.text_path,
        args.weights_path,
        args.voices_path,
        args.symbols_path,
        Path(args.output_path),
        args.n_speakers,
        args.n_utterances,
        args.seed,
    )
    print(f"{seconds / 60:.1f} minutes of speech made in {args.output_path}")
    return 0
