import functools
import importlib

from torch import Tensor

from pyg_basis.graph._exact_neighbors import EXTRA_CANDIDATES, Candidates

_REMEDY = {
    "torch_cluster": "install it with: pip install 'pyg-basis[cluster]'",
    "pyg_lib": (
        "install torch-geometric>=2.8 and pyg-lib>=0.6 (wheels for each torch "
        "release: https://data.pyg.org/whl/)"
    ),
}
_NAMES = ("torch", "sklearn", "torch_cluster", "pyg_lib")

# The kernels of torch_cluster and pyg-lib hold this many neighbours on CUDA.
_MAX_NEIGHBORS_CUDA = 100

# Measured on one core, k = 20 and 50: below this many nodes plain torch is the
# quickest at any width; above it, trees win up to this many dimensions.
_MAX_NODES_TORCH = 1500
_MAX_DIMENSION_TORCH_CLUSTER = 6


def choose_backend(x: Tensor) -> str:
    r"""The quickest backend at hand for ``x`` :math:`[n, d]` (design, section 6)."""
    n, d = x.shape
    if x.is_cuda or n <= _MAX_NODES_TORCH:
        return "torch"
    if d <= _MAX_DIMENSION_TORCH_CLUSTER and _is_installed("torch_cluster"):
        return "torch_cluster"
    return "sklearn"


def load_backend(name: str, x: Tensor, k: int) -> Candidates:
    r"""The candidate search of the backend ``name``, checked to serve ``x``, ``k``."""
    if name not in _NAMES:
        raise ValueError(
            f"backend={name!r} is unknown: pass one of 'auto', "
            + ", ".join(repr(known) for known in _NAMES)
        )
    try:
        search = _import_backend(name)
    except Exception as error:
        # A compiled extension built for another torch raises OSError, not
        # ImportError: to the caller both mean that it is not there.
        remedy = _REMEDY.get(name, "repair its installation")
        raise ImportError(
            f"backend={name!r} cannot be imported ({error}): {remedy}, or pass "
            "backend='auto' to use what is installed"
        ) from error
    if x.is_cuda and name in _REMEDY and k + EXTRA_CANDIDATES >= _MAX_NEIGHBORS_CUDA:
        raise ValueError(
            f"k={k} is too many for backend={name!r} on CUDA, which allows up to "
            f"{_MAX_NEIGHBORS_CUDA - EXTRA_CANDIDATES - 1}: pass a smaller k or "
            "backend='torch'"
        )
    return search


@functools.cache
def _import_backend(name: str) -> Candidates:
    module = importlib.import_module(f"pyg_basis.graph._neighbors_{name}")
    search: Candidates = module.candidates
    return search


@functools.cache
def _is_installed(name: str) -> bool:
    try:
        _import_backend(name)
    except Exception:
        return False
    return True
