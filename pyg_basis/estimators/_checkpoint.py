import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._training import new_layer

# Raised when files of an older layout can no longer be read.
FORMAT = 2


def write_checkpoint(estimator: Any, path: str | Path) -> None:
    """Writes a fitted BASiS estimator as plain values and tensors."""
    params = estimator.get_params(deep=False)
    has_network = params.pop("network") is not None
    if not isinstance(params["random_state"], (int, np.integer)):
        # The state of a generator is of no use to a fitted estimator.
        params["random_state"] = None
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in params.items()
    }
    # Written beside and moved into place: a full disk loses no earlier file.
    temporary = Path(f"{path}.part")
    torch.save(
        {
            "pyg_basis": FORMAT,
            "params": plain,
            "has_network": has_network,
            "sizes": list(estimator._sizes),
            "state_dict": estimator.layer_.state_dict(),
            "history": estimator.history_,
            "eigenvalues": estimator.eigenvalues_.tolist(),
            "n_features_in": estimator.n_features_in_,
            "feature_names_in": [
                str(name) for name in getattr(estimator, "feature_names_in_", ())
            ],
        },
        temporary,
    )
    temporary.replace(path)


def read_checkpoint(cls: type[Any], path: str | Path, network: nn.Module | None) -> Any:
    """Reads what :func:`write_checkpoint` wrote; runs no code from the file.

    Raises:
        ValueError: If the file is of another kind or version, or was fitted
            with a network of its own and none is given.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} is no readable checkpoint: give a file written by "
            f"{cls.__name__}.save"
        ) from error
    version = saved.get("pyg_basis") if isinstance(saved, dict) else None
    if version != FORMAT:
        raise ValueError(
            f"path={str(path)!r} holds checkpoint version {version}, this pyg_basis "
            f"reads version {FORMAT}: fit again, or use the pyg_basis that wrote it"
        )
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


def _restore(cls: type[Any], saved: dict[str, Any], network: nn.Module | None) -> Any:
    estimator = cls(**saved["params"], network=copy.deepcopy(network))
    if not torch.cuda.is_available() and "cuda" in str(estimator.device):
        estimator.device = "cpu"
    estimator.n_features_in_ = saved["n_features_in"]
    if saved["feature_names_in"]:
        estimator.feature_names_in_ = np.array(saved["feature_names_in"], dtype=object)
    sizes = BatchSizes(*saved["sizes"])
    layer = new_layer(estimator, saved["n_features_in"], sizes, seed=0)
    layer.load_state_dict(saved["state_dict"])
    estimator.layer_, estimator._sizes = layer.eval(), sizes
    estimator.history_ = saved["history"]
    estimator.n_iter_ = len(saved["history"]["loss"])
    estimator.eigenvalues_ = np.array(saved["eigenvalues"])
    return estimator
