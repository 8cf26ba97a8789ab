"""Compares the classifiers, trained on the same data with the same flags: parameters, accuracy, and CPU time.

Trains each of `--networks` with train_classification.py, evaluates it, and times it on one thread. Further flags are
passed on to the training; they may be any except --network and the sizes of networks.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

from clearmel.checkpoints import stored, weights_file
from clearmel.inference.classify import WindowClassifier
from clearmel.runtime import load

ROOT = Path(__file__).parents[1]
NETWORKS = {
    "lstm": ("lstm", "--hidden_dim", "64"),
    "lstm 2 x 128": ("lstm", "--hidden_dim", "128", "--num_layers", "2"),
    "bcresnet 1": ("bcresnet", "--scale", "1"),
    "bcresnet 8": ("bcresnet", "--scale", "8"),
    "bcresnet 16": ("bcresnet", "--scale", "16"),
    "resnet18 / 12": ("resnet18", "--width", "12"),
    "resnet18": ("resnet18",),
    "resnet34": ("resnet34",),
    "resnet50": ("resnet50",),
    "vgg11": ("vgg11",),
    "mhatt": ("mhatt",),
    "kwt": ("kwt",),
    "fully_connected": ("fully_connected",),
    "statistics": ("statistics",),
}


def measure(title: str, evaluated: list[str], trained: list[str]) -> dict[str, Any]:
    """One row of the table."""
    name = f"bench_{title.replace(' ', '').replace('/', '_')}.pth"
    network, *sizes = NETWORKS[title]
    train = ["train_classification.py", *trained, "--network", network, *sizes, "--model_filename", name, "--no_plots"]
    subprocess.run([sys.executable, str(ROOT / train[0]), *train[1:]], check=True, stdout=sys.stderr)
    test = ["eval_classification.py", *evaluated, "--model_filename", name, "--json"]
    done = subprocess.run([sys.executable, str(ROOT / test[0]), *test[1:]], check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    path = stored.models_path(name, saved=True)
    classifier = WindowClassifier(load.load(path, "classification", n_threads=1))
    seconds = classifier.window_s or 4.0
    wave = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * classifier.features.sample_rate), np.float32)
    spent = []
    for _ in range(5):
        begun = time.perf_counter()
        classifier.network.logits(classifier.features.mel(wave)[None])
        spent.append(time.perf_counter() - begun)
    return {
        "network": title,
        "parameters": weights_file.load(path, "classification").n_parameters(),
        "accuracy": report["accuracy"],
        "auc": report.get("auc"),
        "ms": 1000 * min(spent) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="networks to compare, separated by commas")
    parser.add_argument("--eval", default="--dataset_path data/val", help="flags of eval_classification.py, in quotes")
    args, trained = parser.parse_known_args()
    print("| network | parameters | accuracy | AUC | ms per second of sound |\n|---|---|---|---|---|")
    for title in args.networks.split(","):
        row = measure(title, args.eval.split(), trained)
        auc = "" if row["auc"] is None else f"{row['auc']:.4f}"
        print(
            f"| {title} | {row['parameters']:,} | {row['accuracy']:.1%} | {auc} | {row['ms']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
