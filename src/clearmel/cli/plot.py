"""Draws a recording: its waveform, spectrum, mel spectrogram (also as a surface) or cepstral coefficients."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli.parser import Parser, add_plot_flags, seconds
from clearmel.cli.paths import Job, add_path_arguments, each

KINDS = ("waveform", "stft", "mel", "mfcc", "mel3d")


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and draws."""
    parser = Parser(__doc__)
    add_path_arguments(parser, "recordings")
    parser.add_argument("--kind", choices=KINDS, default="mel", help="what to draw")
    parser.add_argument("--start_s", type=seconds, default=0.0, help="where to begin")
    parser.add_argument("--length_s", type=seconds, default=30.0, help="how much to draw")
    add_plot_flags(parser)
    args = parser.parse_args(argv)

    from clearmel.audio import sound_file
    from clearmel.core.errors import InputError
    from clearmel.core.file_io import quoted
    from clearmel.reporting import plots

    board = plots.Board(args.plot_dir, enabled=not args.no_plots)

    def draw(job: Job) -> int:
        wave, rate = sound_file.read(job.source)
        piece = wave[int(args.start_s * rate) :][: max(1, int(args.length_s * rate))]
        if not len(piece):
            raise InputError(f"{quoted(job.source)} ends at {len(wave) / rate:.1f} s; --start_s lies behind that.")
        board.sound(piece, rate, args.kind, f"{Path(job.source).stem}_{args.kind}")
        return 0

    return each([Job(path, "") for path in args.paths], draw)
