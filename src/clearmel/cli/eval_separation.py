"""Evaluates a separator, beside the untouched mixture and ideal masks."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_model_flag,
    add_option_flags,
    add_passes_flag,
    add_result_flags,
    add_track_strength_flag,
    non_negative,
    take,
)
from clearmel.options import MultiSpeakerOptions
from clearmel.options.evaluation import OutputOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    parser.add_argument("--dataset_path", help="folder of mixtures: LibriMix, or a built separation dataset")
    add_option_flags(
        parser.add_argument_group("mixtures made here, where --dataset_path is not given"), MultiSpeakerOptions,
        ("val_clean_path", "val_noise_path", "val_speakers", "val_noises", "val_fraction", "epoch_items", "augment"),
        val_items=50,
    )  # fmt: skip
    parser.add_argument("--seed", type=non_negative, default=0, help="of the mixtures")
    parser.add_argument("--audio_metrics", action="store_true", help="PESQ and ESTOI, too (clearmel[metrics])")
    add_model_flag(parser, "separator.pth")
    add_device_flag(parser)
    add_passes_flag(parser)
    add_track_strength_flag(parser)
    add_result_flags(parser)
    args = parser.parse_args(argv)

    from clearmel.evaluation import separation
    from clearmel.reporting import tables

    skipped = data_flags.skipped([args.dataset_path] if args.dataset_path else data_flags.places(args))

    table = separation.evaluate_separator(
        args.model_filename,
        args.dataset_path,
        None if args.dataset_path else take(MultiSpeakerOptions, args, val_fraction=0.0),
        take(OutputOptions, args),
        seed=args.seed,
        passes=args.passes,
        strength=args.strength,
        audio_metrics=args.audio_metrics,
        device=args.device,
    )
    if not args.json:
        print(tables.text_table(table))
    return skipped
