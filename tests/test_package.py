import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_basis


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=Path(pyg_basis.__file__).parents[1],
    ).stdout.strip()


def test_public_names() -> None:
    assert pyg_basis.__all__ == [
        "BASiS",
        "BASiSClustering",
        "BASiSLayer",
        "DiffusionMap",
    ]
    with pytest.raises(AttributeError, match="has no attribute 'none'"):
        pyg_basis.none  # noqa: B018
    for name in pyg_basis.__all__:
        assert isinstance(getattr(pyg_basis, name), type)
        assert getattr(pyg_basis, name).__doc__


@pytest.mark.parametrize(
    "folder",
    [
        "align",
        "data",
        "datasets",
        "eigen",
        "estimators",
        "graph",
        "metrics",
        "nn",
        "readout",
        "reference",
        "transforms",
    ],
)
def test_public_names_of_the_folders(folder: str) -> None:
    module = importlib.import_module(f"pyg_basis.{folder}")
    assert module.__doc__
    for name in module.__all__:
        assert hasattr(module, name), name


def test_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"1.2 of {name}")
    assert pyg_basis.__version__ == "1.2 of pyg-basis"
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert pyg_basis.__version__ == "0+unknown"


def test_import_disturbs_nothing_and_needs_no_extras() -> None:
    # None in sys.modules makes an import fail as if it were not installed.
    printed = run(
        "import sys\n"
        "sys.modules['torch_cluster'] = None\n"
        "import torch\n"
        "before = torch.get_num_threads(), torch.get_default_dtype()\n"
        "seed, state = torch.initial_seed(), torch.get_rng_state()\n"
        "import pyg_basis\n"
        "assert pyg_basis.BASiS and pyg_basis.BASiSLayer\n"  # imported by now
        "print('matplotlib.pyplot' not in sys.modules)\n"
        "print(before == (torch.get_num_threads(), torch.get_default_dtype()))\n"
        "print(seed == torch.initial_seed())\n"
        "print(torch.equal(state, torch.get_rng_state()))\n"
        "import numpy as np\n"
        "x = np.random.default_rng(0).normal(size=(100, 3))\n"
        "basis = pyg_basis.BASiS(2, max_iter=2, n_neighbors=5, random_state=0)\n"
        "print(np.isfinite(basis.fit_transform(x)).all())"
    )
    assert printed.split() == ["True"] * 5


def test_nothing_slow_is_imported_before_it_is_used() -> None:
    code = "import sys, pyg_basis.cli; print({'torch', 'sklearn'} & sys.modules.keys())"
    assert run(code) == "set()"
