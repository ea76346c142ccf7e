"""Data layers of forks: inputs, as large as their parameters tell."""

from __future__ import annotations

import pytest

from tests.helpers.nets import graph_of

MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"
RESIZE = "resize_param { resize_mode: WARP height: 300 width: 200 }"

# The layer, how many tops it has, and the shape of the first.
SOURCES = {
    "SSD": (
        f"AnnotatedData transform_param {{ {MEANS} {RESIZE} }} data_param {{ batch_size: 32 }}",
        2,
        (32, 3, 300, 200),
    ),
    "DeepLab": ("ImageSegData transform_param { crop_size: 33 } image_data_param { batch_size: 2 }", 3, (2, 3, 33, 33)),
    "gray": (
        "ImageSegData transform_param { crop_size: 33 } image_data_param { batch_size: 2 is_color: false }",
        1,
        (2, 1, 33, 33),
    ),
    "SegNet": (
        "DenseImageData dense_image_data_param { batch_size: 4 new_height: 36 new_width: 48 }",
        2,
        (4, 3, 36, 48),
    ),
    "SegNet, without a size": ("DenseImageData dense_image_data_param { batch_size: 4 }", 2, None),
    "films": ("VideoData video_data_param { batch_size: 4 new_length: 5 } transform_param { crop_size: 8 }", 2, None),
}


@pytest.mark.parametrize("words, tops, shape", SOURCES.values(), ids=SOURCES)
def test_the_size_of_the_pictures(words: str, tops: int, shape: tuple[int, ...] | None) -> None:
    type_, _, params = words.partition(" ")
    named = " ".join(f'top: "t{i}"' for i in range(tops))
    graph = graph_of(f'layer {{ name: "data" type: "{type_}" {named} {params} }}')
    assert list(graph.inputs.values()) == [shape, *[None] * (tops - 1)]
    assert graph.nodes[0].layer.is_input
