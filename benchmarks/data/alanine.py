"""Frames of molecular dynamics of alanine dipeptide."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Trajectories that are learned.
NUM_LEARNED = 8


class Alanine(NamedTuple):
    """The frames of the trajectories that are learned and of the others, 45 distances
    each, and the angle psi of the others in degrees."""

    x: Tensor
    x_other: Tensor
    psi_other: NDArray[np.float32]


def load_alanine(data_root: Path) -> Alanine:
    with np.load(data_root / "alanine.npz") as file:
        x, psi = torch.from_numpy(file["distances"]), file["psi"]
        num_learned = int(file["lengths"][:NUM_LEARNED].sum())
    return Alanine(x[:num_learned], x[num_learned:], psi[num_learned:])
