import torch
from torch import Tensor

from pyg_basis.eigen._orthonormalize import orthonormalize
from pyg_basis.eigen.symmetric_operator import SymmetricOperator


def start_block(
    operator: SymmetricOperator, size: int, x0: Tensor | None, seed: int
) -> Tensor:
    r"""An orthonormal block of :obj:`size` columns or more, from whatever is known.

    Holds the known null vector, the usable columns of :obj:`x0`, and random ones;
    of columns that depend on others, one is kept.

    Args:
        operator (SymmetricOperator): The operator.
        size (int): The number of columns.
        x0 (Tensor, optional): Start vectors, shape :obj:`[n, p]`. Columns that are
            not finite are left out.
        seed (int): Seed of the random columns, the same on every device.
    """
    matrix = operator.matrix
    n = operator.num_nodes
    columns = []
    if operator.null_vector is not None:
        columns.append(operator.null_vector.unsqueeze(1))
    if x0 is not None:
        x0 = x0.detach().to(matrix.device, torch.float64)
        columns.append(x0[:, x0.isfinite().all(dim=0)])
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(n, size, generator=generator, dtype=torch.float64)
    random = random.to(matrix.device)
    known = orthonormalize(torch.cat([*columns, random[:, :0]], dim=1))
    missing = max(size - known.shape[1], 0)
    return torch.cat([known, orthonormalize(random[:, :missing], known)], dim=1)
