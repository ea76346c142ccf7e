"""Parameters that several layers share in different shapes."""

import torch
from torch import Tensor, nn


class WithParameters:
    """A module that is called with these parameters in place of its own."""

    def __init__(self, module: nn.Module, **parameters: Tensor) -> None:
        self.module = module
        self.parameters = parameters

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(self.module, self.parameters, (x,))
        return y
