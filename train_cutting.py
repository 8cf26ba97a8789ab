"""Trains a cutter: which frames of speech to keep, and which to cut."""

from clearmel.cli.parser import run
from clearmel.cli.train_cutting import main

if __name__ == "__main__":
    run(main)
