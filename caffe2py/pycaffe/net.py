"""`caffe.Net`."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from caffe2py.proto.filter import PHASES
from caffe2py.proto.net import read_net
from caffe2py.runtime.blobs.blob import Blob
from caffe2py.runtime.data.memory_data import MemoryFeed
from caffe2py.runtime.glog import log
from caffe2py.runtime.layers.operator import Operator
from caffe2py.runtime.layers.python import BlobVec, Hosted, PythonLayer
from caffe2py.runtime.nets.net import RunningNet

Path = str | os.PathLike[str]
Arrays = dict[str, np.ndarray]


class NetLayer(PythonLayer):
    """A layer of a net: its `type` and its `blobs`."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(operator.node.message)
        self._operator = operator
        self.blobs = BlobVec(operator.blobs)

    @property
    def type(self) -> str:
        return self._operator.type

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._operator.reshape()


class PycaffeNet(RunningNet):
    """What pycaffe's nets can do, however they are made."""

    # What is in it ------------------------------------------------------------------------------------------------

    @cached_property
    def blobs(self) -> OrderedDict[str, Blob]:
        """The blobs by name, in the order in which they are made."""
        return OrderedDict(self.named_blobs)

    @cached_property
    def params(self) -> OrderedDict[str, list[Blob]]:
        """The learned blobs by the name of their layer."""
        return OrderedDict((op.name, list(op.blobs)) for op in self.operators if op.blobs)

    @cached_property
    def layers(self) -> list[PythonLayer]:
        """The layers in order; of a Python layer the user's own object."""
        return [op.node.layer.user if isinstance(op.node.layer, Hosted) else NetLayer(op) for op in self.operators]

    @cached_property
    def layer_dict(self) -> OrderedDict[str, PythonLayer]:
        """The layers by name."""
        return OrderedDict(zip(self._layer_names, self.layers, strict=True))

    @cached_property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """What each blob weighs in the loss."""
        weights = {
            v.blob: w for node in self.graph.nodes for v, w in zip(node.tops, node.loss_weights, strict=False) if w
        }
        return OrderedDict((blob, weights.get(blob, 0.0)) for blob in self.blobs)

    @property
    def inputs(self) -> list[str]:
        """The blobs that the user fills: the tops of Input layers."""
        return [v.blob for node in self.graph.nodes if node.type == "Input" for v in node.tops]

    @property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads."""
        return list(self.graph.outputs)

    @cached_property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """For each layer the names of its tops."""
        return OrderedDict((node.name, [v.blob for v in node.tops]) for node in self.graph.nodes)

    @cached_property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """For each layer the names of its bottoms."""
        return OrderedDict((node.name, [v.blob for v in node.bottoms]) for node in self.graph.nodes)

    @property
    def _layer_names(self) -> list[str]:
        return [node.name for node in self.graph.nodes]

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blobs(self) -> list[Blob]:
        return list(self.blobs.values())

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(blob) for blob in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(blob) for blob in self.outputs]

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    def _top_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(v.blob) for v in self.graph.nodes[layer].tops]

    def _bottom_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(v.blob) for v in self.graph.nodes[layer].bottoms]

    # Running it ---------------------------------------------------------------------------------------------------

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run the layers from `start` to `end`, both included, on inputs given by name; a dict of live arrays.

        They are the net's outputs, or the tops of `end`, and those of `blobs`.
        """
        first = 0 if start is None else self._layer_names.index(start)
        last = len(self.operators) - 1 if end is None else self._layer_names.index(end)
        wanted = {*(self.outputs if end is None else self.top_names[end]), *(blobs or ())}
        if kwargs:
            if set(kwargs) != set(self.inputs):
                raise Exception("Input blob arguments do not match net inputs.")
            for name, values in kwargs.items():
                if values.shape[0] != self.blobs[name].shape[0]:
                    raise Exception("Input is not batch sized")
                self.blobs[name].data[...] = values
        self._forward(first, last)
        return {name: self.blobs[name].data for name in wanted}

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **kwargs: Any
    ) -> Arrays:
        """Run the layers backward from `start` to `end`, on diffs of the outputs given by name; a dict of live arrays.

        They are the diffs of the net's inputs, or of the bottoms of `end`, and those of `diffs`.
        """
        first = len(self.operators) - 1 if start is None else self._layer_names.index(start)
        last = 0 if end is None else self._layer_names.index(end)
        wanted = {*(self.inputs if end is None else self.bottom_names[end]), *(diffs or ())}
        if kwargs:
            if set(kwargs) != set(self.outputs):
                raise Exception("Top diff arguments do not match net outputs.")
            for name, values in kwargs.items():
                if values.shape[0] != self.blobs[name].shape[0]:
                    raise Exception("Diff is not batch sized")
                self.blobs[name].diff[...] = values
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in wanted}

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> Arrays:
        """`forward` over as many batches as the inputs fill, the last one filled up with zeros; arrays of all."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in {*self.outputs, *(blobs or ())}}
        for batch in self._batch(kwargs):
            for name, values in self.forward(blobs=blobs, **batch).items():
                found[name].extend(values.copy())
        return _without_padding(found, kwargs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[Arrays, Arrays]:
        """`forward` and `backward` over batches; `kwargs` are inputs and diffs of outputs. Two dicts of arrays."""
        outs: dict[str, list[np.ndarray]] = {name: [] for name in {*self.outputs, *(blobs or ())}}
        into: dict[str, list[np.ndarray]] = {name: [] for name in {*self.inputs, *(diffs or ())}}
        ahead: Iterator[dict[str, Any]] = self._batch({name: kwargs[name] for name in self.inputs if name in kwargs})
        back: Iterator[dict[str, Any]] = self._batch({name: kwargs[name] for name in self.outputs if name in kwargs})
        for batch, diff in zip_longest(ahead, back):
            for name, values in self.forward(blobs=blobs, **(batch or {})).items():
                outs[name].extend(values.copy())
            for name, values in self.backward(diffs=diffs, **(diff or {})).items():
                into[name].extend(values.copy())
        return _without_padding(outs, kwargs), _without_padding(into, kwargs)

    def _batch(self, blobs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Arrays of any number of samples, cut into batches of the size that the net has."""
        if not blobs:
            return
        count = len(next(iter(blobs.values())))
        size = next(iter(self.blobs.values())).shape[0]
        for start in range(0, count, size):
            batch = {name: np.asarray(values[start : start + size]) for name, values in blobs.items()}
            short = size - len(next(iter(batch.values())))
            if short:
                batch = {
                    name: np.concatenate([values, np.zeros((short, *values.shape[1:]), values.dtype)])
                    for name, values in batch.items()
                }
            yield batch

    def _forward(self, start: int, end: int) -> float:
        return self.run_forward(start, end)

    def _backward(self, start: int, end: int) -> None:
        self.run_backward(start, end)

    def reshape(self) -> None:
        """Give every blob the shape that follows from those of the inputs; `forward` does so, too."""
        self.fit()

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Hand samples and labels to the MemoryData layer that the net begins with."""
        if labels.ndim == 1:
            labels = np.ascontiguousarray(labels[:, np.newaxis, np.newaxis, np.newaxis])
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        feed = self.operators[0].node.layer
        if not isinstance(feed, MemoryFeed):
            raise RuntimeError("set_input_arrays may only be called if the first layer is a MemoryDataLayer")
        feed.set_arrays(data, labels)

    def before_forward(self, hook: Callable[[int], object]) -> None:
        """Call `hook` with each layer's index before the layer runs."""
        self.before_forwards.append(hook)

    def after_forward(self, hook: Callable[[int], object]) -> None:
        """Call `hook` with each layer's index after the layer ran."""
        self.after_forwards.append(hook)

    def before_backward(self, hook: Callable[[int], object]) -> None:
        """Call `hook` with each layer's index before it runs backward."""
        self.before_backwards.append(hook)

    def after_backward(self, hook: Callable[[int], object]) -> None:
        """Call `hook` with each layer's index after it ran backward."""
        self.after_backwards.append(hook)

    # Its weights --------------------------------------------------------------------------------------------------

    def copy_from(self, trained_filename: Path) -> None:
        """Take over the blobs of the layers that a caffemodel (binary or HDF5) has by the same name."""
        self.load_weights(trained_filename)

    def share_with(self, other: PycaffeNet) -> None:
        """Have the learned blobs of another net in one memory."""
        self.share_weights(other)

    def save(self, filename: Path) -> None:
        """Write the net with its weights as a binary caffemodel."""
        self.write(filename)

    def save_hdf5(self, filename: Path) -> None:
        """Write the weights as HDF5."""
        self.write(filename, hdf5=True)

    def load_hdf5(self, filename: Path) -> None:
        """Take over weights from HDF5."""
        self.load_weights(filename)

    def clear_param_diffs(self) -> None:
        """Set the diffs of all learned blobs to 0."""
        self.clear_diffs()


class Net(PycaffeNet):
    """`Net(network_file, phase, level=0, stages=None, weights=None)`, or in the old way `Net(file, weights, phase)`."""

    def __init__(self, network_file: Path, *args: Any, **kwargs: Any) -> None:
        weights: Path | None
        if args and isinstance(args[0], (str, os.PathLike)):
            weights, phase, level, stages = _legacy(network_file, *args, **kwargs)
        else:
            phase, level, stages, weights = _named(*args, **kwargs)
        for path in (network_file, weights):
            _check_file(path)
        super().__init__(read_net(network_file), PHASES[phase], level, list(stages or ()))
        if weights is not None:
            self.copy_from(weights)


def _named(
    phase: int, level: int = 0, stages: Sequence[str] | None = None, weights: Path | None = None
) -> tuple[int, int, Sequence[str] | None, Path | None]:
    return phase, level, stages, weights


def _legacy(param_file: Path, pretrained_param_file: Path, phase: int) -> tuple[Path, int, int, Sequence[str] | None]:
    old = "DEPRECATION WARNING - deprecated use of Python interface"
    new = f"Net('{param_file}', {phase}, weights='{pretrained_param_file}')"
    log("_caffe.cpp:139", old, "W")
    log("_caffe.cpp:140", 'Use this instead (with the named "weights" parameter):', "W")
    log("_caffe.cpp:142", new, "W")
    return pretrained_param_file, phase, 0, None


def _check_file(path: Path | None) -> None:
    if path is None:
        return
    try:
        with open(path, "rb"):
            pass
    except OSError:
        raise RuntimeError(f"Could not open file {os.fspath(path)}") from None


def _without_padding(found: Mapping[str, list[np.ndarray]], given: Mapping[str, Any]) -> Arrays:
    arrays = {name: np.asarray(values) for name, values in found.items()}
    count = len(next(iter(given.values()))) if given else 0
    pad = len(next(iter(arrays.values()))) - count if arrays else 0
    return {name: values[:-pad] if pad > 0 else values for name, values in arrays.items()}
