"""What the commands that run images share: preprocessing, what runs the net, and the progress of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from typing import Any, TypeVar

import click

from caffe2py.cli.common import device_option, fail, lines_of, note, print_json, say, terminal, working
from caffe2py.cli.files import Input, Output

F = TypeVar("F", bound=Callable[..., Any])

RESIZES = ["opencv-linear", "opencv-cubic", "opencv-area", "pil-bilinear", "pil-bicubic", "warp", "none"]

PREPROCESSING = (
    click.option(
        "--resize",
        type=click.Choice(RESIZES),
        help="How images are resized; opencv-linear is Caffe's way. warp: to a square whatever the aspect.",
    ),
    click.option("--size", type=click.IntRange(1), help="Length of the shorter side; 256 for a crop of 224."),
    click.option("--crop", type=click.IntRange(1), help="Side of the centre crop; the net's input size if not given."),
    click.option("--mean", type=Input(), metavar="B,G,R|FILE", help="Values, or a .binaryproto or .npy; 104,117,123."),
    click.option("--mean-per-channel", is_flag=True, help="Reduce a mean image to one value a channel."),
    click.option("--scale", type=float, help="Factor after the mean is subtracted; 1 if not given."),
    click.option("--channels", type=click.Choice(["bgr", "rgb", "grey"]), help="Their order; Caffe's is bgr."),
    click.option(
        "--transform",
        type=Input(),
        metavar="TRAIN_VAL.prototxt",
        help="Take mean, scale and crop from this net's transform_param.",
    ),
)
ENGINE = (
    click.option(
        "--backend",
        type=click.Choice(["auto", "torch", "onnxruntime"]),
        default="auto",
        show_default=True,
        help="The library that runs it; auto: onnxruntime on a CPU where it is installed, else torch.",
    ),
    device_option,
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16", "fp16"]),
        default="fp32",
        show_default=True,
        help="Of products; sums and statistics stay in fp32.",
    ),
    click.option("--compile", is_flag=True, help="Compile the module first (torch.compile)."),
)
BATCHES = (
    click.option(
        "--batch-size",
        "--batch",
        "batch_size",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Images at a time.",
    ),
    click.option("--workers", type=click.IntRange(1), help="Threads that decode images; by the machine if not given."),
)
CLASSES = (
    click.option(
        "--class-order",
        type=click.Choice(["devkit", "synset", "auto"]),
        default="auto",
        show_default=True,
        help="How the net counts ILSVRC2012's classes; auto: as its release does.",
    ),
    click.option("--scores", metavar="BLOB", help="The blob that holds the scores, for a net with several outputs."),
    click.option(
        "--registry", type=Input(), multiple=True, metavar="FILE", help="A TOML of releases, besides the known ones."
    ),
)
LABELLED = (
    click.option(
        "--images",
        type=Input(),
        required=True,
        metavar="DIR|TAR|LIST",
        help="A folder (searched through), a tar, a list.",
    ),
    click.option(
        "--labels",
        type=Input(),
        metavar="FILE",
        help="What the images show; not needed where folders are named by wnid.",
    ),
    click.option(
        "--label-order",
        type=click.Choice(["devkit", "synset", "auto"]),
        default="auto",
        show_default=True,
        help="How the label file counts classes; auto: by validation images of known class, else as the net.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="At a missing or unreadable image: stop, or name it and count it as wrong.",
    ),
    click.option("--subset", is_flag=True, help="Leave out labelled images that are not there."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N labelled images."),
    click.option(
        "-o",
        "--output",
        "--out",
        "out",
        type=Output(parents=True),
        metavar="FOLDER",
        help="Where predictions go as they come, and the results.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the run that was stopped in FOLDER."),
)


def options(*groups: tuple[Any, ...]) -> Callable[[F], F]:
    """Give a command these options. Those of preprocessing and of the engine it gets as `choices` and `engine`."""

    def decorate(function: F) -> F:
        @wraps(function)
        def command(*args: Any, **given: Any) -> Any:
            words = ("resize", "size", "crop", "mean", "mean_per_channel", "scale", "channels", "transform")
            chosen = {word: given.pop(word) for word in words}
            made = {word: given.pop(word) for word in ("backend", "device", "precision", "compile")}
            return function(*args, choices=_choices(chosen), engine=_engine(made), **given)

        decorated: Any = command
        for group in reversed(groups):
            for option in reversed(group):
                decorated = option(decorated)
        return decorated

    return decorate


def _choices(chosen: dict[str, Any]) -> Any:
    from caffe2py.evaluate.pictures.net_input import Choices

    return Choices(**{**chosen, "mean": _mean(chosen["mean"])})


def _engine(made: dict[str, Any]) -> Any:
    from caffe2py.evaluate.network import Engine

    return Engine(**made)


def _mean(text: str | None) -> tuple[float, ...] | str | None:
    """Numbers with commas between, else a file's name."""
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        return text


def print_images(
    found: Sequence[Any], notes: Sequence[str], as_json: bool, lines: Callable[[Any], Iterable[str]]
) -> None:
    """What was made of each image, by `lines` or as JSON; the exit status is 1 where one could not be read."""
    for line in notes:
        note(line)
    if as_json:
        print_json({"images": [asdict(image) for image in found], "notes": notes})
    else:
        say(*(line for image in found for line in (lines_of(image.error) if image.error else lines(image))))
    if any(image.error for image in found):
        fail(1)


def first_process() -> bool:
    """Under torchrun one process speaks for all."""
    from caffe2py.evaluate.results.shards import current

    return current().number == 0


@contextmanager
def counting(what: str) -> Iterator[Callable[[str], Callable[[int, int], None] | None]]:
    """What is done, and bars with the rate and the time left: each name given makes one, which is told (done, total).

    None instead where stderr is no terminal, and in all processes but the first.
    """
    if not sys.stderr.isatty() or not first_process():
        yield lambda name: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with working(what), Progress(*columns, TimeRemainingColumn(), console=terminal()) as bars:

        def start(name: str) -> Callable[[int, int], None]:
            bar = bars.add_task(name, total=None, rate="")

            def tell(done: int, total: int) -> None:
                speed = next(task.speed for task in bars.tasks if task.id == bar)
                bars.update(bar, completed=done, total=total, rate=f"{speed:.1f} images/s" if speed else "")

            return tell

        yield start
