"""Builders of datasets: mixtures, synthetic speech, face embeddings, downloads."""
