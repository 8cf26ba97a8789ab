"""Separates the voices of recordings, each into a file of its own: voice_1.wav, voice_2.wav ..."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and separates; 1 if some files of a folder failed."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input_path", default="./data/mix.wav", help="recording, or folder of recordings")
    cli.add_model_flag(parser, "separator.pth")
    parser.add_argument(
        "--output_path", default="./data/voices", help="folder for the voices; of a folder, one for each"
    )
    parser.add_argument("--faces_path", help="embeddings (voices, frames, 512) of the speakers' faces, 25 a second")
    parser.add_argument("--plot_dir", help="draw the mixture and the voices there")
    args = parser.parse_args(argv)

    from tqdm import tqdm

    from src import audio, files, mixed_folders, plots, separating
    from src.errors import InputError

    faces = mixed_folders.read_embeddings(Path(args.faces_path)) if args.faces_path else None
    voices = separating.Voices.load(args.model_filename, faces)
    source, output = files.existing(args.input_path), Path(args.output_path)
    board = plots.Board(argparse.Namespace(plot_dir=args.plot_dir, no_plots=not args.plot_dir), voices.features)
    pairs = [(source, output)]
    if source.is_dir():
        pairs = [(source / name, output / name.with_suffix("")) for name in files.list_files(source, audio.SUFFIXES)]
    failed = 0
    for path, folder in tqdm(pairs, unit="file", leave=False, disable=None if source.is_dir() else True):
        try:
            tracks = separating.separate_file(voices, path, folder)
        except InputError as error:
            if not source.is_dir():
                raise
            failed += 1
            print(f"failed: {error.line()}", file=sys.stderr)
            continue
        shown = {"mixture": path} | {track.stem.replace("_", " "): track for track in tracks}
        board.recordings(shown, f"{path.stem}_voices")
        print("saved " + " ".join(str(track) for track in tracks))
    return 1 if failed else 0


if __name__ == "__main__":
    cli.run(main)
