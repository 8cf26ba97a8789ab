"""Says of each recording or mel whether it is clean or noisy, and how surely."""

import sys
from collections.abc import Sequence
from pathlib import Path

from src import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, classifies and prints; 1 if some files of a folder failed."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or .npy mel, or a folder of them")
    cli.add_model_flag(parser, "classifier.pth")
    cli.add_result_flags(parser)
    args = parser.parse_args(argv)

    from tqdm import tqdm

    from src import checkpoint, datasets, files, results
    from src.errors import InputError
    from src.features import MelFeatures
    from src.tasks import ClassificationTask

    network = checkpoint.load(checkpoint.models_path(args.model_filename, saved=True), "classification")
    source = files.existing(args.input_path)
    folder = source if source.is_dir() else source.parent
    names = files.list_files(source, datasets.SUFFIXES) if source.is_dir() else [Path(source.name)]
    mels = datasets.MelSource(folder, MelFeatures(**network.card["features"]))
    rows, failed = [], 0
    for name in tqdm(names, unit="file", leave=False, disable=None if len(names) > 1 else True):
        try:
            label, probability = ClassificationTask.decide(network, mels.mel(name))
        except InputError as error:
            if not source.is_dir():
                raise
            failed += 1
            print(f"failed: {error.line()}", file=sys.stderr)
            continue
        rows.append({"path": str(folder / name), "label": label, "probability": probability})
    results.write(rows, rows, args)
    if not args.json:
        for row in rows:
            print(f"{row['label']:6}{row['probability']:8.1%}  {row['path']}")
    return 1 if failed else 0


if __name__ == "__main__":
    cli.run(main)
