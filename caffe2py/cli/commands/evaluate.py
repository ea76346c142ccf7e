"""caffe2py evaluate"""

from __future__ import annotations

from typing import Any

import click

from caffe2py.cli.common import NetFiles, json_option, lines_of, net_files, note, print_json, say, working
from caffe2py.cli.files import Command
from caffe2py.cli.image_options import (
    BATCHES,
    CLASSES,
    ENGINE,
    LABELLED,
    PREPROCESSING,
    counting,
    first_process,
    options,
)


@click.command(cls=Command, short_help="Measure the top-1 and top-5 error of a net on labelled images")
@net_files(weights=True)
@options(LABELLED, CLASSES, PREPROCESSING, ENGINE, BATCHES)
@json_option
def command(net: NetFiles, as_json: bool, out: str | None, **settings: Any) -> None:
    """Run NET with its weights on labelled images; print its top-1 and top-5 error with 95 % intervals.

    \b
    Labels are read from
      a list of FILE LABEL, the label a number or a wnid, in either order of classes (val.txt)
      the development kit's ground truth (ILSVRC2012_validation_ground_truth.txt)
      a table with a header (the column wnid, else the second; Kaggle's LOC_val_solution.csv)
      the names of the folders, where they are wnids and no label file is given

    \b
    In the folder of -o:
      predictions.csv  each image's class, its rank, the five best classes and their scores
      result.json      the error rates and everything that decides them
      results.csv      the same as one row, with timm's columns

    Several processes or GPUs share the work when started by torchrun:
    torchrun --nproc-per-node 2 -m caffe2py evaluate ...
    """
    from caffe2py.evaluate.evaluation import evaluate
    from caffe2py.evaluate.reports import evaluation_text

    with working(f"reading {net.caffemodel or net.prototxt}"):
        graph = net.load()
    if out is None:
        note("nothing is kept of a run that is stopped; -o FOLDER keeps it, and --resume goes on with it")
    with counting(f"running {net.prototxt}") as bars:
        result = evaluate(graph, out=out, progress=bars("images"), **settings)
    if first_process():
        if as_json:
            print_json(result.to_json())
        else:
            say(*lines_of(evaluation_text(result)))
