"""Prints the class of each recording or mel with its probability; noisy or clean by default."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_drawing_flags,
    add_model_flag,
    add_option_flags,
    add_result_flags,
    fraction,
    positive,
    seconds,
    take,
)
from clearmel.cli.paths import Job, add_path_arguments, each
from clearmel.options import MediaOptions


def main(argv: Sequence[str] | None = None) -> int:
    """`clearmel classify`; 1 if some files failed."""
    parser = Parser(__doc__)
    add_path_arguments(parser, "recordings, .npy mels, or folders of them")
    args = _parsed(parser, argv)
    return _classify(args.paths, args)


def inference_classification(argv: Sequence[str] | None = None) -> int:
    """`inference_classification.py`; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or .npy mel, or a folder of them")
    args = _parsed(parser, argv)
    return _classify([args.input_path], args)


def _parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    add_model_flag(parser, "classifier.pth")
    add_device_flag(parser)
    add_result_flags(parser)
    parser.add_argument("--top_k", type=positive, default=1, help="print so many of the most probable classes")
    parser.add_argument(
        "--threshold", type=fraction, help='a less probable class becomes "unknown" (default: the weights\' own, or 0)'
    )
    parser.add_argument("--window_s", type=seconds, help="length of a window, 0: all at once (default: as trained)")
    parser.add_argument("--hop_s", type=seconds, help="from window to window (default: half a window)")
    parser.add_argument("--timeline_path", help="write every window's probabilities to this .csv or .json")
    parser.add_argument(
        "--labels_dir", help="write a label track for Audacity, <recording>.txt, of each recording there"
    )
    add_option_flags(parser, MediaOptions, leave_out=("bitrate", "no_tags"))
    add_drawing_flags(parser, "draw a time line of each recording there")
    return parser.parse_args(argv)


def _classify(paths: list[str], args: argparse.Namespace) -> int:
    from clearmel.audio import media_container, sound_file
    from clearmel.core import batch_files, file_io, progress
    from clearmel.data.labels import SUFFIXES
    from clearmel.inference import changes, classify
    from clearmel.reporting import plots, tables
    from clearmel.segments import timelines

    classifier = classify.WindowClassifier.load(args.model_filename, args.threshold, args.device)
    if args.timeline_path:
        tables.check_table_path(args.timeline_path)
    board = plots.Board(args.plot_dir, enabled=bool(args.plot_dir) and not args.no_plots)
    found = {Path(path) for path in paths}  # files of folders have a bar of their own
    rows, timeline = list[dict[str, Any]](), list[dict[str, Any]]()
    lines = list[list[str]]()

    def work(path: Path) -> classify.WindowPredictions:
        sound = path.suffix.lower() != ".npy"
        with progress.bar(
            sound_file.inspect(path).duration_s if sound else 0, shown=sound and path in found
        ) as advance:
            windows = classifier.predict(path, args.window_s, args.hop_s, advance)
        board.timeline(windows.spans, windows.probabilities, classifier.labels, f"{path.name}_timeline")
        return windows

    def done(path: Path, windows: classify.WindowPredictions) -> None:
        rows.append({"path": str(path)} | classifier.whole(windows))
        parts = changes.stretches(classifier, windows)
        lines.append([str(part) for part in parts] if len(parts) > 1 else [])
        if args.labels_dir:
            track = timelines.label_track((part.start_s, part.end_s, part.row["label"]) for part in parts)
            file_io.write_text(Path(args.labels_dir, f"{path.name}.txt"), track)
        timeline.extend({"path": str(path)} | row for row in classifier.timeline(windows))

    def classified(job: Job) -> int:
        return batch_files.for_each_file(file_io.existing(job.source), SUFFIXES, work, done)

    with media_container.using(take(MediaOptions, args)):
        status = each([Job(path, "") for path in paths], classified)
    if args.timeline_path:
        tables.write_rows(args.timeline_path, timeline)
    tables.write(rows, rows, args.csv_path, as_json=args.json)
    if not args.json:
        for row, changed in zip(rows, lines, strict=True):
            print(f"{classify.described(row)}  {row['path']}{classifier.others(row, args.top_k)}")
            print("".join(f"  {line}\n" for line in changed), end="")
    return status
