"""Recurrent layers, step by step, as Caffe unrolls them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def lstm_unit(c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
    """The next memory and output of an LSTM; the gates are i, f, o, g, and cont is 0 where a sequence begins."""
    i, f, o, g = gates.chunk(4, -1)
    c = cont.detach()[..., None] * torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(
        g
    )
    return c, torch.sigmoid(o) * torch.tanh(c)


def recurrent_input(
    x: Tensor,
    weight_x: Tensor,
    bias: Tensor,
    x_static: Tensor | None,
    weight_s: Tensor | None,
) -> Tensor:
    """What the inputs add at each step: (T, N, rows)."""
    y = F.linear(x.flatten(2), weight_x, bias)
    return (
        y
        if x_static is None or weight_s is None
        else y + F.linear(x_static.reshape(x.shape[1], -1), weight_s)
    )


def lstm(
    x: Tensor,
    cont: Tensor,
    weight_x: Tensor,
    bias: Tensor,
    weight_h: Tensor,
    weight_s: Tensor | None = None,
    x_static: Tensor | None = None,
    h0: Tensor | None = None,
    c0: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """All outputs (T, N, H), the last output and the last memory (1, N, H); no gradient flows through the states."""
    gates = recurrent_input(x, weight_x, bias, x_static, weight_s)
    start = torch.zeros_like(gates[0, :, : weight_h.shape[1]])
    h = start if h0 is None else h0[0].detach()
    c = start if c0 is None else c0[0].detach()
    outputs = []
    for t in range(x.shape[0]):
        c, h = lstm_unit(
            c, gates[t] + F.linear(cont[t].detach()[:, None] * h, weight_h), cont[t]
        )
        outputs.append(h)
    return torch.stack(outputs), h[None].detach(), c[None].detach()


def lstm_of_first(
    x: Tensor, cont: Tensor | None, weight_x: Tensor, weight_h: Tensor, bias: Tensor
) -> Tensor:
    """All outputs (T, N, H) of an LSTM whose first sequence's state goes to the gates of all; a cont but 0 is 1."""
    gates = F.linear(x, weight_x, bias)
    on = (
        torch.ones_like(gates[..., 0])
        if cont is None
        else (cont.detach() != 0).to(x.dtype)
    )
    h = c = torch.zeros_like(gates[0, :, : weight_h.shape[1]])
    outputs = []
    for t in range(x.shape[0]):
        c, h = lstm_unit(
            c, gates[t] + on[t, :, None] * F.linear(h[:1], weight_h), on[t]
        )
        outputs.append(h)
    return torch.stack(outputs)


def rnn(
    x: Tensor,
    cont: Tensor,
    weight_x: Tensor,
    bias: Tensor,
    weight_h: Tensor,
    weight_o: Tensor,
    bias_o: Tensor,
    weight_s: Tensor | None = None,
    x_static: Tensor | None = None,
    h0: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """All outputs (T, N, H) and the last state (1, N, H); no gradient flows through the state."""
    given = recurrent_input(x, weight_x, bias, x_static, weight_s)
    h = torch.zeros_like(given[0]) if h0 is None else h0[0].detach()
    outputs = []
    for t in range(x.shape[0]):
        h = torch.tanh(given[t] + F.linear(cont[t].detach()[:, None] * h, weight_h))
        outputs.append(torch.tanh(F.linear(h, weight_o, bias_o)))
    return torch.stack(outputs), h[None].detach()
