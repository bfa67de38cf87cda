import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import TensorDataset

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.datasets import blobs, two_moons
from pyg_basis.metrics import normalized_mutual_information


def quick(n_clusters: int = 2, **kwargs: Any) -> BASiSClustering:
    basis = BASiS(n_clusters, n_anchors=40, batch_size=128, n_neighbors=10, max_iter=20)
    return BASiSClustering(n_clusters, **({"basis": basis, "random_state": 0} | kwargs))


@parametrize_with_checks([BASiSClustering(basis=BASiS(max_iter=60))])
def test_sklearn_contract(estimator: BASiSClustering, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


def test_held_out_two_moons() -> None:
    x, _ = two_moons(3000)
    basis = BASiS(2, n_anchors=100, batch_size=256, n_neighbors=10, max_iter=150)
    clustering = BASiSClustering(2, basis=basis, random_state=0).fit(x)
    new, labels = two_moons(1000, seed=1)
    assert normalized_mutual_information(labels, clustering.predict(new)) == 1


def test_more_clusters_than_components() -> None:
    # Three eigenvectors, the constant one aside two, tell four corners apart.
    x, labels = blobs(1500)
    clustering = quick(5).fit(x)
    assert clustering.basis_.n_components == 5
    assert sorted(set(clustering.labels_.tolist())) == [0, 1, 2, 3, 4]
    assert normalized_mutual_information(labels, clustering.labels_) > 0.9


def test_labels_are_stable() -> None:
    x = two_moons(400)[0].numpy()
    clustering = quick().fit(x)
    assert clustering.labels_.shape == (400,)
    assert np.array_equal(clustering.predict(x), clustering.labels_)
    single = [int(clustering.predict(x[i : i + 1])[0]) for i in range(50)]
    assert single == clustering.labels_[:50].tolist()
    assert np.array_equal(clustering.predict(x[::-1]), clustering.labels_[::-1])


def test_kinds_of_input() -> None:
    x = two_moons(400)[0]
    clustering = quick().fit(x)
    same = quick().fit_predict(x.numpy())
    assert isinstance(clustering.labels_, np.ndarray)
    assert np.array_equal(clustering.labels_, same)
    for points in (x, x.numpy(), x.tolist(), x.double(), TensorDataset(x)):
        predicted = clustering.predict(points)
        assert isinstance(predicted, np.ndarray)
        assert np.array_equal(predicted, same)


def test_same_seed_same_bits() -> None:
    # The given basis has no seed of its own: it is seeded from here.
    x = two_moons(400)[0].numpy()
    first, second, other = (quick(random_state=seed).fit(x) for seed in (3, 3, 4))
    embedding = first.basis_.transform(x)
    assert np.array_equal(embedding, second.basis_.transform(x))
    assert np.array_equal(first.labels_, second.labels_)
    assert not np.array_equal(embedding, other.basis_.transform(x))


def test_a_seed_of_the_basis_is_kept() -> None:
    x = two_moons(400)[0].numpy()
    given = quick().basis.set_params(random_state=11)
    first, second = (
        BASiSClustering(2, basis=given, random_state=seed).fit(x) for seed in (0, 1)
    )
    embedding = given.fit(x).transform(x)
    assert np.array_equal(first.basis_.transform(x), embedding)
    assert np.array_equal(second.basis_.transform(x), embedding)


def test_basis_is_copied() -> None:
    given = quick().basis
    clustering = BASiSClustering(2, basis=given).fit(two_moons(400)[0])
    assert clustering.basis_ is not given
    assert not hasattr(given, "layer_") and given.random_state is None
    assert clustering.set_params(basis__max_iter=7).basis is given
    assert given.max_iter == 7


@pytest.mark.filterwarnings("ignore:n_samples:UserWarning")
def test_default_basis_has_a_column_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its 1000 iterations take a while.
    monkeypatch.setitem(BASiS.__init__.__kwdefaults__, "max_iter", 5)
    clustering = BASiSClustering(3, random_state=0).fit(two_moons(20)[0])
    assert clustering.basis_.n_components == 3 and clustering.basis_.max_iter == 5
    assert clustering.basis_.layer_.num_eigenvectors == 3


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    x = two_moons(400)[0]
    quick().fit(x).predict(x)


def test_pickle() -> None:
    x = two_moons(400)[0].numpy()
    clustering = quick().fit(x)
    again = pickle.loads(pickle.dumps(clustering))
    assert np.array_equal(again.predict(x), clustering.labels_)
    assert np.array_equal(again.basis_.transform(x), clustering.basis_.transform(x))


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        quick().predict(two_moons(10)[0])


@pytest.mark.parametrize("name", ["n_clusters", "n_init"])
@pytest.mark.parametrize("value", [0, -2, 2.0, "two", None, True])
def test_bad_counts(name: str, value: Any) -> None:
    clustering = quick().set_params(**{name: value})
    with pytest.raises(ValueError, match=f"{name}={value!r}.*integer of at least 1"):
        clustering.fit(two_moons(400)[0])


def test_bad_basis() -> None:
    with pytest.raises(ValueError, match=r"basis='laplacian'.*a BASiS or None"):
        BASiSClustering(2, basis="laplacian").fit(two_moons(400)[0])
    bad = BASiS(2, n_anchors=0)
    with pytest.raises(ValueError, match="n_anchors=0"):
        BASiSClustering(2, basis=bad).fit(two_moons(400)[0])


def test_bad_points() -> None:
    x = two_moons(400)[0]
    clustering = quick().fit(x)
    labels = clustering.labels_.copy()
    with pytest.raises(ValueError, match=r"X has 1 features.*expecting 2"):
        clustering.predict(x[:, :1])
    bad = x.clone()
    bad[3, 1] = torch.nan
    for call in (clustering.fit, clustering.predict):
        with pytest.raises(ValueError, match="NaN"):
            call(bad)
    # The earlier fit is still there.
    assert np.array_equal(clustering.predict(x), labels)
    with pytest.raises(ValueError, match=r"n_clusters|n_components"):
        quick(30).fit(x[:20])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_equal_points_are_one_cluster() -> None:
    x = np.full((300, 2), 0.1)
    labels = quick().fit_predict(x)
    assert len(set(labels.tolist())) == 1
