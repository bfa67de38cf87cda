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
    r"""Memory-maps the features :obj:`[n, d]` in a file: only requested rows are read.

    Args:
        path (str or pathlib.Path): A :obj:`.npy` file of :func:`numpy.save`, or a
            :obj:`.pt` file of :func:`torch.save` with a tensor or a
            :class:`~torch_geometric.data.Data` (of which :obj:`x` is used). No code
            from the file is run.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file has another type or does not contain a matrix.
    """
    return feature_matrix(open_mapped(path), f"data={str(path)!r}")


def open_mapped(path: str | Path) -> Any:
    r"""Memory-maps the content of a file that :func:`open_features` accepts."""
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
    # A private writable map is fully charged to memory. torch can share a map only if
    # the file is writable, although nothing writes to it.
    is_shared = os.name == "posix" and os.access(path, os.W_OK)
    sharing = set_default_mmap_options(mmap.MAP_SHARED) if is_shared else nullcontext()
    # torch_geometric registers Data as safe to load, but not its parts.
    parts: list[Any] = [DataEdgeAttr, DataTensorAttr, GlobalStorage]
    with safe_globals(parts), sharing:
        return load_torch_file(path, mmap=True)


def feature_matrix(data: Any, name: str) -> NDArray[Any] | Tensor:
    r"""Returns the features :obj:`[n, d]` of a :class:`~torch_geometric.data.Data`, a
    tensor or an array, without gradients; error messages call them :obj:`name`.

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
    r"""Returns a small function that maps the same rows in another process, or
    :obj:`None` if they are not in a file."""
    root: Any = rows
    while isinstance(root.base, np.ndarray):
        root = root.base
    # Changes of a copy-on-write map are not in the file.
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
