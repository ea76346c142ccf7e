"""The lines of a `forward`: what belongs to one step in one line, a name for what is read again.

y = self.conv(x)
y = self.bn(y)            ->    y = F.relu(self.bn(self.conv(x)))
y = F.relu(y)                   return y + x
y = y + x
return y
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from caffe2py.backends.names import LETTERS, Namer
from caffe2py.backends.torch.readable.texts import CLOSE, OPEN, hole, is_primary
from caffe2py.backends.torch.writing.layout import WIDTH
from caffe2py.graph import Value

FAR = 8  # lines behind which a letter tells little, where there are many
NESTED = 4  # calls in one line, at most
MARK = re.compile(f"{OPEN}v(\\d+){CLOSE}")
INDENT = 8


@dataclass(frozen=True)
class Call:
    """What makes some values of others: an expression for each, or one for all of them, with marks for what it reads.

    `tail`: it goes on with the one value that it reads, and stands in that value's line.
    """

    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    texts: tuple[str, ...]  # with holes for its bottoms
    tail: bool = False


@dataclass
class _Line:
    targets: tuple[int, ...]
    text: str


class Forward:
    """The lines as far as they are written. Values are numbered in the order in which they come."""

    def __init__(self, inputs: Mapping[Value, str], outputs: Sequence[Value], reuse: bool, namer: Namer) -> None:
        self._numbers: dict[Value, int] = {}
        self._names = {self._number(v): name for v, name in inputs.items()}
        self._kept = set() if reuse else set(self._names)  # values whose names nothing else takes
        self._outputs = outputs
        self._namer = namer
        self._pending: dict[int, str] = {}
        self._lines: list[_Line] = []  # in the order in which their values are made

    def _number(self, value: Value) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def write(self, calls: Sequence[Call]) -> list[str]:
        """The lines of the calls, in their order, and the return."""
        uses = Counter(self._number(v) for call in calls for v in call.reads)
        uses.update(self._number(v) for v in self._outputs)
        for call in calls:
            self._add(call, uses)
        outputs = [self._number(v) for v in self._outputs]
        if len(outputs) != 1 or uses[outputs[0]] > 1:
            for v in outputs:
                self._flush(v)
        last = ", ".join(self._pending.get(v, _mark(v)) for v in outputs) or "None"
        for v in set(self._pending) - set(outputs):
            self._pending.pop(v)  # nobody reads it
        return self._named(f"return {last}", outputs)

    def _add(self, call: Call, uses: Counter[int]) -> None:
        reads = [self._number(v) for v in call.reads]
        targets = tuple(self._number(v) for v in call.makes)
        joins = len(set(reads)) > 1
        inline: list[int] = []
        if len(call.texts) == len(targets) == 1 and (call.tail or joins):
            inline = [v for v in dict.fromkeys(reads) if self._fits(v, reads, call.texts[0], uses, joins)]
            if joins and len(self._text(call.texts[0], reads, inline)) > WIDTH - INDENT - len("return "):
                inline = []
        for v in reads:
            if v not in inline:
                self._flush(v)
        texts = [self._text(text, reads, inline) for text in call.texts]
        for v in inline:
            self._pending.pop(v)
        if len(texts) < len(targets):
            self._lines.append(_Line(targets, texts[0]))
            return
        for v, text in zip(targets, texts, strict=True):
            self._hold(v, text)
            if len(targets) > 1:
                self._flush(v)

    def _fits(self, v: int, reads: Sequence[int], text: str, uses: Counter[int], joins: bool) -> bool:
        """May what makes v stand in the line that reads it?"""
        if v not in self._pending or uses[v] != 1 or v in (self._number(o) for o in self._outputs):
            return False
        made = self._pending[v]
        mark = hole("b", reads.index(v))
        if text.count(mark) != 1:
            return False
        before, after = text.split(mark)
        argument = before.endswith(("(", ", ", "[")) and after.startswith((")", ",", "]"))
        if not argument and not is_primary(MARK.sub("x", made)):
            return False
        longest = 2 if joins else NESTED
        whole = self._text(text, reads, [v])
        return made.count("(") <= longest * 2 and len(whole) + INDENT + len("x = ") <= WIDTH

    def _text(self, text: str, reads: Sequence[int], inline: Sequence[int]) -> str:
        def fill(found: re.Match[str]) -> str:
            v = reads[int(found[1])]
            return self._pending[v] if v in inline else _mark(v)

        return re.sub(f"{OPEN}b(\\d+){CLOSE}", fill, text)

    def _hold(self, v: int, text: str) -> None:
        """Keep what makes a value, and the place of its line, until it is known whether it has a line."""
        self._pending[v] = text
        self._lines.append(_Line((v,), ""))

    def _flush(self, v: int) -> None:
        if v in self._pending:
            at = next(i for i, line in enumerate(self._lines) if line.targets == (v,))
            self._lines[at] = _Line((v,), self._pending.pop(v))

    def _named(self, last: str, outputs: Sequence[int]) -> list[str]:
        """The lines with variables: a name goes on to what is made of the last of its values."""
        lines = [*(line for line in self._lines if line.text), _Line((), last)]
        ends = {int(n): i for i, line in enumerate(lines) for n in MARK.findall(line.text)}
        lasting = _lasting(lines, ends)
        names = dict(self._names)
        drawn: list[str] = []
        free: list[str] = []
        written = []
        for i, line in enumerate(lines):
            read = [int(n) for n in MARK.findall(line.text)]
            text = MARK.sub(lambda found: names[int(found[1])], line.text)
            done = [v for v in dict.fromkeys(read) if ends[v] == i and v not in {*self._kept, *outputs, *lasting}]
            free = sorted({*free, *(names[v] for v in done)}, key=lambda n: drawn.index(n) if n in drawn else -1)
            wanted = [names[v] for v in done]
            targets = []
            for target in line.targets:
                if target not in ends:
                    names[target] = "_"
                elif target in lasting:
                    names[target] = self._namer(self._blob(target))
                else:
                    name = next((n for n in [*wanted, *free] if n in free), None) or self._draw(drawn, target)
                    free = [n for n in free if n != name]
                    names[target] = name
                targets.append(names[target])
            if line.targets and set(targets) == {"_"}:
                targets = ["_"]
            written.append(f"{', '.join(targets)} = {text}" if targets else text)
        return [line for line in written if line.partition(" = ")[0] != line.partition(" = ")[2]]

    def _draw(self, drawn: list[str], target: int) -> str:
        """A letter; where all are in use, what Caffe calls the value."""
        drawn.append(self._namer(next((x for x in LETTERS if self._namer.free(x)), self._blob(target))))
        return drawn[-1]

    def _blob(self, v: int) -> str:
        return next(value.blob for value, number in self._numbers.items() if number == v)


def _lasting(lines: Sequence[_Line], ends: Mapping[int, int]) -> set[int]:
    """Where letters would not do for all values at once: those that are read far behind, and those beside them."""
    made = {v: i for i, line in enumerate(lines) for v in line.targets if v in ends}
    most = max((sum(start <= i < ends[v] for v, start in made.items()) for i in range(len(lines))), default=0)
    if most <= len(LETTERS):
        return set()
    far = {v for v, start in made.items() if ends[v] - start > FAR}
    read = [{int(n) for n in MARK.findall(line.text)} for line in lines]
    return far.union(*(values & made.keys() for values in read if len(values) > 2 and values & far))


def _mark(v: int) -> str:
    """What stands for a value until it has a name."""
    return hole("v", v)
