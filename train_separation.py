"""Trains a separator of two or three voices."""

from clearmel.cli.parser import run
from clearmel.cli.train_separation import main

if __name__ == "__main__":
    run(main)
