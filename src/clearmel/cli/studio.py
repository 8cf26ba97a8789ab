"""Opens a page in the browser on which to denoise, cut, separate and classify recordings and compare the results."""

from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_device_flag, non_negative


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and serves the page until Ctrl-C."""
    parser = Parser(__doc__)
    parser.add_argument("paths", nargs="*", metavar="FILE", help="recordings or folders to open; others can be dropped")
    parser.add_argument(
        "-o", "--output_path", default="./clearmel_results", metavar="PATH", help="folder for results and uploads"
    )
    add_device_flag(parser)
    parser.add_argument("--port", type=non_negative, default=8766, help="of the page on this computer; 0: any free one")
    parser.add_argument("--no_browser", action="store_true", help="print the address only")
    args = parser.parse_args(argv)

    from pathlib import Path

    from clearmel.core.file_io import existing
    from clearmel.runtime import devices
    from clearmel.studio.library import Library
    from clearmel.studio.routes import create_app
    from clearmel.studio.session import Session
    from clearmel.web import serve

    devices.pick(args.device)  # a missing device is reported at once
    given = [existing(path) for path in args.paths]
    roots = [path if path.is_dir() else path.resolve().parent for path in given]
    library = Library(Path(args.output_path), [Path.cwd(), *roots])
    for path in given:
        library.open(str(path))
    line = f"studio at {{address}}, results in {library.output}  (Ctrl-C ends)"
    session = Session(library, args.device)
    try:
        serve.serve(lambda: create_app(session), args.port, line, browser=not args.no_browser)
    finally:
        session.end()
    return 0
