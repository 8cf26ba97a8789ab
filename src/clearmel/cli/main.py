"""The command `clearmel`: verbs, each with a module of its own that is imported only when it is called."""

import importlib
import sys
from collections.abc import Sequence

from clearmel.cli import parser

VERBS = {
    "denoise": ("denoise", "remove noise from recordings, folders, .npy mels, or live sound on a pipe"),
    "cut": ("cut", "cut pauses, breaths and knocks out of recordings of speech"),
    "separate": ("separate", "write each voice of a recording into a file of its own"),
    "classify": ("classify", "print the class of recordings, by default noisy or clean"),
    "label": ("label", "open the page on which to mark pauses, breaths and knocks"),
    "studio": ("studio", "open a page on which to do all of this and compare before and after"),
    "plot": ("plot", "draw a waveform, spectrum, mel spectrogram or cepstral coefficients"),
    "train": ("train_recipe", "run all trainings of a recipe: clearmel train --recipe recipes/denoiser.toml"),
    "train classification": ("train_classification", "train a classifier"),
    "train denoising": ("train_denoising", "train a denoiser"),
    "train cutting": ("train_cutting", "train a cutter"),
    "train separation": ("train_separation", "train a separator of voices"),
    "train speakers": ("train_speakers", "train an encoder of speakers, which keeps voices apart over pauses"),
    "eval classification": ("eval_classification", "evaluate a classifier"),
    "eval denoising": ("eval_denoising", "evaluate a denoiser"),
    "eval cutting": ("eval_cutting", "evaluate a cutter"),
    "eval separation": ("eval_separation", "evaluate a separator"),
    "eval speakers": ("eval_speakers", "evaluate an encoder of speakers"),
    "build dataset": ("build_dataset", "mix speech and noise into pairs of mels"),
    "build separation_dataset": ("build_separation_dataset", "mix voices into a dataset on disk"),
    "build speech": ("build_speech", "synthesise clean speech from lines of text"),
    "build face_embeddings": ("build_face_embeddings", "embed the faces in video frames"),
    "download": ("download", "download the clips of a list such as AVSpeech or AudioSet"),
    "sample": ("sample", "denoise a random pair of a dataset and write three recordings"),
    "export": ("export", "write weights as an ONNX file"),
    "average": ("average", "average weights that were trained from one another"),
}
"""verb: its module in this package, and a line of help."""


def usage() -> str:
    """All verbs with a line each."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:{width}}  {text}" for verb, (_, text) in VERBS.items()]
    head = "usage: clearmel VERB ...\n\nMachine learning on spectrograms of sound.\n\n"
    return head + "\n".join(lines) + "\n\n`clearmel VERB --help` explains the flags of a verb."


def main(argv: Sequence[str] | None = None) -> int:
    """Calls the verb's module with the remaining arguments."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"clearmel {version('clearmel')}")
        return 0
    verb = " ".join(words[:2]) if " ".join(words[:2]) in VERBS else words[0]
    if verb not in VERBS or (verb == "train" and not " ".join(words[1:2]).startswith("-")):
        first = sorted({name.split()[1] for name in VERBS if name.startswith(f"{verb} ")})
        wanted = f"clearmel {verb} {'|'.join(first)}" if first else "clearmel --help lists the verbs"
        parser.Parser(None, prog="clearmel").error(f"{' '.join(words[:2])}: no such verb; {wanted}")
    sys.argv[0] = f"clearmel {verb}"  # argparse names it in the usage line
    module = importlib.import_module(f"clearmel.cli.{VERBS[verb][0]}")
    status: int = module.main(words[len(verb.split()) :])
    return status


def entry() -> None:
    """What the console script runs."""
    parser.run(main)
