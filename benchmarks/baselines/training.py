"""What the trained methods share: random points, the graph of a batch, the descent."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pyg_basis.graph import Laplacian, affinity, knn_graph, laplacian

# Points that the last step, after the training, is made on.
LAST_SAMPLE = 10_000


def draw(num_points: int, size: int, generator: torch.Generator) -> Tensor:
    r"""Different points at random, :obj:`[min(size, num_points)]`."""
    if 4 * size > num_points:
        return torch.randperm(num_points, generator=generator)[:size]
    # Some more than needed, as a few come twice: no work grows with the points.
    drawn = torch.randint(num_points, (2 * size,), generator=generator)
    distinct = torch.unique(drawn)
    while len(distinct) < size:  # of a few points only
        more = torch.randint(num_points, (size,), generator=generator)
        distinct = torch.unique(torch.cat([distinct, more]))
    order = torch.randperm(len(distinct), generator=generator)
    return distinct[order[:size]]


def batch_laplacian(x: Tensor, num_neighbors: int) -> Laplacian:
    r"""The normalized Laplacian of the graph of a batch :obj:`x [m, d]`, in the
    precision of the network."""
    graph = affinity(knn_graph(x.double(), num_neighbors))
    operator = laplacian(graph, "sym")
    return Laplacian(operator.matrix.to(x.dtype), "sym", operator.degree.to(x.dtype))


def minimize(
    module: nn.Module, loss: Callable[[], Tensor], max_iter: int, learning_rate: float
) -> list[float]:
    r"""Adam on a loss that draws its own batches, with the schedule of BASiS: constant
    for the first half, then linearly to zero.

    Returns:
        The loss of every iteration.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    history = []
    module.train()
    for iteration in range(max_iter):
        share = min(1, 2 * (max_iter - iteration) / max_iter)
        optimizer.param_groups[0]["lr"] = float(learning_rate) * share
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        history.append(float(value.detach()))
        if not math.isfinite(history[-1]):
            raise FloatingPointError(
                f"the loss is {history[-1]} at iteration {iteration}: "
                f"learning_rate={learning_rate} is too high"
            )
    module.eval()
    return history
