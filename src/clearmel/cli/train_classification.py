"""Trains a classifier (noisy or clean, or classes of your own) and saves its weights to models/."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, non_negative, take
from clearmel.options import AugmentOptions, ClassifierOptions, FeatureOptions, FitOptions
from clearmel.options.source import Source


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_data_flags(parser, "./data", training=True)
    parser.add_argument("--val_fold", type=non_negative, help="fold of labelled files to validate on, 0 for none")
    parser.add_argument("--cross_validate", action="store_true", help="train once for each fold, and evaluate there")
    data_flags.add_mixing_flags(parser, snr_max=18.0, val_fraction=0.2)
    data_flags.add_list_flags(parser, training=True)
    add_model_flag(parser, "classifier.pth")
    add_option_flags(parser, FitOptions, epochs=50)
    add_plot_flags(parser)
    add_option_flags(parser.add_argument_group("features"), FeatureOptions)
    add_option_flags(parser.add_argument_group("changes in training"), AugmentOptions)
    add_option_flags(parser.add_argument_group("network; sizes not given are as published"), ClassifierOptions)
    args = parser.parse_args(argv)
    data_flags.use_lists(args)
    chosen, features = take(ClassifierOptions, args), take(FeatureOptions, args)
    augment, options = take(AugmentOptions, args), take(FitOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.reporting import plots
    from clearmel.tasks import ClassificationTask
    from clearmel.training import run

    skipped = data_flags.skipped(data_flags.places(args))

    def task(source: Source) -> ClassificationTask:
        return ClassificationTask(
            source,
            MelFeatures(**features.numbers()),
            chosen.sizes(),
            network_name=chosen.network,
            augment=augment,
            clip_s=args.clip_s,
        )

    source = data_flags.source(args, "train", options.seed)
    if args.cross_validate:
        run.cross_validate(task, source, options, args.model_filename)
    else:
        run.train(task(source), options, args.model_filename, plots.Board(args.plot_dir, enabled=not args.no_plots))
    return skipped
