"""Finding each layer's learned blobs in a weights file, by name, as Caffe's CopyTrainedLayersFrom does (net.cpp)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from caffe2py.errors import NetError, WeightError
from caffe2py.graph.node import Weight, layer_error
from caffe2py.layers.base import Shape, count, text
from caffe2py.proto.names import unique
from caffe2py.proto.text.prototxt import LayerText

if TYPE_CHECKING:
    import numpy as np

    from caffe2py.proto.weights.blobs import Blob
    from caffe2py.proto.weights.layers import LayerBlobs, Weights


class WeightSource:
    """Hands each layer its weights, ties shared ones together, and remembers what nobody asked for.

    Of several layers of one name each gets what is stored for a layer of that name in its turn; of several that are
    stored for one layer, it gets the last that has blobs, as in Caffe. A blob that layers share is what is stored for
    the last of them in the file, since Caffe copies one after another into the same memory.
    """

    def __init__(self, file: Weights | None, layers: Sequence[LayerText]) -> None:
        self.file = file
        self._several = {name for name, n in Counter(layer.message.name for layer in layers).items() if n > 1}
        self._stored = self._by_key()
        self._common = self._stored_in_common(layers)
        self._named: dict[str, Weight] = {}  # param { name } -> the blob that owns it
        self._asked: set[str] = set()
        self._missing: list[tuple[LayerText, Mapping[str, Shape]]] = []

    def _by_key(self) -> dict[str, LayerBlobs]:
        if self.file is None:
            return {}
        found = {name: layer for name, layer in self.file.by_name.items() if name not in self._several}
        several = [layer for layer in self.file.layers if layer.name in self._several]
        keys = unique(layer.name for layer in several)
        return found | {key: layer for key, layer in zip(keys, several, strict=True) if layer.blobs}

    def _stored_in_common(self, layers: Sequence[LayerText]) -> dict[str, Blob]:
        """By the name of each blob that layers share: the last that is stored for it."""
        if self.file is None:
            return {}
        turns = {id(layer): turn for turn, layer in enumerate(self.file.layers)}
        found: list[tuple[int, str, Blob]] = []
        for key, layer in zip(unique(layer.message.name for layer in layers), layers, strict=True):
            if stored := self._stored.get(key):
                given = zip(layer.message.param, stored.blobs, strict=False)
                found += [(turns[id(stored)], p.name, blob) for p, blob in given if p.name and not blob.absent]
        return {name: blob for _, name, blob in sorted(found, key=lambda each: each[0])}

    def shapes(self, key: str) -> tuple[Shape, ...]:
        """The shapes of the blobs that the file holds for a layer."""
        stored = self._stored.get(key)
        return tuple(tuple(blob.data.shape) for blob in stored.blobs) if stored else ()

    def weights(
        self, spec: LayerText, key: str, wanted: Mapping[str, Shape] | None, *, running: Set[str] = frozenset()
    ) -> tuple[Weight, ...]:
        """The blobs of one layer. `wanted` is None where they cannot be known: the layer keeps what the file has.

        `running` are those that are statistics, which nobody learns.
        """
        name = spec.message.name
        self._asked.add(name)
        stored = self._stored.get(key)
        specs = list(spec.message.param)
        if wanted is None:
            blobs = stored.blobs if stored else ()
            wanted = {str(i): tuple(b.data.shape) for i, b in enumerate(blobs)}
        elif len(specs) > len(wanted):
            fact = f"has {len(specs)} param for {len(wanted)} learned blobs"
            raise layer_error(NetError, name, spec.message.type, spec.place, fact)
        if not wanted:
            if stored and stored.blobs:
                raise self._error(spec, f"has no weights, and {self._file()} holds {len(stored.blobs)} for it")
            return ()
        shared = [specs[i].name if i < len(specs) else "" for i in range(len(wanted))]
        # A blob that another layer owns may be left out: HDF5 files keep it at its owner alone.
        own = [i for i, name_ in enumerate(shared) if name_ not in self._named and name_ not in self._common]
        blobs = stored.blobs if stored else ()
        if stored is None and self.file and own:
            self._missing.append((spec, wanted))
        given = {i: blob for i, blob in enumerate(blobs) if not blob.absent}
        if stored is not None and (len(blobs) > len(wanted) or not given.keys() >= set(own)):
            have = ", ".join(text(tuple(b.data.shape)) for b in blobs) or "none"
            want = ", ".join(f"{k} {text(v)}" for k, v in wanted.items())
            raise self._error(spec, f"{self._file()} holds {len(blobs)} blobs ({have}); want {want}")
        found = []
        for i, (label, shape) in enumerate(wanted.items()):
            data = self._fit(spec, label, shape, given[i]) if i in given else None
            weight = Weight(label, shape, data, (key, i), label not in running, given[i].extra if i in given else b"")
            if shared[i]:
                weight = self._share(spec, weight, shared[i], permissive=specs[i].share_mode == 1)
            found.append(weight)
        return tuple(found)

    def _share(self, spec: LayerText, weight: Weight, name: str, *, permissive: bool) -> Weight:
        if name not in self._named:
            common = self._common.get(name)
            if common is not None and common.data.size == count(weight.shape):
                weight = replace(weight, data=common.data.reshape(weight.shape))
            self._named[name] = weight
            return weight
        owner = self._named[name]
        if not (count(owner.shape) == count(weight.shape) if permissive else owner.shape == weight.shape):
            raise layer_error(
                NetError,
                spec.message.name,
                spec.message.type,
                spec.place,
                f'shares "{name}" of shape {text(weight.shape)} with layer "{owner.owner[0]}", where it is '
                f"{text(owner.shape)}; want the same {'count' if permissive else 'shape'}",
            )
        data = None if owner.data is None else owner.data.reshape(weight.shape)
        return Weight(weight.name, weight.shape, data, owner.owner, weight.learned)

    def _fit(self, spec: LayerText, label: str, shape: Shape, blob: Blob) -> np.ndarray:
        """The blob's values in the layer's shape. A legacy blob (num, channels, height, width) fits from the right."""
        have = tuple(blob.data.shape)
        fits = have == shape or (blob.legacy and (1,) * (len(have) - len(shape)) + shape == have)
        if not fits:
            raise self._error(spec, f"{label} is {text(have)} in {self._file()}; want {text(shape)}")
        return blob.data.reshape(shape)

    def check_missing(self) -> None:
        """`WeightError` for layers that the file lacks, with the closest names on both sides."""
        if not self._missing:
            return
        assert self.file is not None
        spec, wanted = self._missing[0]
        want = ", ".join(f"{k} {text(v)}" for k, v in wanted.items())
        hint = "" if self.file.by_name else "; the file holds no weights at all"
        names = [s.message.name for s, _ in self._missing]
        extra = [layer.name for layer in self._extra() if layer.blobs]
        lines = [f"  in the net alone: {_listed(names, extra)}"] if extra or len(names) > 1 else []
        lines += [f"  in {self._file()} alone: {_listed(extra, names)}"] if extra else []
        wish = "Give --fill SEED (load(..., fill=SEED)) to fill what it lacks as the fillers say, as Caffe does."
        raise self._error(spec, f"is not in {self._file()}{hint}; want {want}", [*lines, wish])

    def _error(self, spec: LayerText, fact: str, lines: Sequence[str] = ()) -> Exception:
        return layer_error(WeightError, spec.message.name, spec.message.type, spec.place, fact, lines)

    def _file(self) -> str:
        return self.file.file if self.file else "the weights file"

    def _extra(self) -> list[LayerBlobs]:
        return [layer for layer in self.file.layers if layer.name not in self._asked] if self.file else []

    def notes(self) -> list[str]:
        """What the file holds that the net did not ask for."""
        if self.file is None:
            return []
        extra = self._extra()
        notes = list(self.file.notes)
        for kind, filled in (("with weights", True), ("without weights", False)):
            layers = [layer for layer in extra if bool(layer.blobs) is filled]
            if layers:
                notes.append(f"{len(layers)} layers {kind} in {self._file()} are not in the net: {_list(layers)}")
        return notes


def _list(layers: list[LayerBlobs]) -> str:
    names = [f"{layer.name} ({layer.type})" for layer in layers[:4]]
    return ", ".join(names) + (f" and {len(layers) - 4} more" if len(layers) > 4 else "")


def _listed(names: Sequence[str], others: Sequence[str]) -> str:
    """Names, each with the closest of others."""
    near = {name: difflib.get_close_matches(name, others, n=1, cutoff=0.3) for name in names[:4]}
    said = [f'"{name}"' + (f' (closest there: "{found[0]}")' if found else "") for name, found in near.items()]
    return ", ".join(said) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
