"""Data that grow: what is known stays where it is, and what is new is learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import circle, circle_eigenfunctions, sphere
from pyg_basis.estimators import _update
from pyg_basis.metrics import grassmann_distance
from tests.estimators.inputs import learner, network, quick

pytestmark = pytest.mark.usefixtures("narrow_network")

CENTERS = 4 * np.eye(3)
SETTINGS: dict[str, Any] = {"updatable": True, "reference_size": 300, "max_iter": 20}


def blobs(*which: int, num_points: int = 200, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    parts = [CENTERS[i] + rng.normal(size=(num_points, 3)) for i in which]
    return np.concatenate(parts).astype(np.float32)


def spheres() -> tuple[NDArray[Any], NDArray[Any]]:
    x = sphere(3000).float().numpy()
    return x[:2000], x[2000:]


@pytest.fixture(scope="module")
def of_sphere() -> BASiS:
    old, _ = spheres()
    return learner(n_components=3, **SETTINGS | {"reference_size": 1000}).fit(old)


def copied(basis: BASiS, path: Path) -> BASiS:
    basis.save(path / "model.pt")
    return BASiS.load(path / "model.pt", basis.network)


def same_state(one: BASiS, other: BASiS, x: Any) -> bool:
    return np.array_equal(one.transform(x), other.transform(x)) and np.array_equal(
        one.eigenvalues_, other.eigenvalues_
    )


def test_more_of_the_same_moves_nothing(of_sphere: BASiS, tmp_path: Path) -> None:
    basis = copied(of_sphere, tmp_path)
    old, new = spheres()
    before = basis.transform(old)
    movement = basis.update(new)
    moved = np.linalg.norm(basis.transform(old) - before) / np.linalg.norm(before)
    assert moved < 0.05 and float(movement.change) < 0.05
    assert movement.num_lost == 0 and not movement.reanchored
    assert basis.quality_ is not None and basis.quality_["grassmann_distance"] < 0.15


def test_halves_of_a_circle_become_a_whole() -> None:
    x = circle(3000).float()
    is_left = x[:, 0] < 0.3
    basis = learner(network=network(2), **SETTINGS | {"reference_size": 1000})
    basis.fit(x[is_left])
    known, distances = circle_eigenfunctions(x, 3), []
    for _ in range(2):
        rows = torch.cat([torch.ones(len(x), 1), basis.transform(x)], dim=1)
        distances.append(grassmann_distance(rows, known))
        basis.update(x[~is_left])
    assert distances[1] < 0.15 and distances[1] < 0.5 * distances[0]


def test_a_loaded_model_goes_on_as_the_one_in_memory(
    of_sphere: BASiS, tmp_path: Path
) -> None:
    _, new = spheres()
    one, other = copied(of_sphere, tmp_path), copied(of_sphere, tmp_path)
    one.update(new[:300])
    other.update(new[:300])
    assert same_state(one, other, new)
    one.update(new[300:500])
    again = copied(other, tmp_path)
    again.update(new[300:500])
    assert same_state(one, again, new)


def test_the_quality_is_that_of_all_points() -> None:
    """Also where a graph has far fewer nodes than points are kept."""
    old, new = blobs(0, num_points=3000), blobs(1, num_points=3000)
    basis = quick(n_components=1, **SETTINGS).fit(old)
    basis.update(new)
    assert basis.quality_ is not None and basis.quality_["grassmann_distance"] < 0.1
    sample = basis._memory.points[: basis.quality_["num_nodes"]].numpy()
    is_new = np.linalg.norm(sample - CENTERS[1], axis=1) < 4
    assert 0.4 < np.mean(is_new) < 0.6


def test_features_that_do_not_suffice_are_trained_on(
    of_sphere: BASiS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_update, "MOST_MISSING", 0.0)  # nor would any others
    monkeypatch.setattr(_update, "MISSES", 0.0)
    basis = copied(of_sphere, tmp_path)
    old, new = spheres()
    movement = basis.update(new)
    assert movement.reanchored and basis.n_iter_ > of_sphere.n_iter_
    assert len(basis.history_["loss"]) == basis.n_iter_
    before = of_sphere.transform(old)
    moved = np.linalg.norm(basis.transform(old) - before) / np.linalg.norm(before)
    assert moved < 0.1
    # Also the reference is where it was.
    batch = basis.layer_.targets(torch.from_numpy(new[:100]))
    targets = batch.y[-100:].numpy()
    apart = np.linalg.norm(targets - of_sphere.transform(new[:100]))
    assert apart < 0.5 * np.linalg.norm(targets)


def test_earlier_points_can_be_forgotten() -> None:
    """Two groups, of which the first one fades away."""
    basis = quick(n_components=1, **SETTINGS).fit(blobs(0, num_points=600))
    for seed in range(4):
        new = blobs(1, 2, num_points=300, seed=seed)
        basis.update(new, forget_factor=0.01)
    rows = basis.transform(blobs(1, 2))[:, 0]
    # What separates the two that are left is the first direction.
    assert abs(np.mean(rows[:200]) - np.mean(rows[200:])) > 3 * np.std(rows[:200])


@pytest.mark.parametrize("n_clusters", [3, "eigengap"])
def test_clusters_keep_their_labels(n_clusters: Any) -> None:
    first = 2 if n_clusters == 3 else n_clusters
    basis = learner(n_components=3, drop_first=False, **SETTINGS)
    clustering = BASiSClustering(first, basis=basis, random_state=0)
    old, new = blobs(0, 1, num_points=400), blobs(2, num_points=400)
    clustering.fit(old)
    assert clustering.n_clusters_ == 2
    before = clustering.predict(old)
    clustering.update(new, n_clusters if n_clusters == 3 else None)
    assert clustering.n_clusters_ == 3
    assert np.mean(clustering.predict(old) == before) > 0.99
    assert np.mean(clustering.predict(new) == 2) > 0.97
    assert np.array_equal(clustering.labels_, clustering.predict(new))


@pytest.mark.parametrize("num_components", [2, "eigengap"])
def test_clusters_are_counted_anew_where_asked(num_components: Any) -> None:
    basis = learner(n_components=num_components, drop_first=False, **SETTINGS)
    clustering = BASiSClustering(2, basis=basis, random_state=0)
    clustering.fit(blobs(0, 1, num_points=400))
    clustering.update(blobs(2, num_points=400), "eigengap")
    assert clustering.n_clusters_ == 3


def test_a_further_cluster_is_reported() -> None:
    old, new = blobs(0, 1, num_points=400), blobs(2, num_points=400)
    basis = learner(drop_first=False, **SETTINGS)
    clustering = BASiSClustering(2, basis=basis, random_state=0).fit(old)
    with pytest.warns(UserWarning, match="n_clusters=3"):
        clustering.update(new)
    assert clustering.n_clusters_ == 2
    basis = learner(n_components=1, **SETTINGS).fit(old)
    with pytest.warns(UserWarning, match="n_components=2"):
        basis.update(new)


@pytest.mark.parametrize("drop_first", [True, False])
def test_columns_within_clusters_split_none(drop_first: bool) -> None:
    basis = learner(n_components=6, drop_first=drop_first, **SETTINGS)
    clustering = BASiSClustering(2, basis=basis, random_state=0)
    old, new = blobs(0, 1, num_points=400), blobs(2, num_points=400)
    before = clustering.fit(old).predict(old)
    clustering.update(new, 3)
    assert np.mean(clustering.predict(old) == before) > 0.98
    assert np.mean(clustering.predict(new) == 2) > 0.97


@pytest.mark.parametrize(
    ("settings", "num_leading"),
    [
        ({"drop_first": False}, 2),  # and a constant
        ({"drop_first": False, "laplacian": "sym", "extend_degree": False}, 3),
    ],
)
def test_a_constant_is_one_of_the_leading_columns(
    settings: dict[str, Any], num_leading: int
) -> None:
    basis = learner(n_components=4, **settings, **SETTINGS).fit(blobs(0, 1, 2))
    movement = basis.update(blobs(0, 1, 2, seed=1))
    rows = _update.rows_at(basis.layer_, torch.from_numpy(blobs(0, 1, 2, seed=2)))
    leading = _update.leading_rows(rows, basis.layer_, movement, 3)
    assert leading.shape == (600, num_leading)
    # Three columns hold which cluster a point is of.
    which = np.eye(3)[np.repeat([0, 1, 2], 200)]
    with_constant = np.column_stack([np.ones(600), leading])
    residual = np.linalg.lstsq(with_constant, which, rcond=None)[1]
    assert residual.sum() < 0.1 * 400


def test_as_many_clusters_stay_where_they_are(tmp_path: Path) -> None:
    basis = learner(drop_first=False, **SETTINGS)
    clustering = BASiSClustering(2, basis=basis, random_state=0).fit(blobs(0, 1))
    clustering.save(tmp_path / "model.pt")
    loaded = BASiSClustering.load(tmp_path / "model.pt", clustering.basis_.network)
    before = loaded.predict(blobs(0, 1))
    loaded.update(blobs(1, seed=1))
    assert np.mean(loaded.predict(blobs(0, 1)) == before) > 0.99
    with pytest.raises(ValueError, match="n_clusters=1 is below the 2 clusters"):
        loaded.update(blobs(1), n_clusters=1)


@pytest.mark.parametrize(
    ("points", "arguments", "text"),
    [
        (np.ones((10, 2)), {}, "X has 2 features, but BASiS is expecting 3"),
        (np.full((10, 3), np.nan), {}, "NaN"),
        (np.ones((0, 3)), {}, "0 sample"),
        (blobs(0), {"forget_factor": 0.0}, "forget_factor"),
        (blobs(0), {"forget_factor": 2.0}, "forget_factor"),
    ],
)
def test_points_that_cannot_be_used_change_nothing(
    of_sphere: BASiS, tmp_path: Path, points: Any, arguments: Any, text: str
) -> None:
    basis = copied(of_sphere, tmp_path)
    with pytest.raises(ValueError, match=text):
        basis.update(points, **arguments)
    assert same_state(basis, of_sphere, blobs(0))
    basis.update(spheres()[1])


def test_models_that_cannot_be_updated() -> None:
    x = blobs(0)
    for settings in ({}, {"updatable": True, "readout": False}):
        with pytest.raises(ValueError, match="updatable=True"):
            quick(max_iter=2, **settings).fit(x).update(x)
    damped = quick(max_iter=2, updatable=True, diffusion_time=1.0).fit(x)
    with pytest.raises(ValueError, match=r"diffusion_time=1.0 .* diffusion_time=None"):
        damped.update(x)
    damped.set_params(diffusion_time=None).update(x)
    damped.set_params(diffusion_time=1.0)
    with pytest.raises(ValueError, match=r"diffusion_time=1.0 .* since an update"):
        damped.transform(x)
    assert damped.fit(x).transform(x).shape == (200, 2)


def test_wide_features_and_angles_are_updated_too() -> None:
    x = np.random.default_rng(0).random((300, 4200)).astype(np.float32)
    basis = quick(max_iter=2, metric="cosine", updatable=True).fit(x[:200])
    basis.update(x[200:])
    assert basis.transform(x).shape == (300, 2)
