"""Pages and pictures, parsed for tests: what an HTML page holds, and where an SVG's boxes and texts are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

VOID = {"meta", "input", "br", "link", "img"}
NAMESPACES = {"http://www.w3.org/2000/svg"}
NASTY = "a<b>&\"c'/d"
NASTY_NET = f"""name: "n<i>&amp;'s"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 3 dim: 9 dim: 7 }} }} }}
layer {{ name: "{NASTY.replace('"', chr(92) + '"')}" type: "Convolution" bottom: "data" top: "x<y>"
        convolution_param {{ num_output: 5 kernel_size: 3 }} }}
layer {{ name: "</svg><script>alert(1)</script>" type: "ReLU" bottom: "x<y>" top: "x<y>" }}
layer {{ name: "{"long/" * 80}end" type: "Sigmoid" bottom: "x<y>" top: "]]>&lt;{{{{ 7 * 7 }}}}" }}
layer {{ name: "|*_`~ 汉字 \\001 {{% raw %}}" type: "TanH" bottom: "]]>&lt;{{{{ 7 * 7 }}}}" top: "-->" }}
"""


@dataclass
class Page(HTMLParser):
    """An HTML page: its elements in order, their texts, its tables. Raises where a tag is not closed."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)  # by id: cells of the body's rows
    texts: dict[str, list[str]] = field(default_factory=dict)  # by tag
    stack: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def of(cls, text: str) -> Page:
        page = cls()
        page.feed(text)
        page.close()
        assert page.stack == [], f"not closed: {page.stack}"
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)
            self.texts.setdefault(tag, []).append("")
        rows = self.tables.get(next(reversed(self.tables), ""), [])
        if tag == "table":
            self.tables[dict(attrs).get("id") or f"table {len(self.tables)}"] = []
        elif tag == "tr" and "tbody" in self.stack:
            rows.append([])
        elif tag == "td":
            rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for tag in set(self.stack):
            self.texts[tag][-1] += data
        if "td" in self.stack:
            self.tables[next(reversed(self.tables))][-1][-1] += data

    def values(self, name: str) -> list[str]:
        """An attribute of all elements that have it."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def of_class(self, *names: str) -> list[dict[str, str]]:
        """The attributes of the elements that have all these classes."""
        return [a for _, a in self.elements if set(names) <= set(a.get("class", "").split())]


def outside(text: str) -> list[str]:
    """What a page or picture would fetch, or lead to, outside of itself."""
    urls = [u for u in re.findall(r"https?://[^\s\"'<>)]+", text) if u not in NAMESPACES]
    fetched = re.findall(r"@import[^;]*|url\([^)]*\)", text)
    tags = re.findall(r"<(?:link|img|iframe|object|embed|audio|video|source|base|use|image)\b[^>]*>", text)
    links = re.findall(r"(?:\bhref|\bsrc|\baction|\bsrcset)=\"(?!#)[^\"]*\"", text)
    return [*urls, *fetched, *tags, *links]


@dataclass(frozen=True)
class Box:
    """A box of a picture, in the picture's own pixels, and its lines: text, x and baseline."""

    x: float
    y: float
    width: float
    height: float
    style: str
    hint: str
    lines: tuple[tuple[str, float, float], ...]

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def boxes(element: ET.Element, x: float = 0.0, y: float = 0.0) -> Iterator[Box]:
    """The boxes of an SVG, panels of it included."""
    moved = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    if moved:
        x, y = x + float(moved[1]), y + float(moved[2])
    style = element.get("class", "")
    if style in {"box", "group", "entry"}:
        rect = next(e for e in element if local(e) == "rect")
        lines = tuple(
            (e.text or "", x + float(e.attrib["x"]), y + float(e.attrib["y"])) for e in element if local(e) == "text"
        )
        hint = next(e.text or "" for e in element if local(e) == "title")
        yield Box(x, y, float(rect.attrib["width"]), float(rect.attrib["height"]), style, hint, lines)
    else:
        for child in element:
            yield from boxes(child, x, y)
