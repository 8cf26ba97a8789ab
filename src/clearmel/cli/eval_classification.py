"""Evaluates a classifier; noisy against clean also by SNR, by noise, and beside simple rules."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_drawing_flags, add_eval_flags, add_model_flag, non_negative, positive, take
from clearmel.options.evaluation import EvalOptions, OutputOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    data_flags.add_data_flags(parser, "./data/val", training=False)
    parser.add_argument("--val_fold", type=positive, help="evaluate on this fold of labelled files only")
    data_flags.add_mixing_flags(
        parser,
        ("val_noise_path", "val_speakers", "val_noises", "val_fraction", "epoch_items", "echo", "speaker_balance"),
        snr_min=-5.0, snr_max=15.0, val_items=600, augment=0.0, reverb=0.0,
    )  # fmt: skip
    parser.add_argument("--seed", type=non_negative, default=0, help="of the mixtures")
    data_flags.add_list_flags(parser, training=False)
    add_model_flag(parser, "classifier.pth")
    add_eval_flags(parser)
    add_drawing_flags(parser, "draw the confusion matrix there")
    args = parser.parse_args(argv)
    data_flags.use_lists(args)

    from clearmel.evaluation import classification
    from clearmel.reporting import plots, tables

    skipped = data_flags.skipped(data_flags.places(args))

    source = data_flags.source(args, ".", args.seed)
    found = classification.evaluate_classifier(
        args.model_filename, source, take(EvalOptions, args), take(OutputOptions, args)
    )
    report = found.report
    if not args.json:
        print(f"accuracy  {report['accuracy']:.2%} of {report['n']} recordings, macro-F1 {report['macro_f1']:.3f}")
        if "auc" in report:
            print(f"AUC       {report['auc']:.4f}, equal error rate {report['eer']:.2%}")
        for title, rows in found.tables.items():
            print(f"\n{title.replace('_', ' ')}\n{tables.text_table(rows)}")
    if args.plot_dir:
        board = plots.Board(args.plot_dir, enabled=not args.no_plots)
        board.confusion(found.counts, found.labels, f"{Path(args.model_filename).stem}_confusion")
    return skipped
