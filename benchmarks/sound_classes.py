"""Classifies labelled recordings as `clearmel classify` does, window by window, and prints figures for each class.

The folder holds one sub-folder per class of the weights. A recording's class is that of the mean probabilities of its
windows; "unknown" counts as wrong and is also printed by itself.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.core.file_io import list_files
from clearmel.inference.classify import UNKNOWN, WindowClassifier
from clearmel.reporting.plots import Board


def main() -> None:
    """Classifies all files and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--dataset_path", type=Path, required=True, help="folder with one sub-folder per class")
    parser.add_argument("--model_filename", default="sounds.pth", help="weights file in models/")
    parser.add_argument("--threshold", type=float, help="a less probable class is unknown (default: the weights' own)")
    parser.add_argument("--plot_dir", help="draw the confusion of the windows there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    classifier = WindowClassifier.load(args.model_filename, args.threshold)
    names = [*classifier.labels, UNKNOWN]
    windows = np.zeros((len(names), len(names)), np.int64)
    files = np.zeros_like(windows)
    for name in tqdm(list_files(args.dataset_path, sound_file.SUFFIXES), leave=False, disable=None):
        found = classifier.predict(args.dataset_path / name)
        true = names.index(name.parts[0])
        files[true, names.index(classifier.whole(found)["label"])] += 1
        for probabilities in found.probabilities:
            windows[true, names.index(classifier.row(probabilities)["label"])] += 1
    print("| class | files | right | unknown | windows | right | unknown |\n|---|---|---|---|---|---|---|")
    used = [number for number in range(len(names)) if windows[number].any()]
    for number in used:
        cells = [f"{c[number].sum()} | {c[number, number]} | {c[number, -1]}" for c in (files, windows)]
        print(f"| {names[number]} | {' | '.join(cells)} |")
    for title, counts in (("files", files), ("windows", windows)):
        right, known = counts.diagonal().sum(), counts[:, :-1].sum()
        print(f"{title}: {right / counts.sum():.1%} right, {1 - known / counts.sum():.1%} unknown; ", end="")
        print(f"{right / max(1, known):.1%} of the others right")
    board = Board(args.plot_dir, enabled=bool(args.plot_dir))
    board.confusion(windows, names, f"{Path(args.model_filename).stem}_confusion")


if __name__ == "__main__":
    main()
