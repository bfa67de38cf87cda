import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm import tqdm


def minimize(
    module: nn.Module,
    loss: Callable[[], Tensor],
    max_iter: int,
    learning_rate: float,
    verbose: bool,
    title: str,
) -> list[float]:
    r"""Adam on a loss that draws its own batches, with the schedule that BASiS has:
    constant for the first half, then linearly to zero.

    Returns:
        list: The loss of every iteration.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate)
    history = []
    module.train()
    for iteration in tqdm(range(max_iter), title, disable=not verbose, mininterval=1):
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
