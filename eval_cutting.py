"""Evaluates a cutter."""

from clearmel.cli.eval_cutting import main
from clearmel.cli.parser import run

if __name__ == "__main__":
    run(main)
