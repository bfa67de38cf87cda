import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmarks.baselines.baseline import Baseline
from benchmarks.baselines.training import LAST_SAMPLE, draw
from benchmarks.lib.exact import exact_space
from pyg_basis.nn import DegreeExtension
from pyg_basis.readout import RayleighRitz

# Points of all graphs together, as BASiS has them.
NUM_NODES = 60_000
# The bandwidth of a kernel, times the distance to the center's last neighbor.
BANDWIDTH = 1.5
# The length scale of random features, times the median distance of points.
LENGTH_SCALE = 0.5


@dataclass(eq=False, repr=False)
class FeatureReadOut(Baseline):
    r"""The Laplacian eigenvectors in the span of features that are drawn and not
    trained: the read-out of BASiS without its network.

    :obj:`"kernels"` are Gaussian kernels at random points, each as wide as the distance
    to the last of its neighbors asks for. :obj:`"fourier"` are the random features of
    `"Random Features for Large-Scale Kernel Machines" <https://papers.nips.cc/paper/
    2007/hash/013a006f03dbc5392effeb8f18fda755-Abstract.html>`_ (Rahimi and Recht 2007),
    Section 3, of a Gaussian kernel. The moments are summed over the graphs of up to six
    samples.

    Args:
        features: :obj:`"kernels"` or :obj:`"fourier"`.
        num_features: Number of features.
        sample_size: Points of a graph.
        laplacian: :obj:`"sym"`, whose degrees are extended as BASiS does it, or
            :obj:`"rw"`.
    """

    _: KW_ONLY
    features: Literal["kernels", "fourier"] = "kernels"
    num_features: int = 1000
    sample_size: int = LAST_SAMPLE
    laplacian: Literal["sym", "rw"] = "sym"

    def _fitted(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[Callable[[Tensor], Tensor], list[float]]:
        x = x[draw(len(x), NUM_NODES, generator)]
        samples = [s for s in x.split(self.sample_size) if len(s) == self.sample_size]
        samples = samples or [x]
        self._features = self._drawn(samples[0], generator)
        space = exact_space(self.n_components, self.n_neighbors, "rw")
        read_out = RayleighRitz(
            self._features,
            samples[0],
            sum(map(len, samples)),
            self.n_components,
            generator,
        )
        self._root_degree = None
        for sample in samples:
            operator = space.operator(sample)
            read_out.add(sample, operator)
            if self.laplacian == "sym" and self._root_degree is None:
                self._root_degree = DegreeExtension(x.size(1))
                self._root_degree.fit(sample, operator.degree.to(x), generator)
        values, coefficients = read_out.solve(self.n_components)
        self._vectors = read_out.vectors(values, coefficients)
        self.eigenvalues_ = read_out.eigenvalues(coefficients).numpy()
        return self._extended, []

    def _drawn(
        self, sample: Tensor, generator: torch.Generator
    ) -> Callable[[Tensor], Tensor]:
        centers = sample[draw(len(sample), self.num_features, generator)]
        if self.features == "kernels":
            distance = torch.cdist(centers, sample)
            # Its own distance, 0, is the first one.
            num_near = min(self.n_neighbors + 1, len(sample))
            width = distance.topk(num_near, largest=False).values[:, -1]
            return _Kernels(centers, BANDWIDTH * width)
        scale = LENGTH_SCALE * float(torch.pdist(centers).median())
        shape = sample.size(1), self.num_features
        frequencies = torch.randn(shape, generator=generator) / scale
        phases = 2 * math.pi * torch.rand(self.num_features, generator=generator)
        return _Waves(frequencies, phases)

    def _extended(self, x: Tensor) -> Tensor:
        rows = self._vectors.rows(self._features(x))
        if self._root_degree is None:
            return rows
        return rows * self._root_degree(x).unsqueeze(1)


@dataclass(frozen=True)
class _Kernels:
    centers: Tensor
    width: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.exp(-0.5 * (torch.cdist(x, self.centers) / self.width).square())


@dataclass(frozen=True)
class _Waves:
    frequencies: Tensor
    phases: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cos(x @ self.frequencies + self.phases)
