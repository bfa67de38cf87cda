"""Generators of random numbers; the global ones are never touched."""

from numbers import Integral

import torch


def seeded_generator(seed: int) -> torch.Generator:
    r"""Return a CPU generator that starts from `seed`.

    Raises:
        ValueError: If `seed` is not an integer in [0, 2**32).
    """
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise ValueError(
            f"seed must be an integer in [0, 2**32), got {seed!r}; pass for example 0."
        )
    return torch.Generator().manual_seed(int(seed))
