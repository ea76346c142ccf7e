"""What a prototxt says about the pictures it wants: in a comment (`# mean_value: 104, 117, 123`) or a transform_param.

Caffe reads pictures with OpenCV: channels in the order BGR, values 0 to 255. A net is fed (pixel - mean) * scale. What
became a net of others' weights may want RGB, and says so in a comment: `# RGB pictures, ..., divided by 58, 57, 57.`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from caffe2py.graph import Graph
from caffe2py.proto.net import parse_net

# `# mean_value: 104, 117, 123`, `# ... less the means 104, 117, 123.`
RGB = re.compile(r"# RGB pictures[^\n]*divided by ([\d., ]+)")
COMMENT = re.compile(r"#[^\n]*?\bmean(?:_value)?s?\b\s*[:=]?\s*[\[(]?((?:\s*,?\s*\d+(?:\.\d+)?)+)", re.IGNORECASE)


@dataclass(frozen=True)
class Preprocessing:
    """How the pictures of one input are prepared. `source` says where the net tells it."""

    input: str
    size: tuple[int, int]  # height, width
    mean: tuple[float, ...]  # one number, or one for each channel; () where `mean_file` has them
    mean_file: str
    scale: float
    channels: str  # "BGR", "RGB" or "grey"
    source: str
    divisors: tuple[float, ...] = ()  # of the channels, where they are divided after the mean is off

    def words(self) -> dict[str, str]:
        """As short strings, for a file's metadata."""
        said = {
            "preprocessing": f"(pixel - mean) {'/ divisor' if self.divisors else '* scale'}, pixels 0 to 255",
            "preprocessing.input": self.input,
            "preprocessing.channels": self.channels,
            "preprocessing.size": f"{self.size[0]} x {self.size[1]} (height x width)",
            "preprocessing.mean": ", ".join(f"{m:g}" for m in self.mean),
            "preprocessing.mean_file": self.mean_file,
            "preprocessing.scale": f"{self.scale:.9g}",
            "preprocessing.divisors": ", ".join(f"{d:g}" for d in self.divisors),
            "preprocessing.source": self.source,
        }
        return {word: text for word, text in said.items() if text}


def preprocessing(graph: Graph) -> Preprocessing | None:
    """What the net's own text says, None where it says nothing or takes no pictures."""
    pictures = [(blob, s) for blob, s in graph.inputs.items() if s is not None and len(s) == 4 and s[1] in (1, 3)]
    if graph.net is None or not pictures:
        return None
    blob, shape = pictures[0]
    comment = "\n".join((*(f"# {line}" for line in graph.net.head), graph.net.text))
    divided = RGB.search(comment)
    divisors = _numbers(divided[1]) if divided else ()
    size, channels = (shape[2], shape[3]), "grey" if shape[1] == 1 else "RGB" if divided else "BGR"
    for name, transform in _transforms(graph):
        mean = tuple(transform.mean_value)
        if len(mean) in (0, 1, shape[1]):
            source = f'transform_param of layer "{name}"'
            return Preprocessing(blob, size, mean, transform.mean_file, transform.scale, channels, source, divisors)
    for found in COMMENT.finditer(graph.net.text):
        mean = _numbers(found[1])
        if len(mean) in (1, shape[1]):
            line = graph.net.text.count("\n", 0, found.start()) + 1
            source = f"comment in line {line} of the prototxt"
            return Preprocessing(blob, size, mean, "", 1.0, channels, source, divisors)
    return None


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in re.findall(r"\d+(?:\.\d+)?", text))


def _transforms(graph: Graph) -> Iterator[tuple[str, Any]]:
    """The transform_param of each data layer: those of the graph first, then those that its phase leaves out."""
    text = graph.net.text if graph.net is not None else ""
    messages = [node.message for node in graph.nodes if node.message is not None]
    if "transform_param" in text:
        messages += [layer.message for layer in parse_net(text).layers]
    for message in messages:
        if message.HasField("transform_param"):
            yield message.name, message.transform_param
