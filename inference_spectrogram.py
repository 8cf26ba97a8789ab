"""Cleans a log-mel spectrogram (.npy, frames x 80), saves it, and shows input and output."""

from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_model_flag, add_option_flags, add_plot_flags, run, take
from clearmel.options import DenoiseOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, cleans, saves and draws."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.npy", help="noisy mel")
    add_model_flag(parser, "denoiser.pth")
    parser.add_argument("--output_path", default="./data/predicted.npy", help="cleaned mel")
    add_option_flags(parser, DenoiseOptions, leave_out=("reconstruction",))
    add_plot_flags(parser)
    args = parser.parse_args(argv)
    options = take(DenoiseOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.checkpoints import weights_file
    from clearmel.core import file_io, npy
    from clearmel.inference import denoise
    from clearmel.reporting import plots

    network = weights_file.load_denoiser(args.model_filename)
    features = MelFeatures(**network.card["features"])
    noisy = npy.read_mel(args.input_path, features.n_mels)
    file_io.refuse_overwriting(args.input_path, args.output_path)
    estimate = denoise.estimate_mel(network, noisy, options)
    npy.write_array(args.output_path, estimate)
    print(f"saved {args.output_path}")
    plots.Board(args, features).spectrograms({"input": noisy, "denoised": estimate}, "spectrogram")
    return 0


if __name__ == "__main__":
    run(main)
