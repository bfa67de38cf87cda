from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, repr=False)
class Alignment:
    r"""An affine map between two embeddings and what is known about its fit.

    It is the map :math:`T` of Eq. 12-14 of `"BASiS: Batch Aligned Spectral
    Embedding Space" <https://arxiv.org/abs/2211.16960>`_, written for rows:
    :math:`\phi \mapsto \phi A + b`.

    Args:
        linear (Tensor): The linear part :math:`A`, :obj:`[K_source, K_target]`.
        shift (Tensor): The shift :math:`b`, :obj:`[K_target]`.
        residual (Tensor): Root mean square distance of the mapped inliers to
            their targets, relative to the root mean square distance of the
            targets to their mean (0 is exact, 1 explains nothing), :obj:`[]`.
        inliers (Tensor): On which anchors the map was fitted, :obj:`[l]`.
        rank (Tensor): Rank of the centered source anchors; below
            :obj:`K_source` they do not determine the map, and the part of
            least norm was taken, :obj:`[]`.
        method (str): The method that gave the map.

    The diagnostics are tensors: reading them is what costs a copy from a GPU.
    """

    linear: Tensor
    shift: Tensor
    residual: Tensor
    inliers: Tensor
    rank: Tensor
    method: str

    @property
    def inlier_share(self) -> Tensor:
        r"""Share of the anchors that the map was fitted on, in :math:`(0, 1]`,
        :obj:`[]`."""
        return self.inliers.to(self.linear.dtype).mean()

    @property
    def condition_number(self) -> Tensor:
        r"""Ratio of the largest to the smallest singular value of the linear
        part (infinite when it is singular), :obj:`[]`."""
        singular_values = torch.linalg.svdvals(self.linear)
        smallest = singular_values[-1]
        # The zero map, which constant anchors give, is 0 / 0.
        return torch.where(smallest > 0, singular_values[0] / smallest, torch.inf)

    def apply(self, phi: Tensor) -> Tensor:
        r"""Maps rows :obj:`[m, K_source]` to :obj:`[m, K_target]` (Eq. 14).

        Raises:
            ValueError: If the rows have another width than the map's source,
                or are not floating-point.
        """
        if phi.dim() != 2 or phi.size(1) != self.linear.size(0):
            raise ValueError(
                f"phi has shape {tuple(phi.shape)}, but this alignment maps rows of "
                f"width {self.linear.size(0)}: pass [m, {self.linear.size(0)}]"
            )
        if not phi.is_floating_point():
            raise ValueError(
                f"phi must be floating-point, got {phi.dtype}: convert it with "
                f"phi.float()"
            )
        return phi @ self.linear.to(phi) + self.shift.to(phi)

    def inverse(self) -> "Alignment":
        r"""The map from the target back to the source.

        Raises:
            ValueError: If the map is not square or not invertible.
        """
        rows, columns = self.linear.shape
        if rows != columns:
            raise ValueError(
                f"an alignment from {rows} to {columns} columns has no inverse: fit "
                f"one between embeddings of equal width"
            )
        condition_number = float(self.condition_number)
        if not condition_number < 1 / torch.finfo(self.linear.dtype).eps:
            raise ValueError(
                f"this alignment is singular (condition number {condition_number:.1e}) "
                f"and has no inverse: use more anchors, or fewer eigenvectors"
            )
        linear = torch.linalg.inv(self.linear)
        return Alignment(
            linear=linear,
            shift=-self.shift @ linear,
            residual=self.residual,
            inliers=self.inliers,
            rank=self.rank,
            method=self.method,
        )

    def compose(self, after: "Alignment") -> "Alignment":
        r"""The map that applies this one first and :obj:`after` second.

        The diagnostics are the worse of the two.

        Raises:
            ValueError: If the widths do not meet.
        """
        if self.linear.size(1) != after.linear.size(0):
            raise ValueError(
                f"after takes rows of width {after.linear.size(0)}, but this alignment "
                f"gives width {self.linear.size(1)}: compose maps that meet"
            )
        fewer = min(self, after, key=lambda each: float(each.inlier_share))
        return Alignment(
            linear=self.linear @ after.linear,
            shift=self.shift @ after.linear + after.shift,
            residual=torch.maximum(self.residual, after.residual),
            inliers=fewer.inliers,
            rank=torch.minimum(self.rank, after.rank),
            method=self.method if self.method == after.method else "composed",
        )

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.linear.size(0)}, {self.linear.size(1)}, "
            f"method={self.method!r}, residual={float(self.residual):.2g}, "
            f"inlier_share={float(self.inlier_share):.2f})"
        )
