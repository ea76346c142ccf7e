"""A converted `.onnx` as something to verify: every value it shares with the net, out of onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffe2py.backends.onnx.session import library, providers
from caffe2py.backends.torch.device import CPU
from caffe2py.errors import FileError, first_line
from caffe2py.graph import Graph, Node, Value
from caffe2py.layers.base import count
from caffe2py.proof.models.model import Arrays, Feed, TorchModel
from caffe2py.proto.disk.damage import reason

PORTION = 2**28  # values in bytes that one run is asked for


def opened(path: Path, device: torch.device) -> tuple[Any, list[str], bool]:
    """A file in onnxruntime with all its values as outputs, the names of its own outputs, and whether it is ours.

    Ours is what caffe2py has written: its values are named as Caffe's blobs. Raises CaffeError.
    """
    import onnx

    runtime = library()
    wanted = providers(str(device))
    try:
        model = onnx.load(str(path), load_external_data=False)
        ends = [o.name for o in model.graph.output]
        made = [name for node in model.graph.node for name in node.output if name and name not in ends]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions
        folder = os.fsencode(path.resolve().parent).decode(errors="replace")  # of weights over 2 GB
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        session = runtime.InferenceSession(model.SerializeToString(), options, wanted)
        return session, ends, model.producer_name == "caffe2py"
    except OSError as error:
        raise FileError(reason(error), str(path)) from None
    except Exception as error:  # the kinds of two libraries, none of them public
        raise FileError(f"does not load: {first_line(error)}", str(path)) from None


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file. Its values are named as Caffe's blobs: `conv1`, and `conv1#2` after a layer in place."""

    name: str
    source: Graph
    path: Path
    session: Any  # with all its values as outputs
    device: torch.device = CPU
    feeds: bool = False

    @property
    def graph(self) -> Graph:
        return self.source

    @cached_property
    def yardstick(self) -> TorchModel:
        """The net itself: the file's own values would take a fault in it for rounding."""
        return TorchModel(self.name, self.source, device=self.device)

    def steps(self, inputs: Mapping[str, np.ndarray], feed: Feed | None = None) -> Iterator[tuple[Node, Arrays]]:
        known: dict[Value, np.ndarray] = {}
        portions = self.portions()
        for node in self.source.nodes:
            if node.layer.is_input:
                yield node, [np.asarray(inputs[v.blob]) for v in node.tops]
                continue
            if portions and any(v in portions[0] for v in node.tops):
                known = self.run(inputs, portions.pop(0))
            yield node, [known.get(v) for v in node.tops]

    @cached_property
    def names(self) -> dict[Value, str]:
        """What each value of the net is called in the file; values that the file has not are left out."""
        there = {o.name for o in self.session.get_outputs()}
        last = set(self.source.results)
        found = {}
        for v in self.source.shapes:
            numbered = f"{v.blob}#{v.version}"
            if numbered in there:
                found[v] = numbered
            elif v.blob in there and (v in last if v.blob in self.source.outputs else v.version == 1):
                found[v] = v.blob
        return found

    def portions(self) -> list[list[Value]]:
        """The values in the order the layers run, in portions that memory holds."""
        made: list[list[Value]] = [[]]
        size = 0
        for v in (v for node in self.source.nodes for v in node.tops if v in self.names):
            bytes_ = 4 * count(self.source.shapes[v] or ())
            if made[-1] and size + bytes_ > PORTION:
                made.append([])
                size = 0
            made[-1].append(v)
            size += bytes_
        return made if made[-1] else []

    def run(self, inputs: Mapping[str, np.ndarray], values: Sequence[Value]) -> dict[Value, np.ndarray]:
        given = [i.name for i in self.session.get_inputs()]
        if len(given) != len(self.source.inputs):
            fact = f'has {len(given)} inputs; net "{self.source.name}" has {len(self.source.inputs)}'
            raise FileError(fact, str(self.path))
        fed = {n: np.asarray(inputs[blob], np.float32) for n, blob in zip(given, self.source.inputs, strict=True)}
        try:
            made = self.session.run([self.names[v] for v in values], fed)
        except Exception as error:  # onnxruntime's own kinds
            raise FileError(f"cannot run: {first_line(error)}", str(self.path)) from None
        return dict(zip(values, made, strict=True))
