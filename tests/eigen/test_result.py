import dataclasses

import pytest
import torch

from pyg_basis.eigen import Eigenpairs


def test_repr_and_frozen() -> None:
    zeros = torch.zeros(2)
    pairs = Eigenpairs(zeros, torch.zeros(5, 2), zeros, 3, True, "dense")
    assert repr(pairs) == (
        "Eigenpairs(n=5, k=2, solver='dense', converged=True, iterations=3)"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        pairs.converged = False  # type: ignore[misc]
