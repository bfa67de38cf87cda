from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pyg_basis.estimators.basis import BASiS


class DiffusionMap(BASiS):
    r"""Learned diffusion map that also embeds new points.

    Its columns are the eigenvectors of a random walk on the points, scaled by powers of
    their eigenvalues (Coifman and Lafon, `"Diffusion maps"
    <https://doi.org/10.1016/j.acha.2006.04.006>`_, 2006).

    .. math::
        x \mapsto \bigl(\gamma_1^t \, \phi_1(x), \dots, \gamma_K^t \, \phi_K(x)\bigr),
        \qquad P = D^{-1} W, \quad P \phi_k = \gamma_k \phi_k

    This is a :class:`BASiS` with the defaults of diffusion maps: the density is
    normalized out (:obj:`alpha=1`), which requires one global bandwidth, and the
    trivial eigenvector, of :math:`\gamma_0 = 1`, is omitted.

    .. code-block:: python

        diffusion = DiffusionMap(n_components=4, random_state=0).fit(x)
        coordinates = diffusion.transform(new)
        diffusion.set_params(diffusion_time=8).transform(new)  # no new fit

    The density normalization depends on the kernel: it must have decayed at the
    farthest of the :obj:`n_neighbors` even in the densest regions, and still reach some
    neighbors in the sparsest.

    Args:
        n_components (int or str): Number of coordinates :math:`K`, or
            :obj:`"eigengap"`, see :class:`BASiS`. (default: :obj:`2`)
        alpha (float): Exponent of the density normalization: 1 leaves the geometry only
            (the Laplace-Beltrami operator), 1/2 gives the Fokker-Planck operator of
            Langevin dynamics, 0 no normalization. (default: :obj:`1.0`)
        diffusion_time (float, optional): Steps :math:`t` of the walk. It may be changed
            after the fit. :obj:`None` returns the eigenvectors, with mean square 1.
            (default: :obj:`1.0`)
        bandwidth (str or float): Standard deviation of the Gaussian kernel, in units of
            the features; :obj:`"global"` is the median distance of neighbors. See
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"global"`)
        n_neighbors (int): Neighbors per node. (default: :obj:`64`)
        n_anchors (int), batch_size (int), reference_size (int), max_iter (int),
            network (torch.nn.Module), num_workers (int), device (str),
            random_state (int, RandomState or None), verbose (bool): See
            :class:`BASiS`.

    Attributes:
        transition_eigenvalues_ (numpy.ndarray): The first K eigenvalues
            :math:`\gamma_k` of :math:`P`, and up to five more, descending. Those of the
            Laplacian, :math:`1 - \gamma_k`, are :obj:`eigenvalues_`. All other
            attributes are those of :class:`BASiS`.
    """

    def __init__(
        self,
        n_components: int | Literal["eigengap"] = 2,
        *,
        alpha: float = 1.0,
        diffusion_time: float | None = 1.0,
        bandwidth: Literal["self_tuning", "global"] | float = "global",
        n_neighbors: int = 64,
        n_anchors: int = 250,
        batch_size: int = 2048,
        reference_size: int | None = 10_000,
        max_iter: int = 300,
        network: nn.Module | None = None,
        num_workers: int = 0,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            n_components,
            alpha=alpha,
            diffusion_time=diffusion_time,
            bandwidth=bandwidth,
            n_neighbors=n_neighbors,
            n_anchors=n_anchors,
            batch_size=batch_size,
            reference_size=reference_size,
            max_iter=max_iter,
            network=network,
            num_workers=num_workers,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )

    @property
    def transition_eigenvalues_(self) -> NDArray[np.floating[Any]]:
        r"""The eigenvalues of :math:`P`, descending, without the trivial one."""
        return 1 - self.eigenvalues_
