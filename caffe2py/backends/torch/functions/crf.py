"""A conditional random field over pixels, whose Gaussians are those of a permutohedral lattice."""

import torch
from torch import Tensor


def lattice(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The lattice that points (N, P, d) lie in: the corners of each one's simplex, its shares in them (N P, d + 1),
    and the two points beside each along each direction (d + 1, 2, M), with whether there is one."""
    d = points.shape[2]
    deviation = float(points.new_tensor((d + 1) * (2 / 3) ** 0.5))
    total, parts = torch.zeros_like(points[..., 0]).flatten(), []
    for i in range(d, 0, -1):  # into the plane of the lattice, in Caffe's order
        scale = float(points.new_tensor(deviation / (i * (i + 1)) ** 0.5))
        part = points[..., i - 1].flatten() * scale
        parts.append(total - i * part)
        total = total + part
    raised = torch.stack([total, *reversed(parts)], 1)
    up, down = (f(raised * (1 / (d + 1))) * (d + 1) for f in (torch.ceil, torch.floor))
    low = torch.where(up - raised < raised - down, up, down)
    order = torch.sort(raised - low, dim=1, descending=True, stable=True).indices
    rank = order.argsort(1) + (low.sum(1, keepdim=True) / (d + 1)).round().long()
    turn = (rank < 0).long() - (rank > d).long()
    rank, low = rank + turn * (d + 1), low + turn * (d + 1)
    rest = ((raised - low) * (1 / (d + 1))).gather(1, rank.argsort(1, descending=True))
    shares = rest - rest.roll(1, 1)
    shares[:, 0] += 1
    remainder = torch.arange(d + 1, device=points.device)[:, None]
    keys = low[:, None, :d].long() + remainder
    keys = keys - (d + 1) * (rank[:, None, :d] > d - remainder)
    image = torch.arange(len(points), device=points.device)
    code = image.repeat_interleave(points.shape[1])[:, None]
    turns = (d + 1) * torch.eye(d + 1, d, dtype=torch.long, device=points.device) - 1
    least = keys.amin((0, 1))
    bases = keys.amax((0, 1)) - least + 2 * d + 1
    to = torch.zeros_like(turns[:, 0])
    for i in range(d):  # a point's coordinates are the digits of one number
        code, to = (
            code * bases[i] + keys[:, :, i] - least[i],
            to * bases[i] + turns[:, i],
        )
    known, corners = torch.unique(code, return_inverse=True)
    wanted = known + torch.stack([to, -to], 1)[:, :, None]
    beside = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    return corners, shares, beside, known[beside] == wanted


def lattice_mean(
    values: Tensor, corners: Tensor, shares: Tensor, beside: Tensor, there: Tensor
) -> Tensor:
    """The means (P, C) of values at all points of a lattice, by a Gaussian of their distance."""
    values = torch.cat([values, torch.ones_like(values[:, :1])], 1)
    sent = values[:, None] * shares[:, :, None]
    held = values.new_zeros(beside.shape[2], values.shape[1])
    held = held.index_add(0, corners.flatten(), sent.flatten(0, 1))
    for places, found in zip(beside, there, strict=True):
        held = held + 0.5 * (held[places] * found[:, :, None]).sum(0)
    made = (held[corners] * shares[:, :, None]).sum(1)
    return made[:, :-1] / made[:, -1:]


def mean_field(
    unary: Tensor,
    start: Tensor,
    image: Tensor,
    spatial: Tensor,
    bilateral: Tensor,
    compatibility: Tensor,
    steps: int,
    alpha: float,
    beta: float,
    gamma: float,
) -> Tensor:
    """Scores (N, C, H, W) after steps of mean field: those of like pixels around each draw it to them."""
    n, c, high, wide = unary.shape
    y, x = (
        torch.arange(s, dtype=unary.dtype, device=unary.device) for s in (high, wide)
    )
    place = torch.stack([x.expand(high, -1), y[:, None].expand(-1, wide)], 2)
    place = place.reshape(1, -1, 2).expand(n, -1, -1)
    colour = image.detach()[:, :3].flatten(2).transpose(1, 2)
    near = lattice(place / gamma)
    alike = lattice(torch.cat([place / alpha, colour / beta], 2))
    for _ in range(steps):
        share = start.softmax(1).permute(0, 2, 3, 1).reshape(-1, c)
        message = lattice_mean(share, *near) @ spatial.view(c, c).T
        message = message + lattice_mean(share, *alike) @ bilateral.view(c, c).T
        pairs = (message @ compatibility.view(c, c).T).view(n, high, wide, c)
        start = unary - pairs.permute(0, 3, 1, 2)
    return start
