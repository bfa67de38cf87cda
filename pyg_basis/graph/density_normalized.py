import numpy as np
from scipy.sparse import csr_matrix

# Lower bound of the degrees, relative to the largest: for weights near the end of the
# floating-point range, quotients would overflow.
LEAST_DEGREE = 1e-100


def density_normalized(weight: csr_matrix, alpha: float) -> csr_matrix:
    r"""Normalizes the weights of a graph by the density of the nodes.

    See Coifman and Lafon, `"Diffusion maps"
    <https://doi.org/10.1016/j.acha.2006.04.006>`_, 2006, Section 3.

    .. math::
        W_{ij} \leftarrow \frac{W_{ij}}{(q_i q_j)^\alpha}, \qquad
        q_i = \sum_j W_{ij} \Big/ \max_k \sum_j W_{kj}

    The unit is the largest degree, so that the scale of the weights does not affect any
    Laplacian; that of the random walk does not depend on the unit.

    Args:
        weight (scipy.sparse.csr_matrix): Symmetric weights, float64, :obj:`[n, n]`.
        alpha (float): Exponent from 0, no normalization, to 1.

    Returns:
        scipy.sparse.csr_matrix: Symmetric weights of the same edges, :obj:`[n, n]`.
    """
    if alpha == 0:
        return weight
    density = np.asarray(weight.sum(axis=1)).ravel()
    density = density / (density.max() or 1.0)
    factor = np.maximum(density, LEAST_DEGREE) ** -float(alpha)
    row = np.repeat(np.arange(len(density)), np.diff(weight.indptr))
    # Multiply both factors first: the result is symmetric to the bit.
    values = weight.data * (factor[row] * factor[weight.indices])
    return csr_matrix((values, weight.indices, weight.indptr), weight.shape)
