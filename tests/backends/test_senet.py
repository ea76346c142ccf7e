"""The seven nets of the release at full size: what float32 leaves between Caffe and us is rounding, and no more."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

import caffe2py
from tests.helpers.absent import each
from tests.helpers.recorded_nets import RecordedNet, recorded_nets

MEDIAN, MOST = 1.5, 5.0  # times Caffe's own rounding: both round to float32, each in its own order


@each("net", recorded_nets("senet"), "records of the released nets", ids=lambda net: net.id)
def test_differs_from_caffe_by_rounding_alone(net: RecordedNet, tmp_path: Path) -> None:
    caffemodel = net.caffemodel(tmp_path)
    graph = caffe2py.load(net.prototxt, caffemodel)
    report = caffe2py.verify(graph, net.dump)
    with h5py.File(net.dump) as file:
        recorded = {layer.attrs["name"]: tuple(layer["top0"].attrs["shape"]) for layer in file["layer"].values()}
        output = file["output"][()].reshape(-1)
    assert {row.name: row.shape for row in report.layers} == recorded
    assert report.ok and not report.notes[1:], report
    # Our float64 run is the truth here: its difference to Caffe's record is Caffe's own rounding.
    ratios = [row.drift / row.exact_drift for row in report.layers if row.drift is not None and row.exact_drift]
    assert len(ratios) > 300
    assert np.median(ratios) <= MEDIAN and max(ratios) <= MOST, (np.median(ratios), max(ratios))
    (ours,) = caffe2py.run(graph, net.inputs(), style="flat").values()
    best = np.argsort(-output, kind="stable")[:5]
    assert np.argsort(-ours.reshape(-1), kind="stable")[:5].tolist() == best.tolist()
    caffemodel.unlink()
