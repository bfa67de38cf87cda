import torch
from torch import Tensor

# Of a column of length one, what must be left off those before it.
LEAST_LEFT = 0.5


def orthonormal_basis(block: Tensor) -> Tensor:
    r"""An orthonormal basis of the span of a block's columns, which are independent;
    its rows are contiguous in memory.

    Cholesky QR takes half the time of Householder's. Its error grows with the square
    of the condition, so it is for columns that are nearly orthogonal, whatever their
    lengths, as those of a filtered block mostly are; Householder's is for all others
    (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya, "Roundoff error analysis of the
    CholeskyQR2 algorithm", ETNA 44, 2015).

    Args:
        block (Tensor): Columns, shape :obj:`[n, p]`.
    """
    gram = block.t() @ block
    inverse_length = gram.diagonal().rsqrt()
    scaled = inverse_length.unsqueeze(1) * gram * inverse_length
    factor, failed = torch.linalg.cholesky_ex(scaled)
    # Written so that NaN, of columns of zeros, counts as too little.
    if bool(failed) or not bool(factor.diagonal().amin() >= LEAST_LEFT):
        return torch.linalg.qr(block).Q.contiguous()
    return block @ (inverse_length.unsqueeze(1) * torch.linalg.inv(factor).t())
