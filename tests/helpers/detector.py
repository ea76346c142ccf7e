"""A small SSD whose detections can be told by looking at the picture."""

from __future__ import annotations

import numpy as np

# One box for each quarter of the picture; label 1 is red, label 2 is blue, and the background is black.
QUARTERS = """name: "quarters"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE kernel_size: 8 stride: 8 } }
layer { name: "say" type: "Convolution" bottom: "pool" top: "say" convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "turn" type: "Permute" bottom: "say" top: "turn"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "rows" type: "Reshape" bottom: "turn" top: "rows" reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "prob" type: "Softmax" bottom: "rows" top: "prob" softmax_param { axis: 2 } }
layer { name: "conf" type: "Flatten" bottom: "prob" top: "conf" }
layer { name: "loc" type: "InnerProduct" bottom: "pool" top: "loc" inner_product_param { num_output: 16 } }
layer { name: "prior" type: "PriorBox" bottom: "pool" bottom: "data" top: "prior" prior_box_param { min_size: 8 } }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "found"
  detection_output_param { num_classes: 3 confidence_threshold: 0.1 code_type: CENTER_SIZE } }
"""
SAY = np.array([[0, 0, 0], [0, 0, 0.1], [0.1, 0, 0]], np.float32).reshape(3, 3, 1, 1)  # the channels are BGR
BLOBS = {
    "say": [SAY, np.array([3, 0, 0], np.float32)],
    "loc": [np.zeros((16, 12), np.float32), np.zeros(16, np.float32)],
}
