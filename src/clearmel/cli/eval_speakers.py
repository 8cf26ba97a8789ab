"""Evaluates an encoder of speakers: the equal error rate over pairs of recordings."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_eval_flags, add_model_flag, add_option_flags, non_negative, take
from clearmel.options import NOT_OF_SPEAKERS, SpeakerOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    add_option_flags(
        parser.add_argument_group("pairs of recordings"), SpeakerOptions,
        ("val_clean_path", "val_noise_path", "val_speakers", "val_noises", "val_fraction", "epoch_items", "augment",
         *NOT_OF_SPEAKERS),
    )  # fmt: skip
    parser.add_argument("--seed", type=non_negative, default=0, help="of the pairs")
    add_model_flag(parser, "speakers.pth")
    add_eval_flags(parser)
    args = parser.parse_args(argv)

    from clearmel.evaluation import speakers

    skipped = data_flags.skipped(data_flags.places(args))
    pairs = take(SpeakerOptions, args, val_fraction=0.0)
    report = speakers.evaluate_encoder(
        args.model_filename, pairs, take(EvalOptions, args), take(OutputOptions, args), seed=args.seed
    )
    if not args.json:
        print(f"equal error rate {report['eer']:.2%} over the recordings of {report['n']:g} pairs")
    return skipped
