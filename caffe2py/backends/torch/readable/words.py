"""What to call the members of a class, after the layers' own names.

conv2_1_1x1_reduce, conv3_4_1x1_reduce      reduce
inception_3a/3x3_reduce                     reduce_3x3
res2a_branch2a, res3b_branch2a              branch2a
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Sequence

from caffe2py.backends.names import spelled
from caffe2py.structure.names import GENERIC

TYPES = {
    "Convolution": "conv",
    "Deconvolution": "deconv",
    "InnerProduct": "fc",
    "BatchNorm": "bn",
}
SIZE = re.compile(r"\d+x\d+")


def type_word(type_: str) -> str:
    """`conv`, `fc`, `bn`; other types in small letters."""
    return TYPES.get(type_, type_.lower())


def member_words(names: Sequence[Sequence[str]], types: Sequence[str], titles: Sequence[str]) -> list[str]:
    """A word for each layer of a class. `names`: of each layer, by instance; `titles`: of each instance."""
    tokens = [_common([_rest(name, title) for name, title in zip(each, titles, strict=True)]) for each in names]
    short = [_without_size(each) for each in tokens]
    counts = Counter(map(tuple, short))
    found = []
    for own, less, type_ in zip(tokens, short, types, strict=True):
        plain = counts[tuple(less)] == 1 and not set(less) <= GENERIC
        found.append(_word(less if less and plain else own, type_word(type_)))
    return found


def _rest(name: str, title: str) -> list[str]:
    """The words of a name without those of the title, unless it has no others."""
    words, own = _words(name), _words(title)
    at = next((i for i in range(len(words)) if words[i : i + len(own)] == own), None) if own else None
    rest = words if at is None else words[:at] + words[at + len(own) :]
    return rest or words


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", spelled(name).lower()) if word]


def _common(rests: Sequence[list[str]]) -> list[str]:
    """The words that all have: of those that differ, what is common to them if it says the type."""
    if len({len(rest) for rest in rests}) != 1:
        return [word for word in rests[0] if all(word in rest for rest in rests)]
    found = []
    for words in zip(*rests, strict=True):
        if len(set(words)) == 1:
            found.append(words[0])
        else:
            kinds = {re.sub(r"[^a-z].*", "", word) for word in words}
            found += kinds if len(kinds) == 1 and kinds <= GENERIC else ()
    return found


def _without_size(words: Sequence[str]) -> list[str]:
    return [word for word in words if not SIZE.fullmatch(word)]


def _word(words: Sequence[str], type_: str) -> str:
    """The words in the order in which people say them, the type first where nothing else says what it is."""
    sizes = [word for word in words if SIZE.fullmatch(word)]
    rest = [word for word in words if word not in sizes]
    kinds = [word for word in rest if word in GENERIC]
    named = [word for word in rest if word not in GENERIC]
    if named:
        made = [named[0], *sizes, *named[1:], *kinds]
    else:
        made = [*(kinds[:1] or [type_]), *sizes, *kinds[1:]]
    if made[0][0].isdigit() or keyword.iskeyword("_".join(made)):
        made = [type_, *(made[:-1] if made[-1] == type_ else made)]
    return "_".join(made)
