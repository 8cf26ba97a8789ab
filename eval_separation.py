"""Evaluates a separator."""

from clearmel.cli.eval_separation import main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
