"""Cuts pauses, breaths and knocks out of recordings of speech."""

from clearmel.cli.cut import inference_cutting as main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
