"""Evaluates a denoiser."""

from clearmel.cli.eval_denoising import main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
