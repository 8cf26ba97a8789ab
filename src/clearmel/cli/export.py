"""Writes weights as an ONNX file, and compares its output with torch's where torch is installed."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, add_json_flag, add_model_flag


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and exports."""
    parser = Parser(__doc__)
    add_model_flag(parser, "denoiser.pth")
    parser.add_argument("--output_path", default="./denoiser.onnx", help="ONNX file")
    parser.add_argument(
        "--streaming", action="store_true", help="of a denoiser the graph of a step: state in, state out"
    )
    add_json_flag(parser)
    args = parser.parse_args(argv)

    from clearmel.checkpoints import stored
    from clearmel.core import file_io
    from clearmel.onnx_export import export
    from clearmel.reporting import tables

    source = stored.models_path(args.model_filename, saved=True)
    file_io.refuse_overwriting(source, args.output_path)
    differs = export.export(source, args.output_path, args.streaming)
    size = Path(args.output_path).stat().st_size
    if args.json:
        tables.print_json(
            {"path": str(source), "output": args.output_path, "bytes": size, "largest_difference": differs}
        )
    else:
        print(f"saved {args.output_path}: {size:,} bytes, at most {differs:.1e} from {export.reference_name()}")
    return 0
