"""What stands around the classes of an emitted file."""

from __future__ import annotations

from pathlib import Path

import pytest

import caffe2py
from caffe2py.backends.torch.source import STYLES
from tests.helpers.nets import graph_of
from tests.helpers.ruff import ruff

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }'
# The layers behind a picture, the file of the weights, and what the emitted file imports beside torch and pathlib.
NAMED = 'layer { name: "F.json.inf" type: "TanH" bottom: "data" top: "json.F.nan" }'
ENDLESS = 'layer { name: "y" type: "ReLU" bottom: "data" top: "y" relu_param { negative_slope: inf } }'
FUNCTION, JSON = "import torch.nn.functional as F", "import json"
IMPORTS = {
    "names like modules": (NAMED, "F.json.pth", set()),
    "a header to read": (NAMED, "net.safetensors", {JSON}),
    "a number and a function": (ENDLESS, "net.pth", {"from math import inf", FUNCTION}),
    "all of them": (ENDLESS, "net.safetensors", {"from math import inf", FUNCTION, JSON}),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", IMPORTS)
def test_imports_are_those_that_are_needed(name: str, style: str, tmp_path: Path) -> None:
    layer, weights, wanted = IMPORTS[name]
    text = f'name: "F.json.n"\n{INPUT}\n{layer}'
    source = caffe2py.to_source(graph_of(text), style, weights)
    made = {line for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert made == {"import torch", "from torch import Tensor, nn", "from pathlib import Path", *wanted}
    (tmp_path / "net.py").write_text(source, encoding="utf-8")
    done = ruff("check", "--isolated", "--select", "E4,F,I", tmp_path)
    assert done.returncode == 0, done.stdout
