"""What LSTM and RNN share: their bottoms, tops, and the states that expose_hidden makes visible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Filler,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    param,
    read_fields,
    text,
)

WEIGHT, BIAS = Filler("recurrent_param.weight_filler"), Filler("recurrent_param.bias_filler")


@dataclass(frozen=True)
class Recurrent(Layer):
    """Bottoms: x (T, N, ...), cont (T, N), x_static (N, ...) if any, and with expose_hidden the first states (1, N, H).

    Tops: y (T, N, H), and with expose_hidden the last states (1, N, H).
    """

    time_first = True
    states: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[str] = ""

    num_output: int = param("recurrent_param.num_output")
    expose_hidden: bool = param("recurrent_param.expose_hidden")
    static: bool = False  # there is an x_static

    @classmethod
    def read(cls, params: Params) -> Layer:
        fields = read_fields(cls, params)
        exposed = len(cls.states) if fields["expose_hidden"] else 0
        bottoms, tops = len(params.message.bottom) - 2 - exposed, len(params.message.top)
        if bottoms not in (0, 1) or tops != 1 + exposed:
            wish = f"x, cont, x_static if any{', and the states ' + ', '.join(cls.states) if exposed else ''}"
            raise Misfit(f"has {2 + exposed + bottoms} bottoms and {tops} tops; want {wish}, and {1 + exposed} tops")
        return cls(**fields, static=bottoms == 1)

    def shapes(self, x: Shape, cont: Shape, *others: Shape) -> Sequence[Shape]:
        if len(x) < 3 or cont != x[:2]:
            raise Misfit(f"has x {text(x)} and cont {text(cont)}; want (T, N, ...) and (T, N)")
        if self.num_output < 1:
            raise Misfit("num_output is 0; want at least 1")
        if self.static and others[0][:1] != x[1:2]:
            raise Misfit(f"has x_static {text(others[0])}; want (N, ...) with N {x[1]}")
        state = (1, x[1], self.num_output)
        for name, given in zip(self.states, others[self.static :], strict=False):
            if given != state:
                raise Misfit(f"has {name} {text(given)}; want {text(state)}")
        return [(*x[:2], self.num_output), *([state] * len(self.states) if self.expose_hidden else [])]

    def torch(self, em: Emitter, x: Term, cont: Term, *others: Term) -> str:
        blobs = list(self.weights(x.shape, cont.shape, *(o.shape for o in others)))
        words = {name: em.parameter(i) for i, name in enumerate(blobs)}
        words |= {"x_static": others[0]} if self.static else {}
        words |= dict(zip(self.states, others[self.static :], strict=False))
        called = em.call(self.function, x, cont, *(f"{name}={value}" for name, value in words.items()))
        return called if self.expose_hidden else f"{called}[0]"

    def onnx_steps(self, g: Builder, x: Handle, cont: Handle, *others: Handle) -> Iterator[tuple[Handle, Handle]]:
        """What the inputs add at each step (N, rows), and the step's cont (N, 1)."""
        t, n = x.shape[:2]
        blobs = list(self.weights(x.shape, cont.shape, *(o.shape for o in others)))
        rows = g.weight(0).shape[0]
        flat = g.reshape(x, (t * n, count(x.shape, 2)))
        given = g.op("Gemm", flat, g.weight(0), g.weight(1), transB=1, shape=(t * n, rows))
        given = g.reshape(given, (t, n, rows))
        if self.static:
            static = g.flatten(others[0], 1)
            fixed = g.op("Gemm", static, g.weight(blobs.index("weight_s")), transB=1, shape=(n, rows))
            given = g.op("Add", given, g.unsqueeze(fixed, [0]))
        begins = g.reshape(cont, (t, n, 1))
        ones = [1] * int(t)
        for step, on in zip(g.split(given, ones, 0), g.split(begins, ones, 0), strict=True):
            yield g.reshape(step, (n, rows)), g.reshape(on, (n, 1))

    def onnx_states(self, g: Builder, x: Handle, others: Sequence[Handle]) -> list[Handle]:
        """The states (N, H) before the first step."""
        shape = (x.shape[1], self.num_output)
        given = others[self.static :]
        return [g.reshape(s, shape) for s in given] or [g.full(shape, 0.0) for _ in self.states]

    def onnx_tops(self, g: Builder, outputs: Sequence[Handle], states: Sequence[Handle]) -> list[Handle]:
        """All outputs in one value, and the last states where they are asked for."""
        y = g.concat([g.unsqueeze(h, [0]) for h in outputs], 0)
        return [y, *(g.unsqueeze(s, [0]) for s in states)] if self.expose_hidden else [y]

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        steps = {"weight_xs": bottoms[0][1]}
        blobs = self.weights(*bottoms).items()
        return sum(count(s) * steps.get(name, count(bottoms[0], 0, 2)) for name, s in blobs if len(s) == 2)
