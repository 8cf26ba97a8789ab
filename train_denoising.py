"""Trains a denoiser on noisy/clean pairs, or on speech and noise mixed on the fly."""

from clearmel.cli.parser import run
from clearmel.cli.train_denoising import main

if __name__ == "__main__":
    run(main)
