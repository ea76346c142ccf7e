"""Detectors of two stages, Faster R-CNN and R-FCN: they end in scores and boxes of regions, of which some are left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from caffe2py.backends.optimized import optimized
from caffe2py.backends.torch.functions.detection.boxes import best_first, keep_apart
from caffe2py.errors import CaffeError
from caffe2py.evaluate.network import Engine
from caffe2py.evaluate.pictures.preprocessing import Preprocessing
from caffe2py.graph import Graph, Value
from caffe2py.layers.base import Shape, count
from caffe2py.layers.detection.proposals.proposing import Proposing
from caffe2py.passes import only_outputs

INFO = 3  # numbers that tell a net the picture's height, width and scale
OVERLAP = 0.3  # boxes of a label that overlap a better one by more than this go, as in py-faster-rcnn's test


def regions_of(graph: Graph) -> Value | None:
    """The regions that a net of two stages proposes, None where it is no such net."""
    found = [n.tops[0] for n in graph.nodes if isinstance(n.layer, Proposing)]
    return found[0] if len(found) == 1 else None


def infos_of(graph: Graph) -> dict[str, Shape]:
    """The inputs that take the picture's height, width and scale, not the picture: (1, 3), or of old (1, 3, 1, 1)."""
    return {blob: shape for blob, shape in graph.inputs.items() if shape is not None and count(shape) == INFO}


def two_stages(graph: Graph, regions: Value) -> tuple[Graph, Value, Value]:
    """The net as far as its regions, their scores (R, C) and boxes (R, 4 C, or 8 for all), which come last."""
    wide = {v: count(shape, 1) for v in graph.results if (shape := graph.shapes[v])}
    pairs = [(s, b) for s in wide for b in wide if wide[b] in (4 * wide[s], 8) and s != b and wide[s] > 1]
    if len(pairs) != 1:
        known = ", ".join(f'"{v}" of {n}' for v, n in wide.items())
        fact = f'net "{graph.name}" proposes regions, and its outputs are {known}'
        raise CaffeError(f"{fact}; want scores and four times as many numbers, or 8")
    return only_outputs(graph, [regions, *pairs[0]]), *pairs[0]


def finder(graph: Graph, regions: Value, how: Preprocessing, engine: Engine) -> Callable[[np.ndarray], np.ndarray]:
    """A function of pixels (1, H, W, channels) that gives rows (0, label, score, box), boxes in shares of the picture.

    A region's box is moved by what the net says for the label; the boxes of a label are kept apart.
    """
    plain(engine, "a net that proposes regions")
    ends, scores, boxes = two_stages(graph, regions)
    infos = infos_of(ends)
    run = optimized(ends, backend=engine.backend, device=engine.device)

    def find(pixels: np.ndarray) -> np.ndarray:
        high, wide = pixels.shape[1:3]
        x = fed(pixels, how)
        info = np.array([[high, wide, 1.0]], np.float32)
        given = [info.reshape(infos[blob]) if blob in infos else x for blob in ends.inputs]
        tops = dict(zip(ends.results, map(torch.from_numpy, run(*given)), strict=True))
        rois, score, said = (tops[v].flatten(1) for v in (regions, scores, boxes))
        return _rows(rois[:, 1:], score, said, torch.tensor([wide, high] * 2)).numpy()

    return find


def plain(engine: Engine, what: str) -> None:
    """`CaffeError` where something is asked for that only torch does."""
    if engine.torch_alone:
        raise CaffeError(f"{what} runs in fp32, and is not compiled; want neither option")


def fed(pixels: np.ndarray, how: Preprocessing) -> np.ndarray:
    """The blob (N, channels, H, W) of pixels (N, H, W, channels)."""
    made: np.ndarray = ((pixels.transpose(0, 3, 1, 2) - how.offset()) * np.float32(how.scale)).astype(np.float32)
    return made


def _rows(rois: torch.Tensor, score: torch.Tensor, said: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """The rows (M, 7) of all labels but the background, 0."""
    sides = rois[:, 2:] - rois[:, :2] + 1
    middle = rois[:, :2] + sides / 2
    found = [score.new_zeros(0, 7)]
    for label in range(1, score.shape[1]):
        at = 4 * label if said.shape[1] == 4 * score.shape[1] else 4
        d = said[:, at : at + 4]
        centre, half = d[:, :2] * sides + middle, torch.exp(d[:, 2:]) * sides / 2
        box = torch.cat([centre - half, centre + half], 1).minimum(size - 1).clamp(min=0)
        order = best_first(score[:, label])
        order = order[keep_apart(box[order], OVERLAP, pixel=1.0)]
        name = score.new_full((len(order), 1), label)
        found.append(torch.cat([name * 0, name, score[order, label, None], box[order] / size], 1))
    return torch.cat(found)
