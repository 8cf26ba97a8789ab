"""`python -m clearmel` is the command `clearmel`."""

from clearmel.cli.main import entry

if __name__ == "__main__":
    entry()
