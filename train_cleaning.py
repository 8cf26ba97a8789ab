"""Trains a network that cuts pauses, breaths and knocks out of speech, and saves its weights to models/."""

from collections.abc import Sequence

from src import cli, data_flags
from src.options import AugmentOptions, CutterOptions, FeatureOptions, FitOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains."""
    parser = cli.Parser(__doc__)
    data_flags.add_clip_flags(parser, training=True)
    cli.add_model_flag(parser, "cleaner.pth")
    cli.add_option_flags(parser, FitOptions, epochs=40, batch_size=24, learning_rate=2e-3, weight_decay=0.01,
                         clip_norm=1.0, schedule="cosine")  # fmt: skip
    cli.add_plot_flags(parser)
    cli.add_option_flags(parser.add_argument_group("features"), FeatureOptions, features="mel100")
    changes = parser.add_argument_group("changes in training")
    cli.add_option_flags(changes, AugmentOptions, ("speed", "shortest", "blend", "mixup", "temperature"),
                         gain_db=12.0, filter_db=6.0, time_mask=0.03, freq_mask=0.15)  # fmt: skip
    cli.add_option_flags(parser.add_argument_group("network"), CutterOptions)
    args = parser.parse_args(argv)
    chosen, features = cli.take(CutterOptions, args), cli.take(FeatureOptions, args)
    augment = cli.take(AugmentOptions, args)

    from src import runs
    from src.features import MelFeatures
    from src.tasks import CleaningTask

    runs.train(
        CleaningTask,
        args,
        chosen.sizes(),
        features=MelFeatures(**features.numbers()),
        network_name=chosen.network,
        augment=augment,
        clip_s=args.clip_s,
        labels_path=args.labels_path,
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
