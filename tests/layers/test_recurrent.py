"""LSTM and RNN against loops in numpy, step by step as Caffe unrolls them, for what was not recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import caffe2py
from caffe2py.backends.torch.run import runner
from caffe2py.errors import NetError
from caffe2py.graph import Graph
from tests.helpers.nets import graph_of
from tests.helpers.runtimes import in_onnxruntime

Array = np.ndarray
CLOSE = 1e-12  # both sides compute in float64
H, N = 3, 2


@dataclass(frozen=True)
class Case:
    """x (T, N, ...), whether there is an x_static of some shape, and whether the states are bottoms and tops."""

    type: str
    x: tuple[int, ...]
    static: tuple[int, ...] = ()
    exposed: bool = False

    def bottoms(self) -> dict[str, Array]:
        random = np.random.RandomState(7)
        found = {"x": random.randn(*self.x), "cont": (random.rand(*self.x[:2]) > 0.3).astype(float)}
        if self.static:
            found["s"] = random.randn(N, *self.static)
        for name in self.states:
            found[f"{name}0"] = random.randn(1, N, H)
        return found

    @property
    def states(self) -> tuple[str, ...]:
        return (("h", "c") if self.type == "LSTM" else ("h",)) if self.exposed else ()

    def net(self) -> str:
        bottoms = self.bottoms()
        text = ""
        for name, b in bottoms.items():
            dims = " ".join(f"dim: {d}" for d in b.shape)
            text += f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
        tops = " ".join(f'top: "{t}"' for t in ("y", *(f"{s}T" for s in self.states)))
        words = f"num_output: {H} expose_hidden: {str(self.exposed).lower()}"
        ends = " ".join(f'bottom: "{b}"' for b in bottoms)
        return text + f'layer {{ name: "r" type: "{self.type}" {ends} {tops} recurrent_param {{ {words} }} }}'


CASES = {
    "LSTM one step": Case("LSTM", (1, N, 4)),
    "LSTM of images": Case("LSTM", (4, N, 2, 3)),
    "LSTM all bottoms": Case("LSTM", (4, N, 5), (2, 2), True),
    "LSTM exposed": Case("LSTM", (3, N, 5), (), True),
    "RNN one step": Case("RNN", (1, N, 4)),
    "RNN of images": Case("RNN", (4, N, 2, 3)),
    "RNN all bottoms": Case("RNN", (4, N, 5), (2, 2), True),
    "RNN static": Case("RNN", (3, N, 5), (6,)),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def by_hand(case: Case, blobs: list[Array], b: dict[str, Array]) -> dict[str, Array]:
    """The tops: lstm_layer.cpp and lstm_unit_layer.cpp, or rnn_layer.cpp, one step and one sample at a time."""
    rest = iter(blobs)
    wx, bias = next(rest), next(rest)
    ws = next(rest) if case.static else None
    wh = next(rest)
    y = np.zeros((*case.x[:2], H))
    ends = {s: np.zeros((1, N, H)) for s in ("h", "c")}
    outputs = list(rest)
    for n in range(N):
        h, c = (b[f"{s}0"][0, n] if s in case.states else np.zeros(H) for s in ("h", "c"))
        for t in range(case.x[0]):
            on = b["cont"][t, n]
            a = wx @ b["x"][t, n].reshape(-1) + bias + wh @ (on * h)
            if ws is not None:
                a = a + ws @ b["s"][n].reshape(-1)
            if case.type == "LSTM":
                i, f, o, g = sigmoid(a[:H]), on * sigmoid(a[H : 2 * H]), sigmoid(a[2 * H : 3 * H]), np.tanh(a[3 * H :])
                c = f * c + i * g
                y[t, n] = h = o * np.tanh(c)
            else:
                h = np.tanh(a)
                y[t, n] = np.tanh(outputs[0] @ h + outputs[1])
        ends["h"][0, n], ends["c"][0, n] = h, c
    return {"y": y, **{f"{s}T": ends[s] for s in case.states}}


def blobs_of(graph: Graph) -> list[Array]:
    return [np.array(w.data, np.float64) for w in graph.node("r").weights if w.data is not None]


@every_case
def test_the_tops(case: Case) -> None:
    graph = graph_of(case.net(), weights=True)
    tops = caffe2py.run(graph, case.bottoms(), dtype="float64")
    want = by_hand(case, blobs_of(graph), case.bottoms())
    assert tops.keys() == want.keys()
    for name in want:
        np.testing.assert_allclose(tops[name], want[name], rtol=CLOSE, atol=CLOSE)


@every_case
def test_the_gradient(case: Case) -> None:
    """It is that of y; none flows through the states that are handed in and out, nor into cont."""
    made = runner(graph_of(case.net(), weights=True), "exact", dtype=torch.float64)
    bottoms = {name: torch.from_numpy(b).requires_grad_() for name, b in case.bottoms().items()}
    learns = [name for name in bottoms if name in ("x", "s")]

    def y(*some: torch.Tensor) -> torch.Tensor:
        return first(made.module(*{**bottoms, **dict(zip(learns, some, strict=True))}.values()))

    assert torch.autograd.gradcheck(y, [bottoms[name] for name in learns])
    outputs = made.module(*bottoms.values())
    first(outputs).sum().backward()
    assert {name for name, b in bottoms.items() if b.grad is not None} == set(learns)
    assert all(p.grad is not None for p in made.module.parameters())
    assert not any(t.requires_grad for t in outputs[:-1] if isinstance(outputs, tuple))


def first(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """y: of the outputs, which stand in the order of their names, the last."""
    return outputs[-1] if isinstance(outputs, tuple) else outputs


@every_case
def test_in_onnx(case: Case, tmp_path: Path) -> None:
    graph = graph_of(case.net(), weights=True)
    model = caffe2py.to_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "net.onnx")
    inputs = {name: b.astype(np.float32) for name, b in case.bottoms().items()}
    tops = in_onnxruntime(tmp_path / "net.onnx", list(graph.outputs))(inputs)
    for name, want in caffe2py.run(graph, inputs, dtype="float64").items():
        np.testing.assert_allclose(tops[name], want, rtol=1e-5, atol=1e-5)  # float32 over a few steps


def test_states_carry_a_sequence_over() -> None:
    """Two halves with their states handed on are the whole sequence, where cont says that it goes on."""
    case = CASES["LSTM exposed"]
    graph = graph_of(case.net(), weights=True)
    module = runner(graph, "exact", dtype=torch.float64).module
    b = {name: torch.from_numpy(v) for name, v in case.bottoms().items()}
    on = torch.ones_like(b["cont"])
    c, h, y = module(b["x"], on, b["h0"], b["c0"])
    c1, h1, y1 = module(b["x"][:1], on[:1], b["h0"], b["c0"])
    c2, h2, y2 = module(b["x"][1:], on[1:], h1, c1)
    torch.testing.assert_close(torch.cat([y1, y2]), y)
    torch.testing.assert_close((c2, h2), (c, h))
    torch.testing.assert_close(module(b["x"], on, b["h0"], b["c0"])[2], y)  # a pass leaves nothing behind


LSTM = CASES["LSTM exposed"].net()
REFUSED = {
    "cont of another size": (LSTM.replace("dim: 3 dim: 2 }", "dim: 3 dim: 1 }"), "want (T, N, ...) and (T, N)"),
    "state of another size": (LSTM.replace("dim: 1 dim: 2 dim: 3", "dim: 1 dim: 2 dim: 4"), "has h0 (1, 2, 4)"),
    "no states": (LSTM.replace('bottom: "h0" bottom: "c0"', ""), "want x, cont, x_static if any"),
    "no last states": (LSTM.replace('top: "hT" top: "cT"', ""), "and 3 tops"),
    "no outputs": (LSTM.replace("num_output: 3", ""), "num_output is 0"),
}


@pytest.mark.parametrize(("text", "fact"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, fact: str) -> None:
    with pytest.raises(NetError) as caught:
        graph_of(text)
    assert fact in str(caught.value)
