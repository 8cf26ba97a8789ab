"""Trains a classifier (noisy/clean, or classes of one's own) and saves its weights to models/."""

from collections.abc import Sequence

from src import cli, data_flags
from src.options import AugmentOptions, ClassifierOptions, FeatureOptions, FitOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains."""
    parser = cli.Parser(__doc__)
    data_flags.add_data_flags(parser, "./data", training=True)
    parser.add_argument("--val_fold", type=cli.counted, help="fold of labelled files to validate on, 0 for none")
    parser.add_argument("--cross_validate", action="store_true", help="train once for each fold, and evaluate there")
    data_flags.add_mixing_flags(parser, snr_max=18.0, val_fraction=0.2)
    data_flags.add_list_flags(parser, training=True)
    cli.add_model_flag(parser, "classifier.pth")
    cli.add_option_flags(parser, FitOptions, epochs=50)
    cli.add_plot_flags(parser)
    cli.add_option_flags(parser.add_argument_group("features"), FeatureOptions)
    cli.add_option_flags(parser.add_argument_group("changes in training"), AugmentOptions)
    cli.add_option_flags(parser.add_argument_group("network; sizes not given are as published"), ClassifierOptions)
    args = parser.parse_args(argv)
    data_flags.use_lists(args)
    chosen, features = cli.take(ClassifierOptions, args), cli.take(FeatureOptions, args)
    augment = cli.take(AugmentOptions, args)

    from src import runs
    from src.features import MelFeatures

    runs.train_classifier(
        args,
        chosen.sizes(),
        features=MelFeatures(**features.numbers()),
        network_name=chosen.network,
        augment=augment,
        clip_s=args.clip_s,
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
