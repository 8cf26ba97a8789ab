"""Denoises recordings, folders of recordings, mel spectrograms (.npy), or live sound on a pipe (-)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import (
    Parser,
    add_device_flag,
    add_loudness_flag,
    add_model_flag,
    add_option_flags,
    add_plot_flags,
    take,
)
from clearmel.cli.paths import PIPE, Job, add_path_arguments, each, job, jobs
from clearmel.core.errors import InputError
from clearmel.options import DenoiseOptions, RawOptions


def main(argv: Sequence[str] | None = None) -> int:
    """`clearmel denoise`; 1 if some files failed."""
    parser = Parser(__doc__)
    add_path_arguments(
        parser,
        "recordings, .npy mels, folders of recordings, or - for stdin",
        "output file or folder, - for stdout (default: FILE_denoised.ext beside the input)",
    )
    args = _parsed(parser, argv)
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
    add_option_flags(parser, DenoiseOptions, leave_out=("reconstruction",))
    add_plot_flags(parser)
    args = parser.parse_args(argv)
    _denoise_mel(job(args.input_path, args.output_path), args, draw=not args.no_plots)
    return 0


def _parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    add_model_flag(parser, "denoiser.pth")
    add_device_flag(parser)
    add_option_flags(parser, DenoiseOptions)
    add_loudness_flag(parser)
    add_option_flags(parser, RawOptions)
    add_plot_flags(parser)
    return parser.parse_args(argv)


def _denoise(found: list[Job], args: argparse.Namespace) -> int:
    options, raw = take(DenoiseOptions, args), take(RawOptions, args)
    piped = any(PIPE in job for job in found)
    if piped and (options.reconstruction != "gain" or args.plot_dir or options.warm_up_s):
        raise InputError(
            "--reconstruction griffin_lim, --plot_dir and --warm_up_s need whole files; give no - as a path with them."
        )
    if args.loudness is not None and (piped or any(Path(job.source).suffix.lower() == ".npy" for job in found)):
        raise InputError("--loudness needs sound in whole files; give no - and no .npy as a path with it.")
    if raw.raw_format and not piped:
        raise InputError("--raw_format describes sound on a pipe; give - as a path.")

    from tqdm import tqdm

    from clearmel.audio import sound_file
    from clearmel.checkpoints import weights_file
    from clearmel.core import batch_files, distributed, file_io, progress
    from clearmel.inference import denoise, live
    from clearmel.reporting import plots

    network = weights_file.load_denoiser(args.model_filename, args.device)

    def denoised(source: Path, target: Path, *, shown: bool) -> str:
        with progress.bar(sound_file.inspect(source).duration_s, shown=shown) as advance:
            return denoise.denoise_file(network, source, target, options, advance, args.loudness).summary()

    def work(job: Job) -> int:
        if piped:
            live.denoise(network, job.source, job.target, options, raw)
            return 0
        if Path(job.source).suffix.lower() == ".npy":
            _denoise_mel(job, args, draw=bool(args.plot_dir))
            return 0
        source, target = file_io.existing(job.source), Path(job.target)
        if not source.is_dir():
            distributed.leave_to_rank_zero()
            print(denoised(source, target, shown=True), file=sys.stderr)
            print(f"saved {target}")
            if args.plot_dir:
                board = plots.Board(args.plot_dir, enabled=not args.no_plots)
                board.recordings({"input": source, "denoised": target}, f"{target.stem}_before_after")
            return 0
        failed = batch_files.for_each_file(
            source,
            sound_file.SUFFIXES,
            lambda path: denoised(path, target / path.relative_to(source), shown=False),
            lambda path, line: tqdm.write(f"{line}  {target / path.relative_to(source)}", file=sys.stderr),
        )
        print(f"saved {target}" + (f"; {failed} files failed or skipped" if failed else ""))
        return failed

    return each(found, work)


def _denoise_mel(job: Job, args: argparse.Namespace, *, draw: bool) -> None:
    options = take(DenoiseOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.checkpoints import weights_file
    from clearmel.core import file_io, npy
    from clearmel.inference import denoise
    from clearmel.reporting import plots

    network = weights_file.load_denoiser(args.model_filename, args.device)
    features = MelFeatures(**network.card["features"])
    noisy = npy.read_mel(job.source, features.n_mels)
    file_io.refuse_overwriting(job.source, job.target)
    estimate = denoise.estimate_mel(network, noisy, options)
    npy.write_array(job.target, estimate)
    print(f"saved {job.target}")
    board = plots.Board(args.plot_dir, enabled=draw, features=features)
    board.spectrograms({"input": noisy, "denoised": estimate}, "spectrogram")
