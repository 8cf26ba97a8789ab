"""Trains a network that tells voices apart, from a folder of clean speech, and saves its weights to models/."""

from collections.abc import Sequence

from src import cli
from src.options import FitOptions, SeparatorOptions, VoiceOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--dataset_path", help="mixtures on disk (train/, val/) in place of --clean_path")
    parser.add_argument("--cache_path", help="folder that keeps the decoded recordings from run to run")
    cli.add_model_flag(parser, "separator.pth")
    cli.add_option_flags(parser, FitOptions, batch_size=8, clip_norm=1.0, schedule="cosine", epochs=60)
    cli.add_plot_flags(parser)
    cli.add_option_flags(parser.add_argument_group("mixtures"), VoiceOptions)
    cli.add_option_flags(parser.add_argument_group("network"), SeparatorOptions)
    args = parser.parse_args(argv)
    chosen, voices = cli.take(SeparatorOptions, args), cli.take(VoiceOptions, args)

    from src import runs
    from src.features import MelFeatures
    from src.tasks import SeparationTask
    from src.tasks.base import Source

    runs.train(
        SeparationTask,
        args,
        chosen.sizes(),
        source=Source(args.dataset_path or ".", cache_path=args.cache_path, seed=args.seed),
        features=MelFeatures(n_fft=chosen.n_fft, hop_length=chosen.hop_length, win_length=chosen.win_length),
        network_name=chosen.network,
        voices=voices,
        folder=bool(args.dataset_path),
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
