"""Running the emitted text: as a module, and layer by layer."""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch

from caffe2py import arguments
from caffe2py.backends.torch.device import CPU, find_device, full_float32
from caffe2py.backends.torch.source import DEFAULT, program
from caffe2py.backends.torch.writing.program import Program, Step
from caffe2py.errors import NetError, first_line, shown
from caffe2py.graph import Graph, Node, Value
from caffe2py.graph.memory import at_the_end
from caffe2py.layers.base import text

Record = Literal["layers", "blobs"]
_numbers = itertools.count(1)  # of the compiled classes


@dataclass(frozen=True)
class Runner:
    """A program with its compiled module."""

    program: Program
    module: torch.nn.Module
    device: torch.device = CPU

    def steps(
        self, inputs: Mapping[str, torch.Tensor], feed: Mapping[Value, torch.Tensor] | None = None
    ) -> Iterator[tuple[Node, list[torch.Tensor]]]:
        """Run one layer after another; after each, its node and its tops as they stand right then.

        `feed` replaces values before they are read: with a reference's own values, what comes out is each
        layer's error alone. Values are let go as soon as no later layer reads them.
        """
        variables: dict[str, Any] = {"self": self.module}
        last = _last_uses(self.program)
        for index, step in enumerate(self.program.steps):
            node = step.node
            if node.layer.is_input:
                for v, name in zip(node.tops, step.tops, strict=True):
                    variables[name] = inputs[v.blob]
            else:
                if feed is not None:
                    for v, name in zip(node.bottoms, step.bottoms, strict=True):
                        variables[name] = feed.get(v, variables.get(name))
                code = _compiled(step.lines, node.name)  # our own text, from the emitter
                with self.ready(step), told(node):
                    exec(code, self.module.forward.__globals__, variables)
            yield node, [variables[name] for name in step.tops]
            for name in last[index]:
                variables.pop(name, None)

    @contextmanager
    def ready(self, step: Step) -> Iterator[None]:
        """Around the run of one step: what it needs of the module is there."""
        yield


@contextmanager
def told(node: Node) -> Iterator[None]:
    """Around the run of a layer: what torch finds wrong with its values, such as a label out of range, is an error of
    the layer."""
    try:
        yield
    except NotImplementedError:
        raise
    except (IndexError, RuntimeError, ValueError) as error:
        said = first_line(error)
        labels = " (a label or an index among its bottoms)" if "out of" in said and "index" in said else ""
        raise node.error(NetError, f"cannot run on this input: {said}{labels}") from error


@dataclass(frozen=True)
class LeanRunner(Runner):
    """A runner for `steps` alone, whose module holds the weights of one layer at a time, and of no layer between."""

    dtype: torch.dtype = torch.float32
    keys: Mapping[int, Sequence[str]] = field(default_factory=dict)  # of the state dict, by their node's identity

    @contextmanager
    def ready(self, step: Step) -> Iterator[None]:
        held = [(self.module.get_submodule(key.rpartition(".")[0]), key) for key in self.keys.get(id(step.node), ())]
        empty = [_slot(owner, key) for owner, key in held]
        for owner, key in held:
            tensor = _tensor(self.program.bindings[key].value(), self.dtype).to(self.device)
            _fill(owner, key, tensor)
        try:
            yield
        finally:
            for (owner, key), tensor in zip(held, empty, strict=True):
                _fill(owner, key, tensor)


def _slot(owner: torch.nn.Module, key: str) -> Any:
    found: Any = getattr(owner, key.rpartition(".")[2])
    return found


def _fill(owner: torch.nn.Module, key: str, tensor: torch.Tensor) -> None:
    """Put a tensor where a parameter or buffer of the module is."""
    name = key.rpartition(".")[2]
    if name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[name] = tensor


def _last_uses(made: Program) -> list[list[str]]:
    """For each step, the variables that nothing after it needs."""
    needed = set(made.outputs)
    uses: list[list[str]] = []
    for step in reversed(made.steps):
        names = {*step.bottoms, *step.tops}
        uses.append(sorted(names - needed))
        needed = (needed - set(step.tops)) | set(step.bottoms)
    return uses[::-1]


@lru_cache(maxsize=1 << 12)
def _compiled(lines: tuple[str, ...], layer: str) -> Any:
    return compile("\n".join(lines), f"<layer {shown(layer)}>", "exec")


def compile_class(made: Program) -> type[torch.nn.Module]:
    """The emitted class. Tracebacks show its lines, for as long as it is there."""
    file = f"<caffe2py {made.class_name} {next(_numbers)}>"
    linecache.cache[file] = (len(made.source), None, made.source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": f"caffe2py.emitted.{made.class_name}", "__file__": file}
    exec(compile(made.source, file, "exec"), scope)
    found: type[torch.nn.Module] = scope[made.class_name]
    weakref.finalize(found, linecache.cache.pop, file, None).atexit = False
    return found


def runner(
    graph: Graph,
    style: str = "exact",
    state: Mapping[str, torch.Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> Runner:
    """Compile a graph in one style and fill it with its weights (or with `state`), on a device."""
    return filled(program(graph, style), state, dtype, device)


def filled(
    made: Program,
    state: Mapping[str, torch.Tensor] | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> Runner:
    """As `runner`, for a graph whose text is made already."""
    cls = compile_class(made)
    if state is None:
        state = {key: _tensor(array, dtype) for key, array in made.state().items()}
    if made.tied:
        module = cls()
        module.load_state_dict(state)
    else:
        with torch.device("meta"):
            module = cls()
        module.load_state_dict(state, assign=True)
    module.to(device, dtype)
    return Runner(made, module.train(made.graph.phase == "TRAIN"), device)


def lean_runner(
    graph: Graph, style: str = "exact", dtype: torch.dtype = torch.float32, device: torch.device = CPU
) -> Runner:
    """A runner for `steps` that reads a layer's weights when it runs: for a net whose copy would take much memory.

    A net in which layers share blobs gets an ordinary one.
    """
    made = program(graph, style)
    owners = [owner for node in made.graph.nodes for owner in {w.owner for w in node.weights}]
    if made.tied or len(owners) != len(set(owners)):
        return filled(made, dtype=dtype, device=device)
    keys = defaultdict(list)
    for key, binding in made.bindings.items():
        keys[id(binding.node)].append(key)
    with torch.device("meta"):
        module = compile_class(made)()
    return LeanRunner(made, module.train(graph.phase == "TRAIN"), device, dtype, keys)


def _tensor(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """A tensor of its own memory: floats in a caffemodel stand at any byte, and training must not write to its map."""
    if array.dtype.kind == "f":
        return torch.from_numpy(np.array(array, np.float64 if dtype == torch.float64 else np.float32, order="C"))
    return torch.from_numpy(np.array(array, order="C"))


def to_torch(graph: Graph, style: str = DEFAULT) -> torch.nn.Module:
    """The net as a `torch.nn.Module` in eval mode (in training mode for a graph of phase TRAIN).

    It takes the net's inputs in Caffe's order and gives its output, or a tuple of them in Caffe's order. The
    batch is free, and height and width are where the net itself allows it. `style` as in `to_source`. Raises
    `UnsupportedError` that lists every layer without a torch view, `WeightError` where there are no weights.
    """
    return runner(graph, style).module


def run(
    graph: Graph,
    inputs: Mapping[str, Any],
    record: Record | None = None,
    *,
    dtype: str = "float32",
    style: str = "exact",
    device: str = "cpu",
) -> dict[str, Any]:
    """One forward pass on arrays: {output blob: array}.

    record="layers" gives {layer name: [its tops, as they stood right after it]} instead (crop#2 is the second layer
    called crop), record="blobs" {blob name: array at the end of the pass}. `dtype` is "float32" or "float64", `device`
    as torch names it: cpu, cuda, cuda:1; products are never cut to TF32. Raises `CaffeError` for a device that is not
    there.
    """
    numbers = {"float32": torch.float32, "float64": torch.float64}
    arguments.one_of("dtype", dtype, numbers)
    arguments.one_of("record", record, (None, "layers", "blobs"))
    where = find_device(device)
    made = runner(graph, style, dtype=numbers[dtype], device=where)
    tensors = input_tensors(graph, inputs, numbers[dtype], where)
    layers: dict[str, Any] = {}
    done = made.program.graph
    ends = at_the_end(done.nodes) if record == "blobs" else dict(zip(done.outputs, done.results, strict=True))
    wanted = set(ends.values())
    shapes: dict[str, torch.Size] = {}
    values: dict[Value, np.ndarray] = {}
    with torch.no_grad(), full_float32():
        for node, tops in made.steps(tensors):
            if record == "layers":
                layers[node.key] = [_array(top) for top in tops]
                continue
            shapes.update({v.blob: top.shape for v, top in zip(node.tops, tops, strict=True)})
            values.update({v: _array(top) for v, top in zip(node.tops, tops, strict=True) if v in wanted})
    if record == "layers":
        return layers
    if record == "blobs":
        return {blob: values[v].reshape(shapes[blob]) for blob, v in ends.items()}
    return {blob: values[ends[blob]] for blob in graph.outputs}


def _array(top: torch.Tensor) -> np.ndarray:
    """A copy: layers in place go on in the same memory."""
    return top.cpu().numpy().copy()


def input_tensors(
    graph: Graph, inputs: Mapping[str, Any], dtype: torch.dtype, device: torch.device = CPU
) -> dict[str, torch.Tensor]:
    """The arrays as tensors; an error that names each input that is missing, unknown, or of a wrong rank."""
    for blob in inputs:
        if blob not in graph.inputs:
            raise NetError(f'net "{graph.name}" has no input "{blob}"; its inputs are {_blobs(list(graph.inputs))}')
    tensors = {}
    for blob, shape in graph.inputs.items():
        if blob not in inputs:
            raise NetError(f'net "{graph.name}" needs input "{blob}" {text(shape)}, and it was not given')
        array = np.asarray(inputs[blob])
        if array.dtype.kind not in "fiub":
            raise NetError(f'input "{blob}" holds {array.dtype}; want real numbers')
        if shape is not None and array.ndim != len(shape):
            raise NetError(f'input "{blob}" has shape {text(array.shape)}; want {len(shape)} axes, as in {text(shape)}')
        tensors[blob] = torch.from_numpy(np.array(array, order="C")).to(device, dtype)
    return tensors


def _blobs(names: Sequence[str]) -> str:
    return ", ".join(f'"{n}"' for n in names) or "none"
