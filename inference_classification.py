"""Classifies recordings or mels."""

from clearmel.cli.classify import inference_classification as main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
