from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._estimator_file import (
    check_network,
    described,
    read_file,
    undescribed,
    write_file,
)
from pyg_basis.estimators._training import new_layer

# Raised when files of an older layout can no longer be read.
FORMAT = 6


def write_checkpoint(estimator: Any, path: str | Path) -> None:
    """Writes a fitted BASiS estimator as plain values and tensors."""
    content = {
        "pyg_basis": FORMAT,
        "sizes": list(estimator._sizes),
        "state_dict": estimator.layer_.state_dict(),
        "history": estimator.history_,
        "eigenvalues": estimator.eigenvalues_.tolist(),
        "quality": estimator.quality_,
    }
    write_file({**content, **described(estimator)}, path)


def read_checkpoint(cls: type[Any], path: str | Path, network: nn.Module | None) -> Any:
    """Reads what :func:`write_checkpoint` wrote; runs no code from the file.

    Raises:
        ValueError: If the file is of another kind or version, or was fitted
            with a network of its own and none is given.
    """
    saved = read_file(cls, path, FORMAT)
    check_network(saved, path, network)
    try:
        return _restore(cls, saved, network)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"path={str(path)!r} does not fit network={network!r}, or is damaged: pass "
            f"the network it was fitted with, or none if there was none ({error})"
        ) from error


def _restore(cls: type[Any], saved: dict[str, Any], network: nn.Module | None) -> Any:
    estimator = undescribed(cls, saved, network)
    if not torch.cuda.is_available() and "cuda" in str(estimator.device):
        estimator.device = "cpu"
    sizes = BatchSizes(*saved["sizes"])
    layer = new_layer(estimator, saved["n_features_in"], sizes, seed=0)
    layer.load_state_dict(saved["state_dict"])
    estimator.layer_, estimator._sizes = layer.eval(), sizes
    estimator.history_ = saved["history"]
    estimator.n_iter_ = len(saved["history"]["loss"])
    estimator.quality_ = saved["quality"]
    estimator.eigenvalues_ = np.array(saved["eigenvalues"])
    return estimator
