"""Prints the mean squared error of noisy mels before and after the denoiser, and shows every item's spectrograms."""

from collections.abc import Sequence

from src import cli, data_flags
from src.options import CleanOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates, prints and draws."""
    parser = cli.Parser(__doc__)
    data_flags.add_data_flags(parser, "./data/val", training=False)
    cli.add_model_flag(parser, "denoiser.pth")
    cli.add_eval_flags(parser)
    cli.add_plot_flags(parser)
    parser.add_argument("--max_plots", type=cli.counted, help="pictures at most (default: one per item)")
    sound = parser.add_argument_group("pairs of sound files")
    sound.add_argument("--audio_metrics", action="store_true", help="PESQ, STOI, ESTOI, SI-SDR and DNSMOS, too")
    sound.add_argument("--report_path", help="write a page to listen to all items, such as report.html")
    cli.add_option_flags(sound, CleanOptions, leave_out=("reconstruction",))
    args = parser.parse_args(argv)
    options = cli.take(CleanOptions, args)

    from src import enhancement, plots, runs

    network, task, data, _, report = runs.evaluate_denoiser(args, options)
    if not args.json:
        print(f"MSE noisy {report['mse_noisy']:.4f}  denoised {report['mse_denoised']:.4f}  ({report['n']} items)")
        for key in (name[: -len("_noisy")] for name in report if name.endswith("_noisy") and "mse" not in name):
            print(f"{key:12}  noisy {report[f'{key}_noisy']:.3f}  denoised {report[f'{key}_denoised']:.3f}")
    board = plots.Board(args, task.features)
    for index in range(0 if board.off else len(data))[: args.max_plots]:
        item = data[index]
        noisy, clean = item.mels["noisy"].numpy(), item.mels["clean"].numpy()
        panels = {"noisy": noisy, "denoised": enhancement.estimate_mel(network, noisy, options), "clean": clean}
        board.spectrograms(panels, f"{index:04d}_{item.name.rsplit('.', 1)[0].replace('/', '_')}")
    return 0


if __name__ == "__main__":
    cli.run(main)
