"""Conversion of numbers or labels to arrays."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike as NumpyArrayLike
from numpy.typing import NDArray
from torch import Tensor

ArrayLike: TypeAlias = NumpyArrayLike | Tensor


def to_numpy(value: ArrayLike, name: str) -> NDArray[Any]:
    r"""Converts an array, a list or a tensor of any device and dtype to a NumPy array.

    Raises:
        ValueError: If it cannot be converted; the error names the parameter.
    """
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu()
            # NumPy has no bfloat16.
            low = value.is_floating_point() and value.itemsize < 4
            return (value.float() if low else value).numpy()
        return np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
