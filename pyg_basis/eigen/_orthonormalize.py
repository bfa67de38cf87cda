import torch
from torch import Tensor


def orthonormalize(block: Tensor, against: Tensor | None = None) -> Tensor:
    r"""An orthonormal basis of a block's span, off the span of another.

    Singular value orthonormalisation, twice, as in Stathopoulos and Wu, "A Block
    Orthogonalization Procedure with Constant Synchronization Requirements", SIAM
    J. Sci. Comput. 23 (2002). Unlike Cholesky it does not break down on dependent
    columns: directions that hold nothing but roundoff are dropped, so the result
    may have fewer columns, or none.

    Args:
        block (Tensor): Any finite columns, shape :obj:`[n, p]`.
        against (Tensor, optional): Orthonormal columns, shape :obj:`[n, q]`.
    """
    eps = torch.finfo(block.dtype).eps
    # Columns are brought to a common scale first: only directions count here.
    scale = block.abs().amax(dim=0)
    block = block[:, scale > 0] / scale[scale > 0]
    block = block / block.norm(dim=0)
    for _ in range(2):
        if against is not None:
            block = block - against @ (against.t() @ block)
            norms = block.norm(dim=0)
            block = block[:, norms > 100 * eps] / norms[norms > 100 * eps]
        if block.shape[1] == 0:
            return block
        values, rotation = torch.linalg.eigh(block.t() @ block)
        kept = values > 100 * eps * values[-1]
        block = block @ (rotation[:, kept] / values[kept].sqrt())
    return block
