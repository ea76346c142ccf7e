"""Graph to ONNX, and the check of what was written."""
