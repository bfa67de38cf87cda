import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import TensorDataset

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import blobs, two_moons
from pyg_basis.metrics import clustering_accuracy, normalized_mutual_information
from tests.estimators.inputs import OTHER_ORDER, network

pytestmark = pytest.mark.usefixtures("narrow_network")


def quick(n_clusters: Any = 2, **kwargs: Any) -> BASiSClustering:
    settings = {"n_anchors": 40, "batch_size": 128, "n_neighbors": 10, "max_iter": 20}
    basis = BASiS(n_clusters, drop_first=False, network=network(2), **settings)
    return BASiSClustering(n_clusters, **({"basis": basis, "random_state": 0} | kwargs))


@pytest.fixture(scope="module")
def moons() -> torch.Tensor:
    return two_moons(400)[0]


@pytest.fixture(scope="module")
def clustering(moons: torch.Tensor) -> BASiSClustering:
    return quick().fit(moons)


# It asks whoever predicts probabilities for the tags of a classifier.
OF_CLASSIFIERS = dict.fromkeys(
    ("check_estimator_sparse_array", "check_estimator_sparse_matrix"),
    "memberships are no classes",
)


@parametrize_with_checks(
    [BASiSClustering(basis=BASiS(max_iter=5))],
    expected_failed_checks=lambda _: OF_CLASSIFIERS | OTHER_ORDER,
)
def test_sklearn_contract(estimator: BASiSClustering, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


def test_held_out_two_moons(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every single one, which takes the published widths.
    widths = (256, 512, 512, 256)
    monkeypatch.setattr("pyg_basis.nn._default_network.HIDDEN_CHANNELS", widths)
    x, _ = two_moons(3000)
    settings = {"n_anchors": 100, "batch_size": 256, "n_neighbors": 10}
    basis = BASiS(2, drop_first=False, max_iter=40, **settings)
    clustering = BASiSClustering(2, basis=basis, random_state=0).fit(x)
    new, labels = two_moons(1000, seed=1)
    assert normalized_mutual_information(labels, clustering.predict(new)) == 1


def test_more_clusters_than_components() -> None:
    # Two eigenvectors tell five corners apart.
    x, labels = blobs(1500)
    clustering = quick(5).set_params(basis__n_components=3).fit(x)
    assert set(clustering.labels_.tolist()) == {0, 1, 2, 3, 4}
    assert normalized_mutual_information(labels, clustering.labels_) > 0.9


def test_labels_do_not_depend_on_the_other_points(
    clustering: BASiSClustering, moons: torch.Tensor
) -> None:
    x = moons.numpy()
    assert np.array_equal(clustering.predict(x), clustering.labels_)
    single = [int(clustering.predict(x[i : i + 1])[0]) for i in range(20)]
    assert single == clustering.labels_[:20].tolist()
    assert np.array_equal(clustering.predict(x[::-1]), clustering.labels_[::-1])


def test_kinds_of_input(clustering: BASiSClustering, moons: torch.Tensor) -> None:
    labels = quick().fit_predict(moons.numpy())
    assert isinstance(clustering.labels_, np.ndarray)
    assert np.array_equal(clustering.labels_, labels)
    for points in (moons, moons.tolist(), moons.double(), TensorDataset(moons)):
        predicted = clustering.predict(points)
        assert isinstance(predicted, np.ndarray)
        assert np.array_equal(predicted, labels)


def test_number_of_clusters_by_the_largest_gap(tmp_path: Path) -> None:
    x, labels = blobs(1500)
    of_both = quick("eigengap").fit(x)
    # Five eigenvalues beyond the components that are given.
    of_given = quick("eigengap").set_params(basis__n_components=2).fit(x)
    dropped = quick("eigengap").set_params(basis__drop_first=True).fit(x)
    for clustering in (of_both, of_given, dropped):
        assert clustering.n_clusters_ == 5
    assert normalized_mutual_information(labels, of_both.labels_) == 1
    assert dropped.basis_.n_components_ == 4
    of_both.save(tmp_path / "blobs.pt")
    loaded = BASiSClustering.load(tmp_path / "blobs.pt", network(2))
    assert loaded.n_clusters == "eigengap" and loaded.n_clusters_ == 5
    assert np.array_equal(loaded.predict(x), of_both.labels_)


def test_memberships(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = np.array([[0, 0], [4, 0], [2, 4], [6, 4]])
    labels = rng.integers(4, size=4000)
    x = corners[labels] + 1.6 * rng.normal(size=(4000, 2))
    basis = BASiS(4, drop_first=False, batch_size=512, n_anchors=100, max_iter=20)
    clustering = BASiSClustering(4, basis=basis, random_state=0).fit(x[:2000])
    shares = clustering.predict_proba(x)
    assert shares.shape == (4000, 4) and (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(shares.argmax(axis=1), clustering.predict(x))
    # On points never seen they say how many are right.
    accuracy = clustering_accuracy(labels[2000:], clustering.predict(x[2000:]))
    assert accuracy < 0.9
    assert shares[2000:].max(axis=1).mean() == pytest.approx(accuracy, abs=0.08)
    # A row does not depend on the others.
    assert clustering.predict_proba(x[7:8]) == pytest.approx(shares[7:8], rel=1e-9)
    clustering.save(tmp_path / "clusters.pt")
    loaded = BASiSClustering.load(tmp_path / "clusters.pt")
    assert np.array_equal(loaded.predict_proba(x), shares)
    with pytest.raises(NotFittedError):
        BASiSClustering().predict_proba(x)


def test_a_center_is_a_member_of_its_cluster_alone(moons: torch.Tensor) -> None:
    clustering = quick().fit(moons)
    center = clustering.basis_.transform(moons[:1]).numpy()
    clustering.kmeans_.cluster_centers_[0] = center[0]
    assert clustering.predict_proba(moons[:1]).tolist() == [[1, 0]]


@pytest.mark.usefixtures("untouched_global_generators")
def test_same_seed_same_bits(moons: torch.Tensor) -> None:
    # The given basis has no seed of its own: it is seeded from here.
    first, second, other = (quick(random_state=seed).fit(moons) for seed in (3, 3, 4))
    embedding = first.basis_.transform(moons)
    assert torch.equal(embedding, second.basis_.transform(moons))
    assert np.array_equal(first.labels_, second.labels_)
    assert not torch.equal(embedding, other.basis_.transform(moons))


def test_the_basis_is_copied_with_its_seed(moons: torch.Tensor) -> None:
    given = quick().basis.set_params(random_state=11)
    clustering = BASiSClustering(2, basis=given, random_state=0).fit(moons)
    assert clustering.basis_ is not given and not hasattr(given, "layer_")
    embedding = clustering.basis_.transform(moons)
    assert torch.equal(embedding, given.fit(moons).transform(moons))
    assert clustering.set_params(basis__max_iter=7).basis.max_iter == 7


@pytest.mark.filterwarnings("ignore:n_samples:UserWarning")
def test_default_basis_has_a_column_a_cluster(moons: torch.Tensor) -> None:
    basis = BASiSClustering(3, random_state=0).fit(moons[:60]).basis_
    assert basis.n_components == 3 and not basis.drop_first
    assert basis.reference_size is None
    assert basis.transform(moons)[:, 0].std() < 1e-4


def test_file(clustering: BASiSClustering, moons: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "moons.pt"
    clustering.save(path)
    loaded = BASiSClustering.load(path, network(2))
    assert np.array_equal(loaded.predict(moons), clustering.predict(moons))
    assert str(loaded.get_params(deep=False)) == str(clustering.get_params(deep=False))
    basis = BASiS.load(path, network(2))  # the embedding alone
    assert torch.equal(basis.transform(moons), clustering.basis_.transform(moons))
    basis.save(path)
    with pytest.raises(ValueError, match="an embedding without clusters"):
        BASiSClustering.load(path, network(2))
    with pytest.raises(NotFittedError):
        BASiSClustering().save(path)


def test_pickle(clustering: BASiSClustering, moons: torch.Tensor) -> None:
    again = pickle.loads(pickle.dumps(clustering))
    assert np.array_equal(again.predict(moons), clustering.labels_)
    with pytest.raises(NotFittedError):
        quick().predict(moons)


@pytest.mark.parametrize("name", ["n_clusters", "n_init"])
@pytest.mark.parametrize("value", [0, 2.0])
def test_bad_counts(name: str, value: Any, moons: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=f"'{name}' parameter .*an int.*Got {value}"):
        quick().set_params(**{name: value}).fit(moons)


def test_bad_basis(moons: torch.Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"'basis' parameter .*BASiS' or None. Got 'laplacian'"
    ):
        BASiSClustering(2, basis="laplacian").fit(moons)
    with pytest.raises(ValueError, match="'n_anchors' parameter"):
        BASiSClustering(2, basis=BASiS(2, n_anchors=0)).fit(moons)


def test_an_earlier_fit_survives_bad_points(moons: torch.Tensor) -> None:
    clustering = quick().fit(moons)
    labels = clustering.labels_.copy()
    with pytest.raises(ValueError, match=r"X has 1 features.*expecting 2"):
        clustering.predict(moons[:, :1])
    bad = moons.clone()
    bad[3, 1] = torch.nan
    for call in (clustering.fit, clustering.predict):
        with pytest.raises(ValueError, match="NaN"):
            call(bad)
    assert np.array_equal(clustering.predict(moons), labels)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_equal_points_are_one_cluster() -> None:
    labels = quick().fit_predict(np.full((300, 2), 0.1))
    assert len(set(labels.tolist())) == 1


def test_more_clusters_than_points(moons: torch.Tensor) -> None:
    clustering = quick().set_params(n_clusters=41)
    with pytest.raises(ValueError, match="n_clusters=41 is above n_samples=40"):
        clustering.fit(moons[:40])


@pytest.mark.parametrize("drop_first", [True, False])
def test_fewer_clusters_than_components(drop_first: bool) -> None:
    """The columns that vary within clusters split none."""
    rng = np.random.default_rng(0)
    labels = np.arange(900) % 3
    x = rng.random((900, 3)) * [12, 1, 0.1]  # long strips
    x[:, 1] += 30 * labels
    basis = BASiS(
        8, n_anchors=60, batch_size=300, n_neighbors=10, drop_first=drop_first
    )
    clustering = BASiSClustering(3, basis=basis, random_state=0).fit(x)
    assert normalized_mutual_information(labels, clustering.labels_) == 1
    assert np.array_equal(clustering.predict(x), clustering.labels_)
    assert clustering.kmeans_.cluster_centers_.shape == (3, 8)
    # Points of weight 0 are of no cluster's center.
    weight = np.where(np.arange(900) < 600, 1, 0)
    weighted = BASiSClustering(3, basis=basis, random_state=0)
    weighted.fit(x, sample_weight=weight)
    rows = weighted.basis_.transform(x[:600])
    own = weighted.labels_[:600]
    for i, center in enumerate(weighted.kmeans_.cluster_centers_):
        np.testing.assert_allclose(rows[own == i].mean(axis=0), center, atol=1e-3)
