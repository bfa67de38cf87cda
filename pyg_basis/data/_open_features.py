import mmap
import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.serialization import safe_globals, set_default_mmap_options
from torch_geometric.data import Data
from torch_geometric.data.data import BaseData, DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from pyg_basis._torch_file import load_torch_file


def open_features(path: str | Path) -> NDArray[Any] | Tensor:
    r"""The features :obj:`[n, d]` in a file, mapped into memory: what is read
    of them is the rows that are asked for.

    Args:
        path (str or pathlib.Path): A :obj:`.npy` file that
            :func:`numpy.save` wrote, or a :obj:`.pt` file with a tensor or a
            :class:`~torch_geometric.data.Data` (of which :obj:`x` is taken)
            that :func:`torch.save` wrote. No code from the file is run.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of another kind or does not hold a matrix.
    """
    return feature_matrix(open_mapped(path), f"data={str(path)!r}")


def open_mapped(path: str | Path) -> Any:
    r"""What is in a file that :func:`open_features` takes, mapped into memory."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".npy", ".pt"):
        raise ValueError(
            f"data={str(path)!r} has the suffix {suffix!r}, only .npy and .pt can be "
            f"mapped into memory: write the matrix with numpy.save or torch.save"
        )
    try:
        if suffix == ".npy":
            return np.lib.format.open_memmap(path, mode="r")
        return _load_mapped(path)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"data={str(path)!r} cannot be mapped into memory: {suffix} must be a "
            f"matrix of numbers that numpy.save wrote (.npy), or a tensor or Data that "
            f"torch.save wrote (.pt)"
        ) from error


def _load_mapped(path: str | Path) -> Any:
    # A private map that could be written to is counted against the memory, whole;
    # torch can share one only if the file may be written to, though nobody does.
    is_shared = os.name == "posix" and os.access(path, os.W_OK)
    sharing = set_default_mmap_options(mmap.MAP_SHARED) if is_shared else nullcontext()
    # torch_geometric lists Data as safe to load, but not what Data is made of.
    parts: list[Any] = [DataEdgeAttr, DataTensorAttr, GlobalStorage]
    with safe_globals(parts), sharing:
        return load_torch_file(path, mmap=True)


def feature_matrix(data: Any, name: str) -> NDArray[Any] | Tensor:
    r"""The features :obj:`[n, d]` of a :class:`~torch_geometric.data.Data`, a
    tensor or an array, as constants; :obj:`name` is what messages call it.

    Raises:
        ValueError: If there are none, or they are not a dense matrix of real
            numbers.
    """
    x = data.x if isinstance(data, Data) else data
    if isinstance(x, Tensor):
        x, is_real = x.detach(), not (x.is_complex() or x.is_quantized)
    else:
        is_real = isinstance(x, np.ndarray) and np.can_cast(x.dtype, np.float64)
    expected = "a matrix [points, features]"
    if not isinstance(x, (Tensor, np.ndarray)):
        expected = f"{expected} or a Data with one as x"
        got = data if isinstance(data, BaseData) else type(data).__name__
        remedy = "set x of the Data, or pass the tensor itself"
    elif isinstance(x, Tensor) and x.layout != torch.strided:
        expected, got = "a dense matrix", f"one of layout {x.layout}"
        remedy = "make it dense with to_dense()"
    elif not is_real:
        expected, got = "a matrix of real numbers", f"dtype {x.dtype}"
        remedy = "convert it to float32 or float64"
    elif x.ndim != 2:
        got = f"shape {tuple(x.shape)}"
        remedy = "reshape it with data.reshape(len(data), -1)"
    else:
        return x
    raise ValueError(f"{name} must be {expected}, got {got}: {remedy}")


def reopening(rows: NDArray[Any]) -> Callable[[], NDArray[Any]] | None:
    r"""What maps the same rows again in another process, and is itself small;
    :obj:`None` for rows that no file holds."""
    root: Any = rows
    while isinstance(root.base, np.ndarray):
        root = root.base
    # What was written to a copy-on-write map is in no file.
    if not isinstance(root, np.memmap) or root.filename is None or root.mode == "c":
        return None
    offset = root.offset + rows.ctypes.data - root.ctypes.data
    layout = rows.shape, rows.dtype, offset, rows.strides
    return partial(_map_again, root.filename, *layout)


def _map_again(
    filename: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    offset: int,
    strides: tuple[int, ...],
) -> NDArray[Any]:
    file = np.memmap(filename, np.uint8, mode="r")
    return np.ndarray(shape, dtype, file, offset, strides)
