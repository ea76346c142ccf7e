"""The forks' schemas: the numbers that were read off the forks, and what a fork's file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe2py.errors import CaffeError
from caffe2py.proto import forks
from caffe2py.proto.schema import LAYER, V1LayerParameter

# Fork: the fields of a layer and their numbers, down to the blocks.
NUMBERS = {
    "ssd": """annotated_data_param 200 multibox_loss_param 201 permute_param 202 prior_box_param 203
        detection_output_param 204 detection_evaluate_param 205 norm_param 206 permute_param.order 1
        prior_box_param.min_size 1 prior_box_param.max_size 2 prior_box_param.aspect_ratio 3 prior_box_param.flip 4
        prior_box_param.clip 5 prior_box_param.variance 6 prior_box_param.img_size 7 prior_box_param.img_h 8
        prior_box_param.img_w 9 prior_box_param.step 10 prior_box_param.step_h 11 prior_box_param.step_w 12
        prior_box_param.offset 13 detection_output_param.num_classes 1 detection_output_param.share_location 2
        detection_output_param.background_label_id 3 detection_output_param.nms_param.nms_threshold 1
        detection_output_param.nms_param.top_k 2 detection_output_param.nms_param.eta 3
        detection_output_param.code_type 6 detection_output_param.keep_top_k 7
        detection_output_param.variance_encoded_in_target 8 detection_output_param.confidence_threshold 9
        detection_output_param.visualize 10 norm_param.across_spatial 1 norm_param.scale_filler 2
        norm_param.channel_shared 3 norm_param.eps 4 scale_param 142""",
    "refinedet": "detection_output_param.objectness_score 24 prior_box_param 203",
    "sstd": "mask_resize_param 147 permute_param 202",
    "opencv": """detection_output_param.normalized_bbox 10 prior_box_param.offset_h 14 prior_box_param.offset_w 15
        prior_box_param.width 16 prior_box_param.height 17""",
    "openvino": """prior_box_param.width 14 prior_box_param.height 15 interp_param 217 relu6_param.n 1 grn_param 213
        reverse_param 147 pooling_param.ceil_mode 13""",
    "intel": """convolution_param.relu 19 convolution_param.negative_slope 20 convolution_param.fusion_type 24
        batch_norm_param.relu 10 batch_norm_param.use_weight_bias 5 batch_norm_param.bias_term 6
        batch_norm_param.filler 7 batch_norm_param.bias_filler 8 inner_product_param.relu 8 quantization_param 158
        roi_pooling_param 154 psroi_pooling_param 153 reorg_param 159 engine 149 multinode 150 prior_box_param 203
        pooling_param.avg_include_pad 13 loss_param.pre_fixed_normalizer 4""",
    "nvcaffe014": "batch_norm_param.scale_filler 5 batch_norm_param.bias_filler 6",
    "nvcaffe": """forward_type 145 backward_type 146 forward_math 147 backward_math 148 debug 149
        cudnn_math_override 150 batch_norm_param.scale_bias 7 batch_norm_param.scale_filler 5
        pooling_param.torch_pooling 40""",
    "nvcaffe017": "recurrent_param 151 permute_param 202 forward_type 145",
    "yolo": """reorg_param.stride 1 reorg_param.reverse 2 reorg_param 149 upsample_param 150 upsample_param.scale 1
        relu6_param 211 yolo_detection_output_param 601 yolov3_detection_output_param 602 yolov3_param 603
        yolo_detection_output_param.biases 7 yolov3_detection_output_param.mask 8
        yolov3_detection_output_param.gaussian_box 9""",
    "parsenet": """parse_evaluate_param 132 unpooling_param 133 norm_param 134 tile_param 135 reshape_param 136
        bn_param 137 norm_param.fix_scale 4 norm_param.eps 5 convolution_param.filter_stride 16""",
    "lrcn": "recurrent_param 134",
    "happynear": """bn_param 139 local_param 140 insanity_param 141 triplet_loss_param 142 roi_pooling_param 143
        batch_norm_param 144 eltwise_affine_param 145 sub_region_param 146 batch_norm_param.disable_mean 4
        batch_norm_param.disable_variance 5""",
    "happynear_ms": """roi_pooling_param 204 flip_param 212 normalize_param 214 psroi_pooling_param 220
        permute_param 224 flip_param.flip_width 1 flip_param.flip_height 2 normalize_param.normalize_type 1
        normalize_param.fix_gradient 2 normalize_param.bp_norm 3""",
    "faster_rcnn": """roi_pooling_param 8266711 roi_pooling_param.pooled_h 1 roi_pooling_param.pooled_w 2
        roi_pooling_param.spatial_scale 3 dropout_param.scale_train 2""",
    "rfcn": "psroi_pooling_param 10001 roi_pooling_param 8266711 psroi_pooling_param.output_dim 2",
    "soeaver": "pooling_param.ceil_mode 13",
    "ctpn": """lstm_param 140 transpose_param 142 reverse_param 143 bn_param 144 lstm_param.num_output 1
        lstm_param.clipping_threshold 2 lstm_param.batch_size 5 transpose_param.dim 1 reverse_param.axis 1
        roi_pooling_param 8266711""",
    "yjxiong": """bn_param 137 video_data_param 140 seg_data_param 141 roi_pooling_param 150 batch_reduction_param 162
        interp_param 301 scale_param 160 bias_param 161 bn_param.slope_filler 1 bn_param.bias_filler 2
        bn_param.momentum 3 bn_param.eps 4 bn_param.frozen 5 bn_param.engine 6 convolution_param.dilation 16
        convolution_param.dilation_h 17 convolution_param.dilation_w 18 batch_reduction_param.level 1
        batch_reduction_param.reduction_param.k 4 batch_reduction_param.pos 3""",
    "pspnet": """interp_param 143 interp_param.height 1 interp_param.width 2 interp_param.zoom_factor 3
        interp_param.shrink_factor 4 interp_param.pad_beg 5 interp_param.pad_end 6 seg_accuracy_param 144
        mat_write_param 145 dense_crf_param 146 bn_param 152 batch_norm_param.update_global_stats 4""",
    "deeplab": "interp_param 153 dense_crf_param 152 domain_transform_param 147",
    "segnet": """bn_param 45 upsample_param 137 dense_image_data_param 138 bn_param.scale_filler 1
        bn_param.shift_filler 2 bn_param.bn_mode 3 upsample_param.scale 1 upsample_param.scale_h 2
        upsample_param.scale_w 3 upsample_param.pad_out_h 4 upsample_param.pad_out_w 5 upsample_param.upsample_h 6
        upsample_param.upsample_w 7 dropout_param.sample_weights_test 2 loss_param.weight_by_label_freqs 3""",
    "segnet_cudnn5": "bn_param 45 upsample_param 147",
    "mscnn": """roi_pooling_param 147 roi_pooling_param.pad_ratio 4 detection_loss_param 149 box_output_param 151
        bbox_reg_param 154 decode_bbox_param 155 box_output_param.fg_thr 1 box_output_param.iou_thr 2
        box_output_param.nms_type 3 box_output_param.field_h 4 box_output_param.field_w 5
        box_output_param.downsample_rate 6 box_output_param.field_whr 7 box_output_param.field_xyr 8
        box_output_param.max_nms_num 9 box_output_param.max_post_nms_num 10 box_output_param.min_size 11""",
    "microsoft": "roi_pooling_param 147 smooth_l1_loss_param 148 psroi_pooling_param 149 box_annotator_ohem_param 150",
    "ren": "roi_pooling_param 137",
    "mnn": """lstm_param 210 shuffle_channel_param 212 roi_pooling_param 2201 upsample_param 2203 interp_param 2210
        pooling_param.round_mode 14""",
    "ncnn": """shuffle_channel_param 145 reorg_param 147 psroi_pooling_param 149 interp_param 205
        yolo_detection_output_param 601 yolov3_detection_output_param 603""",
    "flownet2": """correlation_param 150 resample_param 155 downsample_param 156 flow_warp_param 159 accum_param 160
        augmentation_param 149 mean_param 154 l1_loss_param 151 correlation_param.pad 2 correlation_param.kernel_size 3
        correlation_param.max_displacement 4 correlation_param.stride_1 5 correlation_param.stride_2 6
        correlation_param.do_abs 7 correlation_param.single_direction 8 correlation_param.correlation_type 15
        flow_warp_param.fill_value 1 resample_param.width 1 resample_param.height 2 resample_param.type 3
        resample_param.antialias 4 resample_param.factor 5 accum_param.top_height 1 accum_param.top_width 2
        accum_param.size_divisible_by 3 accum_param.have_reference 4 downsample_param.top_height 1""",
    "rtpose": """imresize_param 148 nms_param 149 imresize_param.target_spatial_width 1
        imresize_param.target_spatial_height 2 imresize_param.factor 3 imresize_param.start_scale 4
        imresize_param.scale_gap 5 nms_param.threshold 1 nms_param.num_peak 2 nms_param.max_peaks 3
        nms_param.num_parts 4""",
    "c3d": """convolution_param.kernel_depth 6 convolution_param.stride 7 convolution_param.temporal_stride 8
        convolution_param.weight_filler 9 convolution_param.bias_filler 10 convolution_param.filter_group 11
        convolution_param.temporal_pad 12 pooling_param.kernel_depth 5 pooling_param.temporal_stride 6""",
    "c3d11": "convolution3d_param 6661 pooling3d_param 6662",
    "video": """convolution_param.pad_shape 7777 convolution_param.kernel_shape 7778 convolution_param.stride_shape 7779
        pooling_param.kernel_shape 7778""",
    "vnet": """pooling_param.pad 2 pooling_param.kernel_size 3 pooling_param.stride 4 pooling_param.pad_h 5
        pooling_param.stride_w 10 pooling_param.axis 13""",
    "opencl": "device 95 buffer 96",
}

OLD = {
    "ren": ("roi_pooling_param 43", "RESHAPE 40 ROIPOOLING 41 SMOOTH_L1_LOSS 42"),
    "segnet": ("bn_param 45", "BN 43"),
    "deconvnet": ("unpooling_param 44 bn_param 45", "CROP 40 UNPOOLING 42"),
    "hed": ("", "CROP 40"),
    "parsenet": ("", "CROP 40 NORMALIZE 43"),
    "yolo": ("", "RELU6 61"),
    "c3d": ("down_sampling_param 23", "CONVOLUTION3D 30 POOLING3D 31 VIDEO_DATA 33 DOWN_SAMPLING 40"),
}

BLOB_FIELDS = {
    "c3d": "num 1 channels 2 length 3 height 4 width 5 data 6 diff 7",
    "nvcaffe": "data 5 raw_data_type 10 raw_diff_type 11 raw_data 12 raw_diff 13",
    "opencv": "raw_data_type 10 raw_data 12",
    "opencl": "data 5 shape_stride 10 packed_data 11 packed_diff 12 data_type 13",
}


def pairs(text: str) -> list[tuple[str, int]]:
    words = text.split()
    return [(name, int(number)) for name, number in zip(words[::2], words[1::2], strict=True)]


def test_every_fork_is_in_the_table() -> None:
    assert set(forks.names()) == {forks.OWN, *NUMBERS, *OLD}


@pytest.mark.parametrize("fork", NUMBERS)
def test_number(fork: str) -> None:
    schema = forks.dialect(fork)
    found = {path: schema.layer_field(path) for path, _ in pairs(NUMBERS[fork])}
    assert {path: field and field.number for path, field in found.items()} == dict(pairs(NUMBERS[fork]))


@pytest.mark.parametrize("fork", OLD)
def test_number_of_2014(fork: str) -> None:
    layer = forks.dialect(fork).message("V1LayerParameter")
    assert layer is not None
    fields, types = OLD[fork]
    assert {name: layer.fields_by_name[name].number for name, _ in pairs(fields)} == dict(pairs(fields))
    words = layer.enum_types_by_name["LayerType"].values_by_name
    assert {name: words[name].number for name, _ in pairs(types)} == dict(pairs(types))


@pytest.mark.parametrize("fork", BLOB_FIELDS)
def test_number_of_a_blob(fork: str) -> None:
    blob = forks.dialect(fork).message("BlobProto")
    assert blob is not None
    assert {name: blob.fields_by_name[name].number for name, _ in pairs(BLOB_FIELDS[fork])} == dict(
        pairs(BLOB_FIELDS[fork])
    )


@pytest.mark.parametrize("fork", forks.names())
def test_a_fork_keeps_what_it_does_not_change(fork: str) -> None:
    """What all forks read alike is in each of them as in Caffe's own."""
    for own in (LAYER, V1LayerParameter.DESCRIPTOR):
        theirs = forks.dialect(fork).message(own.name)
        assert theirs is not None
        alike = {f.number: (f.name, f.type) for f in own.fields if f.number <= 11}
        assert {f.number: (f.name, f.type) for f in theirs.fields if f.number <= 11} == alike


def test_no_such_dialect() -> None:
    with pytest.raises(CaffeError, match='no dialect "sdd"; want one of bvlc, '):
        forks.dialect("sdd")


def test_every_dialect_is_in_the_docs() -> None:
    rows = (Path(__file__).resolve().parents[3] / "docs" / "dialects.md").read_text().splitlines()
    assert tuple(row.split("`")[1] for row in rows if row.startswith("| `")) == forks.names()[1:]
