"""The field of CRF-RNN, pixel by pixel, with the points of the lattice in a dictionary."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np

from tests.helpers.tables.forks.formula import Formula, some
from tests.helpers.tables.layers import Array

Point = tuple[int, ...]


def simplex(point: Array) -> list[tuple[Point, float]]:
    """The corners of the simplex that a point lies in, and its barycentric coordinates there."""
    d = len(point)
    scaled = [x * (d + 1) * math.sqrt(2 / 3) / math.sqrt((i + 1) * (i + 2)) for i, x in enumerate(point)]
    sums = list(itertools.accumulate(reversed(scaled), initial=0.0))[::-1]  # of those from j on
    raised = [sums[j] - (j * scaled[j - 1] if j else 0) for j in range(d + 1)]
    low = [round(x / (d + 1)) * (d + 1) for x in raised]
    excess = sum(low) // (d + 1)
    by_rest = sorted(range(d + 1), key=lambda i: low[i] - raised[i])  # the furthest above its own first
    for i in by_rest[d + 1 - excess :] if excess > 0 else by_rest[: -excess or 0]:
        low[i] -= int(math.copysign(d + 1, excess))
    assert sum(low) == 0
    order = sorted(range(d + 1), key=lambda i: low[i] - raised[i])
    rest = [(raised[i] - low[i]) / (d + 1) for i in order]
    # Corner k has added k to all, and taken d + 1 from those whose rest is among the k smallest.
    found = []
    for k in range(d + 1):
        corner = [low[i] + k - (d + 1) * (order.index(i) > d - k) for i in range(d + 1)]
        share = 1 + rest[d] - rest[0] if k == 0 else rest[d - k] - rest[d - k + 1]
        found.append((tuple(corner), share))
    return found


def spread(points: Array, values: Array) -> Array:
    """Sums (P, C) around points (P, d)."""
    d = points.shape[1]
    placed = [simplex(p) for p in points]
    held: dict[Point, Array] = defaultdict(lambda: np.zeros(values.shape[1]))
    for corners, value in zip(placed, values, strict=True):
        for corner, share in corners:
            held[corner] = held[corner] + share * value
    for j in range(d + 1):
        step = np.full(d + 1, -1)
        step[j] = d
        zero = np.zeros(values.shape[1])
        held = {
            key: value + 0.5 * sum(held.get(tuple(int(k) for k in np.add(key, s * step)), zero) for s in (1, -1))
            for key, value in held.items()
        }
    return np.array([sum(share * held[corner] for corner, share in corners) for corners in placed])


def field(unary: Array, start: Array, image: Array, blobs: list[Array], steps: int, thetas: list[float]) -> Array:
    alpha, beta, gamma = thetas
    tops = []
    for u, q, picture in zip(unary, start, image, strict=True):
        c, high, wide = u.shape
        places = np.array([[x, y] for y in range(high) for x in range(wide)], float)
        colours = picture[:3].reshape(3, -1).T
        grids = [places / gamma, np.hstack([places / alpha, colours / beta])]
        norms = [spread(grid, np.ones((high * wide, 1))) for grid in grids]
        for _ in range(steps):
            share = np.exp(q) / np.exp(q).sum(0)
            rows = share.reshape(c, -1).T
            means = [spread(grid, rows) / norm for grid, norm in zip(grids, norms, strict=True)]
            message = sum(blob.reshape(c, c) @ mean.T for blob, mean in zip(blobs[:2], means, strict=True))
            q = u - (blobs[2].reshape(c, c) @ message).reshape(u.shape)
        tops.append(q)
    return np.array(tops)


def meanfields() -> list[Formula]:
    """No pixel lies where simplices meet but those at 0: there float32 and float64 may take different ones."""
    found = []
    for images, high, wide, channels, steps, thetas in [
        (1, 5, 6, 3, 3, [8.0, 2.0, 2.6]),
        (2, 4, 3, 4, 2, [0.75, 40.0, 0.7]),
    ]:
        unary, start = (some(images, 3, high, wide) for _ in range(2))
        image = some(images, channels, high, wide, low=-9, high=9)
        blobs = [some(1, 1, 3, 3) for _ in range(3)]
        top = field(unary, start, image, blobs, steps, thetas)
        words = " ".join(f"theta_{n}: {t}" for n, t in zip(("alpha", "beta", "gamma"), thetas, strict=True))
        params = f"multi_stage_meanfield_param {{ num_iterations: {steps} compatibility_mode: POTTS {words} }}"
        found.append(Formula("MultiStageMeanfield", params, [unary, start, image], [top], blobs))
    return found


CRF = meanfields()
