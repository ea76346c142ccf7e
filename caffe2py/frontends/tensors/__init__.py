"""Named tensors out of files: safetensors, PyTorch's, numpy's and MindSpore's."""
