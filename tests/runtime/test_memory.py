"""Blobs' memory: live arrays, results that change hands, and what is shared."""

from __future__ import annotations

import numpy as np
import torch

from caffe2py.runtime.blobs.blob import Blob


def test_a_result_becomes_the_memory_where_nobody_holds_an_array() -> None:
    blob, result = Blob((2, 3)), torch.ones(2, 3)
    assert blob.data.sum() == 0  # an array that is gone at once
    blob.take(result)
    assert blob.tensor().data_ptr() == result.data_ptr()


def test_a_result_is_copied_into_an_array_that_is_held() -> None:
    blob = Blob((2, 3))
    row = blob.data[1]  # a view of a view holds it, too
    blob.take(torch.full((2, 3), 5.0))
    assert row.tolist() == [5, 5, 5]
    row[0] = 7
    assert blob.tensor()[1, 0] == 7


def test_tensor_and_array_are_one_memory() -> None:
    blob = Blob((4,))
    blob.data[...] = [1, 2, 3, 4]
    blob.tensor()[0] = 9
    assert blob.data.tolist() == [9, 2, 3, 4]
    assert blob.data.dtype == np.float32


def test_shared_memory_follows_results() -> None:
    one, other = Blob((2, 2)), Blob((4,))
    other.share_data(one)
    one.take(torch.arange(4.0).reshape(2, 2))
    assert other.data.tolist() == [0, 1, 2, 3]


def test_a_smaller_shape_keeps_the_first_values_a_larger_one_none() -> None:
    blob = Blob((6,))
    blob.data[...] = np.arange(6)
    blob.reshape(2, 2)
    assert blob.data.tolist() == [[0, 1], [2, 3]]
    blob.reshape(6)
    assert blob.data.tolist() == [0, 1, 2, 3, 4, 5]
    blob.reshape(7)
    assert not blob.data.any()


def test_diffs_add_up_and_clear_in_place() -> None:
    blob, gradient = Blob((3,)), torch.ones(3)
    blob.diff_memory.add(gradient)
    assert blob.gradient().data_ptr() == gradient.data_ptr()  # the first sum is the gradient itself
    held = blob.diff
    blob.diff_memory.add(torch.ones(3))
    assert held.tolist() == [2, 2, 2]
    blob.diff_memory.clear()
    assert held.tolist() == [0, 0, 0]


def test_old_names_of_axes() -> None:
    blob = Blob((5, 4))
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (5, 4, 1, 1, 20)
