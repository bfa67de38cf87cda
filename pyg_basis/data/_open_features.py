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
    openers: dict[str, Callable[[str | Path], Any]] = {
        ".npy": partial(np.lib.format.open_memmap, mode="r"),
        ".pt": _load_mapped,
    }
    suffix = Path(path).suffix.lower()
    if suffix not in openers:
        raise ValueError(
            f"data={str(path)!r} has the suffix {suffix!r}, only .npy and .pt can be "
            f"mapped into memory: write the matrix with numpy.save or torch.save"
        )
    try:
        return openers[suffix](path)
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
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)


def feature_matrix(data: Any, name: str) -> NDArray[Any] | Tensor:
    r"""The features :obj:`[n, d]` of a :class:`~torch_geometric.data.Data`, a
    tensor or an array, as constants; :obj:`name` is what messages call it.

    Raises:
        ValueError: If there are none, or they are not a dense matrix of real
            numbers.
    """
    x = data.x if isinstance(data, Data) else data
    if not isinstance(x, (Tensor, np.ndarray)):
        kind = data if isinstance(data, BaseData) else type(data).__name__
        raise ValueError(
            f"{name} must be a matrix [points, features] or a Data with one as x, got "
            f"{kind}: set x of the Data, or pass the tensor itself"
        )
    if isinstance(x, Tensor) and x.layout != torch.strided:
        raise ValueError(
            f"{name} must be a dense matrix, got one of layout {x.layout}: make it "
            f"dense with to_dense()"
        )
    is_real = (
        not x.is_complex()
        if isinstance(x, Tensor)
        else np.can_cast(x.dtype, np.float64)
    )
    if not is_real:
        raise ValueError(
            f"{name} must be a matrix of real numbers, got dtype {x.dtype}: convert it "
            f"to float32 or float64"
        )
    if x.ndim != 2:
        raise ValueError(
            f"{name} must be a matrix [points, features], got shape "
            f"{tuple(x.shape)}: reshape it with data.reshape(len(data), -1)"
        )
    return x.detach() if isinstance(x, Tensor) else x


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
    return partial(
        _map_again, root.filename, offset, rows.dtype, rows.shape, rows.strides
    )


def _map_again(
    filename: str | Path,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> NDArray[Any]:
    file = np.memmap(filename, np.uint8, mode="r")
    return np.ndarray(shape, dtype, file, offset, strides)
