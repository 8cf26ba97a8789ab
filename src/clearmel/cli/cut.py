"""Cuts pauses, breaths and knocks out of recordings of speech, or only writes where it would cut."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_drawing_flags,
    add_loudness_flag,
    add_model_flag,
    add_option_flags,
    add_result_flags,
    fraction,
    name_list,
    take,
)
from clearmel.cli.paths import Job, add_path_arguments, each, job, jobs
from clearmel.core.errors import InputError
from clearmel.options import CutOptions, MediaOptions
from clearmel.segments.frame_rate import FrameRate


def main(argv: Sequence[str] | None = None) -> int:
    """`clearmel cut`; 1 if some files failed."""
    parser = Parser(__doc__)
    add_path_arguments(
        parser, "recordings or folders", "edited recording or folder (default: FILE_cut.ext beside the input)"
    )
    args = _parsed(parser, argv)
    return _cut(jobs(args.paths, args.output_path, "cut"), args)


def inference_cutting(argv: Sequence[str] | None = None) -> int:
    """`inference_cutting.py`; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder")
    parser.add_argument("--output_path", default="./data/cleaned.wav", help="edited recording or folder")
    args = _parsed(parser, argv)
    return _cut([job(args.input_path, args.output_path)], args)


def _parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    add_model_flag(parser, "cutter.pth")
    add_device_flag(parser)
    parser.add_argument("--strength", type=fraction, default=0.5, help="0 gentle, keeps breath and rhythm; 1 tight")
    parser.add_argument("--timelines", type=name_list, default=(), metavar="A,B",
                        help="write the cuts beside the output: json, csv, txt (Audacity), edl, fcpxml,"
                        " otio")  # fmt: skip
    parser.add_argument("--timeline_only", action="store_true", help="write no sound, only --timelines (default: json)")
    parser.add_argument(
        "--fps", default="25", help="frames in a second of edl, fcpxml and otio, such as 29.97, 23.976 or 30000/1001"
    )
    parser.add_argument(
        "--non_drop", action="store_true", help="non-drop-frame time code at 29.97 and 59.94 (default: drop-frame)"
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="the inputs are tracks of one talk: keep where anyone speaks, cut all alike",
    )
    add_option_flags(parser.add_argument_group("cuts"), CutOptions, threshold=None, min_keep_s=None,
                     min_cut_s=None, margin_before_s=None, margin_after_s=None)  # fmt: skip
    parser.add_argument(
        "--labels_path", help="write the cuts as labels for `clearmel label` and `clearmel train cutting`"
    )
    add_option_flags(parser, MediaOptions)
    parser.add_argument("--denoise", action="store_true", help="denoise the sound, too")
    add_loudness_flag(parser)
    add_result_flags(parser)
    add_drawing_flags(parser, "draw each recording with its cuts there")
    return parser.parse_args(argv)


def _cut(found: list[Job], args: argparse.Namespace) -> int:
    given = {key: getattr(args, key) for key in vars(CutOptions())}
    CutOptions.of_strength(args.strength, 0.5, given)  # a wrong number is reported before anything is loaded

    fps = FrameRate.parse(args.fps, drop=not args.non_drop)
    if args.together and (args.labels_path or args.plot_dir):
        raise InputError("--together writes no labels and no pictures; leave --labels_path and --plot_dir out.")

    from clearmel.audio import media_container
    from clearmel.core import distributed
    from clearmel.inference import cut, cut_together
    from clearmel.reporting import plots, tables

    editor = cut.Editor.load(args.model_filename, args.device)
    options = CutOptions.of_strength(args.strength, editor.threshold, given)
    board = plots.Board(args.plot_dir, enabled=bool(args.plot_dir) and not args.no_plots)
    output = cut.CutOutput(args.timelines, args.timeline_only, fps, args.labels_path, args.loudness, args.denoise)
    rows = []

    def work(job: Job) -> int:
        edited, failed = cut.cut_files(editor, Path(job.source), Path(job.target), options, output, board, print_lines)
        rows.extend(edited)
        return failed

    def print_lines(line: str) -> None:
        if not args.json:
            print(line)

    with media_container.using(take(MediaOptions, args)):
        if args.together:
            distributed.leave_to_rank_zero()
            sources, targets = zip(*(track for job in found for track in _tracks(job)), strict=True)
            rows, status = cut_together.cut_together(editor, sources, targets, options, output, print_lines), 0
        else:
            readable = [job for job in found if Path(job.source).exists()]
            cut_together.warn_of_tracks([path for job in readable for path, _ in _tracks(job)])
            status = each(found, work)
    tables.write(rows, rows, args.csv_path, as_json=args.json)
    return status


def _tracks(job: Job) -> list[tuple[Path, Path]]:
    """The recordings of a job, each with its target."""
    from clearmel.audio.sound_file import SUFFIXES
    from clearmel.core import file_io

    source, target = file_io.existing(job.source), Path(job.target)
    if not source.is_dir():
        return [(source, target)]
    return [(source / name, target / name) for name in file_io.list_files(source, SUFFIXES)]
