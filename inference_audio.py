"""Cleans a recording, all recordings of a folder into a folder of the same tree, or sound on a pipe while it comes."""

from collections.abc import Sequence
from pathlib import Path

from src import cli
from src.errors import InputError
from src.options import CleanOptions, RawOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and cleans; 1 if some files of a folder failed."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder, - for stdin")
    cli.add_model_flag(parser, "denoiser.pth")
    parser.add_argument(
        "--output_path", default="./data/predicted.wav", help="cleaned recording or folder, - for stdout"
    )
    cli.add_option_flags(parser, CleanOptions)
    cli.add_option_flags(parser, RawOptions)
    cli.add_plot_flags(parser)
    args = parser.parse_args(argv)
    options, raw = cli.take(CleanOptions, args), cli.take(RawOptions, args)
    piped = "-" in (args.input_path, args.output_path)
    if piped and (options.reconstruction != "gain" or args.plot_dir or options.warm_up_s):
        raise InputError(
            "--reconstruction griffin_lim, --plot_dir and --warm_up_s need whole files; give no - as a path with them."
        )
    if raw.raw_format and not piped:
        raise InputError("--raw_format is for sound on a pipe; give - as --input_path or --output_path.")

    from src import audio, bulk, checkpoint, enhancement, files, live, plots, processes

    network = checkpoint.load_denoiser(args.model_filename)
    if piped:
        live.clean(network, args.input_path, args.output_path, options, raw)
        return 0
    source, target = files.existing(args.input_path), Path(args.output_path)
    if not source.is_dir():
        processes.main_goes_on()
        enhancement.clean_file(network, source, target, options)
        print(f"saved {target}")
        if args.plot_dir:
            plots.Board(args).recordings({"input": source, "cleaned": target}, f"{target.stem}_before_after")
        return 0

    def work(path: Path) -> None:
        enhancement.clean_file(network, path, target / path.relative_to(source), options)

    failed = bulk.each(source, audio.SUFFIXES, work)
    print(f"saved {target}" + (f"; {failed} files failed" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    cli.run(main)
