"""Augmentation of waves and mels for training: mixing, recording chains, reverberation, synthetic noise."""
