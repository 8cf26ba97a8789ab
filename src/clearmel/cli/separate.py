"""Separates the voices of recordings, each into a file of its own: voice_1.wav, voice_2.wav ..."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_drawing_flags,
    add_model_flag,
    add_option_flags,
    add_passes_flag,
    add_result_flags,
    add_track_strength_flag,
    take,
)
from clearmel.cli.paths import Job, add_path_arguments, each, jobs
from clearmel.options import MediaOptions


def main(argv: Sequence[str] | None = None) -> int:
    """`clearmel separate`; 1 if some files failed."""
    parser = Parser(__doc__)
    add_path_arguments(
        parser, "recordings or folders", "folder for the voices (default: FILE_voices/ beside the input)"
    )
    args = _parsed(parser, argv)
    return _separate(jobs(args.paths, args.output_path, "voices", folder=True), args)


def inference_separation(argv: Sequence[str] | None = None) -> int:
    """`inference_separation.py`; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/mix.wav", help="recording, or folder of recordings")
    parser.add_argument(
        "--output_path", default="./data/voices", help="folder for the voices; for a folder, one folder a recording"
    )
    args = _parsed(parser, argv)
    return _separate([Job(args.input_path, args.output_path)], args)


def _parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    add_model_flag(parser, "separator.pth")
    add_device_flag(parser)
    add_passes_flag(parser)
    add_track_strength_flag(parser)
    parser.add_argument(
        "--n_voices",
        choices=("all", "auto"),
        default="all",
        help="all: a track for each voice of the weights; auto: the recording itself where only one voice is found",
    )
    parser.add_argument("--faces_path", help="embeddings (voices, frames, 512) of the speakers' faces, 25 a second")
    add_result_flags(parser)
    add_option_flags(parser, MediaOptions, leave_out=("bitrate",))
    add_drawing_flags(parser, "draw the mixture and the voices there")
    return parser.parse_args(argv)


def _separate(found: list[Job], args: argparse.Namespace) -> int:
    from clearmel.audio import face_embeddings, media_container, sound_file
    from clearmel.core import batch_files, file_io, progress
    from clearmel.inference import separate
    from clearmel.inference.voice_separator import VoiceSeparator
    from clearmel.reporting import plots, tables

    faces = face_embeddings.read_embeddings(Path(args.faces_path)) if args.faces_path else None
    voices = VoiceSeparator.load(args.model_filename, faces, args.passes, args.device, args.strength)
    board = plots.Board(args.plot_dir, enabled=bool(args.plot_dir) and not args.no_plots, features=voices.features)

    rows = list[dict[str, Any]]()

    def separated(job: Job) -> int:
        source, output = file_io.existing(job.source), Path(job.target)

        def work(path: Path) -> tuple[list[Path], str]:
            started, duration_s = time.monotonic(), sound_file.inspect(path).duration_s
            folder = output / path.relative_to(source).with_suffix("") if source.is_dir() else output
            with progress.bar(duration_s, shown=not source.is_dir()) as advance:
                tracks = separate.separate_file(
                    voices, path, folder, progress=advance, count_voices=args.n_voices == "auto"
                )
            shown = {"mixture": path} | {track.stem.replace("_", " "): track for track in tracks}
            board.recordings(shown, f"{path.stem}_voices")
            took = f"{time.monotonic() - started:.1f} s"
            if len(tracks) < voices.network.n_voices:
                found = "found one voice only, so the track is the recording"
                return tracks, f"{found}: {progress.clock(duration_s)}, {took}"
            return tracks, f"separated {progress.clock(duration_s)} into {len(tracks)} voices, {took}"

        def done(path: Path, result: tuple[list[Path], str]) -> None:
            tracks, line = result
            print(line, file=sys.stderr)
            rows.extend(
                {"path": str(path), "voice": number, "output": str(track)} for number, track in enumerate(tracks, 1)
            )
            if not args.json:
                print("saved " + " ".join(str(track) for track in tracks))

        return batch_files.for_each_file(source, sound_file.SUFFIXES, work, done)

    with media_container.using(take(MediaOptions, args)):
        status = each(found, separated)
    tables.write(rows, rows, args.csv_path, as_json=args.json)
    return status
