"""The memory behind blobs: torch tensors that change hands without a copy, and numpy arrays that stay live.

Caffe gives each blob one place in memory and layers write into it. Here a layer's result becomes the blob's memory, so
that nothing is copied, unless somebody holds a numpy array of the old: then the result is copied into that one. So an
array that was asked for once shows every later value, as in Caffe, and who asks for none pays for none.
"""

from __future__ import annotations

import math
import weakref

import numpy as np
import torch

from caffe2py.runtime.mode import CPU, device

Shape = tuple[int, ...]


class Memory:
    """Numbers of float32 that one blob, or several that share them, have as data or as diff. They start as 0."""

    __slots__ = ("_array", "_count", "_lent", "_tensor")

    def __init__(self, count: int = 0) -> None:
        self._count = count
        self._tensor: torch.Tensor | None = None  # None: all zeros, and nobody has asked for them
        self._lent = False  # the tensor is somebody else's, too: it is copied before it is shown or changed
        self._array: weakref.ref[np.ndarray] | None = None  # all numbers, flat; alive as long as a view of it is

    def tensor(self, shape: Shape) -> torch.Tensor:
        """The numbers in a shape, on the device that computes; writing to it writes to the memory."""
        held = self._tensor
        if held is None or self._lent or held.is_cuda or device() is not CPU:
            held = self._whole()
        if held.shape == shape:
            return held
        flat = held.view(-1)
        count = math.prod(shape)
        return (flat if flat.numel() == count else flat[:count]).view(shape)

    def array(self, shape: Shape) -> np.ndarray:
        """The numbers as a numpy array that lives with the memory: each sees what is written to the other."""
        base = self._held()
        if base is None:
            base = self._whole().view(-1).cpu().numpy()
            self._array = weakref.ref(base)
        return base[: math.prod(shape)].reshape(shape)

    def take(self, result: torch.Tensor) -> None:
        """Make a layer's result the memory; it is copied where an array of the old memory is held."""
        result = (result.detach() if result.requires_grad else result).contiguous()
        base = self._held()
        if base is None or base.size != result.numel():
            self._tensor, self._count, self._array = result, result.numel(), None
            self._lent = False
            return
        whole = self._whole()
        if whole.data_ptr() != result.data_ptr():
            whole.view(-1).copy_(result.view(-1))
            if whole.is_cuda:
                torch.from_numpy(base).copy_(whole.view(-1))

    def lend(self, values: torch.Tensor) -> None:
        """Have these values, which somebody goes on to work with: a copy is made when it is needed."""
        if self._held() is None:
            self._tensor, self._lent = values, True
        else:
            self.set(values)

    def set(self, values: torch.Tensor | np.ndarray | float) -> None:
        """Write into the memory where it is, from its beginning."""
        whole = self._whole().view(-1)
        if isinstance(values, (int, float)):
            whole.fill_(values)
        else:
            given = torch.as_tensor(values).reshape(-1)
            whole[: given.numel()].copy_(given)
        base = self._held()
        if base is not None and whole.is_cuda:
            torch.from_numpy(base).copy_(whole)

    def add(self, values: torch.Tensor) -> None:
        """Add to the numbers; to zeros that nobody has seen, the values themselves are the sum."""
        if self._tensor is None and self._held() is None:
            self._lent = False
            self._tensor = values.detach().contiguous()
        else:
            whole = self._whole()
            whole += values.detach().view(whole.shape)
            self.set(whole)

    def clear(self) -> None:
        """All numbers are 0 again."""
        if self._held() is None:
            self._tensor, self._lent = None, False
        else:
            self.set(0.0)

    def drop(self) -> None:
        """Let go of the numbers, unless somebody holds them: all of them are about to be made anew."""
        if self._held() is None:
            self._tensor, self._lent = None, False

    def fit(self, count: int) -> None:
        """Have room for so many numbers. The first stay where there is room already; more room starts as 0."""
        if count > self._count:
            self._tensor, self._count, self._array, self._lent = None, count, None, False

    @property
    def held(self) -> bool:
        """Does anybody hold an array of this memory?"""
        return self._held() is not None

    def _held(self) -> np.ndarray | None:
        return self._array() if self._array is not None else None

    def _whole(self) -> torch.Tensor:
        here = device()
        if self._lent and self._tensor is not None:
            self._tensor, self._lent = self._tensor.clone(), False
        if self._tensor is None:
            self._tensor = torch.zeros(self._count, device=here)
        elif self._tensor.device != here:
            self._tensor = self._tensor.to(here)
        if self._tensor.is_cuda and (base := self._held()) is not None:
            self._tensor.view(-1).copy_(torch.from_numpy(base))  # what was written to the array since
        return self._tensor


class Fixed(Memory):
    """Memory that stays where it is, such as a parameter's, which layers' modules hold too."""

    __slots__ = ()

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__(tensor.numel())
        self._tensor = tensor

    def take(self, result: torch.Tensor) -> None:
        self.set(result)

    def clear(self) -> None:
        self.set(0.0)
