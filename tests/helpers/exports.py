"""Nets as PyTorch's two exporters write them to ONNX: encoder-decoders of our own, and timm's with random weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.helpers.timm_nets import draw_statistics


class UNet(nn.Module):
    """Two steps down and up again, joined to what came down; resized as `mode` says."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.words = {"mode": mode, **({"align_corners": False} if mode == "bilinear" else {})}
        self.down = nn.ModuleList([self.unit(3, 8), self.unit(8, 12), self.unit(12, 16)])
        self.up = nn.ModuleList([self.unit(28, 12), self.unit(20, 8)])
        self.last = nn.Conv2d(8, 2, 1)

    @staticmethod
    def unit(n: int, m: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(n, m, 3, padding=1), nn.BatchNorm2d(m), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for i, unit in enumerate(self.down):
            x = unit(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for unit, beside in zip(self.up, kept[-2::-1], strict=True):
            x = unit(torch.cat([F.interpolate(x, size=beside.shape[2:], **self.words), beside], 1))
        return torch.sigmoid(self.last(x))


class Espcn(nn.Module):
    """Three times as large, by convolutions and a shuffle of their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(1, 16, 5, padding=2), nn.Conv2d(16, 9, 3, padding=1)])

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.convs[1](torch.tanh(self.convs[0](x))), 3)


class Recogniser(nn.Module):
    """A line of text: columns of a picture through two layers of LSTM, both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.tall = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, (8, 1))
        self.lstm, self.last = nn.LSTM(8, 6, num_layers=2, bidirectional=True), nn.Linear(12, 11)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tall(F.max_pool2d(torch.relu(self.conv(x)), 2)).squeeze(2).permute(2, 0, 1)
        return F.log_softmax(self.last(self.lstm(x)[0]), 2)


class Shuffled(nn.Module):
    """A channel shuffle, hard activations, and a gate, as light nets have them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down, self.up = nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 3, 1), nn.Conv2d(3, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        n, c, h, w = x.shape
        x = F.hardswish(x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w))
        gate = F.hardsigmoid(self.up(F.relu6(self.down(x.mean((2, 3), keepdim=True)))))
        return (x * gate).flatten(1).amax(1)


OWN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "U-Net, bilinear": (lambda: UNet("bilinear"), (1, 3, 16, 24)),
    "U-Net, nearest": (lambda: UNet("nearest"), (1, 3, 16, 24)),
    "ESPCN": (Espcn, (1, 1, 9, 11)),
    "recogniser": (Recogniser, (2, 1, 16, 24)),
    "shuffled": (Shuffled, (2, 3, 12, 12)),
}
TIMM = """resnet18 vgg11_bn mobilenetv2_100 mobilenetv3_large_100 efficientnet_b0 densenet121 inception_v3 dla34
    regnety_002 repvgg_a0 ghostnet_100 seresnext50_32x4d hrnet_w18_small""".split()


def export(module: nn.Module, shape: tuple[int, ...], path: Path, dynamo: bool) -> Path:
    """Write a module as ONNX by one of the two exporters, with statistics that are not those of a new BatchNorm."""
    draw_statistics(module)
    return write(module.eval(), torch.randn(shape), path, dynamo)


def write(module: nn.Module, x: Tensor, path: Path, dynamo: bool) -> Path:
    """Write a module as ONNX by one of the two exporters."""
    words = {"verbose": False} if dynamo else {"opset_version": 17}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own
        torch.onnx.export(module, (x,), str(path), dynamo=dynamo, **words)
    return path
