"""Denoises a random pair of a dataset and writes three recordings."""

from clearmel.cli.parser import run
from clearmel.cli.sample import main

if __name__ == "__main__":
    run(main)
