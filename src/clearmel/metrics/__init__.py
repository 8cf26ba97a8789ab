"""Figures of merit and training losses, as pure functions."""
