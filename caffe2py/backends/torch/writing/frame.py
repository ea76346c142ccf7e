"""What stands around the classes of an emitted file: what the net wants, how it is loaded, and a run of it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from caffe2py.backends.preprocessing import preprocessing
from caffe2py.backends.torch.writing.helpers import Helpers
from caffe2py.backends.torch.writing.layout import laid_out
from caffe2py.backends.torch.writing.syntax import module_of
from caffe2py.backends.torch.writing.text import in_docstring, quoted, shape_lines, sizes
from caffe2py.errors import LINE, shown
from caffe2py.graph import Graph
from caffe2py.version import __version__

READ_PTH = 'torch.load(weights, map_location="cpu", weights_only=True)'
READ_SAFETENSORS = "read_safetensors(Path(weights))"
SAFETENSORS = '''
def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Eight bytes of length, a JSON header of that length, then the tensors' bytes."""
    data = torch.from_file(str(file), size=file.stat().st_size, dtype=torch.uint8)
    start = 8 + int.from_bytes(bytes(data[:8].tolist()), "little")
    types, tensors = {"F32": torch.float32, "I64": torch.int64}, {}
    for name, each in json.loads(bytes(data[8:start].tolist())).items():
        if name != "__metadata__":
            first, last = each["data_offsets"]
            flat = data[start + first : start + last].view(types[each["dtype"]])
            tensors[name] = flat.view(each["shape"])
    return tensors
'''


def framed(
    graph: Graph,
    style: str,
    name: str,
    helpers: Helpers,
    classes: Sequence[str],
    weights: str | None,
    tied: bool,
) -> str:
    """The file around the lines of its classes, of which the net's is called `name`.

    `weights` is the file beside it that `load` reads, a `.pth` or `.safetensors`; `tied`: some parameters are one.
    """
    weights = weights or "weights.pth"
    body = [*_constants(graph), *helpers.text().split("\n"), "", *classes]
    said = {node.id for node in ast.walk(module_of("\n".join(body))) if isinstance(node, ast.Name)}
    head = [*_docstring(graph, style), *_imports(said, weights)]
    return "\n".join([*head, *body, *_tail(graph, name, weights, tied), ""])


def _docstring(graph: Graph, style: str) -> Iterator[str]:
    """What the file is, what the net takes and gives."""
    outputs = dict(zip(graph.outputs, graph.shapes_of(graph.results), strict=True))
    yield f'"""{in_docstring(graph.name) or "A net"}: from Caffe by caffe2py {__version__}, {style} style.'
    yield ""
    yield f"Inputs: {shape_lines(graph.inputs)}"
    yield f"Outputs: {shape_lines(outputs)}"
    for note in graph.number_notes:
        yield from ("", f"Note: {in_docstring(note, LINE)}")
    yield from ('"""', "")


def _imports(said: Collection[str], weights: str) -> Iterator[str]:
    """The imports of a file whose constants, functions and classes say these names, and where its weights are."""
    if weights.endswith(".safetensors"):
        yield "import json"
    if numbers := sorted({"inf", "nan"} & set(said)):  # so Python prints such numbers
        yield f"from math import {', '.join(numbers)}"
    yield from ("from pathlib import Path", "", "import torch")
    if "F" in said:
        yield "import torch.nn.functional as F"
    yield from ("from torch import Tensor, nn", "")
    yield f"WEIGHTS = Path(__file__).with_name({quoted(weights)})"


def _constants(graph: Graph) -> Iterator[str]:
    """What a picture must be made into, as far as the net tells it."""
    said = preprocessing(graph)
    if said is None:
        pictures = [shape for shape in graph.inputs.values() if shape is not None and len(shape) == 4 and shape[1] == 3]
        yield from (f"INPUT_SIZE = {tuple(shape[2:])}  # height, width" for shape in pictures[:1])
        return
    yield f"INPUT_SIZE = {said.size}  # height, width"
    yield f'CHANNELS = "{said.channels}"  # of values from 0 to 255'
    if said.mean:
        yield f"MEAN = {said.mean if len(said.mean) > 1 else said.mean[0]}"
    if said.scale != 1:
        yield f"SCALE = {said.scale}  # after the mean is subtracted"
    if said.divisors:
        yield f"DIVISORS = {said.divisors}  # after the mean is subtracted"


def _tail(graph: Graph, name: str, weights: str, tied: bool) -> Iterator[str]:
    """How the net is loaded and run."""
    safe = weights.endswith(".safetensors")
    yield from ("", *(SAFETENSORS.strip("\n").split("\n") if safe else []))
    yield from ("", "") if safe else ("",)
    yield from _loader(name, READ_SAFETENSORS if safe else READ_PTH, tied)
    zeros = [f"torch.zeros({sizes(shape or ())})" for shape in graph.inputs.values()]
    yield from ("", "", 'if __name__ == "__main__":', "    with torch.no_grad():")
    yield from laid_out(f"outputs = load()({', '.join(zeros)})", 8)
    names = [shown(blob).replace("\\", "\\\\").replace('"', '\\"') for blob in graph.outputs]
    if len(names) == 1:
        yield from laid_out(f'print("{names[0]}", tuple(outputs.shape))', 4)
    elif names:
        said = ", ".join(f'"{each}"' for each in names)
        yield from laid_out(f"for name, output in zip([{said}], outputs):", 4)
        yield "        print(name, tuple(output.shape))"


def _loader(name: str, read: str, tied: bool) -> Iterator[str]:
    yield f"def load(weights: str | Path = WEIGHTS) -> {name}:"
    yield '    """The net with its weights, in eval mode."""'
    if tied:
        yield f"    net = {name}()"
    else:
        yield from ('    with torch.device("meta"):', f"        net = {name}()")
    yield f"    state = {read}"
    yield f"    net.load_state_dict(state{'' if tied else ', assign=True'})"
    yield "    return net.eval()"
