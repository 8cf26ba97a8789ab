"""Separates the voices of recordings, each into a file of its own: voice_1.wav, voice_2.wav ..."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, add_model_flag, add_passes_flag, run


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and separates; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/mix.wav", help="recording, or folder of recordings")
    add_model_flag(parser, "separator.pth")
    add_passes_flag(parser)
    parser.add_argument(
        "--output_path", default="./data/voices", help="folder for the voices; of a folder, one for each"
    )
    parser.add_argument("--faces_path", help="embeddings (voices, frames, 512) of the speakers' faces, 25 a second")
    parser.add_argument("--plot_dir", help="draw the mixture and the voices there")
    args = parser.parse_args(argv)

    from clearmel.audio import sound_file
    from clearmel.core import batch_files, file_io
    from clearmel.data import separation_folder
    from clearmel.inference import separate
    from clearmel.reporting import plots

    faces = separation_folder.read_embeddings(Path(args.faces_path)) if args.faces_path else None
    voices = separate.VoiceSeparator.load(args.model_filename, faces, args.passes)
    source, output = file_io.existing(args.input_path), Path(args.output_path)
    board = plots.Board(argparse.Namespace(plot_dir=args.plot_dir, no_plots=not args.plot_dir), voices.features)

    def work(path: Path) -> list[Path]:
        folder = output / path.relative_to(source).with_suffix("") if source.is_dir() else output
        tracks = separate.separate_file(voices, path, folder)
        shown = {"mixture": path} | {track.stem.replace("_", " "): track for track in tracks}
        board.recordings(shown, f"{path.stem}_voices")
        return tracks

    def done(path: Path, tracks: list[Path]) -> None:
        print("saved " + " ".join(str(track) for track in tracks))

    return 1 if batch_files.for_each_file(source, sound_file.SUFFIXES, work, done) else 0


if __name__ == "__main__":
    run(main)
