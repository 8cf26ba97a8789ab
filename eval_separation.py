"""Prints how well voices are told apart, beside the untouched mixture and ideal masks."""

from collections.abc import Sequence

from src import cli
from src.options import VoiceOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--dataset_path", help="mixtures on disk: LibriMix's folders, or build_separation_dataset.py's")
    cli.add_option_flags(
        parser.add_argument_group("mixtures made here, where --dataset_path is not given"), VoiceOptions,
        ("val_clean_path", "val_noise_path", "val_speakers", "val_noises", "val_fraction", "epoch_items", "augment"),
        val_items=50,
    )  # fmt: skip
    parser.add_argument("--seed", type=cli.counted, default=0, help="of the mixtures")
    parser.add_argument("--audio_metrics", action="store_true", help="PESQ and ESTOI, too (requirements-audio.txt)")
    cli.add_model_flag(parser, "separator.pth")
    cli.add_passes_flag(parser)
    cli.add_result_flags(parser)
    args = parser.parse_args(argv)

    from src import results, voice_runs

    table = voice_runs.evaluate(args)
    if not args.json:
        print(results.aligned(table))
    return 0


if __name__ == "__main__":
    cli.run(main)
