"""Settings of the whole test run, and the fixtures that all tests share."""

import os
import signal
from collections.abc import Iterator

# The thread pools and matplotlib read these when they are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.generators import global_generators

# Tests that a shell runs in the background, and what they start, would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture
def untouched_global_generators() -> Iterator[None]:
    """Fail the test when it moved a global generator of torch, NumPy or Python.

    Ask for it by name: ``@pytest.mark.usefixtures("untouched_global_generators")``.
    Not for ``@given`` tests: hypothesis seeds the generators of NumPy and Python.
    """
    before = global_generators()
    yield
    after = global_generators()
    moved = [name for name, state in before.items() if after[name] != state]
    assert not moved, f"the test moved the global generators of {', '.join(moved)}"


@pytest.fixture(scope="module")
def narrow_network() -> Iterator[None]:
    """The default network with few channels, for whole files that are not about it.

    Its width is most of what small fits take. Ask for it by name:
    ``pytestmark = pytest.mark.usefixtures("narrow_network")``.
    """
    with pytest.MonkeyPatch.context() as patch:
        widths = "pyg_basis.nn._default_network.HIDDEN_CHANNELS"
        patch.setattr(widths, (32, 64, 64, 32))
        yield
