"""Trained weights that compute on numpy arrays, by ONNX Runtime or by torch."""
