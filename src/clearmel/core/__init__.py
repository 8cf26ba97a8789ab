"""Errors, files, processes and signals, used by every other package. Importing it does not import torch."""
