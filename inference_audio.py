"""Cleans a recording, all recordings of a folder into a folder of the same tree, or sound on a pipe while it comes."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, run, take
from clearmel.core.errors import InputError
from clearmel.options import DenoiseOptions, RawOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and cleans; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder, - for stdin")
    add_model_flag(parser, "denoiser.pth")
    parser.add_argument(
        "--output_path", default="./data/predicted.wav", help="cleaned recording or folder, - for stdout"
    )
    add_option_flags(parser, DenoiseOptions)
    add_option_flags(parser, RawOptions)
    add_plot_flags(parser)
    args = parser.parse_args(argv)
    options, raw = take(DenoiseOptions, args), take(RawOptions, args)
    piped = "-" in (args.input_path, args.output_path)
    if piped and (options.reconstruction != "gain" or args.plot_dir or options.warm_up_s):
        raise InputError(
            "--reconstruction griffin_lim, --plot_dir and --warm_up_s need whole files; give no - as a path with them."
        )
    if raw.raw_format and not piped:
        raise InputError("--raw_format is for sound on a pipe; give - as --input_path or --output_path.")

    from clearmel.audio import sound_file
    from clearmel.checkpoints import weights_file
    from clearmel.core import batch_files, distributed, file_io
    from clearmel.inference import denoise, live
    from clearmel.reporting import plots

    network = weights_file.load_denoiser(args.model_filename)
    if piped:
        live.denoise(network, args.input_path, args.output_path, options, raw)
        return 0
    source, target = file_io.existing(args.input_path), Path(args.output_path)
    if not source.is_dir():
        distributed.leave_to_rank_zero()
        denoise.denoise_file(network, source, target, options)
        print(f"saved {target}")
        if args.plot_dir:
            plots.Board(args).recordings({"input": source, "cleaned": target}, f"{target.stem}_before_after")
        return 0

    def work(path: Path) -> None:
        denoise.denoise_file(network, path, target / path.relative_to(source), options)

    failed = batch_files.for_each_file(source, sound_file.SUFFIXES, work)
    print(f"saved {target}" + (f"; {failed} files failed" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
