"""Denoises a random pair of a dataset and writes clean, noisy and predicted sound by Griffin-Lim."""

import random
from collections.abc import Sequence

from clearmel.cli.parser import Parser, add_device_flag, add_model_flag


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the flags, draws a pair and writes three recordings."""
    parser = Parser(__doc__)
    parser.add_argument("--dataset_path", default="./data/val", help="folder with noisy/ and clean/")
    add_model_flag(parser, "denoiser.pth")
    add_device_flag(parser)
    parser.add_argument("--clean_path", default="./data/sample_clean.wav", help="the clean mel as sound")
    parser.add_argument("--noisy_path", default="./data/sample_noisy.wav", help="the noisy mel as sound")
    parser.add_argument("--predicted_path", default="./data/sample_predicted.wav", help="the denoised mel as sound")
    parser.add_argument("--seed", type=int, help="choose the same pair again (default: a new one each time)")
    args = parser.parse_args(argv)

    from clearmel.audio import sound_file
    from clearmel.audio.features import MelFeatures
    from clearmel.audio.griffin_lim import griffin_lim
    from clearmel.inference import denoise
    from clearmel.options.source import Source
    from clearmel.runtime import load
    from clearmel.tasks import DenoisingTask

    network = load.by_name(args.model_filename, "denoising", args.device)
    features = MelFeatures(**network.card["features"])
    data = DenoisingTask(Source(args.dataset_path), features).dataset(".")
    item = data[random.Random(args.seed).randrange(len(data))]
    mels = {role: mel.numpy() for role, mel in item.mels.items()}
    mels["predicted"] = denoise.estimate_mel(network, mels["noisy"])
    print(item.name)
    for role in ("clean", "noisy", "predicted"):
        path = getattr(args, f"{role}_path")
        sound_file.write(path, griffin_lim(features, mels[role]), features.sample_rate)
        print(f"saved {path}")
    return 0
