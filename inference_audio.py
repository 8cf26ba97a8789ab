"""Denoises a recording, a folder of recordings, or live sound on a pipe."""

from clearmel.cli.denoise import inference_audio as main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
