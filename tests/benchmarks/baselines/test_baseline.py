import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import benchmarks.baselines
from benchmarks.baselines import (
    DiffusionNet,
    EigenvectorRegression,
    NystroemEmbedding,
    SpecNet2,
    SpectralNet,
)
from pyg_basis.datasets import three_moons

pytestmark = pytest.mark.usefixtures("small_networks")

BATCHES: dict[str, Any] = {"max_iter": 4, "batch_size": 60}
SETTINGS: dict[Any, dict[str, Any]] = {
    DiffusionNet: {"max_iter": 4, "sample_size": 60},
    EigenvectorRegression: BATCHES,
    NystroemEmbedding: {"sample_size": 100},
    SpecNet2: BATCHES,
    SpectralNet: BATCHES,
}
every = pytest.mark.parametrize("cls", SETTINGS)


def fitted(cls: Any, x: Any, seed: int = 0) -> Any:
    return cls(2, n_neighbors=10, random_state=seed, **SETTINGS[cls]).fit(x)


@pytest.fixture
def x() -> Tensor:
    return three_moons(150)[0]


def test_none_knows_how_basis_is_trained() -> None:
    folder = Path(benchmarks.baselines.__file__).parent
    for source in folder.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert not names & {"BASiS", "BASiSLayer"}, source
                assert "estimators" not in str(node.module), source


@every
@pytest.mark.usefixtures("untouched_global_generators")
def test_the_seed_settles_all(cls: Any, x: Tensor) -> None:
    first, second, other = (fitted(cls, x, seed) for seed in (4, 4, 5))
    assert first.history_ == second.history_
    assert torch.equal(first.transform(x), second.transform(x))
    assert not torch.equal(first.transform(x), other.transform(x))
    assert first.n_iter_ == (0 if cls is NystroemEmbedding else 4)


@every
def test_arrays_are_as_good_as_tensors(cls: Any, x: Tensor) -> None:
    rows = fitted(cls, x).transform(x)
    assert rows.shape == (150, 2) and not rows.requires_grad
    assert torch.equal(fitted(cls, x.numpy()).transform(x.double().numpy()), rows)


@every
def test_each_point_is_embedded_by_itself(
    cls: Any, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, new = fitted(cls, x), three_moons(30, seed=1)[0]
    whole = model.transform(new)
    alone = torch.cat([model.transform(row[None]) for row in new])
    torch.testing.assert_close(alone, whole, atol=1e-5, rtol=1e-4)
    monkeypatch.setattr("benchmarks.baselines.baseline.BLOCK_ROWS", 7)
    torch.testing.assert_close(model.transform(new), whole, atol=1e-5, rtol=1e-4)


@every
def test_points_alike_or_far_away_stay_finite(cls: Any, x: Tensor) -> None:
    x = torch.cat([x[:100], x[:1].expand(50, 2)])
    model = fitted(cls, x)
    assert torch.isfinite(model.transform(torch.cat([x, 1e4 * x]))).all()


@every
def test_too_few_points_are_refused(cls: Any, x: Tensor) -> None:
    with pytest.raises(ValueError, match="neighbo"):
        fitted(cls, x[:8])


@every
def test_parameters_are_read_back(cls: Any) -> None:
    settings = {"n_components": 3, "random_state": 7, **SETTINGS[cls]}
    assert settings.items() <= cls(**settings).get_params().items()
