"""Whole evaluations: weights on a dataset, beside baselines."""
