import torch
import torch.nn.functional as F
from scipy.linalg.blas import get_blas_funcs
from torch import Tensor, nn

from pyg_basis._precision import full_precision
from pyg_basis.nn.gaussian_kernels import gaussian_kernels, neighbor_bandwidths

# The graph whose degrees are learned has this many nodes at most: like that of a
# large set, locally, and a second of work.
DEGREE_SAMPLE = 10_000
# Ridge of the normal equations, relative to their mean diagonal: small enough
# to follow the degrees, large enough to average the noise of single nodes.
RIDGE = 1e-4
# Rows whose kernels are held at once, and rows that stay in the cache.
BLOCK_ROWS = 4096
KERNEL_ROWS = 512
# A center's bandwidth is the distance to this nearest other center.
BANDWIDTH_NEIGHBOR = 7


class DegreeExtension(nn.Module):
    r"""Extends the degrees of a sample's graph to any new point, by kernel
    ridge regression of the log-degree on a few centers.

    .. math::
        \tfrac12 \log \frac{d(x)}{\bar d} \approx c_0 +
        \sum_j c_j \exp(-\|x - z_j\|^2 / s_j^2)

    The eigenvectors of :math:`L_N` are those of the random walk times
    :math:`d^{1/2}`. The degree varies within a cluster where the random-walk
    eigenvectors hardly do, and the degrees of a batch of some hundred nodes
    are not those of the whole graph, so it is learned apart, from a large
    sample and in closed form (the Nyström form of kernel regression, `Williams
    and Seeger 2000 <https://dl.acm.org/doi/10.5555/3008751.3008847>`_).

    Args:
        in_channels (int): Width of the features :math:`d`.
        num_centers (int, optional): Number of centers :math:`z_j`.
            (default: :obj:`2000`)
    """

    centers: Tensor
    bandwidths: Tensor
    coefficients: Tensor
    intercept: Tensor

    def __init__(self, in_channels: int, num_centers: int = 2000) -> None:
        super().__init__()
        self.register_buffer("centers", torch.zeros(num_centers, in_channels))
        self.register_buffer("bandwidths", torch.ones(num_centers))
        self.register_buffer("coefficients", torch.zeros(num_centers))
        self.register_buffer("intercept", torch.zeros(()))

    def reset_parameters(self) -> None:
        r"""Back to the degree 1 for every point."""
        self.centers.zero_()
        self.bandwidths.fill_(1)
        self.coefficients.zero_()
        self.intercept.zero_()

    @full_precision
    def fit(self, x: Tensor, degree: Tensor, generator: torch.Generator) -> None:
        r"""Fits to the degrees :obj:`[n]` of the nodes :obj:`x [n, d]`; the
        centers are drawn from the nodes with a CPU :obj:`generator`."""
        self.reset_parameters()
        num_centers = min(self.centers.size(0), x.size(0))
        drawn = torch.randperm(x.size(0), generator=generator)[:num_centers]
        centers = x[drawn.to(x.device)]
        bandwidths = neighbor_bandwidths(centers, BANDWIDTH_NEIGHBOR)
        # Centers that are not used repeat others and keep the coefficient 0.
        place = torch.arange(self.centers.size(0), device=x.device) % num_centers
        self.centers.copy_(centers[place])
        self.bandwidths.copy_(bandwidths[place])

        # An isolated node has no logarithm; it counts as the least connected one.
        positive = degree[degree > 0]
        least = positive.min() if positive.numel() > 0 else degree.new_ones(())
        log_root = 0.5 * degree.maximum(least).double().log()
        # The level is a matter of normalization; mean square 1 is the scale of
        # every embedding.
        log_root = log_root - 0.5 * (2 * log_root).exp().mean().log()
        # The intercept is what points far from all centers get. It comes out
        # below the mean, as sparse regions have low degrees.
        size = num_centers + 1
        gram, moments = (log_root.new_zeros(size, n) for n in (size, 1))
        for rows, roots in zip(
            x.split(BLOCK_ROWS), log_root.split(BLOCK_ROWS), strict=True
        ):
            kernel = torch.cat([self._kernel(part) for part in rows.split(KERNEL_ROWS)])
            design = F.pad(kernel[:, :num_centers], (0, 1), value=1.0)
            # Products of a block in single precision, in half the time: what rounding
            # leaves is far below the ridge. Blocks add up in double precision.
            gram += _gram(design)
            moments += design.T @ roots.to(design).unsqueeze(1)
        gram = gram.triu() + gram.triu(1).T
        gram.diagonal().add_(RIDGE * gram.diagonal().mean())
        solution = torch.linalg.solve(gram, moments).squeeze(1)
        self.coefficients[:num_centers] = solution[:-1].to(self.coefficients)
        self.intercept.copy_(solution[-1])

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        r"""The square root of the relative degree of the points :obj:`x
        [n, d]`, mean square 1 over the sample, :obj:`[n]`."""
        return (self._kernel(x) @ self.coefficients + self.intercept).exp()

    def _kernel(self, x: Tensor) -> Tensor:
        return gaussian_kernels(x, self.centers, self.bandwidths)

    def __repr__(self) -> str:
        num_centers, in_channels = self.centers.shape
        return f"{self.__class__.__name__}({in_channels}, num_centers={num_centers})"


def _gram(rows: Tensor) -> Tensor:
    r"""The upper triangle of the products of the columns; what is below is not
    defined."""
    if rows.is_cuda:
        return rows.T @ rows
    # Half of the work of a product. The transpose is in the order that BLAS reads.
    columns = rows.numpy().T
    return torch.from_numpy(get_blas_funcs("syrk", (columns,))(1.0, columns))
