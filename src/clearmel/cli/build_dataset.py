"""Makes a paired noisy/clean mel dataset from recordings of clean speech and of noise."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

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

    from clearmel.core import batch_files
    from clearmel.prepare import noisy_speech

    built = noisy_speech.build(options, Path(args.output_path), args.workers, args.overwrite)
    for split, count in built.counts.items():
        print(f"{split}: {count} mixtures")
    for line in built.left_out[:20]:
        print(f"left out: {line}", file=sys.stderr)
    for line in built.failed[:20]:
        print(f"failed: {line}", file=sys.stderr)
    print(f"saved {args.output_path}" + (f"; {len(built.failed)} clips failed" if built.failed else ""))
    places = (options.clean_path, options.noise_path, options.val_clean_path, options.val_noise_path)
    skipped = any(batch_files.undecoded(place) for place in places if place and Path(place).is_dir())
    return 1 if built.failed or skipped else 0
