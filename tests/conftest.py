"""Settings of the whole test run, and the fixtures that all tests share."""

import os
import random
from collections.abc import Iterator

# The thread pools and matplotlib read these when they are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

# One thread adds up in one order: the same seed gives the same bits.
torch.set_num_threads(1)

# In CI (a profile of hypothesis itself) the examples are the same in every run.
settings.register_profile(
    "pyg_basis",
    parent=settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # it judges the machine
    max_examples=25,
)
settings.load_profile("pyg_basis")


def _global_generators() -> dict[str, object]:
    """The states of the global generators, as values that ``==`` compares."""
    _, keys, *rest = np.random.get_state(legacy=True)
    states: dict[str, object] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (np.asarray(keys).tobytes(), *rest),
        "random": random.getstate(),
    }
    if torch.cuda.is_available():
        cuda = torch.cuda.get_rng_state_all()
        states["torch.cuda"] = [state.numpy().tobytes() for state in cuda]
    return states


@pytest.fixture
def untouched_global_generators() -> Iterator[None]:
    """Fail the test when it moved a global generator of torch, NumPy or Python.

    Ask for it by name: ``@pytest.mark.usefixtures("untouched_global_generators")``.
    Not for ``@given`` tests: hypothesis seeds the generators of NumPy and Python.
    """
    before = _global_generators()
    yield
    after = _global_generators()
    moved = [name for name, state in before.items() if after[name] != state]
    assert not moved, f"the test moved the global generators of {', '.join(moved)}"
