"""Evaluates a denoiser: errors of the mels before and after, spectrograms, and scores of sound on request."""

from collections.abc import Sequence

from clearmel.cli import data_flags
from clearmel.cli.parser import (
    Parser,
    add_eval_flags,
    add_model_flag,
    add_option_flags,
    add_plot_flags,
    non_negative,
    take,
)
from clearmel.options import DenoiseOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates, prints and draws; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_data_flags(parser, "./data/val", training=False)
    add_model_flag(parser, "denoiser.pth")
    add_eval_flags(parser)
    add_plot_flags(parser)
    parser.add_argument("--max_plots", type=non_negative, help="pictures at most (default: one per item)")
    sound = parser.add_argument_group("pairs of sound files")
    sound.add_argument("--audio_metrics", action="store_true", help="PESQ, STOI, ESTOI, SI-SDR and DNSMOS, too")
    sound.add_argument("--report_path", help="write a page to listen to all items, such as report.html")
    add_option_flags(sound, DenoiseOptions, leave_out=("reconstruction",))
    args = parser.parse_args(argv)
    options = take(DenoiseOptions, args)

    from clearmel.evaluation import denoising
    from clearmel.inference import denoise
    from clearmel.reporting import plots

    skipped = data_flags.skipped(data_flags.places(args))

    network, task, data, _, report = denoising.evaluate_denoiser(
        args.model_filename,
        data_flags.source(args, ".", 0),
        options,
        take(EvalOptions, args),
        take(OutputOptions, args),
        audio_metrics=args.audio_metrics,
        report_path=args.report_path,
    )
    if not args.json:
        print(f"MSE noisy {report['mse_noisy']:.4f}  denoised {report['mse_denoised']:.4f}  ({report['n']} items)")
        for key in (name[: -len("_noisy")] for name in report if name.endswith("_noisy") and "mse" not in name):
            print(f"{key:12}  noisy {report[f'{key}_noisy']:.3f}  denoised {report[f'{key}_denoised']:.3f}")
    board = plots.Board(args.plot_dir, enabled=not args.no_plots, features=task.features)
    for index in range(0 if board.off else len(data))[: args.max_plots]:
        item = data[index]
        noisy, clean = item.mels["noisy"].numpy(), item.mels["clean"].numpy()
        panels = {"noisy": noisy, "denoised": denoise.estimate_mel(network, noisy, options), "clean": clean}
        board.spectrograms(panels, f"{index:04d}_{item.name.rsplit('.', 1)[0].replace('/', '_')}")
    return skipped
