"""Layers that ONNX says in many operators, found again: what our own writer makes of a layer, operator by operator.

What a subgraph may be is read off its constants; it is that only if the writer says the layer so described in the same
operators, with the same attributes and numbers, between the same values. Nothing is taken on trust of a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from caffe2py.errors import CaffeError
from caffe2py.frontends.caffe.draft import Blob, Draft, Unsayable
from caffe2py.frontends.caffe.targets import Target
from caffe2py.frontends.onnx.folding import folded, growth, inferred
from caffe2py.frontends.onnx.node import Value
from caffe2py.graph import Graph
from caffe2py.layers.base import Shape
from caffe2py.proto.text.values import Word

Write = Callable[..., ModelProto]  # write(graph, opset=13, batch=None): a net in ONNX, None for a free batch
MOST = 200  # guesses that are tried; a model may have as many constants as it likes
CODES = ("CENTER_SIZE", "CORNER", "CORNER_SIZE")


@dataclass(frozen=True)
class Layer:
    """A layer of a fork: its fields by their paths, and its bottoms: of which shapes, or the values of a model."""

    type: str
    fork: Mapping[str, Sequence[object]]
    bottoms: Mapping[str, Shape]
    inputs: tuple[str, ...] = ()


Guess = tuple[str, Layer]  # a value inside the layer, and what it may be


@dataclass
class Facts:
    """What is known of a graph before it runs: who makes a value, and its numbers, or a blob of its shape."""

    inputs: frozenset[str]
    outputs: frozenset[str]
    values: dict[str, Value | None] = field(default_factory=dict)
    makers: dict[str, NodeProto] = field(default_factory=dict)

    def array(self, name: str) -> np.ndarray | None:
        value = self.values.get(name)
        return value if isinstance(value, np.ndarray) else None

    def shape(self, name: str) -> Shape | None:
        value = self.values.get(name)
        return None if value is None else tuple(value.shape)

    def behind(self, name: str, *kinds: str) -> list[NodeProto]:
        """The nodes that make a value, each the maker of the next one's first input; [] where they are not these."""
        made = []
        for kind in kinds:
            node = self.makers.get(name)
            if node is None or node.op_type != kind:
                return []
            made.append(node)
            name = node.input[0]
        return made


def facts_of(graph: GraphProto, tensors: Mapping[str, np.ndarray], inputs: Mapping[str, Shape], opset: int) -> Facts:
    """What is known of a graph, for inputs of these shapes."""
    blobs = {name: Blob(shape) for name, shape in inputs.items()}
    facts = Facts(frozenset(inputs), frozenset(o.name for o in graph.output), {**tensors, **blobs})
    whole: dict[str, bool] = {}
    grown = 0
    for node in graph.node:
        facts.makers.update(dict.fromkeys(filter(None, node.output), node))
        if any(facts.values.get(name) is None for name in node.input if name):
            continue
        given = [facts.values[name] if name else None for name in node.input]
        try:
            constants = folded(node, given, opset, grown) or []
        except Unsayable:
            continue
        grown += growth(constants, given)
        made: list[Value | None] = list(constants)
        if not made:
            shapes, kinds = inferred(node, given, opset, whole)
            made = [None if shape is None else Blob(shape) for shape in shapes]
            whole.update(zip(node.output, kinds, strict=True))
        facts.values.update(zip(node.output, made, strict=False))
    return facts


def may_be(target: Target) -> bool:
    """Has the target layers that are told so?"""
    return any(map(target.has, HYPOTHESES))


def recognised(model: Facts, opset: int, target: Target, write: Write) -> tuple[dict[str, Layer], set[str]]:
    """The layers of the target's dialect in a model, by the value that each makes, and the values inside them."""
    layers: dict[str, Layer] = {}
    inside: set[str] = set()
    kinds = (hypotheses for kind, hypotheses in HYPOTHESES.items() if target.has(kind))
    guesses = {repr(guess): (at, guess) for hypotheses in kinds for at, guess in hypotheses(model)}
    for at, guess in islice(guesses.values(), MOST):
        for name, layer, seen in _found(model, guess, opset, target, write) if at not in inside else ():
            layers[name] = layer
            inside |= seen
    return layers, inside


def _found(
    model: Facts, guess: Layer, opset: int, target: Target, write: Write
) -> Iterator[tuple[str, Layer, set[str]]]:
    """The values of the model that such a layer makes, the layer with its inputs, and the values on the way."""
    for pattern in _patterns(guess, opset, target, write):
        last, any_is = pattern.makers["top"], False
        for name, node in model.makers.items():
            match = _Match(pattern, model)
            same = node.op_type == last.op_type and match.same("top", name)
            if same and not _read_elsewhere(model, match.seen, name):
                any_is = True
                inputs = tuple(match.bound[k] for k in guess.bottoms)
                yield name, Layer(guess.type, guess.fork, guess.bottoms, inputs), match.seen
        if any_is:
            return


def _patterns(guess: Layer, opset: int, target: Target, write: Write) -> Iterator[Facts]:
    """What the writer makes of a layer: with a free batch and a fixed one, and the last bottom fixed, or free too."""
    *_, last = guess.bottoms
    batch = next(iter(guess.bottoms.values()))[0]
    for size, fixed in product((None, batch), ({last}, set())):
        try:
            said = write(_alone(guess, target, fixed), opset=opset, batch=size)
        except (CaffeError, Unsayable):  # it cannot be said so, and has not been
            continue
        names = {t.name: t.name.partition(".")[0] for t in said.graph.initializer}
        for node in said.graph.node:
            node.input[:] = [names[i] if names.get(i) in fixed else i for i in node.input]
        tensors = {t.name: numpy_helper.to_array(t) for t in said.graph.initializer if names[t.name] not in fixed}
        yield facts_of(said.graph, tensors, guess.bottoms, opset)


def _alone(guess: Layer, target: Target, fixed: set[str]) -> Graph:
    """A net of one layer; the fixed ones of its bottoms are constants."""
    draft = Draft(target)
    bottoms = []
    for name, shape in guess.bottoms.items():
        start = len(draft.entries)
        made = draft.constant(np.zeros(shape, np.float32)) if name in fixed else draft.input(name, shape)
        draft.named(start, name, {name: made})
        bottoms.append(made)
    top = draft.layer(guess.type, *bottoms, fork=guess.fork)
    draft.named(len(draft.entries) - 1, "said", {"top": top})
    return draft.finish("said", {"top": top}, "")


@dataclass
class _Match:
    """A pattern laid over a model."""

    pattern: Facts
    model: Facts
    bound: dict[str, str] = field(default_factory=dict)  # the pattern's inputs
    known: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def same(self, ours: str, theirs: str) -> bool:
        if ours in self.known:
            return self.known[ours] == theirs
        self.known[ours] = theirs
        if ours in self.pattern.inputs:
            self.bound[ours] = theirs
            return self.pattern.shape(ours) == self.model.shape(theirs)
        constant = self.pattern.array(ours)
        if constant is not None:
            have = self.model.array(theirs)
            return have is not None and have.dtype == constant.dtype and np.array_equal(have, constant)
        a, b = self.pattern.makers[ours], self.model.makers.get(theirs)
        if b is None or (a.op_type, a.domain, len(a.input)) != (b.op_type, b.domain, len(b.input)):
            return False
        if list(a.output).index(ours) != list(b.output).index(theirs) or _attributes(a) != _attributes(b):
            return False
        self.seen.update(b.output)
        return all(x == y if not (x and y) else self.same(x, y) for x, y in zip(a.input, b.input, strict=True))


def _read_elsewhere(model: Facts, inside: set[str], top: str) -> bool:
    """Does anybody else read a value inside a layer?"""
    values = inside - {top}
    others = (node for node in model.makers.values() if not inside.issuperset(node.output))
    return bool(values & model.outputs) or any(values.intersection(node.input) for node in others)


def _attributes(node: NodeProto) -> list[bytes]:
    return sorted(a.SerializeToString() for a in node.attribute)


def _detections(model: Facts) -> Iterator[Guess]:
    """DetectionOutput, as its constants would have it."""
    most_kept = _kept(model)
    for node in model.makers.values():
        if node.op_type != "NonMaxSuppression" or len(node.input) != 5:
            continue
        chain = model.behind(node.input[1], "Unsqueeze", "TopK", "Reshape", "Gather", "Transpose", "Reshape")
        if not chain:
            continue
        labels, scores = model.array(chain[3].input[1]), model.shape(chain[5].output[0])
        numbers = [model.array(name) for name in (chain[1].input[1], node.input[3], node.input[4])]
        conf = model.shape(chain[5].input[0])
        if labels is None or scores is None or conf is None or any(x is None or x.size != 1 for x in numbers):
            continue
        k, most, least = (x.reshape(-1)[0] for x in numbers if x is not None)
        n, places, classes = scores
        background = [c for c in range(classes) if c not in labels.tolist()]
        for code, encoded, shared, kept in product(CODES, (False, True), (True, False), most_kept):
            fields = {
                "num_classes": classes,
                "share_location": shared,
                "background_label_id": background[0] if background else -1,
                "nms_param.nms_threshold": _number(most),
                "nms_param.top_k": int(k),
                "code_type": Word(code),
                "variance_encoded_in_target": encoded,
                "keep_top_k": kept,
                "confidence_threshold": _number(least),
            }
            fork = {f"detection_output_param.{name}": [value] for name, value in fields.items()}
            loc = (n, places * 4 * (1 if shared else classes))
            yield (
                node.output[0],
                Layer("DetectionOutput", fork, {"loc": loc, "conf": conf, "prior": (1, 2, places * 4)}),
            )


def _kept(model: Facts) -> list[int]:
    """How many things an image may keep: what a TopK on chosen scores says, or all."""
    found = {-1: None}
    for node in model.makers.values():
        if node.op_type == "TopK" and model.behind(node.input[0], "Where"):
            k = model.array(node.input[1])
            if k is not None and k.size == 1:
                found[int(k.reshape(-1)[0])] = None
    return list(found)[::-1]


def _number(value: np.ndarray) -> float:
    """A float32 as the shortest decimal."""
    return float(str(np.float32(value)))


def _unpoolings(model: Facts) -> Iterator[Guess]:
    """SegNet's Upsample by the places that a pooling counts."""
    for name in model.makers:
        scattered = model.behind(name, "Reshape", "ScatterElements")
        if scattered and len(scattered[1].input) == 3:
            values = model.behind(scattered[1].input[2], "Reshape")
            top, x = model.shape(name), model.shape(values[0].input[0]) if values else None
            if top is not None and x is not None and len(top) == 4:
                fork = {"upsample_param.upsample_h": [top[2]], "upsample_param.upsample_w": [top[3]]}
                yield name, Layer("Upsample", fork, {"x": x, "mask": x})


HYPOTHESES: dict[str, Callable[[Facts], Iterator[Guess]]] = {
    "DetectionOutput": _detections,
    "Upsample": _unpoolings,
}
