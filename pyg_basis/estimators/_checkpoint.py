import copy
import hashlib
import re
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from pyg_basis._atomic_file import atomic_file
from pyg_basis._torch_file import load_torch_file
from pyg_basis.estimators._batch_sizes import BatchSizes
from pyg_basis.estimators._parameters import (
    EIGENGAP,
    check_parameters,
    has_device,
    with_components,
)
from pyg_basis.estimators._training import new_layer
from pyg_basis.estimators._update import Memory
from pyg_basis.nn import BASiSLayer
from pyg_basis.readout.rayleigh_ritz import Moments

if TYPE_CHECKING:
    from pyg_basis.estimators.basis import BASiS

# Incremented when older files can no longer be read.
FORMAT = 9
# The first line of a file, with the checksum of all that follows.
FIRST_LINE = re.compile(rb"pyg_basis model, format (\d{1,9}), SHA-256 [0-9a-f]{64}\n")
LINE_LENGTH = 128  # no line is longer


def write_checkpoint(
    estimator: "BASiS", path: str | Path, clusters: dict[str, Any] | None = None
) -> None:
    """Saves a fitted BASiS estimator as plain values and tensors, with the clusters in
    its embedding, if any. An earlier file survives a full disk.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If it could not be read again.
    """
    params = estimator.get_params(deep=False)
    has_network = params.pop("network") is not None
    content = _plain(
        {
            "params": params,
            "has_network": has_network,
            "n_components": estimator.n_components_,
            "n_features_in": estimator.n_features_in_,
            "feature_names_in": list(getattr(estimator, "feature_names_in_", ())),
            "sizes": list(estimator._sizes),
            "history": estimator.history_,
            "eigenvalues": estimator.eigenvalues_.tolist(),
            "quality": estimator.quality_,
            "clusters": clusters,
        }
    )
    buffer = BytesIO()
    tensors = {
        "state_dict": estimator.layer_.state_dict(),
        "projection": _projection_tensors(estimator.projection_),
        "memory": _memory_content(estimator._memory),
    }
    torch.save(content | tensors, buffer)
    try:
        _restore(type(estimator), load_torch_file(buffer), estimator.network)
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} is not written, as it could not be read again: fit "
            f"again if parameters have changed since, and let the state of the network "
            f"be of tensors, numbers and strings ({error})"
        ) from error
    payload = buffer.getvalue()
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(_first_line(payload))
        file.write(payload)


def is_checkpoint(path: str | Path) -> bool:
    """Whether a file begins with the line of a model file, of any format."""
    with open(path, "rb") as file:
        return _version(file.readline(LINE_LENGTH)) is not None


def read_checkpoint(
    cls: type[Any], path: str | Path, network: nn.Module | None
) -> tuple[Any, dict[str, Any] | None]:
    """Loads the estimator and clusters that :func:`write_checkpoint` wrote. No code
    from the file is run.

    Raises:
        ValueError: If the file is damaged, has another type or version, or its network
            is a custom one and none is given.
    """
    saved = _read(path)
    if saved.get("has_network") is True and network is None:
        raise ValueError(
            f"network=None, but {str(path)!r} was fitted with a network of its own: "
            f"pass a module of the same build as network"
        )
    try:
        estimator = _restore(cls, saved, network)
        return estimator, _clusters(saved, estimator.n_components_)
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} does not fit network={network!r}, or is damaged: pass "
            f"the network it was fitted with, or none if there was none ({error})"
        ) from error


def _first_line(payload: bytes) -> bytes:
    checksum = hashlib.sha256(payload).hexdigest()
    return f"pyg_basis model, format {FORMAT}, SHA-256 {checksum}\n".encode()


def _version(first_line: bytes) -> int | None:
    match = FIRST_LINE.fullmatch(first_line)
    return int(match[1]) if match else None


def _read(path: str | Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        first_line = file.readline(LINE_LENGTH)
        version = _version(first_line)
        payload = file.read() if version == FORMAT else b""
    if version is None:
        problem = "is no readable checkpoint: give a file written by BASiS.save"
    elif version != FORMAT:
        problem = (
            f"holds checkpoint version {version}, this pyg_basis reads version "
            f"{FORMAT}: fit again, or use the pyg_basis that wrote it"
        )
    elif first_line != _first_line(payload):
        problem = "is damaged, its checksum is another one: copy it again, or fit again"
    else:
        with suppress(ValueError):
            saved = load_torch_file(BytesIO(payload))
            if isinstance(saved, dict):
                return saved
        problem = "holds no model: give a file written by BASiS.save"
    raise ValueError(f"path={str(path)!r} {problem}")


def _plain(value: Any) -> Any:
    """Converts NumPy's numbers and strings to Python's, and generators to ``None``, as
    a fitted estimator does not need their state."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.random.RandomState):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _restore(cls: type[Any], saved: dict[str, Any], network: nn.Module | None) -> Any:
    estimator = cls(**saved["params"], network=copy.deepcopy(network))
    if not has_device(estimator.device):
        estimator.device = "cpu"
    check_parameters(estimator)
    for name in ("sizes", "feature_names_in", "eigenvalues"):
        if not isinstance(saved[name], list):  # a tensor could have any length
            raise TypeError(f"{name} is no list")
    num_features, state = int(saved["n_features_in"]), saved["state_dict"]
    sizes = BatchSizes(*map(int, saved["sizes"]))
    projection = _projection(saved["projection"], num_features)
    width = num_features if projection is None else projection.shape[0]
    sized = estimator
    if estimator.n_components == EIGENGAP:
        sized = with_components(estimator, int(saved["n_components"]))
    _check_sizes(sized, width, sizes, state)
    layer = new_layer(sized, width, sizes, seed=0)
    layer.load_state_dict(state)
    estimator.n_features_in_ = num_features
    names = [str(name) for name in saved["feature_names_in"]]
    if names:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    estimator.layer_, estimator._sizes = layer.eval(), sizes
    estimator.projection_ = projection
    estimator.history_ = saved["history"]
    estimator.n_iter_ = len(saved["history"]["loss"])
    estimator.quality_ = saved["quality"]
    estimator.eigenvalues_ = np.array([float(value) for value in saved["eigenvalues"]])
    estimator._memory = _memory(saved.get("memory"), layer)
    return estimator


def _memory_content(memory: Memory | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    plain = {name: tensor.cpu() for name, tensor in memory.moments._asdict().items()}
    points = memory.points.cpu().clone()  # without the rest of its storage
    return memory._asdict() | {"moments": plain, "points": points}


def _memory(saved: dict[str, Any] | None, layer: BASiSLayer) -> Memory | None:
    if saved is None:
        return None
    moments, points = Moments(**saved["moments"]), saved["points"]
    if not all(map(_is_stored, (*moments, points))):
        raise ValueError("the moments are larger than what is stored of them")
    width, size = sum(layer.output.widths), moments.directions.size(1)
    expected = ((width,), (width, size), (size + 1, size + 1), (size + 1, size + 1), ())
    if tuple(tuple(part.shape) for part in moments) != expected:
        raise ValueError(f"moments of shapes that are not {expected}")
    if points.shape[1:] != (layer.in_channels,) or len(points) < 2:
        raise ValueError(f"points of shape {list(points.shape)}")
    return Memory(
        Moments(*(part.to(layer.anchors.device) for part in moments)),
        points.to(layer.anchors.device),
        float(saved["num_points"]),
        int(saved["seed"]),
        int(saved["num_updates"]),
    )


# Stored as a matrix, since another scikit-learn may draw another one from the seed.
def _projection_tensors(projection: csr_array | None) -> dict[str, Tensor] | None:
    if projection is None:
        return None
    parts = ("data", "indices", "indptr")
    return {name: torch.from_numpy(getattr(projection, name)) for name in parts}


def _projection(saved: dict[str, Tensor] | None, num_features: int) -> Any:
    if saved is None:
        return None
    parts = saved["data"], saved["indices"], saved["indptr"]
    if not all(map(_is_stored, parts)):
        raise ValueError("projection is larger than what is stored of it")
    data, indices, indptr = (part.numpy() for part in parts)
    if not np.isfinite(data).all() or not len(data) == len(indices) == indptr[-1] > 0:
        raise ValueError("projection is no matrix of finite numbers")
    shape = len(indptr) - 1, num_features
    projection = csr_array((data, indices, indptr), shape=shape)
    projection.check_format(full_check=True)  # indices must be in range
    return projection


def _check_sizes(
    estimator: "BASiS", num_features: int, sizes: BatchSizes, state: dict[str, Any]
) -> None:
    """Raises an error if the sizes in a file do not match its tensors, before anything
    of these sizes is allocated."""
    for name, tensor in state.items():
        if not name.startswith("network.") and not _is_stored(tensor):
            raise ValueError(f"{name} is larger than what is stored of it")
    shape, expected = list(state["anchors"].shape), [sizes.num_anchors, num_features]
    if shape != expected:
        raise ValueError(f"anchors of shape {shape}, expected {expected}")
    on_meta = copy.copy(estimator)
    on_meta.device = "meta"  # tensors there have a shape but no memory
    with torch.device("meta"):
        layer = new_layer(on_meta, num_features, sizes, seed=0)
    layer.load_state_dict(state, assign=True)


def _is_stored(tensor: Tensor) -> bool:
    """Whether the file stores all values of a tensor, rather than an expanded view."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return False
    return tensor.untyped_storage().nbytes() >= tensor.nbytes


def _clusters(saved: dict[str, Any], num_columns: int) -> dict[str, Any] | None:
    clusters = saved["clusters"]
    if clusters is None:
        return None
    centers = clusters["centers"]
    if not _is_stored(centers) or centers.shape[1:] != (num_columns,):
        raise ValueError(f"centers of shape {list(centers.shape)}")
    # Earlier files hold the centers and n_init only.
    return {"n_clusters": len(centers), "basis": {}, **clusters}
