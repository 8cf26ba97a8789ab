"""Weights files with their cards, resume files, and averages of weights."""
