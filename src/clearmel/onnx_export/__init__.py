"""Exports networks to ONNX files with their card, after a check against torch."""
