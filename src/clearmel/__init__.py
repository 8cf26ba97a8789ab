"""Clearmel: machine learning on spectrograms of sound."""
