"""Prints how well a classifier tells noisy from clean."""

from collections.abc import Sequence

from src import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, evaluates and prints."""
    parser = cli.Parser(__doc__)
    cli.add_data_flags(parser, "./data/val", training=False)
    cli.add_model_flag(parser, "classifier.pth")
    cli.add_eval_flags(parser)
    args = parser.parse_args(argv)

    from src import runs
    from src.tasks import ClassificationTask

    report = runs.evaluate(ClassificationTask, args).report
    if not args.json:
        print(f"accuracy  {report['accuracy']:.2%} of {report['n']} recordings")
        print(f"precision {report['precision']:.2%} and recall {report['recall']:.2%} of clean")
        print("             called clean  called noisy")
        print(f"truly clean  {report['true_clean']:12d}  {report['false_noisy']:12d}")
        print(f"truly noisy  {report['false_clean']:12d}  {report['true_noisy']:12d}")
    return 0


if __name__ == "__main__":
    cli.run(main)
