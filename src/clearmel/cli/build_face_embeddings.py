"""Embeds the faces in the frames of clips: <dataset_path>/frames/<stem>/*.jpg -> embeddings/<stem>.npy."""

import sys
from collections.abc import Sequence

from clearmel.cli.parser import Parser, positive, seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and embeds; 1 if some clips failed."""
    parser = Parser(__doc__)
    parser.add_argument("--dataset_path", default="./data/clips", help="folder with frames/, gets embeddings/")
    parser.add_argument("--n_faces", type=positive, default=1, help="faces in a frame, from left to right")
    parser.add_argument("--seconds", type=seconds, default=3.0, help="of a clip's beginning, 25 frames each")
    parser.add_argument(
        "--models_path", default="~/.insightface/models/buffalo_l", help="folder with InsightFace's models (.onnx)"
    )
    args = parser.parse_args(argv)

    from clearmel.core import file_io
    from clearmel.core.errors import InputError
    from clearmel.prepare import faces

    if not 0.04 <= args.seconds <= 4000:
        raise InputError(f"--seconds {args.seconds:g}; expected 0.04, which is a frame, to 4000.")
    file_io.existing(args.dataset_path, folder=True)  # before models are loaded
    made = faces.build(args.dataset_path, faces.InsightFace(args.models_path), args.n_faces, args.seconds)
    for line in made.warnings:
        print(f"warning: {line}", file=sys.stderr)
    for line in made.failed[:20]:
        print(f"failed: {line}", file=sys.stderr)
    print(f"saved {args.dataset_path}: {made.made} made, {made.there} already there, {len(made.failed)} failed")
    return 1 if made.failed else 0
