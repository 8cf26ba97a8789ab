"""Applies trained networks to recordings and to streams."""
