"""Mixes the voices of a folder of speech and writes mixtures, voices and masks to disk."""

from collections.abc import Sequence
from pathlib import Path

from clearmel.cli import data_flags
from clearmel.cli.parser import Parser, add_option_flags, non_negative, take
from clearmel.options import MultiSpeakerOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and builds; mixtures that are there stay. 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    add_option_flags(parser, MultiSpeakerOptions, epoch_items=1000, clip_s=3.0)
    parser.add_argument("--faces_path", help="embeddings (.npy) of the speech's video, named as the recordings")
    parser.add_argument("--no_masks", action="store_true", help="write no crm/: the complex masks, 1.2 MB for 3 s")
    parser.add_argument("--output_path", default="./data/separation", help="folder of the dataset")
    parser.add_argument("--seed", type=non_negative, default=0, help="of everything that is drawn")
    args = parser.parse_args(argv)
    options = take(MultiSpeakerOptions, args)

    from clearmel.audio.features import MelFeatures
    from clearmel.prepare import multi_speaker

    skipped = data_flags.skipped(data_flags.places(args))
    counts = multi_speaker.build(
        options,
        MelFeatures(n_fft=512, hop_length=160, win_length=400),
        Path(args.output_path),
        args.seed,
        write_masks=not args.no_masks,
        faces_path=args.faces_path,
    )
    print(f"{', '.join(f'{count} {split}' for split, count in counts.items())} mixtures in {args.output_path}")
    return skipped
