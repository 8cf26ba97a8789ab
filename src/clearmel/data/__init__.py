"""Datasets, from files on disk to padded batches."""
