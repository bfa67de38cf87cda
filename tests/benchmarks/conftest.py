from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.lib.record import read_record
from benchmarks.registry import EXPERIMENTS


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Images of ten classes: a bright bar in a row of its own, and noise."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, size in (("train", 700), ("test", 300)):
        labels = np.arange(size) % 10
        images = rng.integers(0, 60, (size, 28, 28))
        images[np.arange(size), 2 * labels + 4] += 180
        arrays[f"x_{part}"] = images.astype(np.uint8)
        arrays[f"y_{part}"] = labels.astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Smoke runs of an experiment into a folder of the test; they return the record."""

    def run(name: str, *arguments: object) -> dict[str, Any]:
        command = ["--quick", "--output", tmp_path / "output", *arguments]
        if EXPERIMENTS[name].needs_data:
            command += ["--cache-dir", tmp_path / "cache"]
        EXPERIMENTS[name].run([str(word) for word in command])
        records = sorted((tmp_path / "output").glob("*.json"))
        return read_record(records[0])

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baselines that train in a moment."""
    widths = "benchmarks.baselines.embedding_network.HIDDEN_CHANNELS"
    monkeypatch.setattr(widths, (64, 64))
