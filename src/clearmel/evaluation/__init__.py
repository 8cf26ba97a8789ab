"""Evaluates trained weights on a dataset, compared with baselines."""
