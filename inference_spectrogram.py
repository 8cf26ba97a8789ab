"""Cleans a log-mel spectrogram (.npy, frames x 80), saves it, and shows input and output."""

from collections.abc import Sequence

from src import cli
from src.options import CleanOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, cleans, saves and draws."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.npy", help="noisy mel")
    cli.add_model_flag(parser, "denoiser.pth")
    parser.add_argument("--output_path", default="./data/predicted.npy", help="cleaned mel")
    cli.add_option_flags(parser, CleanOptions, leave_out=("reconstruction",))
    cli.add_plot_flags(parser)
    args = parser.parse_args(argv)
    options = cli.take(CleanOptions, args)

    from src import arrays, checkpoint, enhancement, files, plots
    from src.features import MelFeatures

    network = checkpoint.load_denoiser(args.model_filename)
    features = MelFeatures(**network.card["features"])
    noisy = arrays.read_mel(args.input_path, features.n_mels)
    files.refuse_overwriting(args.input_path, args.output_path)
    estimate = enhancement.estimate_mel(network, noisy, options)
    arrays.write_array(args.output_path, estimate)
    print(f"saved {args.output_path}")
    plots.Board(args, features).spectrograms({"input": noisy, "denoised": estimate}, "spectrogram")
    return 0


if __name__ == "__main__":
    cli.run(main)
