"""Separates the voices of recordings."""

from clearmel.cli.parser import run
from clearmel.cli.separate import inference_separation as main

if __name__ == "__main__":
    run(main)
