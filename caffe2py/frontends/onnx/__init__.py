"""ONNX models as Caffe nets."""
