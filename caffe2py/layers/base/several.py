"""A type whose name means several things, by the fork whose it is: the one that fits is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from caffe2py.layers.base.layer import Layer
from caffe2py.layers.base.params import Params
from caffe2py.layers.base.words import Misfit


class Several(Layer):
    """A layer type with several meanings, each a class made by `meaning`.

    The one whose own field is set is taken. Where none is, it is the one that takes so many bottoms, tops, learned
    blobs of the weights file and `param` blocks; of several such one without blobs where no file has any, else Caffe's
    own. Where that leaves none or several, `Misfit`.
    """

    meanings: ClassVar[Sequence[type[Layer]]] = ()

    def __init_subclass__(cls) -> None:
        learned = [m for m in cls.meanings if m.weights is not Layer.weights]
        if learned:
            cls.weights = learned[0].weights  # type: ignore[method-assign]
        cls.running = frozenset().union(*(m.running for m in cls.meanings))
        cls.formula = all(m.formula for m in cls.meanings)

    @classmethod
    def read(cls, params: Params) -> Layer:
        said = [m for m in cls.meanings if any(map(params.mentions, m.words))]
        if len(said) > 1:
            raise Misfit(f"has fields of {_whose(said)}, whose {cls.type} differ; want those of one")
        fitting = said or [m for m in cls.meanings if _takes(m, params)]
        if not params.blobs:
            fitting = [m for m in fitting if m.blob_counts == (0,)] or fitting
        own = [m for m in fitting if not m.fork]
        if len(fitting) != 1 and not own:
            wish = f"want a field that tells, or the weights beside it: it may be {_whose(fitting or cls.meanings)}"
            raise Misfit(f"does not show which {cls.type} it is; {wish}")
        return (own or fitting)[0].read(params)


def _takes(meaning: Any, params: Params) -> bool:
    message, counts = params.message, meaning.blob_counts
    stored = not params.blobs or not counts or len(params.blobs) in counts
    return (
        stored
        and len(message.param) <= max(counts, default=len(message.param))
        and meaning.bottoms.takes(len(message.bottom))
        and meaning.tops.takes(len(message.top))
    )


def _whose(meanings: Sequence[type[Layer]]) -> str:
    return " or ".join(f"{m.fork}'s" if m.fork else "Caffe's own" for m in meanings)
