"""Denoises recordings, folders of recordings, mel spectrograms (.npy), or live sound on a pipe (-)."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_loudness_flag,
    add_model_flag,
    add_option_flags,
    add_plot_flags,
    add_result_flags,
    take,
)
from clearmel.cli.paths import PIPE, Job, add_path_arguments, each, job, jobs
from clearmel.core.errors import InputError
from clearmel.options import DenoiseOptions, MediaOptions, RawOptions


def main(argv: Sequence[str] | None = None) -> int:
    """`clearmel denoise`; 1 if some files failed."""
    parser = Parser(__doc__)
    add_path_arguments(
        parser,
        "recordings, .npy mels, folders of recordings, or - for stdin",
        "output file or folder, - for stdout (default: FILE_denoised.ext beside the input)",
    )
    args = _parsed(parser, argv)
    if PIPE in (*args.paths, args.output_path):  # a hop is too short for several threads; numpy is not yet imported
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return _denoise(jobs(args.paths, args.output_path, "denoised"), args)


def inference_audio(argv: Sequence[str] | None = None) -> int:
    """`inference_audio.py`: a recording, a folder, or a pipe; 1 if some files of a folder failed."""
    parser = Parser("Denoises a recording, all recordings of a folder into a folder of the same tree, or live sound.")
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder, - for stdin")
    parser.add_argument(
        "--output_path", default="./data/predicted.wav", help="denoised recording or folder, - for stdout"
    )
    args = _parsed(parser, argv)
    return _denoise([job(args.input_path, args.output_path)], args)


def inference_spectrogram(argv: Sequence[str] | None = None) -> int:
    """`inference_spectrogram.py`: a mel, whose spectrograms are shown before and after."""
    parser = Parser("Denoises a log-mel spectrogram (.npy, frames x 80), saves it, and shows input and output.")
    parser.add_argument("--input_path", default="./data/noisy.npy", help="noisy mel")
    add_model_flag(parser, "denoiser.pth")
    add_device_flag(parser)
    parser.add_argument("--output_path", default="./data/predicted.npy", help="denoised mel")
    add_option_flags(parser, DenoiseOptions, leave_out=("reconstruction", "unlink_channels", "keep_music"))
    add_result_flags(parser)
    add_plot_flags(parser)
    args = parser.parse_args(argv)

    from clearmel.reporting import tables

    rows = [_denoise_mel(job(args.input_path, args.output_path), args, draw=not args.no_plots)]
    tables.write(rows, rows, args.csv_path, as_json=args.json)
    return 0


def _parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    add_model_flag(parser, "denoiser.pth")
    add_device_flag(parser)
    add_option_flags(parser, DenoiseOptions)
    add_loudness_flag(parser)
    add_option_flags(parser, RawOptions)
    add_result_flags(parser)
    add_option_flags(parser, MediaOptions)
    add_plot_flags(parser)
    return parser.parse_args(argv)


def _denoise(found: list[Job], args: argparse.Namespace) -> int:
    options, raw = take(DenoiseOptions, args), take(RawOptions, args)
    piped = any(PIPE in job for job in found)
    if piped and (options.reconstruction != "gain" or args.plot_dir or options.warm_up_s):
        raise InputError(
            "--reconstruction griffin_lim, --plot_dir and --warm_up_s need whole files; give no - as a path with them."
        )
    if args.json and any(job.target == PIPE for job in found):
        raise InputError("--json prints on stdout, where the sound goes; name an output file, or leave --json out.")
    if args.loudness is not None and (piped or any(Path(job.source).suffix.lower() == ".npy" for job in found)):
        raise InputError("--loudness needs sound in whole files; give no - and no .npy as a path with it.")
    if options.keep_music and (
        piped or options.reconstruction != "gain" or any(Path(job.source).suffix.lower() == ".npy" for job in found)
    ):
        raise InputError(
            "--keep_music needs sound in whole files; give no - and no .npy as a path, and no griffin_lim, with it."
        )
    if args.audio_track and any(job.source == PIPE for job in found):
        raise InputError("--audio_track chooses a sound track of a file; a pipe has one. Leave --audio_track out.")
    if raw.raw_format and not piped:
        raise InputError("--raw_format describes sound on a pipe; give - as a path.")

    from tqdm import tqdm

    from clearmel.audio import media_container, sound_file
    from clearmel.core import batch_files, file_io, progress
    from clearmel.inference import denoise, live
    from clearmel.reporting import plots, tables
    from clearmel.runtime import load

    network = load.by_name(args.model_filename, "denoising", args.device, n_threads=1 if piped else None)
    board = plots.Board(args.plot_dir, enabled=bool(args.plot_dir) and not args.no_plots)
    rows = list[dict[str, Any]]()

    def work(job: Job) -> int:
        if piped:
            live.denoise(network, job.source, job.target, options, raw)
            rows.append(_row(job.source, job.target))
            return 0
        if Path(job.source).suffix.lower() == ".npy":
            rows.append(_denoise_mel(job, args, draw=bool(args.plot_dir) and not args.no_plots))
            return 0
        source, target = file_io.existing(job.source), Path(job.target)

        def denoised(path: Path) -> tuple[Path, str]:
            out = target / path.relative_to(source)
            with progress.bar(sound_file.inspect(path).duration_s, shown=not source.is_dir()) as advance:
                result = denoise.denoise_file(network, path, out, options, advance, args.loudness)
            board.recordings({"input": path, "denoised": out}, f"{out.stem}_before_after")
            return out, result.summary()

        def done(path: Path, result: tuple[Path, str]) -> None:
            out, line = result
            tqdm.write(f"{line}  {out}" if source.is_dir() else line, file=sys.stderr)
            rows.append(_row(path, out))

        failed = batch_files.for_each_file(source, sound_file.SUFFIXES, denoised, done)
        if not args.json:
            print(f"saved {target}" + (f"; {failed} files failed or skipped" if failed else ""))
        return failed

    with media_container.using(take(MediaOptions, args)):
        status = each(found, work)
    tables.write(rows, rows, args.csv_path, as_json=args.json)
    return status


def _row(source: str | Path, target: str | Path) -> dict[str, Any]:
    return {"path": str(source), "output": str(target)}


def _denoise_mel(job: Job, args: argparse.Namespace, *, draw: bool) -> dict[str, Any]:
    options = take(DenoiseOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.core import file_io, npy
    from clearmel.inference import denoise
    from clearmel.reporting import plots
    from clearmel.runtime import load

    network = load.by_name(args.model_filename, "denoising", args.device)
    features = MelFeatures(**network.card["features"])
    noisy = npy.read_mel(job.source, features.n_mels)
    file_io.refuse_overwriting(job.source, job.target)
    estimate = denoise.estimate_mel(network, noisy, options)
    npy.write_array(job.target, estimate)
    if not args.json:
        print(f"saved {job.target}")
    board = plots.Board(args.plot_dir, enabled=draw, features=features)
    board.spectrograms({"input": noisy, "denoised": estimate}, "spectrogram")
    return _row(job.source, job.target)
