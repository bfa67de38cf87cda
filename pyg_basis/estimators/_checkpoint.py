import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pyg_basis._atomic_file import atomic_file
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._training import new_layer

# Raised when files of an older layout can no longer be read.
FORMAT = 7


def write_checkpoint(
    estimator: Any, path: str | Path, clusters: dict[str, Any] | None = None
) -> None:
    """Writes a fitted BASiS estimator as plain values and tensors, with what is known
    of clusters in its embedding, if there are some. A full disk loses no earlier
    file."""
    params = estimator.get_params(deep=False)
    has_network = params.pop("network") is not None
    if not isinstance(params["random_state"], (int, np.integer)):
        # The state of a generator is of no use to a fitted estimator.
        params["random_state"] = None
    content = {
        "pyg_basis": FORMAT,
        "params": {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in params.items()
        },
        "has_network": has_network,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": [
            str(name) for name in getattr(estimator, "feature_names_in_", ())
        ],
        "sizes": list(estimator._sizes),
        "state_dict": estimator.layer_.state_dict(),
        "history": estimator.history_,
        "eigenvalues": estimator.eigenvalues_.tolist(),
        "quality": estimator.quality_,
        "clusters": clusters,
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)


def read_clusters(path: str | Path) -> dict[str, Any] | None:
    """What is known of the clusters in a file, if there are some."""
    clusters: dict[str, Any] | None = _read(path).get("clusters")
    return clusters


def read_checkpoint(cls: type[Any], path: str | Path, network: nn.Module | None) -> Any:
    """Reads what :func:`write_checkpoint` wrote; runs no code from the file.

    Raises:
        ValueError: If the file is of another kind or version, or was fitted
            with a network of its own and none is given.
    """
    saved = _read(path)
    if saved.get("has_network") and network is None:
        raise ValueError(
            f"network=None, but {str(path)!r} was fitted with a network of its own: "
            f"pass a module of the same build as network"
        )
    try:
        return _restore(cls, saved, network)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"path={str(path)!r} does not fit network={network!r}, or is damaged: pass "
            f"the network it was fitted with, or none if there was none ({error})"
        ) from error


def _read(path: str | Path) -> dict[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} is no readable checkpoint: give a file written by "
            f"BASiS.save"
        ) from error
    found = saved.get("pyg_basis") if isinstance(saved, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"path={str(path)!r} holds checkpoint version {found}, this pyg_basis "
            f"reads version {FORMAT}: fit again, or use the pyg_basis that wrote it"
        )
    return dict(saved)


def _restore(cls: type[Any], saved: dict[str, Any], network: nn.Module | None) -> Any:
    estimator = cls(**saved["params"], network=copy.deepcopy(network))
    estimator.n_features_in_ = saved["n_features_in"]
    if saved["feature_names_in"]:
        estimator.feature_names_in_ = np.array(saved["feature_names_in"], dtype=object)
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
