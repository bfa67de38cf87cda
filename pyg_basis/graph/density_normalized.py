import numpy as np
from scipy.sparse import csr_matrix

# Degrees below this share of the largest count as that: of weights near the end of the
# range of numbers, quotients would overflow.
LEAST_DEGREE = 1e-100


def density_normalized(weight: csr_matrix, alpha: float) -> csr_matrix:
    r"""Takes the density of the nodes out of the weights of a graph (Coifman and Lafon,
    `"Diffusion maps" <https://doi.org/10.1016/j.acha.2006.04.006>`_, Appl. Comput.
    Harmon. Anal. 21, 2006, Section 3).

    .. math::
        W_{ij} \leftarrow \frac{W_{ij}}{(q_i q_j)^\alpha}, \qquad
        q_i = \sum_j W_{ij} \Big/ \max_k \sum_j W_{kj}

    The largest degree is the unit, so that the scale of the weights plays no role in
    any Laplacian; that of a random walk does not depend on the unit.

    Args:
        weight (scipy.sparse.csr_matrix): Symmetric weights, float64, :obj:`[n, n]`.
        alpha (float): From 0, which changes nothing, to 1.

    Returns:
        scipy.sparse.csr_matrix: Symmetric weights of the same edges, :obj:`[n, n]`.
    """
    if alpha == 0:
        return weight
    density = np.asarray(weight.sum(axis=1)).ravel()
    density = density / (density.max() or 1.0)
    factor = np.maximum(density, LEAST_DEGREE) ** -float(alpha)
    row = np.repeat(np.arange(len(density)), np.diff(weight.indptr))
    # The product of both factors first: it is the same on both sides.
    values = weight.data * (factor[row] * factor[weight.indices])
    return csr_matrix((values, weight.indices, weight.indptr), weight.shape)
