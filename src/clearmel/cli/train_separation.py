"""Trains a separator of voices on a folder of clean speech, and saves its weights to models/."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, take
from clearmel.options import FitOptions, MultiSpeakerOptions, SeparatorOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    parser.add_argument("--dataset_path", help="mixtures on disk (train/, val/) in place of --clean_path")
    parser.add_argument("--cache_path", help="folder that keeps the decoded recordings from run to run")
    add_model_flag(parser, "separator.pth")
    add_option_flags(parser, FitOptions, batch_size=8, clip_norm=1.0, schedule="cosine", epochs=60)
    add_plot_flags(parser)
    add_option_flags(parser.add_argument_group("mixtures"), MultiSpeakerOptions)
    add_option_flags(parser.add_argument_group("network"), SeparatorOptions)
    args = parser.parse_args(argv)
    chosen, voices = take(SeparatorOptions, args), take(MultiSpeakerOptions, args)
    options = take(FitOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.options.source import Source
    from clearmel.reporting import plots
    from clearmel.tasks import SeparationTask
    from clearmel.training import run

    skipped = data_flags.skipped([args.dataset_path] if args.dataset_path else data_flags.places(args))

    task = SeparationTask(
        sizes=chosen.sizes(),
        source=Source(args.dataset_path or ".", cache_path=args.cache_path, seed=args.seed),
        features=MelFeatures(n_fft=chosen.n_fft, hop_length=chosen.hop_length, win_length=chosen.win_length),
        network_name=chosen.network,
        voices=voices,
        folder=bool(args.dataset_path),
    )
    run.train(task, options, args.model_filename, plots.Board(args.plot_dir, enabled=not args.no_plots))
    return skipped
