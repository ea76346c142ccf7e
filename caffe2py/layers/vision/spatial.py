"""Kernel, stride, pad and dilation: one value, one for each axis, or a pair of _h and _w fields."""

from __future__ import annotations

from collections.abc import Sequence

from caffe2py.layers.base import Misfit, Params


def read_spatial(params: Params, message: str, word: str, pair: str) -> tuple[int, ...]:
    """The values of `word` (kernel_size) or of the pair (kernel_h, kernel_w); () where neither is given."""
    whole = params.all(f"{message}.{word}")
    h, w = f"{message}.{pair}_h", f"{message}.{pair}_w"
    if not (params.has(h) or params.has(w)):
        return tuple(whole)
    if whole:
        raise Misfit(f"gives both {word} and {pair}_h or {pair}_w; want one of the two")
    return (params.get(h, 0), params.get(w, 0))


def spread(values: Sequence[int], axes: int, default: int | None, word: str) -> tuple[int, ...]:
    """One value for each spatial axis: the given ones, one for all, or the default."""
    if not values:
        if default is None and axes:
            raise Misfit(f"gives no {word}; want one value, or one for each of {axes} axes")
        return (default or 0,) * axes
    if len(values) not in (1, axes):
        raise Misfit(f"gives {len(values)} values of {word} for {axes} spatial axes; want 1 or {axes}")
    return tuple(values) * axes if len(values) == 1 else tuple(values)


def at_least(values: Sequence[int], low: int, word: str) -> None:
    """`Misfit` where a value is below `low`."""
    if any(v < low for v in values):
        raise Misfit(f"{word} is {min(values)}; want at least {low}")


def window_words(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int] = ()) -> str:
    """`7x7/2 pad 3`: a window in a few words."""

    def words(values: Sequence[int]) -> str:
        return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))

    said = "x".join(map(str, kernel if len(kernel) != 1 else (kernel[0], kernel[0])))
    if any(s != 1 for s in stride):
        said += f"/{words(stride)}"
    if any(pad):
        said += f" pad {words(pad)}"
    if any(d != 1 for d in dilation):
        said += f" dilation {words(dilation)}"
    return said
