"""Trains an encoder of speakers on a folder of clean speech, and saves its weights to models/."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, take
from clearmel.options import NOT_OF_SPEAKERS, FitOptions, SpeakerEncoderOptions, SpeakerOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    parser.add_argument("--cache_path", help="folder that keeps the decoded recordings from run to run")
    add_model_flag(parser, "speakers.pth")
    add_option_flags(parser, FitOptions, batch_size=48, clip_norm=1.0, schedule="cosine", epochs=20)
    add_plot_flags(parser)
    add_option_flags(parser.add_argument_group("pairs of recordings"), SpeakerOptions, NOT_OF_SPEAKERS)
    add_option_flags(parser.add_argument_group("network"), SpeakerEncoderOptions)
    args = parser.parse_args(argv)
    chosen, pairs, options = take(SpeakerEncoderOptions, args), take(SpeakerOptions, args), take(FitOptions, args)

    from clearmel.options.source import Source
    from clearmel.reporting import plots
    from clearmel.tasks import SpeakersTask
    from clearmel.training import run

    skipped = data_flags.skipped(data_flags.places(args))
    source = Source(cache_path=args.cache_path, seed=args.seed)
    task = SpeakersTask(source, sizes=chosen.sizes(), network_name=chosen.network, pairs=pairs)
    run.train(task, options, args.model_filename, plots.Board(args.plot_dir, enabled=not args.no_plots))
    return skipped
