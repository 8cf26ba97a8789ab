"""Prints the mean squared error of noisy mels before and after the denoiser, and shows every item's spectrograms."""

from collections.abc import Sequence

from src import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates, prints and draws."""
    parser = cli.Parser(__doc__)
    cli.add_data_flags(parser, "./data/val", training=False)
    cli.add_model_flag(parser, "denoiser.pth")
    cli.add_eval_flags(parser)
    cli.add_plot_flags(parser)
    parser.add_argument("--max_plots", type=cli.counted, help="pictures at most (default: one per item)")
    args = parser.parse_args(argv)

    from src import checkpoint, enhancement, plots, runs
    from src.tasks import DenoisingTask

    _, task, data, _, report = runs.evaluate(DenoisingTask, args)
    network = checkpoint.load_denoiser(args.model_filename)
    if not args.json:
        print(f"MSE noisy {report['mse_noisy']:.4f}  denoised {report['mse_denoised']:.4f}  ({report['n']} items)")
    board = plots.Board(args, task.features)
    for index in range(0 if board.off else len(data))[: args.max_plots]:
        item = data[index]
        noisy, clean = item.mels["noisy"].numpy(), item.mels["clean"].numpy()
        panels = {"noisy": noisy, "denoised": enhancement.estimate_mel(network, noisy), "clean": clean}
        board.spectrograms(panels, f"{index:04d}_{item.name.rsplit('.', 1)[0].replace('/', '_')}")
    return 0


if __name__ == "__main__":
    cli.run(main)
