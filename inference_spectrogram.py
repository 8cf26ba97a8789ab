"""Denoises a log-mel spectrogram (.npy)."""

from clearmel.cli.denoise import inference_spectrogram as main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
