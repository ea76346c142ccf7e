"""Building the graph: a filtered net and its weights to checked nodes, in the order Caffe runs them.

The checks are those of Caffe's own net construction (net.cpp, insert_splits.cpp): every bottom has a maker,
no blob is made twice, counts of blobs fit the type, and no blob that another layer still reads is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caffe2py.errors import NetError
from caffe2py.graph.memory import Memory, places
from caffe2py.graph.model import Graph
from caffe2py.graph.node import Node, Value, Weight, layer_error
from caffe2py.graph.unread import unread_notes
from caffe2py.graph.weights import WeightSource
from caffe2py.layers.base import Layer, Misfit, Params, Shape, find_layer, text
from caffe2py.layers.base.opaque import Opaque
from caffe2py.proto.filter import PHASES, what_lets_in
from caffe2py.proto.names import unique
from caffe2py.proto.net import listed
from caffe2py.proto.text.prototxt import LayerText, NetText, Unknown

if TYPE_CHECKING:
    from caffe2py.proto.weights.layers import Weights

Find = Callable[[str], type[Layer] | None]
MAX_COUNT = 2**31 - 1  # Caffe counts a blob's elements in a 32-bit int
MAX_AXES = 32


def build(
    net: NetText,
    weights: Weights | None = None,
    *,
    phase: str = "TEST",
    inputs: Mapping[str, Shape] | None = None,
    find: Find = find_layer,
    ignore_unknown_fields: bool = False,
    own_memory: bool = False,
    partial: bool = False,
) -> Graph:
    """The graph of a net that is already filtered for `phase`.

    `inputs` gives the shapes of input blobs, instead of those in the file; `find` the class of a layer type, for who
    runs some types in a way of their own. With `ignore_unknown_fields` fields that nobody reads stop nobody. With
    `own_memory` each layer reads its own bottoms, for who keeps blobs in one memory where Caffe does. With `partial`
    layers that the weights lack stay without. Raises `NetError` where Caffe would refuse the net and `WeightError`
    where the weights do not fit it.
    """
    builder = _Builder(net, WeightSource(weights, net.layers), dict(inputs or {}), find, phase)
    for key, layer in zip(unique(layer.message.name for layer in net.layers), net.layers, strict=True):
        builder.add(layer, key)
    builder.check_overwrites()
    if not partial:
        builder.source.check_missing()
    builder.check_inputs_used(net.file)
    memory = builder.in_memory(follow=not own_memory)
    outputs = sorted(builder.unread, key=lambda blob: blob.encode("utf-8", "surrogateescape"))
    results = [
        v if own_memory else memory.seen(v, "the net's output") for v in map(builder.current.__getitem__, outputs)
    ]
    unread = unread_notes(builder.nodes, builder.idle_fields, ignore_unknown_fields)
    nodes = [replace(node, unread=()) for node in memory.nodes] if ignore_unknown_fields else memory.nodes
    return Graph(
        name=net.name,
        nodes=tuple(nodes),
        shapes=builder.shapes,
        inputs={v.blob: builder.shapes[v] for n in builder.nodes if n.layer.is_input for v in n.tops},
        outputs=tuple(outputs),
        results=tuple(results),
        phase=phase,
        notes=(*net.notes, *meanings(builder.nodes), *unread, *memory.notes, *builder.source.notes()),
        weights_file=weights.file if weights else None,
        net=net,
    )


@dataclass
class _Builder:
    """The net as far as it is built."""

    net: NetText
    source: WeightSource
    input_shapes: dict[str, Shape]
    find: Find
    phase: str
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[Value, Shape | None] = field(default_factory=dict)
    current: dict[str, Value] = field(default_factory=dict)  # the latest version of each blob
    unread: set[str] = field(default_factory=set)  # blobs nobody reads yet: what is left are the net's outputs
    used_inputs: set[str] = field(default_factory=set)
    idle_fields: list[tuple[Any, Unknown]] = field(default_factory=list)  # that nobody reads, and that change nothing
    automatic: int = 0

    def add(self, spec: LayerText, key: str) -> None:
        message = spec.message
        params = Params(message, spec.unknown, self.source.shapes(key))
        layer = self._read(spec, params)

        def error(fact: str) -> NetError:
            made = layer_error(NetError, message.name, message.type, spec.place, fact)
            assert isinstance(made, NetError)
            return made

        self._check_counts(layer, message, error)
        bottoms = tuple(self._bottom(blob, i, error) for i, blob in enumerate(message.bottom))
        bottom_shapes = [self.shapes[v] for v in bottoms]
        tops = tuple(self._top(blob, i, message, error) for i, blob in enumerate(message.top))
        losses = _loss_weights(layer, message, len(tops) or 1, error)
        if layer.auto_tops and not tops:
            self.automatic += 1
            tops = (Value("(automatic)", self.automatic),)
        try:
            top_shapes = self._top_shapes(layer, tops, bottom_shapes)
            weights = self._weights(layer, spec, key, bottom_shapes)
        except Misfit as misfit:
            raise error(str(misfit)) from None
        self.shapes.update(zip(tops, top_shapes, strict=True))
        own = PHASES[message.phase]
        self.nodes.append(
            Node(
                name=message.name,
                layer=layer,
                bottoms=bottoms,
                tops=tops,
                weights=weights,
                loss_weights=losses,
                stopped=tuple(not p for p in message.propagate_down),
                own_phase=own if message.HasField("phase") and own != self.phase else "",
                key=key,
                place=spec.place,
                message=message,
                unread=self._unread(layer, params),
            )
        )

    def _unread(self, layer: Layer, params: Params) -> tuple[Unknown, ...]:
        """What nobody reads and the layer may need."""
        fillers = tuple(f"{filler.path}." for filler in layer.fillers.values())
        unread = params.unread() if params.unknown and not isinstance(layer, Opaque) else ()
        unread = tuple(u for u in unread if not u.path.startswith(fillers))
        if not unread:
            return ()
        from caffe2py.proto.dialects.rules import is_unheeded  # here: a net of Caffe's own needs no forks

        idle = [u for u in unread if layer.is_input or is_unheeded(u.path)]
        self.idle_fields += [(params.message, u) for u in idle]
        return tuple(u for u in unread if u not in idle)

    def _read(self, spec: LayerText, params: Params) -> Layer:
        message = spec.message
        cls = self.find(message.type)
        if cls is None:
            return Opaque(message.type)
        try:
            return cls.read(params)
        except Misfit as misfit:
            raise layer_error(NetError, message.name, message.type, spec.place, str(misfit)) from None

    def _check_counts(self, layer: Layer, message: Any, error: Any) -> None:
        if isinstance(layer, Opaque):
            return
        n, m = len(message.bottom), len(message.top)
        if not layer.bottoms.takes(n):
            raise error(f"has {n} bottoms; want {layer.bottoms}")
        if layer.same_count and n != m:
            raise error(f"has {n} bottoms and {m} tops; want as many tops as bottoms")
        if not layer.tops.takes(m) and not (layer.auto_tops and m == 0):
            raise error(f"has {m} tops; want {layer.tops}")
        if not layer.may_be_in_place(n, m) and any(b == t for b, t in zip(message.bottom, message.top, strict=False)):
            raise error("works in place, which Caffe does not allow for its type; want a top with a name of its own")
        if message.propagate_down and len(message.propagate_down) != n:
            raise error(f"has {len(message.propagate_down)} propagate_down for {n} bottoms; want one for each, or none")

    def _bottom(self, blob: str, index: int, error: Any) -> Value:
        if blob not in self.current:
            raise error(f'bottom {index} "{blob}" is made by no layer before it{self._maker(blob)}')
        self.unread.discard(blob)
        return self.current[blob]

    def _maker(self, blob: str) -> str:
        """Who would make a blob that nobody makes, or what else may be meant."""
        for layer in self.net.left_out:
            if blob in layer.message.top:
                if not layer.message.include and not layer.message.exclude:
                    return '; the input of that name has no size: want "input_shape { dim: ... }" beside it'
                who = f'"{layer.message.name}" ({layer.message.type}, {layer.place})'
                return f"; {who} makes it, which {what_lets_in(layer.message, self.net.message.state)} lets in"
        return _close(blob, self.current)

    def _top(self, blob: str, index: int, message: Any, error: Any) -> Value:
        in_place = index < len(message.bottom) and message.bottom[index] == blob
        if blob in self.current and not in_place:
            raise error(f'top {index} "{blob}" is already made by another layer; want a new name, or the same place')
        if blob in list(message.top)[:index]:
            raise error(f'top "{blob}" is named twice')
        value = Value(blob, self.current[blob].version + 1 if in_place else 1)
        self.current[blob] = value
        self.unread.add(blob)
        return value

    def _top_shapes(self, layer: Layer, tops: Sequence[Value], bottoms: Sequence[Shape | None]) -> list[Shape | None]:
        if layer.is_input:
            made = layer.shapes()
            found: list[Shape | None] = list(made) if made else [None] * len(tops)
            for i, v in enumerate(tops):
                if v.blob in self.input_shapes:
                    found[i] = tuple(self.input_shapes[v.blob])
                    self.used_inputs.add(v.blob)
        else:
            known = [s for s in bottoms if s is not None]
            if isinstance(layer, Opaque) or len(known) < len(bottoms):
                return [None] * len(tops)
            try:
                found = [s if s is None else tuple(s) for s in layer.shapes(*known)]
            except (OverflowError, ValueError) as error:  # of an infinity, or NaN, that was to become a size
                raise Misfit(f"has a parameter from which no size follows: {error}") from None
        if len(found) != len(tops):
            raise Misfit(f"makes {len(found)} tops and names {len(tops)}")
        for s in found:
            check_size(s)
        return found

    def _weights(self, layer: Layer, spec: LayerText, key: str, bottoms: Sequence[Shape | None]) -> tuple[Weight, ...]:
        known = [s for s in bottoms if s is not None]
        wanted = None
        if not isinstance(layer, Opaque) and len(known) == len(bottoms):
            wanted = layer.weights(*known)
            for s in wanted.values():
                check_size(s)
        return self.source.weights(spec, key, wanted, running=layer.running)

    def in_memory(self, *, follow: bool) -> Memory:
        """The nodes, as Caffe's memory lets them run."""
        memory = Memory(self.shapes, places(self.nodes))
        for node in self.nodes:
            memory.add(node, follow=follow)
        return memory

    def check_inputs_used(self, file: str) -> None:
        unused = sorted(set(self.input_shapes) - self.used_inputs)
        if unused:
            have = [v.blob for n in self.nodes if n.layer.is_input for v in n.tops]
            raise NetError(f'the net has no input "{unused[0]}"; its inputs are {", ".join(have) or "none"}', file)

    def check_overwrites(self) -> None:
        """Caffe gives each reader of a blob a copy (Split), so that none of several readers can work in place.

        A loss_weight that the text gives counts as a reader; the 1 that a loss has without one does not.
        """
        readers: dict[Value, int] = {}
        for node in self.nodes:
            for v in node.bottoms:
                readers[v] = readers.get(v, 0) + 1
        weighs = {v for n in self.nodes for v, w in zip(n.tops, n.message.loss_weight, strict=False) if w}
        for node in self.nodes:
            for v, top in zip(node.bottoms, node.tops, strict=False):
                if v.blob == top.blob and readers[v] + (v in weighs) > 1:
                    others = [f'"{n.name}"' for n in self.nodes if v in n.bottoms and n is not node]
                    raise node.error(
                        NetError,
                        f'overwrites blob "{v.blob}", which {", ".join(others) or "the loss"} reads too; '
                        f"want a top with a name of its own",
                    )


def meanings(nodes: Iterable[Node]) -> list[str]:
    """Which of its several meanings a type's name has in this net, where it is not Caffe's own."""
    found: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        if node.layer.one_of and node.layer.fork:
            found.setdefault((node.type, node.layer.fork), []).append(f'"{node.name}"')
    return [f"{type_} is {fork}'s ({listed(names)})" for (type_, fork), names in found.items()]


def _loss_weights(layer: Layer, message: Any, tops: int, error: Any) -> tuple[float, ...]:
    """A loss without a loss_weight weighs 1, which Caffe then counts as one that is given."""
    given = tuple(message.loss_weight) or ((1.0,) if layer.is_loss else ())
    if given and len(given) != tops:
        raise error(f"has {len(given)} loss_weight for {tops} tops; want one for each, or none")
    return given


def check_size(shape: Shape | None) -> None:
    """Caffe's own limits: 32 axes, no negative dimension, fewer than 2^31 values."""
    if shape is None:
        return
    if len(shape) > MAX_AXES:
        raise Misfit(f"a blob of {len(shape)} axes; Caffe takes {MAX_AXES} at the most")
    product = 1
    for d in shape:
        product *= d
    if min(shape, default=0) < 0:
        raise Misfit(f"a blob of shape {text(shape)} has a negative dimension; the bottom is too small for the window")
    if not product:
        raise Misfit(f"a blob of shape {text(shape)} holds no value; want sizes above 0 (for an input: --input)")
    if product > MAX_COUNT:
        raise Misfit(f"a blob of shape {text(shape)} has {product} values; Caffe takes {MAX_COUNT} at the most")


def _close(name: str, names: Mapping[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(names), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
