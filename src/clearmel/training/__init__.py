"""The training loop and whole training runs."""
