import torch
import torch.nn.functional as F
from scipy.linalg.blas import get_blas_funcs
from torch import Tensor, nn

from pyg_basis._precision import full_precision
from pyg_basis.nn.gaussian_kernels import gaussian_kernels, neighbor_bandwidths

# Maximum size of the graph whose degrees are learned: locally like that of a large
# set, and built in about a second.
DEGREE_SAMPLE = 10_000
# Ridge of the normal equations, relative to their mean diagonal: small enough to follow
# the degrees, large enough to average out the noise of single nodes.
RIDGE = 1e-4
# Rows whose kernels are stored at once, and rows that fit into the cache.
BLOCK_ROWS = 4096
KERNEL_ROWS = 512
# A center's bandwidth is the distance to its nearest other center of this rank.
BANDWIDTH_NEIGHBOR = 7


class DegreeExtension(nn.Module):
    r"""Extends the degrees of a sample's graph to new points, by kernel ridge
    regression of the log-degree on a few centers.

    .. math::
        \tfrac12 \log \frac{d(x)}{\bar d} \approx c_0 +
        \sum_j c_j \exp(-\|x - z_j\|^2 / s_j^2)

    The eigenvectors of :math:`L_N` are the random-walk eigenvectors times
    :math:`d^{1/2}`. Within a cluster, the degree varies where the random-walk
    eigenvectors hardly do. The degrees of a batch of some hundred nodes are not those
    of the whole graph. So the degree is learned separately, from a large sample and in
    closed form (the Nyström form of kernel regression, `Williams and Seeger 2000
    <https://dl.acm.org/doi/10.5555/3008751.3008847>`_).

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
        r"""Resets the degree to 1 everywhere."""
        self.centers.zero_()
        self.bandwidths.fill_(1)
        self.coefficients.zero_()
        self.intercept.zero_()

    @full_precision
    def fit(self, x: Tensor, degree: Tensor, generator: torch.Generator) -> None:
        r"""Fits the degrees :obj:`[n]` of the nodes :obj:`x [n, d]`. The centers are
        drawn from the nodes with a CPU :obj:`generator`."""
        self.reset_parameters()
        num_centers = min(self.centers.size(0), x.size(0))
        drawn = torch.randperm(x.size(0), generator=generator)[:num_centers]
        centers = x[drawn.to(x.device)]
        bandwidths = neighbor_bandwidths(centers, BANDWIDTH_NEIGHBOR)
        # Unused centers repeat others and keep the coefficient 0.
        place = torch.arange(self.centers.size(0), device=x.device) % num_centers
        self.centers.copy_(centers[place])
        self.bandwidths.copy_(bandwidths[place])

        # The log-degree of an isolated node is infinite: use the least positive degree.
        positive = degree[degree > 0]
        least = positive.min() if positive.numel() > 0 else degree.new_ones(())
        log_root = 0.5 * degree.maximum(least).double().log()
        # The scale is a normalization: mean square 1, as for every embedding.
        log_root = log_root - 0.5 * (2 * log_root).exp().mean().log()
        # The intercept is the value far from all centers. It is below the mean, as
        # sparse regions have low degrees.
        size = num_centers + 1
        gram, moments = (log_root.new_zeros(size, n) for n in (size, 1))
        for rows, roots in zip(
            x.split(BLOCK_ROWS), log_root.split(BLOCK_ROWS), strict=True
        ):
            kernel = torch.cat([self._kernel(part) for part in rows.split(KERNEL_ROWS)])
            design = F.pad(kernel[:, :num_centers], (0, 1), value=1.0)
            # Single precision within a block halves the time: rounding is far below the
            # ridge. Blocks are summed in double precision.
            gram += _gram(design)
            moments += design.T @ roots.to(design).unsqueeze(1)
        gram = gram.triu() + gram.triu(1).T
        gram.diagonal().add_(RIDGE * gram.diagonal().mean())
        solution = torch.linalg.solve(gram, moments).squeeze(1)
        self.coefficients[:num_centers] = solution[:-1].to(self.coefficients)
        self.intercept.copy_(solution[-1])

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        r"""Returns the square root of the relative degree of the points
        :obj:`x [n, d]`, with mean square 1 over the sample, :obj:`[n]`."""
        # Not a product with a vector: ONNX Runtime fails on that if x has no rows.
        log_root = F.linear(self._kernel(x), self.coefficients.unsqueeze(0)).squeeze(1)
        return (log_root + self.intercept).exp()

    def _kernel(self, x: Tensor) -> Tensor:
        return gaussian_kernels(x, self.centers, self.bandwidths)

    def __repr__(self) -> str:
        num_centers, in_channels = self.centers.shape
        return f"{self.__class__.__name__}({in_channels}, num_centers={num_centers})"


def _gram(rows: Tensor) -> Tensor:
    r"""Returns the upper triangle of the Gram matrix of the columns; the rest is
    undefined."""
    if rows.is_cuda:
        return rows.T @ rows
    # Half the work of a full product. The transpose has the memory order of BLAS.
    columns = rows.numpy().T
    return torch.from_numpy(get_blas_funcs("syrk", (columns,))(1.0, columns))
