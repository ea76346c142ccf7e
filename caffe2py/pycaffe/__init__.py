"""pycaffe without Caffe: its names, signatures and numbers, on PyTorch.

`import caffe2py.pycaffe as caffe`, or `python -m caffe2py.pycaffe script.py args`, which puts it under the name `caffe`
for that process. What is not said here is as in the documentation of BVLC Caffe 1.0.
"""

from caffe2py.pycaffe import io
from caffe2py.pycaffe._caffe import (
    Layer,
    get_solver,
    has_nccl,
    init_log,
    layer_type_list,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffe2py.pycaffe.classifier import Classifier
from caffe2py.pycaffe.detector import Detector
from caffe2py.pycaffe.net_spec import NetSpec, layers, params, to_proto
from caffe2py.pycaffe.proto.caffe_pb2 import TEST, TRAIN
from caffe2py.pycaffe.pycaffe import (
    NCCL,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Timer,
)

__version__ = "1.0.0"  # the release of Caffe whose interface this is

__all__ = [
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "params",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
