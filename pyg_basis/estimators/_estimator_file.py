import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pyg_basis._atomic_file import atomic_file


def described(estimator: Any) -> dict[str, Any]:
    """The parameters and the features of a fitted estimator, as plain values."""
    params = estimator.get_params(deep=False)
    has_network = params.pop("network", None) is not None
    if not isinstance(params["random_state"], (int, np.integer)):
        # The state of a generator is of no use to a fitted estimator.
        params["random_state"] = None
    names = getattr(estimator, "feature_names_in_", ())
    return {
        "params": {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in params.items()
        },
        "has_network": has_network,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": [str(name) for name in names],
    }


def undescribed(
    cls: type[Any], saved: dict[str, Any], network: nn.Module | None
) -> Any:
    """An estimator of these parameters and features, without what was learned."""
    params = dict(saved["params"])
    if "network" in cls._get_param_names():
        params["network"] = copy.deepcopy(network)
    estimator = cls(**params)
    estimator.n_features_in_ = saved["n_features_in"]
    if saved["feature_names_in"]:
        estimator.feature_names_in_ = np.array(saved["feature_names_in"], dtype=object)
    return estimator


def write_file(content: dict[str, Any], path: str | Path) -> None:
    """Writes plain values and tensors. A full disk loses no earlier file."""
    with atomic_file(path) as temporary:
        torch.save(content, temporary)


def read_file(cls: type[Any], path: str | Path, version: Any) -> dict[str, Any]:
    """What :func:`write_file` wrote; runs no code from the file.

    Raises:
        ValueError: If the file is of another kind or version.
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
    found = saved.get("pyg_basis") if isinstance(saved, dict) else None
    if found != version:
        raise ValueError(
            f"path={str(path)!r} holds checkpoint version {found}, this pyg_basis "
            f"reads version {version}: fit again, or use the pyg_basis that wrote it"
        )
    return dict(saved)


def check_network(
    saved: dict[str, Any], path: str | Path, network: nn.Module | None
) -> None:
    """Raises a ValueError if the file needs a network of its own to be read."""
    if saved.get("has_network") and network is None:
        raise ValueError(
            f"network=None, but {str(path)!r} was fitted with a network of its own: "
            f"pass a module of the same build as network"
        )
