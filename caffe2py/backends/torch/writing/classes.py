"""The text of a class: a net's, or a block's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from caffe2py.backends.torch.writing.layout import WIDTH, laid_out


def module_class(
    name: str,
    declared: Iterable[str],
    inputs: Sequence[str],
    body: Iterable[str],
    *,
    outputs: int = 1,
    says: str = "",
    takes: str = "self",
) -> Iterator[str]:
    """A subclass of `nn.Module`.

    `declared` are the lines of its `__init__`, `takes` that one's arguments; `body` are the statements of its
    `forward`, which has these inputs and so many outputs; `says` is its docstring.
    """
    yield f"class {name}(nn.Module):"
    yield from (f'    """{says}"""', "") if says else ()
    yield from _method(f"__init__({takes}) -> None")
    yield "        super().__init__()"
    yield from declared
    yield ""
    result = "Tensor" if outputs == 1 else "tuple[Tensor, ...]" if outputs else "None"
    yield from _method(f"forward({', '.join(['self', *(f'{each}: Tensor' for each in inputs)])}) -> {result}")
    for line in body:
        yield from laid_out(line, 8)


def _method(head: str) -> Iterator[str]:
    """The first lines of a method."""
    line = f"    def {head}:"
    if len(line) <= WIDTH:
        yield line
        return
    start, end = head.index("(") + 1, head.rindex(")")
    yield f"    def {head[:start]}"
    words = head[start:end]
    if len(words) + 8 <= WIDTH:
        yield f"        {words}"
    else:
        yield from (f"        {word}," for word in words.split(", "))
    yield f"    {head[end:]}:"
