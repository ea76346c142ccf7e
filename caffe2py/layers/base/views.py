"""What the two views of a layer are handed: text that grows (`Emitter`), and a model that grows (`Builder`).

Both are said here as protocols, so that a layer's file needs neither torch nor onnx, and an editor still knows what
`em.call`, `g.op` and `x.shape` are. The classes behind them are in `backends/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from caffe2py.layers.base.words import Shape

if TYPE_CHECKING:
    import numpy as np

# A shape in ONNX: its sizes are whole numbers, or sizes that follow the batch, which add and multiply like numbers
# and refuse to be used as plain ones (`graph.free_sizes.Size`).
FreeShape = tuple[Any, ...]
Convert = Callable[[Sequence["np.ndarray"]], "np.ndarray"]  # a layer's blobs -> an array of the module's state


class Term(str):
    """A bottom in the torch view: the text of an expression, with the shape it has for the net's own input size."""

    shape: Shape

    def __new__(cls, text: str, shape: Shape | None) -> Term:
        made = super().__new__(cls, text)
        made.shape = shape or ()
        return made


class Handle(str):
    """A value in the ONNX view: its name, with the shape it has for any batch."""

    known: FreeShape | None  # the shape, None where nobody has said it

    def __new__(cls, name: str, shape: Sequence[Any] | None = None) -> Handle:
        made = super().__new__(cls, name)
        made.known = None if shape is None else tuple(shape)
        return made

    @property
    def shape(self) -> FreeShape:
        if self.known is None:
            raise ValueError(f'the shape of "{self}" is not known; say it with g.op(..., shape=...)')
        return self.known


class Emitter(Protocol):
    """What `Layer.torch` is handed: it declares modules and parameters, and names helper functions."""

    @property
    def training(self) -> str:
        """The text of "is it in phase TRAIN?": the module's own mode, unless the layer has a phase of its own."""

    @property
    def tops(self) -> list[Shape]:
        """The shapes of the layer's tops, for the net's own input size."""

    def module(self, expression: str, **state: int | Convert) -> str:
        """Declare `self.NAME = expression` and return `self.NAME`.

        `state` says for each of the module's parameters and buffers which blob of the layer it holds: a
        blob's index, or a function of the list of all blobs.
        """

    def parameter(self, index: int) -> str:
        """Declare the layer's blob `index` as a parameter (a buffer, for running statistics); return `self.NAME`."""

    def buffer(self, name: str, shape: Shape, source: Convert) -> str:
        """Declare a buffer of that shape and return `self.NAME`; `source` makes its array of the layer's blobs."""

    def call(self, function: str | Callable[..., Any], *args: Any, **settings: Any) -> str:
        """`function(args, settings)`, with the function's text copied into the output.

        A name is one of our own helper functions; an outside layer hands in a function of its own, whose text may use
        torch, F, nn, Tensor and other functions of its file. Arguments that are strings are text; settings are
        written as Python literals.
        """


class Builder(Protocol):
    """What `Layer.onnx` is handed: it adds nodes and initializers to the model."""

    phase: str  # of the layer
    training: bool  # is the whole net in phase TRAIN?
    opset: int

    @property
    def tops(self) -> list[FreeShape]:
        """The shapes of the layer's tops."""

    @property
    def lowest(self) -> float:
        """The lowest finite number of the model's precision; Caffe starts a maximum from it."""

    def op(self, kind: str, *inputs: Any, shape: Sequence[Any] | None = None, **attributes: Any) -> Handle:
        """Add one operator; the value it makes.

        An input None is left out, a number becomes a constant. An attribute None is not written. `shape` is that of
        the top, where the layer or a later call needs to know it; elementwise operators know it themselves.
        """

    def ops(
        self, kind: str, outputs: int, *inputs: Any, shape: Sequence[Any] | None = None, **attributes: Any
    ) -> list[Handle]:
        """As `op`, for an operator with several outputs."""

    def function(self, kind: str, body: Callable[..., Handle], *inputs: Handle) -> Handle:
        """What `body(g, *inputs)` builds; a call of the local function `caffe2py.KIND` where the user asked for one."""

    def scan(self, body: Callable[..., Any], state: Sequence[Handle], inputs: Sequence[Handle]) -> list[Handle]:
        """The state after `body(g, *state, *slices)` has made the next of it, for each slice of the inputs' first axis.

        All are floats.
        """

    def need(self, opset: int, why: str) -> None:
        """Say that this layer cannot be said below an opset; the builder then chooses a higher one."""

    def weight(self, index: int, shape: Sequence[int] | None = None) -> Handle:
        """The layer's learned blob `index` as an initializer, straight from the weights file, viewed in a `shape`."""

    def blob(self, index: int) -> np.ndarray:
        """The values of the learned blob `index`, for a layer that computes with them."""

    def constant(self, values: Any, name: str = "constant") -> Handle:
        """An array as initializer `layer.NAME`: floats in the model's precision, integers in int64, truths as bool."""

    def number(self, size: Any) -> Handle:
        """A size as a float scalar, for arithmetic: a constant, or computed where it is free."""

    def shape(self, dims: Sequence[Any]) -> Handle:
        """A shape as an int64 vector: a constant, or computed where it holds a free size."""

    def full(self, dims: Sequence[Any], value: float) -> Handle:
        """A value that is the same number all over."""

    def cast(self, x: Handle, to: str) -> Handle:
        """x as "float" (the model's precision), "float32", "int64", "int32" or "bool"."""

    def reshape(self, x: Handle, dims: Sequence[Any]) -> Handle:
        """x in another shape; `dims` may hold free sizes, and one -1."""

    def flatten(self, x: Handle, axis: int) -> Handle:
        """x as a matrix: the axes before `axis`, and those from it on."""

    def unsqueeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x with an axis of 1 put in at each place of the result that `axes` names."""

    def squeeze(self, x: Handle, axes: Sequence[int]) -> Handle:
        """x without the axes of 1 that `axes` names."""

    def transpose(self, x: Handle, perm: Sequence[int]) -> Handle:
        """x with its axes in the order `perm`."""

    def reduce(self, kind: str, x: Handle, axes: Sequence[int], keepdims: bool = True) -> Handle:
        """ReduceSum, ReduceMean, ReduceMax, ... over `axes`; no axes leave x alone."""

    def slice(self, x: Handle, axis: int, start: int, end: int, step: int = 1) -> Handle:
        """x[start:end:step] along one axis; numbers as in Python, `end` beyond the axis is its end."""

    def split(self, x: Handle, sizes: Sequence[int], axis: int) -> list[Handle]:
        """x cut along one axis into parts of these sizes."""

    def concat(self, parts: Sequence[Handle], axis: int) -> Handle:
        """The parts one after another along one axis."""

    def pad(self, x: Handle, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Handle:
        """x with more of each axis before and after it, filled with a number; no padding leaves x alone."""

    def softmax(self, x: Handle, axis: int, kind: str = "Softmax") -> Handle:
        """Softmax (or LogSoftmax) over one axis. Below opset 13 the axes behind it are taken in too; they must be 1."""
