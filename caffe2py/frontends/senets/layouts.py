"""The layouts in which others keep a SENet's weights: what each learned blob is called there.

Sources: timm (models/senet.py for the legacy ones, models/resnet.py), Gluon's weights under timm's names, and MindCV
(models/senet.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from caffe2py.errors import FileError
from caffe2py.frontends.senets.architectures import LEGACY, MINDCV, MODERN, Conv, ResNet

NORM = ("weight", "bias", "running_mean", "running_var")
COUNTED = "num_batches_tracked"  # PyTorch's, of which nothing depends


@dataclass(frozen=True)
class Words:
    """What a layout calls the parts of a net. A block's are below `layerL.B`."""

    stem: tuple[tuple[str, str], ...]  # of one convolution, with its BatchNorm
    deep: tuple[tuple[str, str], ...]  # of three
    gate: tuple[str, str]
    classifier: str
    norm: tuple[str, str, str, str] = NORM  # a BatchNorm's factor, shift, mean and variance
    flat_gates: bool = False  # their weights have two axes


@dataclass(frozen=True)
class Layout:
    """A net in somebody's names."""

    name: str  # as it is asked for: "timm/seresnet50"
    arch: ResNet
    words: Words
    size: int
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of RGB pictures, 0 to 1
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    @property
    def model(self) -> str:
        return self.name.partition("/")[2]


class Blobs(NamedTuple):
    """A layer of the Caffe net, and where its blobs stand in the layout."""

    layer: str
    type: str
    tensors: tuple[str, ...]


LEGACY_WORDS = Words(
    stem=(("layer0.conv1", "layer0.bn1"),),
    deep=tuple((f"layer0.conv{i}", f"layer0.bn{i}") for i in (1, 2, 3)),
    gate=("se_module.fc1", "se_module.fc2"),
    classifier="last_linear",
)
RESNET_WORDS = Words(
    stem=(("conv1", "bn1"),),
    deep=(("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")),
    gate=("se.fc1", "se.fc2"),
    classifier="fc",
)
MINDCV_WORDS = Words(
    stem=(("layer0.0", "layer0.1"),),
    deep=(),
    gate=("se_module.conv_reduce", "se_module.conv_expand"),
    classifier="classifier",
    norm=("gamma", "beta", "moving_mean", "moving_variance"),
    flat_gates=True,
)


def _layouts() -> Iterator[Layout]:
    for name, arch in LEGACY.items():
        yield Layout(f"timm/legacy_{name}", arch, LEGACY_WORDS, arch.size)
    for name, arch in MODERN.items():
        yield Layout(f"timm/{name}", arch, RESNET_WORDS, arch.size)
    for name, arch in MINDCV.items():
        yield Layout(f"mindcv/{name}", arch, MINDCV_WORDS, arch.size)


LAYOUTS = {layout.name: layout for layout in _layouts()}
# Gluon's nets, by the names that Gluon gave them and those that timm has had for them.
GLUON = {
    "seresnext50_32x4d": ("se_resnext50_32x4d", "seresnext50_32x4d"),
    "seresnext101_32x4d": ("se_resnext101_32x4d", "seresnext101_32x4d"),
    "seresnext101_64x4d": ("se_resnext101_64x4d", "seresnext101_64x4d"),
    "senet154": ("senet_154", "senet154"),
}
ALIASES = {
    **{f"gluon/{alias}": f"timm/{name}" for name, aliases in GLUON.items() for alias in aliases},
    **{f"timm/gluon_{name}": f"timm/{name}" for name in GLUON},
}


def layout(name: str) -> Layout:
    """A layout by its name, with or without a tag of its weights (`timm/seresnext50_32x4d.gluon_in1k`).

    Raises `FileError` for one that is not known.
    """
    plain = name.partition(".")[0]
    found = LAYOUTS.get(ALIASES.get(plain, plain))
    if found is None:
        raise FileError(f'there is no layout "{name}"; want one of', lines=[*LAYOUTS, *ALIASES])
    return found


def blobs_of(found: Layout) -> Iterator[Blobs]:
    """Every layer with learned blobs, in the net's order, with the names of its tensors in the layout."""
    arch, words = found.arch, found.words
    convs = [part for part in arch.stem if isinstance(part, Conv)]
    for first, (conv, norm) in zip(convs, words.stem if len(convs) == 1 else words.deep, strict=True):
        yield from _unit(words, first.name, conv, norm)
    for stage, blocks in enumerate(arch.blocks, start=2):
        for block in range(1, blocks + 1):
            yield from _block(found, stage, block)
    yield Blobs("classifier", "InnerProduct", _both(words.classifier))


def _both(name: str) -> tuple[str, ...]:
    return f"{name}.weight", f"{name}.bias"


def _unit(words: Words, layer: str, conv: str, norm: str) -> Iterator[Blobs]:
    factor, shift, mean, variance = (f"{norm}.{word}" for word in words.norm)
    yield Blobs(layer, "Convolution", (f"{conv}.weight",))
    yield Blobs(f"{layer}/bn", "BatchNorm", (mean, variance))
    yield Blobs(f"{layer}/bn/scale", "Scale", (factor, shift))


def _block(found: Layout, stage: int, block: int) -> Iterator[Blobs]:
    arch, words = found.arch, found.words
    layer, place = f"conv{stage}_{block}", f"layer{stage - 1}.{block - 1}"
    for i, part in enumerate(arch.parts, start=1):
        yield from _unit(words, f"{layer}_{part.name}", f"{place}.conv{i}", f"{place}.bn{i}")
    for end, gate in zip(("down", "up"), words.gate, strict=True):
        yield Blobs(f"{layer}_1x1_{end}", "Convolution", _both(f"{place}.{gate}"))
    if arch.projects(stage, block):
        at = 1 if arch.pooled_shortcut else 0  # behind the pooling
        yield from _unit(words, f"{layer}_1x1_proj", f"{place}.downsample.{at}", f"{place}.downsample.{at + 1}")
