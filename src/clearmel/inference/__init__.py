"""Trained networks applied to recordings and to live sound."""
