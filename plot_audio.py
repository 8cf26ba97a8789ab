"""Draws a recording: its waveform, spectrum, mel spectrogram (also as a surface) or cepstral coefficients."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, add_plot_flags, run, seconds

KINDS = ("waveform", "stft", "mel", "mfcc", "mel3d")


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and draws."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording")
    parser.add_argument("--kind", choices=KINDS, default="mel", help="what to draw")
    parser.add_argument("--start_s", type=seconds, default=0.0, help="where to begin")
    parser.add_argument("--length_s", type=seconds, default=30.0, help="how much to draw")
    add_plot_flags(parser)
    args = parser.parse_args(argv)

    from clearmel.audio import sound_file
    from clearmel.core.errors import InputError
    from clearmel.core.file_io import quoted
    from clearmel.reporting import plots

    wave, rate = sound_file.read(args.input_path)
    piece = wave[int(args.start_s * rate) :][: max(1, int(args.length_s * rate))]
    if not len(piece):
        raise InputError(f"{quoted(args.input_path)} ends at {len(wave) / rate:.1f} s; --start_s lies behind that.")
    plots.Board(args).sound(piece, rate, args.kind, f"{Path(args.input_path).stem}_{args.kind}")
    return 0


if __name__ == "__main__":
    run(main)
