"""A small SSD whose detections can be told by looking at the picture, and small nets of two stages."""

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

HEAD = """name: "two stages"
layer { name: "in" type: "Input" top: "data" top: "im_info"
  input_param { shape { dim: 1 dim: 3 dim: 48 dim: 64 } shape { dim: 1 dim: 3 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 8 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "rpn_score" type: "Convolution" bottom: "conv" top: "rpn_score"
  convolution_param { num_output: 18 kernel_size: 1 } }
layer { name: "rpn_said" type: "Convolution" bottom: "conv" top: "rpn_said"
  convolution_param { num_output: 36 kernel_size: 1 } }
layer { name: "two" type: "Reshape" bottom: "rpn_score" top: "two"
  reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "soft" type: "Softmax" bottom: "two" top: "soft" }
layer { name: "rpn_prob" type: "Reshape" bottom: "soft" top: "rpn_prob"
  reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
layer { name: "proposal" type: "Python" bottom: "rpn_prob" bottom: "rpn_said" bottom: "im_info" top: "rois"
  python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
    param_str: "'feat_stride': 8, 'scales': [1, 2, 3], 'rpn_min_size': 4" } }
"""
BEHIND = {
    "Faster R-CNN": """
layer { name: "pool" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.125 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 6 } }
layer { name: "score" type: "InnerProduct" bottom: "fc" top: "score" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
layer { name: "bbox" type: "InnerProduct" bottom: "fc" top: "bbox" inner_product_param { num_output: 16 } }""",
    "R-FCN": """
layer { name: "maps" type: "Convolution" bottom: "conv" top: "maps"
  convolution_param { num_output: 36 kernel_size: 1 } }
layer { name: "psroi" type: "PSROIPooling" bottom: "maps" bottom: "rois" top: "psroi"
  psroi_pooling_param { spatial_scale: 0.125 output_dim: 4 group_size: 3 } }
layer { name: "mean" type: "Pooling" bottom: "psroi" top: "mean" pooling_param { pool: AVE kernel_size: 3 stride: 3 } }
layer { name: "prob" type: "Softmax" bottom: "mean" top: "prob" }
layer { name: "out" type: "Reshape" bottom: "prob" top: "out" reshape_param { shape { dim: -1 dim: 4 } } }
layer { name: "places" type: "Convolution" bottom: "conv" top: "places"
  convolution_param { num_output: 72 kernel_size: 1 } }
layer { name: "psbox" type: "PSROIPooling" bottom: "places" bottom: "rois" top: "psbox"
  psroi_pooling_param { spatial_scale: 0.125 output_dim: 8 group_size: 3 } }
layer { name: "bbox" type: "Pooling" bottom: "psbox" top: "bbox"
  pooling_param { pool: AVE kernel_size: 3 stride: 3 } }""",
}
STAGES = {name: HEAD + layers for name, layers in BEHIND.items()}
