"""Downloads the clips of a list (id, start, end, as in AVSpeech and AudioSet): sound, and frames on request."""

import sys
from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_option_flags, take
from clearmel.options import ClipOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and fetches; 1 if some clips failed."""
    parser = Parser(__doc__)
    parser.add_argument("--csv_path", required=True, help="rows of id (YouTube id or http address), start, end")
    parser.add_argument("--output_path", default="./data/clips", help="folder that gets audio/, frames/, report.csv")
    add_option_flags(parser, ClipOptions)
    args = parser.parse_args(argv)
    options = take(ClipOptions, args)

    from clearmel.prepare.download import run

    done = run.download(args.csv_path, args.output_path, options)
    for line in done.lines[:20]:
        print(f"failed: {line}", file=sys.stderr)
    print(f"saved {args.output_path}: {done.summary()}")
    return 1 if done.failed else 0
