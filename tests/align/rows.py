"""Random rows for the tests of maps between embeddings."""

import torch
from torch import Tensor


def normal(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.double) for s in shapes]


def orthogonal(seed: int, k: int) -> Tensor:
    return torch.linalg.qr(normal(seed, (k, k))[0]).Q
