"""Cleans a recording, or all recordings of a folder into a folder of the same tree."""

import sys
from collections.abc import Sequence
from pathlib import Path

from src import cli
from src.options import CleanOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and cleans; 1 if some files of a folder failed."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder")
    cli.add_model_flag(parser, "denoiser.pth")
    parser.add_argument("--output_path", default="./data/predicted.wav", help="cleaned recording or folder")
    cli.add_option_flags(parser, CleanOptions)
    cli.add_plot_flags(parser)
    args = parser.parse_args(argv)
    options = cli.take(CleanOptions, args)

    from tqdm import tqdm

    from src import audio, checkpoint, enhancement, files, plots
    from src.errors import InputError

    network = checkpoint.load_denoiser(args.model_filename)
    source, target = files.existing(args.input_path), Path(args.output_path)
    if not source.is_dir():
        enhancement.clean_file(network, source, target, options)
        print(f"saved {target}")
        if args.plot_dir:
            plots.Board(args).recordings({"input": source, "cleaned": target}, f"{target.stem}_before_after")
        return 0
    failed = 0
    for name in tqdm(files.list_files(source, audio.SUFFIXES), unit="file", disable=None):
        try:
            enhancement.clean_file(network, source / name, target / name, options)
        except InputError as error:
            failed += 1
            print(f"failed: {error.line()}", file=sys.stderr)
    print(f"saved {target}" + (f"; {failed} files failed" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    cli.run(main)
