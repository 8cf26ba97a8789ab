"""Averages weights that were trained from one another, or halves the size of weights, and saves them to models/."""

from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_model_flag


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and averages."""
    parser = Parser(__doc__)
    parser.add_argument("--input_filenames", nargs="+", required=True, help="weights files in models/")
    parser.add_argument("--shares", nargs="+", type=float, help="of each in the mean (default: equal ones)")
    parser.add_argument("--half", action="store_true", help="write 16-bit floats: half the size, computed in 32 bits")
    add_model_flag(parser, "averaged.pth")
    args = parser.parse_args(argv)

    from clearmel.checkpoints import averaging, weights_file

    networks = [weights_file.load(weights_file.models_path(name, saved=True), None) for name in args.input_filenames]
    shares = args.shares or [1.0] * len(networks)
    mean, only = networks[-1], len(networks) == 1 and args.half
    if not only:
        mean = averaging.average(networks, shares)
        parts = {name: share / sum(shares) for name, share in zip(args.input_filenames, shares, strict=True)}
        mean.card = mean.card | {"training": mean.card["training"] | {"averaged": parts}}
    target = weights_file.models_path(args.model_filename, saved=False)
    weights_file.save(target, averaging.halved(mean.state_dict()) if args.half else mean.state_dict())
    print(f"saved {target}: {'' if only else 'the mean of '}{', '.join(args.input_filenames)}")
    return 0
