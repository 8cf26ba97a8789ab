"""Networks as ONNX graphs, built from the tensors of a weights file without torch; one family per file."""
