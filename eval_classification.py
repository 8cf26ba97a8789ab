"""Evaluates a classifier."""

from clearmel.cli.eval_classification import main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
