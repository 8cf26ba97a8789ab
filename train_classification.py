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
    parser.add_argument("--hidden_dim", type=cli.positive, default=64, help="LSTM width")
    parser.add_argument("--num_layers", type=cli.positive, default=1, help="LSTM layers")
    parser.add_argument("--dropout", type=cli.share, default=0.0, help="between the LSTM layers")
    args = parser.parse_args(argv)

    from src import runs
    from src.tasks import ClassificationTask

    sizes = {"hidden_dim": args.hidden_dim, "num_layers": args.num_layers, "dropout": args.dropout}
    runs.train(ClassificationTask, args, sizes)
    return 0


if __name__ == "__main__":
    cli.run(main)
