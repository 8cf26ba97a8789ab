"""Makes a paired noisy/clean mel dataset from recordings of clean speech and of noise."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_option_flags, positive, take
from clearmel.options import BuildOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and builds; 1 if some recordings failed or have no decoder."""
    parser = Parser(__doc__)
    add_option_flags(parser, BuildOptions)
    parser.add_argument("--output_path", default="./data", help="gets train/, val/ and mix.csv")
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--overwrite", action="store_true", help="build over a dataset of other options")
    args = parser.parse_args(argv)
    options = take(BuildOptions, args)

    from clearmel.prepare import noisy_speech

    skipped = data_flags.skipped(data_flags.places(args))
    built = noisy_speech.build(options, Path(args.output_path), args.workers, args.overwrite)
    for split, count in built.counts.items():
        print(f"{split}: {count} mixtures")
    for line in built.left_out[:20]:
        print(f"left out: {line}", file=sys.stderr)
    for line in built.failed[:20]:
        print(f"failed: {line}", file=sys.stderr)
    print(f"saved {args.output_path}" + (f"; {len(built.failed)} clips failed" if built.failed else ""))
    return 1 if built.failed else skipped
