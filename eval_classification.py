"""Prints how well a classifier tells classes apart; noisy from clean also by SNR, by noise, beside simple rules."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_eval_flags, add_model_flag, non_negative, positive, run


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints."""
    parser = Parser(__doc__)
    data_flags.add_data_flags(parser, "./data/val", training=False)
    parser.add_argument("--val_fold", type=positive, help="evaluate on this fold of labelled files only")
    data_flags.add_mixing_flags(
        parser, ("val_noise_path", "val_speakers", "val_noises", "val_fraction", "epoch_items", "speaker_balance"),
        snr_min=-5.0, snr_max=15.0, val_items=600, augment=0.0, reverb=0.0,
    )  # fmt: skip
    parser.add_argument("--seed", type=non_negative, default=0, help="of the mixtures")
    data_flags.add_list_flags(parser, training=False)
    add_model_flag(parser, "classifier.pth")
    add_eval_flags(parser)
    parser.add_argument("--plot_dir", help="draw the confusion matrix there")
    args = parser.parse_args(argv)
    data_flags.use_lists(args)

    from clearmel.reporting import plots, tables
    from clearmel.training import run

    found = run.evaluate_classifier(args)
    report = found.report
    if not args.json:
        print(f"accuracy  {report['accuracy']:.2%} of {report['n']} recordings, macro-F1 {report['macro_f1']:.3f}")
        if "auc" in report:
            print(f"AUC       {report['auc']:.4f}, equal error rate {report['eer']:.2%}")
        for title, rows in found.tables.items():
            print(f"\n{title.replace('_', ' ')}\n{tables.text_table(rows)}")
    if args.plot_dir:
        board = plots.Board(argparse.Namespace(plot_dir=args.plot_dir, no_plots=False))
        board.confusion(found.counts, found.labels, f"{Path(args.model_filename).stem}_confusion")
    return 0


if __name__ == "__main__":
    run(main)
