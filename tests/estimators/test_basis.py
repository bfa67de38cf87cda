import copy
import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from pyg_basis import BASiS
from pyg_basis.datasets import two_moons
from pyg_basis.estimators import _point_training
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance

Points = NDArray[Any]
QUICK: dict[str, Any] = {
    "n_components": 2,
    "n_anchors": 30,
    "batch_size": 80,
    "n_neighbors": 10,
    "max_iter": 10,
    "random_state": 0,
}


def quick(**kwargs: Any) -> BASiS:
    return BASiS(**(QUICK | kwargs))


def three_blobs(num_points: int = 300, seed: int = 0) -> Points:
    x = np.random.default_rng(seed).normal(size=(num_points, 3))
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [2, 4, 0]])
    return x + corners[np.arange(num_points) % 3]


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 64), nn.ReLU())


class Rows(Dataset[Any]):
    def __init__(self, x: Any, labels: bool = False) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return (self.x[index], index % 3) if self.labels else self.x[index]


@parametrize_with_checks([BASiS(max_iter=20)])
def test_sklearn_contract(estimator: BASiS, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


# --- what it learns


@pytest.mark.parametrize("laplacian", ["sym", "rw", "comb"])
def test_learns_the_eigenvectors(laplacian: Any) -> None:
    x = three_blobs()
    basis = quick(
        n_components=3, n_anchors=60, batch_size=300, n_neighbors=20, max_iter=150,
        laplacian=laplacian, network=network(), learning_rate=1e-2,
    ).fit(x)  # fmt: skip
    exact = ExactEmbedding(3, 20, laplacian=laplacian)(torch.from_numpy(x))
    assert grassmann_distance(basis.transform(x), exact.vectors) < 0.1
    # Those of the random walk are the same values. They are approached from above: what
    # is missing of a vector counts with the later eigenvalues.
    kind = "rw" if laplacian == "sym" else laplacian
    values = ExactEmbedding(4, 20, laplacian=kind)(torch.from_numpy(x)).values.numpy()
    assert (basis.eigenvalues_[:3] >= values[:3] - 1e-6).all()
    assert basis.eigenvalues_[:3] == pytest.approx(values[:3], abs=0.1 * values[3])


def test_drop_trivial() -> None:
    x = three_blobs()
    settings: dict[str, Any] = {
        "n_anchors": 60, "batch_size": 300, "n_neighbors": 20, "max_iter": 150,
        "laplacian": "rw", "learning_rate": 1e-2,
    }  # fmt: skip
    kept = quick(n_components=3, network=network(), **settings).fit(x)
    dropped = quick(drop_trivial=True, network=network(), **settings).fit(x)
    exact = ExactEmbedding(2, 20, laplacian="rw", drop_trivial=True)
    vectors = exact(torch.from_numpy(x)).vectors
    assert grassmann_distance(dropped.transform(x), vectors) < 0.1
    # Kept, the constant vector is the first column; dropped, it is nowhere.
    assert kept.transform(x).std(axis=0).min() < 0.1 * abs(kept.transform(x)).max()
    assert dropped.transform(x).std(axis=0).min() > 0.5
    assert kept.eigenvalues_[0] == pytest.approx(0, abs=1e-6)
    assert dropped.eigenvalues_[0] > 1e-4


def test_embedding_has_mean_square_1() -> None:
    x = three_blobs()
    for readout in (True, False):
        embedding = quick(max_iter=50, readout=readout).fit_transform(x)
        assert (embedding**2).mean(axis=0) == pytest.approx([1, 1], rel=0.1)


def test_columns_are_nearly_orthonormal_at_new_points() -> None:
    x = three_blobs(3000)
    settings: dict[str, Any] = {"n_components": 3, "reference_size": 500}
    embedding = quick(max_iter=50, **settings).fit(x[:2000]).transform(x[2000:])
    assert embedding.T @ embedding / 1000 == pytest.approx(np.eye(3), abs=0.1)


def test_per_class_anchors_of_string_labels() -> None:
    x = three_blobs(302)
    names = np.array(["ant", "bee", "cat"])[np.arange(302) % 3]
    basis = quick(anchors="per_class").fit(x, names)
    anchors = basis.layer_.anchors.numpy()
    which = [int(np.abs(x - anchor).sum(axis=1).argmin()) for anchor in anchors]
    values, counts = np.unique(names[which], return_counts=True)
    assert values.tolist() == ["ant", "bee", "cat"]
    assert counts.tolist() == [10, 10, 10]
    same = quick(anchors="per_class").fit(x, np.arange(302) % 3)
    assert np.array_equal(same.transform(x), basis.transform(x))


@pytest.mark.parametrize("y", [None, np.zeros(299), np.zeros((300, 1)), np.zeros(301)])
def test_per_class_anchors_need_a_label_a_point(y: Any) -> None:
    with pytest.raises(ValueError, match=r"anchors='per_class'.*\(300,\).*pass y"):
        quick(anchors="per_class").fit(three_blobs(), y)


def test_labels_are_not_used_otherwise() -> None:
    x = three_blobs()
    without = quick().fit(x).transform(x)
    assert np.array_equal(quick().fit(x, np.arange(300) % 3).transform(x), without)


# --- kinds of input


def test_all_kinds_of_input_agree() -> None:
    x = three_blobs().astype(np.float32)
    basis = quick().fit(x)
    expected = basis.transform(x)
    tensor = torch.from_numpy(x)
    kinds = {
        "list": x.tolist(),
        "tensor": tensor,
        "Dataset": Rows(tensor),
        "Dataset of arrays": Rows(x),
        "Dataset of tuples": Rows(tensor, labels=True),
        "TensorDataset": TensorDataset(tensor, torch.arange(300)),
        "Fortran order": np.asfortranarray(x),
        "view": np.repeat(x, 2, axis=0)[::2],
        "tensor with gradient": tensor.clone().requires_grad_(),
    }
    for name, points in kinds.items():
        embedding = quick().fit(points).transform(x)
        assert np.array_equal(embedding, expected), name
        other = np.asarray(basis.transform(points))
        np.testing.assert_allclose(other, expected, atol=1e-4, err_msg=name)


def test_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    x = three_blobs()
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    basis = quick().fit(frame)
    assert basis.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(basis.transform(frame), quick().fit(x).transform(x))


def test_dtype_is_kept() -> None:
    x = three_blobs()
    basis = quick().fit(x)
    for dtype in (np.float32, np.float64):
        assert basis.transform(x.astype(dtype)).dtype == dtype
        tensor = torch.from_numpy(x.astype(dtype))
        embedding = basis.transform(tensor)
        assert isinstance(embedding, torch.Tensor)
        assert embedding.dtype == tensor.dtype
        assert not embedding.requires_grad
        assert np.array_equal(embedding.numpy(), basis.transform(tensor.numpy()))
    for half in (torch.float16, torch.bfloat16):
        assert basis.transform(torch.from_numpy(x).to(half)).dtype == torch.float32


def test_embedding_of_a_tensor_can_be_trained_on() -> None:
    embedding = quick().fit(three_blobs()).transform(torch.from_numpy(three_blobs()))
    linear = nn.Linear(2, 1).double()
    linear(embedding).sum().backward()
    assert linear.weight.grad is not None


def test_small_far_groups_do_not_throw_the_training() -> None:
    # Eigenvectors of batches live on groups that no anchor is in.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 4, generator=generator)
    x[:, 0] += 8 * (torch.arange(3000) % 3)
    for group in range(12):
        direction = torch.randn(4, generator=generator)
        far = 300 * direction / direction.norm()
        x[200 * group : 200 * group + 8] = far + 0.1 * x[:8]
    basis = BASiS(
        6, n_anchors=30, batch_size=300, n_neighbors=15, max_iter=40, random_state=0
    )
    basis.fit(x)
    assert max(basis.history_["loss"]) < 5
    assert basis.transform(x).isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda() -> None:
    x = torch.from_numpy(three_blobs()).cuda()
    basis = quick(device="cuda").fit(x)
    assert basis.transform(x).is_cuda
    assert isinstance(basis.transform(x.cpu().numpy()), np.ndarray)
    assert all(basis.history_["converged"])
    on_host = quick().fit(x.cpu()).transform(x.cpu())
    assert (basis.transform(x).cpu() - on_host).square().mean() < 0.01


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
def test_memory_mapped_array_is_not_read_whole(
    tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_point_training, "DEGREE_SAMPLE", 1000)
    monkeypatch.setattr(_point_training, "DEGREE_NODES", 1000)
    # A reference and degrees of bounded size, whatever the number of points.
    settings = {"reference_size": None}
    x = 50 + 10 * three_blobs(600_000)
    np.save(tmp_path / "x.npy", x.astype(dtype))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    quick(max_iter=1, **settings).fit(mapped[:300])  # imports and caches
    tracemalloc.start()
    basis = quick(**settings).fit(mapped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A copy as float32 has 7.2 MB; the draws of a batch and the products of a read-out
    # need no more than this.
    assert peak < 6e6
    loaded = np.array(mapped).astype(np.float32)
    expected = quick(**settings).fit(loaded)
    for name, value in expected.layer_.state_dict().items():
        assert torch.equal(value, basis.layer_.state_dict()[name]), name
    few = mapped[:1000]
    assert np.array_equal(basis.transform(few), expected.transform(loaded[:1000]))


def test_transform_goes_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    basis = quick().fit(three_blobs())
    x = three_blobs(100)
    whole = basis.transform(x)
    monkeypatch.setattr("pyg_basis.estimators._source.BLOCK_ROWS", 7)
    np.testing.assert_allclose(basis.transform(x), whole, rtol=1e-9, atol=1e-12)


def test_a_point_does_not_depend_on_the_others() -> None:
    x = three_blobs()
    basis = quick().fit(x)
    alone = np.concatenate([basis.transform(x[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, basis.transform(x)[:20], rtol=1e-9, atol=1e-12)


# --- randomness


@pytest.mark.parametrize("alignment", ["lstsq", "ransac", "orthogonal"])
@pytest.mark.parametrize("anchors", ["random", "kmeans++", "farthest"])
def test_same_seed_same_bits(alignment: Any, anchors: Any) -> None:
    x = three_blobs()
    first, second, other = (
        quick(alignment=alignment, anchors=anchors, random_state=seed).fit(x)
        for seed in (4, 4, 5)
    )
    assert first.history_ == second.history_
    assert np.array_equal(first.transform(x), second.transform(x))
    assert not np.array_equal(first.transform(x), other.transform(x))


def test_workers_change_nothing() -> None:
    x = three_blobs()
    alone, helped = (quick(n_workers=count).fit(x) for count in (0, 2))
    assert helped.history_ == alone.history_
    assert np.array_equal(helped.transform(x), alone.transform(x))


def test_random_state_instance() -> None:
    x = three_blobs()
    first, second = (quick(random_state=np.random.RandomState(3)) for _ in range(2))
    assert np.array_equal(first.fit_transform(x), second.fit_transform(x))


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("n_workers", [0, 1])
def test_global_generators(n_workers: int) -> None:
    quick(n_workers=n_workers, alignment="ransac").fit_transform(three_blobs())


def test_result_does_not_depend_on_the_global_generators() -> None:
    x = three_blobs()
    expected = quick().fit_transform(x)
    state = torch.get_rng_state()
    try:
        torch.manual_seed(12345)
        assert np.array_equal(quick().fit_transform(x), expected)
    finally:
        torch.set_rng_state(state)


# --- training


def test_history() -> None:
    basis = quick(max_iter=12, tol=None).fit(three_blobs())
    assert basis.n_iter_ == 12
    names = {
        "loss", "learning_rate", "residual", "num_components", "converged", "rank",
    }  # fmt: skip
    assert set(basis.history_) == names | {"excess"}
    # With one entry a look, here only at the end.
    assert len(basis.history_.pop("excess")) == 1
    assert {len(values) for values in basis.history_.values()} == {12}
    assert basis.history_["learning_rate"] == [3e-3] * 12
    assert all(basis.history_["converged"])
    assert basis.eigenvalues_.shape == (2 + 5,)


def test_early_stop() -> None:
    # Far apart: the targets are constants on each blob, the same in every batch.
    x = three_blobs() + 100 * np.eye(3)[np.arange(300) % 3]
    easy: dict[str, Any] = {
        "n_components": 3, "network": network(), "learning_rate": 1e-2,
    }  # fmt: skip
    stopped = quick(max_iter=2500, **easy).fit(x)
    assert stopped.n_iter_ in (10, 20, 40)
    assert len(stopped.history_["loss"]) == stopped.n_iter_
    assert quick(max_iter=stopped.n_iter_ + 50, tol=None, **easy).fit(x).n_iter_ == (
        stopped.n_iter_ + 50
    )


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    quick().fit(three_blobs())
    silent = capsys.readouterr()
    assert silent.err == "" and silent.out == ""
    quick(verbose=True).fit(three_blobs())
    shown = capsys.readouterr()
    assert "BASiS" in shown.err and "10/10" in shown.err and "loss" in shown.err
    assert shown.out == ""


def test_network_is_copied() -> None:
    given = network()
    before = copy.deepcopy(given.state_dict())
    x = three_blobs()
    basis = quick(network=given).fit(x)
    assert basis.layer_.network is not given
    for name, value in given.state_dict().items():
        assert torch.equal(value, before[name])
    assert not torch.equal(basis.layer_.network[0].weight, given[0].weight)
    assert np.array_equal(quick(network=given).fit(x).transform(x), basis.transform(x))


def test_network_with_dropout_is_switched_to_evaluation() -> None:
    x = three_blobs()
    basis = quick(network=nn.Sequential(network(), nn.Dropout(0.5))).fit(x)
    assert np.array_equal(basis.transform(x), basis.transform(x))


@pytest.mark.parametrize("width", [1, 2, 5, 40])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_network_of_any_width(width: int) -> None:
    basis = quick(network=nn.Linear(3, width)).fit(three_blobs())
    assert basis.transform(three_blobs()).shape == (300, 2)


def test_network_that_gives_no_features_of_nodes() -> None:
    with pytest.raises(
        ValueError, match=r"network gives \(6,\) .*hidden features \[2,"
    ):
        quick(network=nn.Flatten(0)).fit(three_blobs())


# --- warnings


def test_too_many_clusters_warn_and_name_the_remedy() -> None:
    x = np.repeat(1e3 * np.arange(6), 50)[:, None] + three_blobs()
    with pytest.warns(UserWarning, match=r"10 of 10 batches fell into.*n_neighbors"):
        quick(n_neighbors=5).fit(x)


def test_as_many_clusters_as_determine_the_eigenvectors_do_not_warn() -> None:
    x = 1e3 * (np.arange(300) % 3)[:, None] + three_blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        quick(n_components=3, n_neighbors=5).fit(x)
        # Three null vectors, of which the trivial one is left out: two.
        quick(n_components=2, n_neighbors=5, drop_trivial=True).fit(x)


def test_few_points_lower_the_sizes_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"n_samples = 40 .*batch_size=2048") as caught:
        basis = BASiS(max_iter=5, random_state=0).fit(three_blobs(40))
    assert "n_anchors=20" in str(caught[0].message)
    assert "n_neighbors=10" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert basis.layer_.num_anchors == 20
    assert np.isfinite(basis.transform(three_blobs(40))).all()


def unusual_points(name: str) -> Points:
    x = three_blobs()
    if name == "duplicates":
        return np.tile(x[:20], (15, 1))
    if name == "all equal":
        return np.full((300, 3), 0.1)
    if name == "constant features":
        return np.column_stack([x[:, 0], np.full(300, 7.0), np.zeros(300)])
    if name == "outliers":
        x[:5] = 1e5 * three_blobs(5)
        return x
    return x + 1e3 * (np.arange(300) % 7)[:, None]


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
@pytest.mark.parametrize(
    "name",
    ["duplicates", "all equal", "constant features", "outliers", "disconnected"],
)
@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.5])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unusual_points_stay_finite(name: str, laplacian: Any, bandwidth: Any) -> None:
    # The fixed bandwidth of 0.5 also leaves outliers without a weighted edge.
    x = unusual_points(name)
    basis = quick(
        laplacian=laplacian, n_neighbors=5, max_iter=4, bandwidth=bandwidth
    ).fit(x)
    assert np.isfinite(basis.transform(x)).all()
    assert np.isfinite(basis.history_["loss"]).all()
    assert np.isfinite(basis.transform(three_blobs(5) * 100)).all()


# --- save, load, pickle


@pytest.mark.parametrize("laplacian", ["sym", "comb"])
def test_save_and_load(tmp_path: Path, laplacian: Any) -> None:
    x = three_blobs()
    basis = quick(laplacian=laplacian, bandwidth=np.float64(0.7)).fit(x)
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.get_params() == basis.get_params()
    assert np.array_equal(loaded.transform(x), basis.transform(x))
    single = x.astype(np.float32)
    assert np.array_equal(loaded.transform(single), basis.transform(single))
    assert loaded.history_ == basis.history_
    assert loaded.n_iter_ == basis.n_iter_
    assert loaded.n_features_in_ == 3
    assert np.array_equal(loaded.eigenvalues_, basis.eigenvalues_)
    targets = (
        b.layer_.targets(torch.from_numpy(single[:50])).y for b in (loaded, basis)
    )
    assert torch.equal(*targets)
    assert np.array_equal(loaded.fit(x).transform(x), basis.transform(x))


def test_save_and_load_with_a_network(tmp_path: Path) -> None:
    x = three_blobs()
    basis = quick(network=network()).fit(x)
    basis.save(str(tmp_path / "basis.pt"))
    with pytest.raises(ValueError, match=r"network=None.*same build"):
        BASiS.load(tmp_path / "basis.pt")
    other = network()
    loaded = BASiS.load(str(tmp_path / "basis.pt"), network=other)
    assert np.array_equal(loaded.transform(x), basis.transform(x))


def test_pickle_and_clone() -> None:
    x = three_blobs()
    basis = quick(network=network()).fit(x)
    again = pickle.loads(pickle.dumps(basis))
    assert np.array_equal(again.transform(x), basis.transform(x))
    assert again.history_ == basis.history_
    with pytest.raises(NotFittedError):
        clone(basis).transform(x)


def test_pipeline_and_feature_names() -> None:
    x = three_blobs()
    pipeline = make_pipeline(StandardScaler(), quick()).fit(x)
    assert pipeline.transform(x).shape == (300, 2)
    assert pipeline[-1].get_feature_names_out().tolist() == ["basis0", "basis1"]


# --- bad input


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        quick().transform(three_blobs())
    with pytest.raises(NotFittedError):
        quick().save("nowhere.pt")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, Rows])
def test_points_that_are_not_finite(bad: float, kind: Any) -> None:
    x = three_blobs()
    basis = quick().fit(x)
    x[123, 1] = bad
    for call in (quick().fit, basis.transform):
        with pytest.raises(ValueError, match=r"(?i)\b(nan|infinit)"):
            call(kind(x))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, Rows])
def test_transform_of_a_wrong_width(kind: Any) -> None:
    basis = quick().fit(three_blobs())
    with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3 features"):
        basis.transform(kind(three_blobs()[:, :2].copy()))


BAD_PARAMETERS = [
    *[
        (name, value, "integer of at least 1")
        for name in ("n_components", "n_anchors", "n_neighbors", "max_iter")
        for value in (0, -1, 2.0, "3", None, True)
    ],
    ("batch_size", 1, "integer of at least 2"),
    ("batch_size", 80.0, "integer of at least 2"),
    ("n_workers", -1, "integer of at least 0"),
    ("n_workers", None, "integer of at least 0"),
    ("laplacian", "signless", "'sym', 'rw', 'comb'"),
    ("laplacian", None, "'sym', 'rw', 'comb'"),
    ("drop_trivial", 1, "True or False"),
    ("drop_trivial", "no", "True or False"),
    *[
        ("bandwidth", value, "'self_tuning', 'global' or a positive number")
        for value in (0, -1.0, np.nan, np.inf, "wide", None, True, np.ones(2), [1.0])
    ],
    ("readout", 0, "True or False"),
    ("readout", None, "True or False"),
    ("anchors", "best", "'random'"),
    ("anchors", 5, "'per_class'"),
    ("alignment", "affine", "'lstsq', 'ransac', 'orthogonal'"),
    ("network", "mlp", "torch.nn.Module or None"),
    ("network", nn.Linear, "torch.nn.Module or None"),
    *[("learning_rate", v, "a positive number") for v in (0, -1, np.nan, "1", None)],
    *[("tol", v, "at least 0, or None") for v in (-1, np.nan, np.inf, "1", False)],
    *[("device", v, "a device") for v in ("gpu", None, "meta", "cuda:99", 1.5)],
    # Those that do not fit together.
    ("n_anchors", 80, "batch_size=80: use fewer anchors or larger batches"),
    ("n_anchors", 1, "use at least 2"),
    ("n_neighbors", 80, "batch_size=80 nodes has: use at most 79"),
    ("n_components", 31, "31 columns: use at least 31"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD_PARAMETERS)
def test_bad_parameters(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){name}=.*{allowed}"):
        quick(**{name: value}).fit(three_blobs())


def test_bad_random_state() -> None:
    with pytest.raises(ValueError, match="'seed' cannot be used to seed"):
        quick(random_state="seed").fit(three_blobs())


def test_too_few_points_for_the_components() -> None:
    with pytest.raises(ValueError, match=r"n_components=8 .* at least 16 points"):
        quick(n_components=8).fit(three_blobs(15))
    # The number asked for is enough.
    with pytest.warns(UserWarning, match="n_samples = 16"):
        quick(n_components=8).fit(three_blobs(16))


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_number_of_points_is_used_or_refused(
    n_components: int, drop_trivial: bool
) -> None:
    enough = 2 * (2 if n_components == 1 else 2 + drop_trivial)
    for num_points in range(1, 9):
        basis = quick(n_components=n_components, drop_trivial=drop_trivial, max_iter=2)
        x = three_blobs(num_points)
        if num_points < enough:
            with pytest.raises(ValueError, match="sample"):
                basis.fit(x)
        else:
            assert np.isfinite(basis.fit(x).transform(x)).all()


def failing_fits() -> dict[str, Any]:
    wide = np.tile(three_blobs(), (1, 2))
    return {
        "parameter": lambda b: b.set_params(max_iter=0).fit(wide),
        "nan": lambda b: b.fit(np.full((300, 6), np.nan)),
        "too few points": lambda b: b.fit(wide[:2]),
        "no labels": lambda b: b.set_params(anchors="per_class").fit(wide),
        "network": lambda b: b.set_params(network=nn.Flatten(0)).fit(wide),
        "dataset": lambda b: b.fit(Rows(np.full((300, 6), np.nan))),
        "random_state": lambda b: b.set_params(random_state="x").fit(wide),
    }


@pytest.mark.parametrize("name", failing_fits())
def test_an_earlier_fit_survives_a_failed_one(name: str) -> None:
    x = three_blobs()
    basis = quick().fit(x)
    embedding, history = basis.transform(x), copy.deepcopy(basis.history_)
    with pytest.raises(ValueError):
        failing_fits()[name](basis)
    assert basis.n_features_in_ == 3
    assert basis.history_ == history
    assert np.array_equal(basis.transform(x), embedding)


def test_another_fit_forgets_the_earlier_one() -> None:
    x = three_blobs()
    wide = np.tile(x, (1, 2))
    basis = quick().fit(x).fit(wide)
    assert basis.n_features_in_ == 6
    assert np.array_equal(basis.transform(wide), quick().fit(wide).transform(wide))


def test_two_moons_need_no_labels() -> None:
    x, labels = two_moons(600)
    basis = quick(batch_size=256, max_iter=100, n_anchors=60).fit(x)
    embedding = basis.transform(x)
    signs = embedding - embedding.mean(dim=0)
    widest = signs[:, signs.square().mean(dim=0).argmax()] > 0
    share = float((widest == labels.bool()).float().mean())
    assert max(share, 1 - share) > 0.98
