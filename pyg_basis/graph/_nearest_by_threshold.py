import math
import threading

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_basis.graph._exact_neighbors import rounding_slack
from pyg_basis.graph.landmarks import Landmarks

# Distances held at once: 2 MiB, which stay in cache.
_BLOCK_ELEMENTS = 1 << 18
# Up to here the k-th of a whole row is found as quickly as among a few candidates
# (one core: 0.5 ms for 512 rows, but 5 ms for 1,024).
_WHOLE_ROWS = 700
# Nodes at most whose distances tell how far the k-th neighbour can be.
_LARGEST_SAMPLE = 512
# Standard deviations by which the number of sampled nodes near a node may be out before
# the row is done again.
_DEVIATIONS = 3.0
# Error of a squared distance, beside the squared bandwidth that divides it, from
# which on it is taken again by differences.
_RELATIVE_ERROR = 1e-7

_local = threading.local()


def nearest_by_threshold(
    points: NDArray[np.float64], k: int, landmarks: Landmarks
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.bool_]]:
    r"""Each node and its ``k`` nearest others, by a threshold for each row.

    A partial sort of whole rows is what takes longest in a search through all
    distances. Here the distances to a sample, the first of the points, tell how far
    the ``k``-th neighbour can be at most; one comparison leaves few candidates, and
    only those are sorted.

    Args:
        points (ndarray): From :meth:`Landmarks.joined`, :math:`[m, d]`.
        k (int): Neighbours per node, below :math:`m`.
        landmarks (Landmarks): The first of the points.

    Returns:
        (ndarray, ndarray, ndarray): Columns :math:`[m, k + 1]`, squared distances
        :math:`[m, k + 1]`, each node in its own row; and which rows hold,
        :math:`[m]`: the others had too few candidates, or roundoff could change them.
    """
    m, count = len(points), k + 1
    columns = np.zeros((m, count), np.int32)
    squares = np.zeros((m, count))
    certain = np.empty(m, bool)
    slack = np.empty(m)
    norm = np.sqrt(np.einsum("ij,ij->i", points, points))
    sample = max(len(landmarks), min(m // 8, _LARGEST_SAMPLE))
    step = max(1, _BLOCK_ELEMENTS // m)
    for start in range(0, m, step):
        rows = slice(start, min(start + step, m))
        values = _order_values(points, norm, rows, landmarks)
        flat, slack[rows], complete = _candidates(
            values, norm[rows], points.shape[1], k, sample
        )
        counts = _row_counts(flat, len(values), m)
        certain[rows] = full = complete & (counts == count)
        if not full.all():
            flat = flat[np.repeat(full, counts)]
        own = np.flatnonzero(full)
        columns[start + own] = flat.reshape(-1, count) - m * own[:, None]
        squares[start + own] = values.reshape(-1)[flat].reshape(-1, count)
    squares += (norm**2)[:, None]
    squares[columns == np.arange(m)[:, None]] = 0.0
    np.maximum(squares, 0.0, out=squares)
    # Duplicates are to be at no distance at all, which a median can tell from little.
    duplicates = (squares <= slack[:, None]).sum(axis=1) > 1
    inexact = slack > _RELATIVE_ERROR * squares.max(axis=1)
    inexact = certain & (inexact | duplicates)
    if inexact.any():
        squares[inexact] = _by_differences(points, inexact, columns[inexact])
    return columns, squares, certain


def _order_values(
    points: NDArray[np.float64],
    norm: NDArray[np.float64],
    rows: slice,
    landmarks: Landmarks,
) -> NDArray[np.float64]:
    r"""What orders the nodes b around a as their distances do, |b|^2 - 2ab."""
    m, num_landmarks = len(points), len(landmarks)
    num_rows = rows.stop - rows.start
    values = _scratch(num_rows * m).view(num_rows, m)
    known = min(max(num_landmarks - rows.start, 0), num_rows)
    every, square = torch.from_numpy(points), torch.from_numpy(norm**2)
    first, new = rows.start + known, num_landmarks
    if known > 0:
        values[:known, :new] = torch.from_numpy(
            landmarks.order_values[rows.start : first]
        )
        values[:known, new:] = torch.addmm(
            square[new:], every[rows.start : first], every[new:].t(), alpha=-2
        )
    if known < num_rows:
        torch.addmm(
            square, every[first : rows.stop], every.t(), alpha=-2, out=values[known:]
        )
    array = values.numpy()
    # Each node is the first of its own row, whatever roundoff says of duplicates.
    array[np.arange(num_rows), np.arange(rows.start, rows.stop)] = -np.inf
    return array


def _candidates(
    values: NDArray[np.float64],
    norm: NDArray[np.float64],
    dimension: int,
    k: int,
    sample: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    r"""What can be among the first k of each row, flat; the slack of its values; and
    whether nothing else can be, as to roundoff."""
    num_rows, m = values.shape
    expected = k * sample / m
    rank = math.ceil(expected + _DEVIATIONS * math.sqrt(expected)) + 2
    if m <= _WHOLE_ROWS or rank >= sample:
        kth = _upper_bound(values, k)
        slack = _slack(kth, norm, dimension)
        flat = np.flatnonzero(values <= (kth + slack)[:, None])
        return flat, slack, np.full(num_rows, True)
    limit = _upper_bound(values[:, :sample], rank)
    flat = np.flatnonzero(values <= limit[:, None])
    counts = _row_counts(flat, num_rows, m)
    # Side by side for each row, with infinity behind them.
    width = max(int(counts.max()), k + 1)
    single = np.full((num_rows, width), np.inf, np.float32)
    shift = width * np.arange(num_rows) - (np.cumsum(counts) - counts)
    place = np.arange(len(flat)) + np.repeat(shift, counts)
    single.reshape(-1)[place] = values.reshape(-1)[flat]
    kth = _upper_bound(single, k)  # infinite for a row that has too few
    slack = _slack(kth, norm, dimension)
    near = values.reshape(-1)[flat] <= np.repeat(kth + slack, counts)
    return flat[near], slack, kth + slack <= limit


def _slack(
    kth: NDArray[np.float64], norm: NDArray[np.float64], dimension: int
) -> NDArray[np.float64]:
    radius = np.sqrt(np.maximum(kth + norm**2, 0.0))
    slack: NDArray[np.float64] = rounding_slack(dimension, norm, radius)
    return slack


def _upper_bound(
    values: NDArray[np.float64] | NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    r"""No less than the k-th of each row, counted from 0. NumPy sorts single
    precision twice as fast, and rounds to the nearest, or to infinity."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32, copy=False)
        kth = np.partition(single, k, axis=1)[:, k]
        return np.nextafter(kth, np.float32(np.inf)).astype(np.float64)


def _row_counts(flat: NDArray[np.int64], num_rows: int, m: int) -> NDArray[np.int64]:
    return np.diff(np.searchsorted(flat, m * np.arange(num_rows + 1)))


def _by_differences(
    points: NDArray[np.float64], rows: NDArray[np.bool_], columns: NDArray[np.int32]
) -> NDArray[np.float64]:
    square = np.empty(columns.shape)
    own = np.flatnonzero(rows)
    step = max(1, _BLOCK_ELEMENTS // (columns.shape[1] * points.shape[1]))
    for start in range(0, len(own), step):
        part = slice(start, start + step)
        difference = points[columns[part]] - points[own[part], None]
        square[part] = np.einsum("ijk,ijk->ij", difference, difference)
    return square


def _scratch(size: int) -> torch.Tensor:
    # Fresh pages for each block cost more than the product. One for each thread.
    buffer = getattr(_local, "buffer", None)
    if buffer is None or buffer.numel() < size:
        buffer = _local.buffer = torch.empty(size, dtype=torch.float64)
    return buffer[:size]
