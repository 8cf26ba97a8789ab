"""Opens a page in the browser on which to mark pauses, breaths and knocks of recordings."""

from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_device_flag, add_option_flags, non_negative, take
from clearmel.options import MediaOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and serves the page until Ctrl-C; 1 if some files of the folder have no decoder."""
    parser = Parser(__doc__)
    parser.add_argument("path", nargs="?", default=".", help="recording, or folder of recordings")
    parser.add_argument("--labels_path", default="./labels.json", help="labels file; created with the first mark")
    parser.add_argument("--model_filename", help="weights in models/ whose predictions are shown for unlabelled files")
    add_device_flag(parser)
    parser.add_argument("--port", type=non_negative, default=8765, help="of the page on this computer; 0: any free one")
    parser.add_argument("--no_browser", action="store_true", help="print the address only")
    add_option_flags(parser, MediaOptions, leave_out=("bitrate", "no_tags"))
    args = parser.parse_args(argv)

    from clearmel.audio import media_container
    from clearmel.core.file_io import ensure_writable
    from clearmel.labeler.routes import create_app
    from clearmel.segments.folder import Folder
    from clearmel.segments.label_file import LabelFile
    from clearmel.web import serve

    predict = None
    if args.model_filename:
        from clearmel.inference.cut import Editor

        predict = Editor.load(args.model_filename, args.device).marks
    with media_container.using(take(MediaOptions, args), all_threads=True):  # the server answers in threads of its own
        folder = Folder(args.path)
        ensure_writable(args.labels_path)  # before an hour of work
        store = LabelFile(args.labels_path, folder.names)
        line = f"labelling {len(folder.names)} recordings at {{address}}  (Ctrl-C ends)"
        serve.serve(lambda: create_app(folder, store, predict), args.port, line, browser=not args.no_browser)
    return 1 if folder.n_undecoded else 0
