"""Trains the noisy/clean classifier and saves its weights to models/."""

from collections.abc import Sequence

from src import cli
from src.options import FitOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and trains."""
    parser = cli.Parser(__doc__)
    cli.add_data_flags(parser, "./data", training=True)
    cli.add_model_flag(parser, "classifier.pth")
    cli.add_option_flags(parser, FitOptions, epochs=50)
    cli.add_plot_flags(parser)
    parser.add_argument("--hidden_dim", type=int, default=64, help="LSTM width")
    parser.add_argument("--num_layers", type=int, default=1, help="LSTM layers")
    parser.add_argument("--dropout", type=float, default=0.0, help="between the LSTM layers")
    args = parser.parse_args(argv)
    options = cli.take(FitOptions, args)

    from src import checkpoint, engine, plots
    from src.tasks import ClassificationTask
    from src.tasks.base import Source

    sizes = {name: getattr(args, name) for name in ("hidden_dim", "num_layers", "dropout")}
    source = Source(args.dataset_path, cli.flat_pairs(args, "train"), args.cache_path)
    out = checkpoint.models_path(args.model_filename, saved=False)
    history = engine.fit(ClassificationTask(source, sizes=sizes), options, out)
    if history:  # only the main process of several has it
        plots.Board(args).history(history, out.stem)
        print(f"saved {out}")
    return 0


if __name__ == "__main__":
    cli.run(main)
