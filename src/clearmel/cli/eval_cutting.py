"""Evaluates a cutter, beside simple rules and silero-vad."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_drawing_flags, add_eval_flags, add_model_flag, fraction, milliseconds, take
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_clip_flags(parser, training=False)
    add_model_flag(parser, "cutter.pth")
    text = "frames so near to a change of the labels are left out of the figures with a collar"
    parser.add_argument("--collar_ms", type=milliseconds, default=80.0, help=text)
    parser.add_argument("--strength", type=fraction, default=0.5, help="of the cuts that are counted as events")
    add_eval_flags(parser)
    parser.add_argument("--no_peers", action="store_true", help="do not run the other systems")
    add_drawing_flags(parser, "draw the curve over thresholds there")
    args = parser.parse_args(argv)

    from clearmel.evaluation import cutting
    from clearmel.reporting import plots, tables

    skipped = data_flags.skipped([args.dataset_path])

    found = cutting.evaluate_cutter(
        args.model_filename,
        Source(args.dataset_path, cache_path=args.cache_path),
        take(EvalOptions, args),
        take(OutputOptions, args),
        labels_path=args.labels_path,
        collar_s=args.collar_ms / 1000,
        strength=args.strength,
        peers=not args.no_peers,
    )
    report = found.report
    if not args.json:
        for suffix, text in (("", "all frames"), ("_collar", f"without {args.collar_ms:g} ms around changes")):
            keep, cut = (
                [report[f"{side}_{kind}{suffix}"] for kind in ("recall", "precision")] for side in ("keep", "cut")
            )
            print(
                f"{text}: keep recall {keep[0]:.3f}, precision {keep[1]:.3f}; cut recall {cut[0]:.3f}, precision "
                f"{cut[1]:.3f}; ROC-AUC {report[f'roc_auc{suffix}']:.4f}"
            )
        print(
            f"threshold {report['threshold']:.3f} (the weights' own), {report['n_frames']} frames; as cut at strength "
            f"{args.strength:g}: {report['removed_wrongly_s']:.1f} s removed wrongly, {report['kept_wrongly_s']:.1f} s "
            f"kept wrongly, F1 of the cuts {report['event_f1']:.3f}"
        )
        print(f"\nat the threshold that keeps 99 % of these frames\n{tables.text_table(found.table)}")
    if args.plot_dir:
        board = plots.Board(args.plot_dir, enabled=not args.no_plots)
        board.cut_curve(found.curves, report["threshold"], f"{Path(args.model_filename).stem}_curve")
    return skipped
