"""Cuts pauses, breaths and knocks out of recordings of speech, or writes down where it would cut."""

from collections.abc import Sequence

from clearmel.cli.parser import (
    Parser,
    add_model_flag,
    add_option_flags,
    add_result_flags,
    fraction,
    name_list,
    positive,
    run,
)
from clearmel.options import CutOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags and cuts; 1 if some files of a folder failed."""
    parser = Parser(__doc__)
    parser.add_argument("--input_path", default="./data/noisy.wav", help="recording or folder")
    add_model_flag(parser, "cleaner.pth")
    parser.add_argument("--output_path", default="./data/cleaned.wav", help="edited recording or folder")
    parser.add_argument("--strength", type=fraction, default=0.5, help="0 gentle, keeps breath and rhythm; 1 tight")
    parser.add_argument("--timelines", type=name_list, default=(), metavar="A,B",
                        help="write what is cut beside the output: json, csv, txt (Audacity), edl, fcpxml")  # fmt: skip
    parser.add_argument("--timeline_only", action="store_true", help="write no sound, only --timelines (default: json)")
    parser.add_argument("--fps", type=positive, default=25, help="frames in a second of edl and fcpxml")
    add_option_flags(parser.add_argument_group("cuts"), CutOptions, threshold=None, min_keep_s=None,
                         min_cut_s=None, margin_before_s=None, margin_after_s=None)  # fmt: skip
    parser.add_argument("--labels_path", help="write what is cut as labels for label_audio.py and train_cleaning.py")
    add_result_flags(parser)
    parser.add_argument("--plot_dir", help="draw each recording with its cuts there")
    args = parser.parse_args(argv)
    given = {key: getattr(args, key) for key in vars(CutOptions())}
    CutOptions.of_strength(args.strength, 0.5, given)  # a wrong number is told at once

    from clearmel.inference import cut

    return 1 if cut.cut_files(args, given) else 0


if __name__ == "__main__":
    run(main)
