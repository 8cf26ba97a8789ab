"""Averages weights that were trained from one another, and saves the mean to models/."""

from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_model_flag


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and averages."""
    parser = Parser(__doc__)
    parser.add_argument("--input_filenames", nargs="+", required=True, help="weights files in models/")
    parser.add_argument("--shares", nargs="+", type=float, help="of each in the mean (default: equal ones)")
    add_model_flag(parser, "averaged.pth")
    args = parser.parse_args(argv)

    from clearmel.checkpoints import averaging, weights_file

    networks = [weights_file.load(weights_file.models_path(name, saved=True), None) for name in args.input_filenames]
    shares = args.shares or [1.0] * len(networks)
    mean = averaging.average(networks, shares)
    parts = {name: share / sum(shares) for name, share in zip(args.input_filenames, shares, strict=True)}
    mean.card = mean.card | {"training": mean.card["training"] | {"averaged": parts}}
    target = weights_file.models_path(args.model_filename, saved=False)
    weights_file.save(target, mean.state_dict())
    print(f"saved {target}: the mean of {', '.join(args.input_filenames)}")
    return 0
