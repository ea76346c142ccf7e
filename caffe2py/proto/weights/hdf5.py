"""Weights in HDF5: ``/data/<layer>/<number>``, as Caffe writes them with ``snapshot_format: HDF5``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from caffe2py.errors import CaffemodelError, FileError, WeightError
from caffe2py.proto.disk.damage import damage_told, reason
from caffe2py.proto.disk.files import written_whole
from caffe2py.proto.hdf5.safe import WHAT, members, new_hdf5, open_safely, read_array
from caffe2py.proto.names import decode_name
from caffe2py.proto.weights.blobs import MOST_AXES, MOST_VALUES, Blob
from caffe2py.proto.weights.layers import LayerBlobs, Weights, check_blobs

if TYPE_CHECKING:
    import h5py
    from google.protobuf.message import Message

MOST_BLOBS = 1000  # of a layer; BVLC's largest has 5


def read_caffemodel_h5(path: str | os.PathLike[str]) -> Weights:
    """The weights in a ``.caffemodel.h5``.

    A layer is a group that has blobs or is empty; groups inside groups are layers with "/" in their names. A blob that
    another layer owns is not in such a file: one that is followed by others of its layer comes back ``absent``.
    """
    with open_safely(path) as file, damage_told(path, WHAT):
        name = os.fspath(path)
        data = file.get("data")
        if data is None or not hasattr(data, "items"):
            raise CaffemodelError("an HDF5 file without the group /data: not Caffe's weights", name)
        layers = tuple(_layers(data, "", name))
    if not layers:
        raise CaffemodelError("no layers in /data", name)
    return Weights(name, "", layers, "HDF5")


def write_caffemodel_h5(
    path: str | os.PathLike[str],
    net: Message,
    blobs: Mapping[str, Sequence[np.ndarray]],
    *,
    even_if_caffe_cannot_read_it: bool = False,
) -> None:
    """Write blobs by layer name, and an empty group for every other layer of the net, as Caffe's HDF5 weights.

    A "/" in a name makes a group in a group, and those no Caffe finds: it aborts, or loads nothing without a word
    (net.cpp, CopyTrainedLayersFromHDF5 and ToHDF5). A layer of such a name is left out where it has no blobs, and
    refused where it has some, unless it is wanted ``even_if_caffe_cannot_read_it``.

    Raises WeightError for such names, for those that HDF5 cannot say (``a//b``, ``.``) and for the second layer of a
    name, else as ``write_caffemodel``.
    """
    check_blobs(path, net, blobs)
    names = list(dict.fromkeys(layer.name for layer in net.layer))  # type: ignore[attr-defined]
    for key in sorted(set(blobs) - set(names)):
        fact = f"layer {key!r}: HDF5 holds the weights of one layer of a name; want a binary caffemodel"
        raise WeightError(fact, os.fspath(path))
    if not even_if_caffe_cannot_read_it:
        nested = [name for name in names if "/" in name and blobs.get(name)]
        if nested:
            fact = f'layer {nested[0]!r} has a "/" in its name, and no Caffe finds such a layer in HDF5 weights'
            raise WeightError(f"{fact}; want a binary caffemodel, or --even-if-caffe-cannot-read-it", os.fspath(path))
        names = [name for name in names if "/" not in name]
    for name in names:
        if not all(part not in ("", ".", "..") and "\0" not in part for part in name.split("/")):
            raise WeightError(f"layer {name!r}: HDF5 has no such name; write a binary caffemodel", os.fspath(path))
    with written_whole(path) as temporary, new_hdf5(temporary) as file:
        try:
            data = file.create_group("data")
            for name in names:
                group = data.require_group(name)
                for index, array in enumerate(blobs.get(name, ())):
                    group.create_dataset(str(index), data=array)
        except (RuntimeError, TypeError, ValueError) as error:
            raise FileError(f"cannot write: {reason(error)}", os.fspath(path)) from None


def _layers(group: h5py.Group, prefix: str, place: str) -> Iterator[LayerBlobs]:
    for key, member in members(group):
        name = prefix + decode_name(_raw(key))
        if not hasattr(member, "items"):
            if not prefix:
                raise CaffemodelError(f'"/data/{name}" is no group: not Caffe\'s weights', place)
            continue
        blobs = {number: part for number, part in members(member) if not hasattr(part, "items")}
        if blobs or not len(member):
            yield LayerBlobs(name, "", _blobs(member, blobs, place))
        yield from _layers(member, f"{name}/", place)


def _blobs(group: h5py.Group, stored: Mapping[str | bytes, h5py.Dataset], place: str) -> tuple[Blob, ...]:
    blobs: dict[int, Blob] = {}
    for key, dataset in stored.items():
        if not (key.isascii() and key.isdigit() and str(int(key[:9])) == key and int(key) < MOST_BLOBS):
            raise CaffemodelError(f'"{group.name}/{decode_name(_raw(key))}" is no number of a blob', place)
        data = read_array(dataset)
        if data.dtype.kind != "f" or data.dtype.itemsize > 8:
            raise CaffemodelError(f'"{group.name}/{key}" holds {data.dtype}; want float32 or float64', place)
        if data.ndim > MOST_AXES or data.size > MOST_VALUES:
            raise CaffemodelError(f'"{group.name}/{key}" {data.shape} is larger than a blob can be', place)
        blobs[int(key)] = Blob(data if data.dtype == np.float64 else data.astype(np.float32, copy=False))
    absent = Blob(np.empty(0, np.float32), absent=True)
    return tuple(blobs.get(index, absent) for index in range(max(blobs, default=-1) + 1))


def _raw(key: str | bytes) -> bytes:
    """The bytes of a link's name: h5py gives a name that is not UTF-8 as bytes."""
    return key if isinstance(key, bytes) else key.encode()
