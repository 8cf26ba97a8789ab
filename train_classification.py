"""Trains a classifier: noisy or clean, or classes of your own."""

from clearmel.cli.parser import run
from clearmel.cli.train_classification import main

if __name__ == "__main__":
    run(main)
