"""ONNX's operators in Caffe's layers, a file a family."""
