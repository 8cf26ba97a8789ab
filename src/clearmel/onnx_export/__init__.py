"""Networks as ONNX files that carry their card, checked against torch before they are written."""
