"""Elementwise maximum and product, with Caffe's gradients."""

import torch
from torch import Tensor


def eltwise_max(x: Tensor, *others: Tensor) -> Tensor:
    """The largest of each element. Where the first two are equal the second is taken, later ones only if larger."""
    y = torch.where(x > others[0], x, others[0])
    for other in others[1:]:
        y = torch.where(other > y, other, y)
    return y


class QuotientProduct(torch.autograd.Function):
    """A product whose gradient is top / x_i * top's gradient: NaN where x_i is 0, as in Caffe."""

    @staticmethod
    def forward(ctx, *factors):  # type: ignore[no-untyped-def]
        y = factors[0]
        for factor in factors[1:]:
            y = y * factor
        ctx.save_for_backward(y, *factors)
        return y

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        y, *factors = ctx.saved_tensors
        return tuple(y / factor * gradient for factor in factors)


def quotient_product(*factors: Tensor) -> Tensor:
    """The product of all factors, with Caffe's unstable gradient."""
    return QuotientProduct.apply(*factors)
