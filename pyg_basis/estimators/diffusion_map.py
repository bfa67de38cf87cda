from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pyg_basis.estimators.basis import BASiS


class DiffusionMap(BASiS):
    r"""Diffusion map that is learned once and then works on any new point: the
    eigenvectors of a random walk on the points, with their eigenvalues (Coifman and
    Lafon, `"Diffusion maps" <https://doi.org/10.1016/j.acha.2006.04.006>`_, Appl.
    Comput. Harmon. Anal. 21, 2006).

    .. math::
        x \mapsto \bigl(\gamma_1^t \, \phi_1(x), \dots, \gamma_K^t \, \phi_K(x)\bigr),
        \qquad P = D^{-1} W, \quad P \phi_k = \gamma_k \phi_k

    It is a :class:`BASiS` whose defaults are those of diffusion maps: the density of
    the points is taken out (:obj:`alpha=1`), which needs one bandwidth for all points,
    and the trivial eigenvector, of :math:`\gamma_0 = 1`, is left out.

    .. code-block:: python

        diffusion = DiffusionMap(n_components=4, random_state=0).fit(x)
        coordinates = diffusion.transform(new)
        diffusion.set_params(diffusion_time=8).transform(new)  # no new fit

    How well the density is taken out depends on the kernel: it must have died away at
    the farthest of the :obj:`n_neighbors`, also where the points are densest, and still
    reach some neighbors where they are sparsest.

    Args:
        n_components (int or str): Coordinates :math:`K`, or :obj:`"eigengap"`, see
            :class:`BASiS`. (default: :obj:`2`)
        alpha (float): How much of the density is taken out: 1 leaves the geometry
            alone (the Laplace-Beltrami operator), 1/2 gives the Fokker-Planck operator
            of Langevin dynamics, 0 nothing. (default: :obj:`1.0`)
        diffusion_time (float, optional): Steps :math:`t` of the walk. It may be changed
            after the fit; :obj:`None` gives the eigenvectors themselves, with mean
            square 1. (default: :obj:`1.0`)
        bandwidth (str or float): Standard deviation of the Gaussian kernel, in units of
            the features; :obj:`"global"` takes the median distance of neighbors. See
            :func:`~pyg_basis.graph.affinity`. (default: :obj:`"global"`)
        n_neighbors (int): Neighbors of a node. (default: :obj:`64`)
        n_anchors (int), batch_size (int), reference_size (int), max_iter (int),
            network (torch.nn.Module), num_workers (int), device (str),
            random_state (int, RandomState or None), verbose (bool): See
            :class:`BASiS`.

    Attributes:
        transition_eigenvalues_ (numpy.ndarray): The eigenvalues :math:`\gamma_k` of
            :math:`P`, the first K and up to five beyond, descending; those of the
            Laplacian, :math:`1 - \gamma_k`, are :obj:`eigenvalues_`. The others are
            those of :class:`BASiS`.
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
