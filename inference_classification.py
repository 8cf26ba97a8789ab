"""Says which class each recording or mel belongs to, and how surely; noisy or clean by default."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmel.cli.parser import Parser, add_model_flag, add_result_flags, fraction, positive, run, seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, classifies and prints; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or .npy mel, or a folder of them")
    add_model_flag(parser, "classifier.pth")
    add_result_flags(parser)
    parser.add_argument("--top_k", type=positive, default=1, help="print so many of the most probable classes")
    parser.add_argument("--threshold", type=fraction, default=0.0, help='what is less sure is called "none"')
    parser.add_argument("--window_s", type=seconds, help="length of a window, 0: all at once (default: as trained)")
    parser.add_argument("--hop_s", type=seconds, help="from window to window (default: half a window)")
    parser.add_argument("--timeline_path", help="write every window's probabilities to this .csv or .json")
    parser.add_argument("--plot_dir", help="draw a time line of each recording there")
    args = parser.parse_args(argv)

    from clearmel.core import batch_files, file_io
    from clearmel.data.labels import SUFFIXES
    from clearmel.inference import classify
    from clearmel.reporting import plots, tables

    judge = classify.WindowClassifier.load(args.model_filename, args.threshold)
    if args.timeline_path:
        tables.check_table_path(args.timeline_path)
    source = file_io.existing(args.input_path)
    board = plots.Board(argparse.Namespace(plot_dir=args.plot_dir, no_plots=not args.plot_dir))
    rows, timeline = list[dict[str, Any]](), list[dict[str, Any]]()

    def work(path: Path) -> classify.WindowPredictions:
        heard = judge.listen(path, args.window_s, args.hop_s)
        board.timeline(heard.spans, heard.probabilities, judge.labels, f"{path.name}_timeline")
        return heard

    def done(path: Path, heard: classify.WindowPredictions) -> None:
        rows.append({"path": str(path)} | judge.row(heard.mean()))
        timeline.extend({"path": str(path)} | row for row in judge.timeline(heard))

    failed = batch_files.for_each_file(source, SUFFIXES, work, done)
    if args.timeline_path:
        tables.write_rows(args.timeline_path, timeline)
    tables.write(rows, rows, args)
    if not args.json:
        for row in rows:
            print(f"{row['label']:6}{row['probability']:8.1%}  {row['path']}{judge.others(row, args.top_k)}")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
