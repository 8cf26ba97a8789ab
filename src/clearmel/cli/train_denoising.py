"""Trains a denoiser on noisy/clean pairs, or on speech and noise mixed on the fly, and saves its weights to models/."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import (
    Parser,
    add_model_flag,
    add_option_flags,
    add_plot_flags,
    decibels,
    fraction,
    non_negative,
    positive,
    take,
)
from clearmel.core.errors import InputError
from clearmel.options import FitOptions, LossOptions

BOUNDS, STAGES = ("bound_db", "knee_db"), ("look_ahead", "ahead_dim", "fine_bins", "fine_dim", "near_dim")
SIZES = {
    "gain": ("hidden_dim", "num_layers", "dropout", *BOUNDS, *STAGES, "two_passes"),
    "lstm": ("hidden_dim", "num_layers", "dropout", "attenuation"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_data_flags(parser, "./data", training=True)
    data_flags.add_mixing_flags(parser, ("echo",))
    add_model_flag(parser, "denoiser.pth")
    add_option_flags(parser, FitOptions, epochs=10)
    add_option_flags(parser.add_argument_group("errors, where waves are mixed"), LossOptions)
    add_plot_flags(parser)
    sizes = parser.add_argument_group("network")
    sizes.add_argument("--network", choices=sorted(SIZES), default="gain", help="gain, or lstm: the published one")
    sizes.add_argument("--hidden_dim", type=positive, default=80, help="LSTM width")
    sizes.add_argument("--num_layers", type=positive, default=1, help="LSTM layers")
    sizes.add_argument("--dropout", type=fraction, default=0.0, help="between the LSTM layers")
    sizes.add_argument("--bound_db", type=decibels, default=60.0, help="gain: largest attenuation of a band")
    sizes.add_argument("--knee_db", type=decibels, default=0.0, help="gain: attenuations far below this one vanish")
    sizes.add_argument("--look_ahead", type=non_negative, default=0, help="gain: future frames (16 ms) that it needs")
    sizes.add_argument(
        "--ahead_dim", type=non_negative, default=0, help="gain: width of a correction from the future frames"
    )
    sizes.add_argument(
        "--fine_bins", type=non_negative, default=0, help="gain: STFT bins of a second stage, 0 for none"
    )
    sizes.add_argument("--fine_dim", type=positive, default=256, help="gain: LSTM width of the second stage")
    sizes.add_argument("--near_dim", type=non_negative, default=0, help="gain: channels of a third stage, 0 for none")
    sizes.add_argument(
        "--two_passes",
        action="store_true",
        help="gain: a second network corrects complete recordings, backwards in time; --train_only second trains it",
    )
    sizes.add_argument(
        "--attenuation", action="store_true", help="lstm: the output is how far below its input the clean mel lies"
    )
    args = parser.parse_args(argv)
    losses, options = take(LossOptions, args), take(FitOptions, args)
    if args.fine_bins and not args.noise_path:
        raise InputError("--fine_bins needs waves to learn from: give --clean_path and --noise_path.")
    if args.near_dim and not args.fine_bins:
        raise InputError("--near_dim is about the bins of the second stage: say by --fine_bins how many.")
    if args.two_passes and args.look_ahead:
        raise InputError("--two_passes sees all of a recording: leave --look_ahead out.")
    if args.ahead_dim and not args.look_ahead:
        raise InputError("--ahead_dim is about the frames ahead: say by --look_ahead how many.")

    from clearmel.reporting import plots
    from clearmel.tasks import DenoisingTask
    from clearmel.training import run

    skipped = data_flags.skipped(data_flags.places(args))

    chosen = {name: getattr(args, name) for name in SIZES[args.network]}
    task = DenoisingTask(
        data_flags.source(args, "train", options.seed), sizes=chosen, losses=losses, network_name=args.network
    )
    run.train(task, options, args.model_filename, plots.Board(args.plot_dir, enabled=not args.no_plots))
    return skipped
