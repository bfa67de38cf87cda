from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, repr=False)
class Alignment:
    r"""An affine map between two embeddings, with diagnostics of its fit.

    It is the map :math:`T` of Eq. 12-14 of `"BASiS: Batch Aligned Spectral
    Embedding Space" <https://arxiv.org/abs/2211.16960>`_, written for rows:
    :math:`\phi \mapsto \phi A + b`.

    Args:
        linear (Tensor): The linear part :math:`A`, :obj:`[K_source, K_target]`.
        shift (Tensor): The shift :math:`b`, :obj:`[K_target]`.
        residual (Tensor): Root mean square distance of the mapped inliers to
            their targets, relative to the root mean square distance of the
            targets to their mean (0 is exact, 1 explains nothing), :obj:`[]`.
        inliers (Tensor): The anchors that the map was fitted to, :obj:`[l]`.
        rank (Tensor): Rank of the centered source anchors. Below :obj:`K_source` they
            do not determine the map, and the minimum-norm solution is used, :obj:`[]`.
        method (str): The method that gave the map.
        consensus (bool, optional): Whether enough anchors agree on a map. If not,
            :class:`RANSAC` returns the least-squares map of all anchors.
            (default: :obj:`True`)

    The diagnostics are tensors, so only reading them copies from a GPU.
    """

    linear: Tensor
    shift: Tensor
    residual: Tensor
    inliers: Tensor
    rank: Tensor
    method: str
    consensus: bool = True

    @classmethod
    def on_all(
        cls,
        source: Tensor,
        target: Tensor,
        linear: Tensor,
        shift: Tensor,
        rank: Tensor,
        method: str,
    ) -> "Alignment":
        r"""Builds a map that was fitted in float64 to all rows
        :obj:`source [l, K_source]` and :obj:`target [l, K_target]`. It has the dtype of
        the target, except for half precision, in which maps overflow."""
        dtype = full_dtype(target)
        source, target = source.double(), target.double()
        return cls(
            linear=linear.to(dtype),
            shift=shift.to(dtype),
            residual=relative_residual(source @ linear + shift, target).to(dtype),
            inliers=torch.ones(len(target), dtype=torch.bool, device=target.device),
            rank=rank,
            method=method,
        )

    @property
    def inlier_share(self) -> Tensor:
        r"""Share of anchors that the map was fitted to, in :math:`(0, 1]`,
        :obj:`[]`."""
        return self.inliers.to(self.linear.dtype).mean()

    @property
    def condition_number(self) -> Tensor:
        r"""Ratio of the largest to the smallest singular value of the linear part
        (infinite if singular), :obj:`[]`."""
        singular_values = torch.linalg.svdvals(self.linear)
        smallest = singular_values[-1]
        # For the zero map, of constant anchors, the ratio is 0 / 0.
        return torch.where(smallest > 0, singular_values[0] / smallest, torch.inf)

    def apply(self, phi: Tensor) -> Tensor:
        r"""Maps rows :obj:`[m, K_source]` to :obj:`[m, K_target]` (Eq. 14).

        Raises:
            ValueError: If the width of the rows is not :obj:`K_source`, or they are not
                a floating-point tensor.
        """
        dtype = getattr(phi, "dtype", type(phi))
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise ValueError(
                f"phi must be a floating-point tensor, got {dtype}: convert it with "
                f"torch.as_tensor(phi).float()"
            )
        if phi.dim() != 2 or phi.size(1) != self.linear.size(0):
            raise ValueError(
                f"phi has shape {tuple(phi.shape)}, but this alignment maps rows of "
                f"width {self.linear.size(0)}: pass [m, {self.linear.size(0)}]"
            )
        rows = phi.to(full_dtype(phi))
        return (rows @ self.linear.to(rows) + self.shift.to(rows)).to(phi.dtype)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.linear.size(0)}, {self.linear.size(1)}, "
            f"method={self.method!r}, residual={float(self.residual):.2g}, "
            f"inlier_share={float(self.inlier_share):.2f})"
        )


def full_dtype(rows: Tensor) -> torch.dtype:
    r"""Returns the dtype to store and apply maps in: that of the rows, but at least
    single precision."""
    return torch.float64 if rows.dtype == torch.float64 else torch.float32


def relative_residual(mapped: Tensor, target: Tensor) -> Tensor:
    r"""Root mean square error relative to the spread of the target. Without spread, 0
    if exact, else 1."""
    error, scale = (mapped - target).norm(), spread(target)
    # A constant target differs from its mean by rounding.
    rounding = target.size(0) * torch.finfo(target.dtype).eps * target.norm()
    return torch.where(
        scale > rounding, error / scale.clamp(min=1e-300), error > rounding
    )


def spread(target: Tensor) -> Tensor:
    r"""Frobenius norm of the target about its mean."""
    return (target - target.mean(dim=0)).norm()
