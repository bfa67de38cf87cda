import torch
from torch import Tensor


def ritz_of_moments(
    stiffness: Tensor, mass: Tensor, negligible: float
) -> tuple[Tensor, Tensor]:
    r"""The pairs of the generalised eigenproblem
    :math:`(H^\top L H) \, c = \lambda \, (H^\top D H) \, c`, whose columns of
    :math:`H` may be dependent.

    Args:
        stiffness (Tensor): :math:`H^\top L H`, symmetric, float64, :obj:`[p, p]`.
        mass (Tensor): :math:`H^\top D H`, float64, :obj:`[p, p]`.
        negligible (float): Directions of a smaller share of the largest moment are
            rounding, and left out.

    Returns:
        tuple: The values ascending, :obj:`[r]`, and the vectors as columns
        :obj:`[p, r]`, orthonormal with respect to the mass; :obj:`r` is the rank.
    """
    moments, directions = torch.linalg.eigh((mass + mass.T) / 2)
    is_there = moments > negligible * moments[-1:].clamp(min=1e-300)
    whitening = directions[:, is_there] * moments[is_there].rsqrt()
    projected = whitening.T @ stiffness @ whitening
    values, rotation = torch.linalg.eigh((projected + projected.T) / 2)
    return values, whitening @ rotation
