"""A small net of each fork, as its users wrote them."""

from __future__ import annotations

from collections.abc import Iterator

# A net as its fork's users wrote it: the type and the parameters of each layer.
NETS = {
    "ssd": """
        Permute permute_param { order: 0 order: 2 order: 3 order: 1 }
        Normalize norm_param { across_spatial: false scale_filler { type: "constant" value: 20 } channel_shared: false }
        PriorBox prior_box_param { min_size: 60 max_size: 110.5 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: false
          variance: 0.1 variance: 0.2 step: 16 offset: 0.5 }
        DetectionOutput detection_output_param { num_classes: 21 nms_param { nms_threshold: 0.45 top_k: 400 }
          code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01 }
        MultiBoxLoss multibox_loss_param { loc_loss_type: SMOOTH_L1 num_classes: 21 mining_type: MAX_NEGATIVE }
        AnnotatedData annotated_data_param { batch_sampler { max_sample: 1 }
          batch_sampler { sampler { min_scale: 0.3 } } }
        """,
    "refinedet": """
        DetectionOutput detection_output_param { num_classes: 21 code_type: CENTER_SIZE objectness_score: 0.02 }""",
    "sstd": """
        Permute permute_param { order: 0 order: 2 }
        MaskResize mask_resize_param { output_height: 14 output_width: 21 }""",
    "intel": """
        Convolution convolution_param { num_output: 4 kernel_size: 3 engine: MKLDNN relu: true negative_slope: 0.1 }
        BatchNorm batch_norm_param { engine: MKL2017 use_weight_bias: false relu: true }
        ROIPooling roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }
        Reorg reorg_param { stride: 2 }""",
    "nvcaffe014": "BatchNorm batch_norm_param { scale_filler { value: 1 } bias_filler { value: 0 } engine: CUDNN }",
    "nvcaffe": """
        Convolution forward_type: FLOAT16 backward_math: FLOAT convolution_param { num_output: 4 kernel_size: 3 }
        Pooling pooling_param { kernel_size: 3 torch_pooling: true }
        BatchNorm batch_norm_param { scale_bias: true eps: 0.001 }""",
    "nvcaffe017": """
        Permute forward_type: FLOAT16 permute_param { order: 0 order: 2 }
        LSTM recurrent_param { num_output: 5 }""",
    "yolo": """
        Reorg reorg_param { stride: 2 reverse: true }
        Upsample upsample_param { scale: 2 }
        ReLU6 relu6_param { negative_slope: 0.1 }
        YoloDetectionOutput yolo_detection_output_param { side: 13 num_classes: 20 biases: 1.5 biases: 2.5 }
        Yolov3DetectionOutput yolov3_detection_output_param { num_classes: 20 mask: 3 mask: 4 biases: 10 }""",
    "parsenet": """
        Normalize norm_param { across_spatial: false fix_scale: false eps: 0.001 }
        Tile tile_param { axis: 2 tiles: 3 }
        Reshape reshape_param { shape { dim: 0 dim: -1 } }
        Convolution convolution_param { num_output: 4 kernel_size: 3 filter_stride: 2 }""",
    "lrcn": "LSTM recurrent_param { num_output: 5 }",
    "happynear": """
        ROIPooling roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }
        BatchNorm batch_norm_param { disable_mean: true disable_variance: true }""",
    "happynear_ms": """
        Flip flip_param { flip_width: false flip_height: true }
        Normalize normalize_param { normalize_type: "L2" bp_norm: true }
        Permute permute_param { order: 0 order: 2 }
        PSROIPooling psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }""",
    "faster_rcnn": """
        ROIPooling roi_pooling_param { pooled_w: 7 pooled_h: 7 spatial_scale: 0.0625 }
        Dropout dropout_param { dropout_ratio: 0.5 scale_train: false }
        Python python_param { module: "rpn.proposal_layer" layer: "Proposal" param_str: "'feat_stride': 16\\n" }""",
    "rfcn": """
        PSROIPooling psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }
        BoxAnnotatorOHEM box_annotator_ohem_param { roi_per_img: 128 ignore_label: -1 }""",
    "soeaver": """
        PSROIPooling psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }
        Pooling pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }""",
    "ctpn": """
        Lstm lstm_param { num_output: 128 weight_filler { std: 0.01 } clipping_threshold: 5 }
        Transpose transpose_param { dim: 2 dim: 0 dim: 1 }
        Reverse reverse_param { axis: 1 }""",
    "yjxiong": """
        BN bn_param { frozen: true slope_filler { value: 1 } bias_filler { value: 0 } momentum: 0.8 }
        Convolution convolution_param { num_output: 4 kernel_size: 3 dilation: 2 }
        Scale scale_param { bias_term: true }
        Interp interp_param { height: 60 width: 61 }
        BatchReduction batch_reduction_param { level: 3 reduction_param { operation: TOPK k: 2 } }""",
    "pspnet": """
        Interp interp_param { height: 60 width: 61 }
        BN bn_param { frozen: true slope_filler { value: 1 } bias_filler { value: 0 } momentum: 0.95 }
        BatchNorm batch_norm_param { update_global_stats: true }""",
    "deeplab": """
        Interp interp_param { zoom_factor: 8 }
        DenseCRF dense_crf_param { max_iter: 5 pos_w: 3 output_probability: false }
        BatchNorm batch_norm_param { update_global_stats: true }""",
    "segnet": """
        Upsample upsample_param { scale: 2 upsample_w: 30 upsample_h: 23 pad_out_h: true }
        BN bn_param { bn_mode: INFERENCE scale_filler { value: 1 } }
        Dropout dropout_param { dropout_ratio: 0.5 sample_weights_test: true }
        SoftmaxWithLoss loss_param { weight_by_label_freqs: true class_weighting: 0.5 class_weighting: 1.5 }""",
    "segnet_cudnn5": "Upsample upsample_param { scale: 2 }  BN bn_param { bn_mode: INFERENCE }",
    "mscnn": """
        ROIPooling roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.125 pad_ratio: 0.25 }
        BoxOutput box_output_param { fg_thr: -5 iou_thr: 0.65 field_w: 40 field_h: 80 nms_type: "IOU" }""",
    "microsoft": """
        ROIPooling roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }
        PSROIPooling psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 }
        SmoothL1Loss smooth_l1_loss_param { sigma: 3 }
        Dropout dropout_param { scale_train: false }""",
    "ren": """
        ROIPooling roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }
        Dropout dropout_param { scale_train: false }""",
    "mnn": """
        ShuffleChannel shuffle_channel_param { group: 3 }
        Interp interp_param { height: 60 width: 61 }
        Pooling pooling_param { kernel_size: 3 round_mode: FLOOR }""",
    "ncnn": """
        ShuffleChannel shuffle_channel_param { group: 3 }
        Interp interp_param { height: 60 width: 61 }
        Yolov3DetectionOutput yolov3_detection_output_param { num_classes: 20 mask: 3 }""",
    "openvino": """
        PriorBox prior_box_param { min_size: 60 width: 30 height: 40 clip: true }
        ReLU6 relu6_param { n: 5 }
        Pooling pooling_param { kernel_size: 3 ceil_mode: false }""",
    "flownet2": """
        Correlation correlation_param { pad: 20 kernel_size: 1 max_displacement: 20 stride_1: 1 stride_2: 2 }
        FlowWarp flow_warp_param { fill_value: NOT_A_NUMBER }
        Resample resample_param { width: 64 height: 48 type: CUBIC antialias: false }
        Accum accum_param { top_height: 3 top_width: 4 }
        ChannelNorm
        Mean mean_param { operation: SUBTRACT value: 0.25 input_scale: 2 }""",
    "rtpose": """
        ImResize imresize_param { target_spatial_width: 656 factor: 8 }
        Nms nms_param { threshold: 0.05 max_peaks: 64 num_parts: 18 }""",
    "c3d11": """
        Convolution3D convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 2 pad: 1 temporal_pad: 1 }
        Pooling3D pooling3d_param { pool: AVE kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 }""",
    "video": """
        NdConvolution convolution_param { num_output: 4 kernel_shape { dim: 3 dim: 3 dim: 3 } pad_shape { dim: 1 } }
        NdPooling pooling_param { kernel_shape { dim: 1 dim: 2 dim: 2 } stride_shape { dim: 1 dim: 2 dim: 2 } }""",
    "vnet": """
        Convolution convolution_param { num_output: 4 kernel_size: 2 stride: 2 }
        Pooling pooling_param { kernel_size: 2 kernel_size: 2 kernel_size: 3 stride: 2 stride: 2 stride: 3 axis: 1 }""",
    "opencl": "ReLU device: 1 relu_param { negative_slope: 0.1 }",
}  # fmt: skip

# In the format of 2014.
OLD_NETS = {
    "ren": """ROIPOOLING roi_pooling_param { pooled_w: 7 pooled_h: 7 spatial_scale: 0.0625 }
        RESHAPE reshape_param { shape { dim: 0 dim: -1 } }""",
    "segnet": "BN bn_param { bn_mode: INFERENCE }",
    "deconvnet": """UNPOOLING unpooling_param { unpool: TILE kernel_size: 2 stride: 2 unpool_size: 14 }
        CROP BN bn_param { bn_mode: INFERENCE }""",
    "yolo": "RELU6 relu_param { negative_slope: 0.5 }",
    "c3d": """CONVOLUTION3D convolution_param { num_output: 2 kernel_size: 3 kernel_depth: 2 stride: 2 temporal_pad: 1
          weight_filler { type: "gaussian" std: 0.25 } bias_term: false }
        POOLING3D pooling_param { pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 }""",
}  # fmt: skip


def layers(text: str) -> Iterator[tuple[str, str]]:
    """The types and parameters of a table above: a type stands where no block is open and no colon follows."""
    depth, type_, body = 0, "", ""
    for word in text.split():
        if not depth and not body.endswith(":") and word[0].isupper():
            if type_:
                yield type_, body
            type_, body = word, ""
        else:
            body += f" {word}"
        depth += word.count("{") - word.count("}")
    yield type_, body


def prototxt(text: str, old: bool = False) -> str:
    """A chain of layers."""
    lines = []
    for i, (type_, body) in enumerate(layers(text)):
        head = f"layers {{ type: {type_}" if old else f'layer {{ type: "{type_}"'
        lines.append(f'{head} name: "l{i}" bottom: "b{i}" top: "b{i + 1}" {body} }}')
    return 'name: "net"\n' + "\n".join(lines)
