"""Learning rates: Caffe's `lr_policy` (sgd_solver.cpp, GetLearningRate)."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe2py.errors import CaffeError
from caffe2py.runtime.glog import log

POLICIES = "fixed step exp inv multistep poly sigmoid".split()


def learning_rate(param: Any, iteration: int, step: int) -> tuple[float, int]:
    """The rate of an iteration by a SolverParameter, and the step that `step` and `multistep` are at.

    fixed: base_lr. step: base_lr * gamma ^ (iter // stepsize). exp: base_lr * gamma ^ iter.
    inv: base_lr * (1 + gamma * iter) ^ -power. multistep: as step, at each stepvalue.
    poly: base_lr * (1 - iter / max_iter) ^ power. sigmoid: base_lr / (1 + exp(-gamma * (iter - stepsize))).
    As in C, what is too large is infinite, and a root of what is below 0 is no number.
    """
    with np.errstate(all="ignore"):
        rate, step = _rate(param, iteration, step)
    return float(rate), step


def _rate(param: Any, iteration: int, step: int) -> tuple[float, int]:
    base, gamma, power = param.base_lr, np.float64(param.gamma), param.power
    match param.lr_policy:
        case "fixed":
            return base, step
        case "step":
            if param.stepsize <= 0:
                raise CaffeError(f"stepsize is {param.stepsize}; want at least 1 for lr_policy step")
            step = iteration // param.stepsize
            return base * gamma**step, step
        case "exp":
            return base * gamma**iteration, step
        case "inv":
            return base * (1 + gamma * iteration) ** -power, step
        case "multistep":
            if step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
                step += 1
                log("sgd_solver.cpp:52", f"MultiStep Status: Iteration {iteration}, step = {step}")
            return base * gamma**step, step
        case "poly":
            return base * (1 - np.float64(iteration) / param.max_iter) ** power, step
        case "sigmoid":
            return base / (1 + np.exp(-gamma * (iteration - param.stepsize))), step
    raise CaffeError(f"Unknown learning rate policy: {param.lr_policy}; want {', '.join(POLICIES)}")
