import copy
import pickle
import re
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.sparse import coo_array, csc_matrix, csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn
from torch.utils.data import TensorDataset
from torch_geometric.data import Data

from pyg_basis import BASiS, DiffusionMap
from pyg_basis.datasets import blobs, sphere, two_moons
from pyg_basis.eigen import ChebyshevSubspace, Dense, Lanczos
from pyg_basis.graph import affinity, knn_graph
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding
from tests.estimators.inputs import (
    OTHER_ORDER,
    Points,
    Rows,
    learner,
    network,
    no_warning_but,
    quick,
    same,
    three_blobs,
)

pytestmark = pytest.mark.usefixtures("narrow_network")


@parametrize_with_checks(
    [BASiS(max_iter=5), DiffusionMap(max_iter=5)],
    expected_failed_checks=lambda _: OTHER_ORDER,
)
def test_sklearn_contract(estimator: BASiS, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


# --- what it learns


@pytest.mark.parametrize("readout", [True, False])
def test_five_eigenvalues_more_and_columns_in_their_order(readout: bool) -> None:
    # Of a long rectangle, 1 : 4 : 9.
    x = np.random.default_rng(0).uniform(size=(1000, 3)) * [1, 0.2, 0.1]
    settings = {"n_components": 3, "n_anchors": 60, "batch_size": 300}
    basis = learner(readout=readout, **settings).fit(x)
    assert basis.eigenvalues_.shape == (3 + 5,)
    assert (np.diff(basis.eigenvalues_) >= 0).all()
    waves = np.cos(np.pi * x[:, :1] * [1, 2, 3])
    cosines = np.abs(np.corrcoef(basis.transform(x).T, waves.T)[:3, 3:])
    assert (cosines.argmax(axis=1) == [0, 1, 2]).all()
    assert (np.diag(cosines) > 0.9).all()


def test_number_of_components_by_the_largest_gap(tmp_path: Path) -> None:
    x = three_blobs()
    basis = quick(n_components="eigengap").fit(x)
    assert basis.n_components == "eigengap" and basis.n_components_ == 2
    assert basis.transform(x).shape == (300, 2) and basis.eigenvalues_.shape == (7,)
    assert len(basis.get_feature_names_out()) == 2
    with_trivial = quick(n_components="eigengap", drop_first=False).fit(x)
    assert with_trivial.n_components_ == 3
    # As many as the anchors can align.
    assert quick(n_components="eigengap", n_anchors=2).fit(x).n_components_ == 1
    basis.save(tmp_path / "basis.pt")
    loaded = BASiS.load(tmp_path / "basis.pt")
    assert loaded.n_components == "eigengap" and loaded.n_components_ == 2
    assert same(loaded, basis, x) and loaded.score(x) == basis.score(x)
    assert same(quick(n_components=2).fit(x), basis, x)


@pytest.mark.parametrize(
    ("laplacian", "drop_first"), [("rw", True), ("sym", False), ("comb", True)]
)
def test_learns_the_eigenvectors(laplacian: Any, drop_first: bool) -> None:
    x = three_blobs()
    settings: dict[str, Any] = {"laplacian": laplacian, "drop_first": drop_first}
    basis = learner(
        n_components=3 - drop_first, n_anchors=60, batch_size=300, n_neighbors=20,
        **settings,
    ).fit(x)  # fmt: skip
    exact = ExactEmbedding(3 - drop_first, 20, **settings)(torch.from_numpy(x))
    assert grassmann_distance(basis.transform(x), exact.vectors) < 0.1
    # Those of the random walk are the same values. They are approached from above: what
    # is missing of a vector counts with the later eigenvalues.
    found, values = basis.eigenvalues_[: len(exact.values)], exact.values.numpy()
    assert (found >= values - 1e-6).all()
    assert found == pytest.approx(values, abs=0.3 * values[-1])


def test_drop_first() -> None:
    x = three_blobs()
    kept, dropped = learner(n_components=3, drop_first=False).fit(x), learner().fit(x)
    assert kept.transform(x)[:, 0] == pytest.approx(np.ones(300), abs=1e-4)
    assert kept.eigenvalues_[0] == pytest.approx(0, abs=1e-6)
    assert dropped.transform(x).std(axis=0).min() > 0.9
    assert dropped.eigenvalues_[0] > 1e-4


def test_iris_has_two_useful_columns() -> None:
    iris = load_iris()
    with pytest.warns(UserWarning, match="n_samples = 150"):
        embedding = BASiS(random_state=0).fit_transform(iris.data)
    assert embedding.std(axis=0) == pytest.approx([1, 1], abs=0.1)
    # The first one separates the far class from the others.
    assert len(set(np.sign(embedding[iris.target == 0, 0]))) == 1
    assert abs(embedding[iris.target == 0, 0].mean()) > 1


def test_columns_are_nearly_orthonormal_at_new_points() -> None:
    x = three_blobs(3000)
    for readout in (True, False):
        basis = learner(max_iter=40, readout=readout, reference_size=500).fit(x[:2000])
        embedding = basis.transform(x[2000:])
        gram = embedding.T @ embedding / 1000
        assert gram == pytest.approx(np.eye(2), abs=0.15), readout


def test_two_moons_need_no_labels() -> None:
    x, labels = two_moons(600)
    basis = quick(n_components=1, batch_size=256, max_iter=100, n_anchors=60).fit(x)
    share = float(((basis.transform(x)[:, 0] > 0) == labels.bool()).float().mean())
    assert max(share, 1 - share) > 0.98


def test_small_far_groups_do_not_throw_the_training() -> None:
    # Eigenvectors of batches live on groups that no anchor is in.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 4, generator=generator)
    x[:, 0] += 8 * (torch.arange(3000) % 3)
    for group in range(12):
        direction = torch.randn(4, generator=generator)
        far = 300 * direction / direction.norm()
        x[200 * group : 200 * group + 8] = far + 0.1 * x[:8]
    basis = quick(n_components=6, batch_size=300, n_neighbors=15, max_iter=20)
    with pytest.warns(UserWarning):
        basis.fit(x)
    assert max(basis.history_["loss"]) < 5
    assert basis.transform(x).isfinite().all()


@pytest.mark.parametrize("is_graph", [False, True])
def test_small_integers_of_numpy_do_not_wrap(is_graph: bool) -> None:
    names = ("n_components", "n_anchors", "batch_size", "n_neighbors", "max_iter")
    sizes = dict(zip(names, (15, 40, 200, 10, 140), strict=True))
    small = {name: np.uint8(size) for name, size in sizes.items()}
    x: Any = torch.from_numpy(three_blobs(400)).float()
    if is_graph:
        x = affinity(knn_graph(x, 10))
    settings: dict[str, Any] = {"tol": None, "network": nn.Identity(), "readout": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a poor fit
        expected, basis = (quick(**some, **settings).fit(x) for some in (sizes, small))
    assert same(basis, expected, x)
    assert type(basis.n_anchors) is np.uint8


def test_per_class_anchors_of_string_labels() -> None:
    x = three_blobs(302)
    names = np.array(["ant", "bee", "cat"])[np.arange(302) % 3]
    basis = quick(anchor_method="per_class").fit(x, names)
    anchors = basis.layer_.anchors.numpy()
    which = [int(np.abs(x - anchor).sum(axis=1).argmin()) for anchor in anchors]
    values, counts = np.unique(names[which], return_counts=True)
    assert values.tolist() == ["ant", "bee", "cat"]
    assert counts.tolist() == [10, 10, 10]
    same_classes = quick(anchor_method="per_class").fit(x, np.arange(302) % 3)
    assert same(same_classes, basis, x)


@pytest.mark.parametrize("y", [None, np.zeros(299), np.zeros((300, 1))])
def test_per_class_anchors_need_a_label_a_point(y: Any) -> None:
    with pytest.raises(
        ValueError, match=r"anchor_method='per_class'.*\(300,\).*pass y"
    ):
        quick(anchor_method="per_class").fit(three_blobs(), y)


def test_labels_are_not_used_otherwise() -> None:
    x = three_blobs()
    assert same(quick().fit(x, np.arange(300) % 3), quick().fit(x), x)


# --- kinds of input


def npy_file(folder: Path, x: Points) -> Path:
    np.save(folder / "x.npy", x)
    return folder / "x.npy"


def pt_file(folder: Path, x: Points) -> str:
    torch.save(Data(x=torch.as_tensor(x)), folder / "x.pt")
    return str(folder / "x.pt")


KINDS: dict[str, Any] = {
    "list": lambda _, x: x.tolist(),
    "Fortran order": lambda _, x: np.asfortranarray(x),
    "view": lambda _, x: np.repeat(x, 2, axis=0)[::2],
    "tensor": lambda _, x: torch.from_numpy(x),
    "tensor with gradient": lambda _, x: torch.from_numpy(x).requires_grad_(),
    "Data": lambda _, x: Data(x=torch.from_numpy(x)),
    "Dataset": lambda _, x: Rows(x),
    "Dataset of tuples": lambda _, x: Rows(torch.from_numpy(x), labels=True),
    "TensorDataset": lambda _, x: TensorDataset(torch.from_numpy(x)),
    "CSR array": lambda _, x: csr_array(x),
    "CSC matrix": lambda _, x: csc_matrix(x),
    "COO array": lambda _, x: coo_array(x),
    "npy": npy_file,
    "pt": pt_file,
    "memory map": lambda folder, x: np.load(npy_file(folder, x), mmap_mode="r"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_input_agree(tmp_path: Path, kind: str) -> None:
    x = three_blobs().astype(np.float32)
    basis = quick(max_iter=3).fit(x)
    points = KINDS[kind](tmp_path, x)
    assert same(quick(max_iter=3).fit(points), basis, x)
    embedding = np.asarray(basis.transform(points))
    np.testing.assert_allclose(embedding, basis.transform(x), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_points_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    x = three_blobs().astype(np.float32)
    basis = quick(max_iter=2).fit(x)
    with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3 features"):
        basis.transform(KINDS[kind](tmp_path, x[:, :2].copy()))
    with pytest.raises(ValueError, match="sample"):
        quick().fit(KINDS[kind](tmp_path, x[:1]))
    for bad in (np.nan, np.inf):
        x[123, 1] = bad
        for call in (quick().fit, basis.transform):
            with pytest.raises(ValueError, match=r"NaN or .* (row 123 |a sample)"):
                call(KINDS[kind](tmp_path, x))


def test_inputs_that_hold_no_points(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        quick().fit(tmp_path / "none.npy")
    mapped = np.load(npy_file(tmp_path, np.arange(9.0)), mmap_mode="r")
    with pytest.raises(ValueError, match=r"a matrix .*got shape \(9,\)"):
        quick().fit(mapped)
    with pytest.raises(ValueError, match=r"feature vectors \[d\].*\(1, 3\)"):
        quick().fit(Rows(three_blobs()[:, None]))


@pytest.mark.parametrize("dtype", ["float16", "uint8", ">f4"])
def test_numbers_of_other_kinds_on_disk(tmp_path: Path, dtype: str) -> None:
    # The squares of some are beyond half precision.
    x = 600 * (10 + three_blobs()) if dtype == "float16" else 9 * (5 + three_blobs())
    x = x.astype(dtype)
    mapped = np.load(npy_file(tmp_path, x), mmap_mode="r")
    x = x.astype(np.float32)
    assert same(quick(max_iter=3).fit(mapped), quick(max_iter=3).fit(x), x)


@pytest.mark.parametrize(
    "x", [three_blobs() + 1e9, three_blobs() * 1e200, three_blobs() * 1e20]
)
def test_features_beyond_single_precision_are_refused(x: Points) -> None:
    with pytest.raises(ValueError, match=r"X has values up to .* center and rescale"):
        quick().fit(x)


def test_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(three_blobs(), columns=["a", "b", "c"])
    basis = quick().fit(frame)
    assert basis.feature_names_in_.tolist() == ["a", "b", "c"]
    embedding = basis.transform(frame)
    assert np.array_equal(embedding, quick().fit_transform(three_blobs()))


def test_dtype_is_kept() -> None:
    x = three_blobs()
    basis = quick().fit(x)
    for dtype in (np.float32, np.float64):
        assert basis.transform(x.astype(dtype)).dtype == dtype
        embedding = basis.transform(torch.from_numpy(x.astype(dtype)))
        assert isinstance(embedding, torch.Tensor)
        assert np.array_equal(embedding, basis.transform(x.astype(dtype)))
    assert basis.transform(torch.from_numpy(x).half()).dtype == torch.float32


def test_embedding_of_a_tensor_can_be_trained_on() -> None:
    embedding = quick().fit(three_blobs()).transform(torch.from_numpy(three_blobs()))
    linear = nn.Linear(2, 1).double()
    linear(embedding).sum().backward()
    assert linear.weight.grad is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda() -> None:
    x = torch.from_numpy(three_blobs()).cuda()
    basis = quick(device="cuda").fit(x)
    assert basis.transform(x).is_cuda
    assert isinstance(basis.transform(x.cpu().numpy()), np.ndarray)
    assert all(basis.history_["converged"])
    on_host = quick().fit(x.cpu()).transform(x.cpu())
    assert (basis.transform(x).cpu() - on_host).square().mean() < 0.01


def test_a_point_does_not_depend_on_the_others() -> None:
    # More than are transformed at a time.
    x = three_blobs(1100)
    basis = quick().fit(x)
    together = basis.transform(x)
    for i in (0, 1023, 1024, 1099):
        alone = basis.transform(x[i : i + 1])[0]
        np.testing.assert_allclose(alone, together[i], rtol=1e-9, atol=1e-12)


# --- randomness


@pytest.mark.parametrize(
    "settings", [{}, {"alignment": "ransac", "anchor_method": "random"}]
)
def test_same_seed_same_bits(settings: dict[str, Any]) -> None:
    x = three_blobs()
    first, second, other = (
        quick(random_state=seed, **settings).fit(x)
        for seed in (4, np.random.RandomState(4), 5)
    )
    assert same(first, second, x)
    assert not same(first, other, x)


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators_play_no_role() -> None:
    x = three_blobs()
    settings: dict[str, Any] = {
        "alignment": "ransac", "network": nn.Sequential(network(), nn.Dropout(0.5))
    }  # fmt: skip
    state = torch.get_rng_state()
    first = quick(**settings).fit(x)
    try:
        torch.manual_seed(12345)
        assert same(quick(**settings).fit(x), first, x)
    finally:
        torch.set_rng_state(state)
    # Dropout is off once it is fitted.
    assert np.array_equal(first.transform(x), first.transform(x))


# --- training


def test_history() -> None:
    basis = quick(max_iter=12, tol=None).fit(three_blobs())
    assert basis.n_iter_ == 12
    # One entry a look, here only at the end; all else one a batch.
    assert len(basis.history_.pop("missing")) == 1
    assert set(basis.history_) == {
        "loss", "learning_rate", "residual", "num_components", "converged", "rank",
        "consensus", "fell_back",
    }  # fmt: skip
    assert {len(values) for values in basis.history_.values()} == {12}
    assert basis.history_["learning_rate"] == [3e-3] * 12
    assert basis.history_["converged"] == [True] * 12
    assert basis.history_["num_components"] == [1] * 12
    assert basis.history_["rank"] == [2] * 12
    assert basis.eigenvalues_.shape == (2 + 5,)


@pytest.mark.parametrize("points", [blobs, sphere])
def test_no_solver_gives_up_on_ordinary_sets(points: Any) -> None:
    x = points(3000, seed=0)
    x = x[0] if isinstance(x, tuple) else x
    basis = BASiS(4, max_iter=3, random_state=0).fit(x)
    assert basis.history_["fell_back"] == [False] * 3


def test_a_solver_that_gives_up_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    x, solve = three_blobs(1300), ChebyshevSubspace.solve
    monkeypatch.setattr(
        ChebyshevSubspace,
        "solve",
        lambda solver, *problem: solve(replace(solver, max_products=1), *problem),
    )
    basis = quick(batch_size=1300, max_iter=2).fit(x)
    assert basis.history_["fell_back"] == [True] * 2
    assert basis.history_["converged"] == [True] * 2


@pytest.mark.parametrize("tol", [0.5, 0.05, 0.0])
def test_ends_when_there_is_nothing_to_gain(tol: float) -> None:
    basis = learner(n_components=3, max_iter=90, tol=tol).fit(three_blobs())
    looks = basis.history_["missing"]
    expected = [10, 20, 40, 80, 90]
    assert basis.n_iter_ == expected[len(looks) - 1]
    assert len(basis.history_["loss"]) == basis.n_iter_
    # What is missing became smaller by the share, and was not small, up to the end.
    gained = [later <= (1 - tol) * earlier for earlier, later in pairwise(looks)]
    small = [look <= 1e-3 * 4 for look in looks]
    assert all(gained[:-1]) and not any(small[:-1])
    assert basis.n_iter_ == 90 or not gained[-1] or small[-1]


def test_without_tol_or_a_read_out_training_goes_on() -> None:
    # Far apart: there is nothing more to gain after ten batches.
    x = three_blobs() + 100 * np.eye(3)[np.arange(300) % 3]
    settings: dict[str, Any] = {"max_iter": 45, "drop_first": False}
    assert learner(**settings).fit(x).n_iter_ == 10
    on = learner(tol=None, **settings).fit(x)
    assert on.n_iter_ == 45 and len(on.history_["missing"]) == 1
    regression = learner(readout=False, **settings).fit(x)
    assert regression.n_iter_ == 45 and "missing" not in regression.history_
    # The rate goes to zero over the second half.
    expected = [min(1, (45 - i) / 22.5) * 1e-2 for i in range(45)]
    assert regression.history_["learning_rate"] == pytest.approx(expected)


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    quick().fit(three_blobs())
    silent = capsys.readouterr()
    assert silent.err == "" and silent.out == ""
    quick(verbose=True).fit(three_blobs())
    shown = capsys.readouterr()
    assert "BASiS" in shown.err and "10/10" in shown.err and "loss" in shown.err
    end = r"BASiS: the embedding holds \d+% of .* \(d_G \S+ of 2, see quality_\)"
    assert re.fullmatch(end, shown.err.splitlines()[-1])
    assert shown.out == ""


def test_network_is_copied() -> None:
    given = network()
    before = copy.deepcopy(given.state_dict())
    basis = quick(network=given).fit(three_blobs())
    for name, value in given.state_dict().items():
        assert torch.equal(value, before[name])
    assert not torch.equal(basis.layer_.network[0].weight, given[0].weight)


@pytest.mark.parametrize("width", [1, 40])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_network_of_any_width(width: int) -> None:
    basis = quick(network=nn.Linear(3, width)).fit(three_blobs())
    assert np.isfinite(basis.transform(three_blobs())).all()


# --- warnings


def test_too_many_clusters_warn_and_name_the_remedy() -> None:
    x = np.repeat(1e3 * np.arange(6), 50)[:, None] + three_blobs()
    text = "10 of 10 batches fell into more than 3 comp.*raise n_neighbors, batch_size"
    with pytest.warns(UserWarning, match=text) as caught:
        quick(n_neighbors=5).fit(x)
    assert {warning.filename for warning in caught} == {__file__}


def test_as_many_clusters_as_determine_the_eigenvectors_do_not_warn() -> None:
    x = 1e3 * (np.arange(300) % 3)[:, None] + three_blobs()
    with no_warning_but():
        quick(n_components=3, n_neighbors=5, drop_first=False).fit(x)
        # Three null vectors, of which the trivial one is left out: two.
        quick(n_components=2, n_neighbors=5).fit(x)


def unconverged(solve: Any) -> Any:
    return lambda *problem: replace(solve(*problem), converged=False)


@pytest.mark.filterwarnings("ignore:eigenpairs:RuntimeWarning")
def test_eigenvectors_that_do_not_converge_warn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for solver in (ChebyshevSubspace, Lanczos, Dense):
        monkeypatch.setattr(solver, "solve", unconverged(solver.solve))
    text = "2 of 2 batches did not reach the tolerance of the eigensolver"
    with pytest.warns(UserWarning, match=text):
        basis = quick(batch_size=300, max_iter=2).fit(three_blobs())
    assert basis.history_["converged"] == [False] * 2


def test_anchors_that_do_not_determine_the_alignment_warn() -> None:
    # Only one anchor stands in each of the far groups.
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[:, 0] += 1e4 * (np.arange(600) % 100 == 0)
    settings: dict[str, Any] = {"anchor_method": "random", "n_neighbors": 3}
    with pytest.warns(UserWarning, match="determine the alignment: raise n_anchors"):
        quick(n_components=6, n_anchors=7, **settings).fit(x)


def test_anchors_that_agree_on_no_alignment_warn_once() -> None:
    # In noise, the eigenvectors of one batch say nothing of those of the next.
    x = np.random.default_rng(0).normal(size=(600, 30))
    settings: dict[str, Any] = {"alignment": "ransac", "n_components": 6, "max_iter": 8}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        basis = quick(n_anchors=20, **settings).fit(x)
    messages = [str(warning.message) for warning in caught]
    (text,) = (message for message in messages if "agree" in message)
    count = basis.history_["consensus"].count(False)
    assert count > 1 and text.startswith(f"{count} of 8 batches had anchors that agree")


def test_few_points_lower_the_sizes_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"n_samples = 40 .*batch_size=2048") as caught:
        basis = BASiS(max_iter=5, random_state=0).fit(three_blobs(40))
    assert "n_anchors=20" in str(caught[0].message)
    assert "n_neighbors=10" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert basis.layer_.num_anchors == 20
    # What was asked for is never raised.
    with pytest.warns(UserWarning, match="n_anchors=3 and n_neighbors=2"):
        BASiS(n_anchors=3, n_neighbors=2, max_iter=1).fit(three_blobs(40))


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


@pytest.mark.parametrize(
    "name",
    ["duplicates", "all equal", "constant features", "outliers", "disconnected"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unusual_points_stay_finite(name: str) -> None:
    # The fixed bandwidth of 0.5 also leaves outliers without a weighted edge.
    x = unusual_points(name)
    for laplacian, bandwidth in (
        ("rw", "self_tuning"),
        ("sym", "global"),
        ("comb", 0.5),
    ):
        settings = {"laplacian": laplacian, "bandwidth": bandwidth}
        basis = quick(n_neighbors=5, max_iter=4, **settings).fit(x)
        assert np.isfinite(basis.transform(x)).all()
        assert np.isfinite(basis.history_["loss"]).all()
        assert np.isfinite(basis.transform(three_blobs(5) * 100)).all()


# --- as an estimator


def test_pickle_and_clone() -> None:
    x = three_blobs()
    basis = quick(network=network()).fit(x)
    assert same(pickle.loads(pickle.dumps(basis)), basis, x)
    with pytest.raises(NotFittedError):
        clone(basis).transform(x)


def test_pipeline_and_feature_names() -> None:
    x = three_blobs()
    pipeline = make_pipeline(StandardScaler(), quick()).fit(x)
    assert pipeline.transform(x).shape == (300, 2)
    assert pipeline[-1].get_feature_names_out().tolist() == ["basis0", "basis1"]


def test_not_fitted() -> None:
    for call in (quick().transform, quick().score, quick().save):
        with pytest.raises(NotFittedError):
            call(three_blobs())


# --- parameters


FROM_1 = r"an int in the range \[1, inf\)"
BAD_PARAMETERS = [
    *[("n_components", value, FROM_1) for value in (0, 2.0, "3", None)],
    *[(name, 0, FROM_1) for name in ("n_anchors", "n_neighbors", "max_iter")],
    ("batch_size", 1, r"an int in the range \[2, inf\)"),
    ("reference_size", 1, r"an int in the range \[2, inf\) or None"),
    ("num_workers", -1, r"an int in the range \[0, inf\)"),
    ("laplacian", "signless", "a str among .*'sym'"),
    ("alpha", 1.1, r"a float in the range \[0.0, 1.0\]"),
    ("diffusion_time", 0, r"a float in the range \(0.0, inf\) or None"),
    ("drop_first", 1, "'bool'"),
    ("metric", "manhattan", "a str among .*'cosine'"),
    *[
        ("bandwidth", value, r"'self_tuning'.*a float in the range \(0.0, inf\)")
        for value in (0, np.inf, "wide", np.ones(2))
    ],
    ("extend_degree", None, "'bool'"),
    ("eigen_solver", "arpack", "a str among .*'chebyshev'"),
    ("readout", 0, "'bool'"),
    ("anchor_method", "best", "a str among .*'per_class'"),
    ("alignment", "affine", "a str among .*'lstsq'"),
    ("graph", "whole", "a str among .*'knn'"),
    ("graph_targets", "induced", "a str among .*'exact'"),
    ("network", nn.Linear, "'torch.nn.modules.module.Module' or None"),
    ("learning_rate", np.nan, "a float"),
    ("tol", -1, r"a float in the range \[0.0, inf\) or None"),
    ("device", "cuda:99", "a device"),
    ("device", "meta", "a device"),
    ("device", 3.5, "'str'"),
    ("updatable", "yes", "'bool'"),
    ("verbose", "loud", "'bool'"),
    ("random_state", "none", "'numpy.random.mtrand.RandomState'"),
    # Those that do not fit together.
    ("n_anchors", 80, "batch_size=80: use fewer anchors or larger batches"),
    ("n_anchors", 2, "at least 3 anchors"),
    ("n_neighbors", 80, "batch_size=80 nodes has: use at most 79"),
    ("n_components", 30, "30 columns: use fewer.*31 anchors.*62 points"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD_PARAMETERS)
def test_bad_parameters(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){name}(=|' parameter).*{allowed}"):
        quick(**{name: value}).fit(three_blobs())


def test_every_parameter_is_checked() -> None:
    checked = {name for name, *_ in BAD_PARAMETERS}
    assert checked == set(BASiS().get_params())


@pytest.mark.parametrize(
    "good",
    [
        {"n_components": np.int32(2), "n_neighbors": 1, "reference_size": None},
        {"n_anchors": 3, "batch_size": 12, "drop_first": True},
        {"n_anchors": 2, "batch_size": 12, "drop_first": False},
        {"bandwidth": np.float32(0.5), "learning_rate": 1, "tol": 0},
        {"device": torch.device("cpu"), "network": nn.Identity(), "readout": np.False_},
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_good_parameters(good: dict[str, Any]) -> None:
    basis = quick(**({"max_iter": 1} | good))
    before = basis.get_params()
    assert np.isfinite(basis.fit_transform(three_blobs())).all()
    assert basis.get_params() == before


@pytest.mark.parametrize(
    ("n_components", "drop_first", "enough"),
    [(1, True, 4), (2, True, 6), (2, False, 4)],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_number_of_points_is_used_or_refused(
    n_components: int, drop_first: bool, enough: int
) -> None:
    for num_points in (1, enough - 1, enough, enough + 1):
        basis = quick(n_components=n_components, drop_first=drop_first, max_iter=2)
        x = three_blobs(num_points)
        if num_points < enough:
            with pytest.raises(ValueError, match=r"minimum of 2|at least \d points"):
                basis.fit(x)
        else:
            assert np.isfinite(basis.fit(x).transform(x)).all()


WIDE = np.tile(three_blobs(), (1, 2))
FAILING_FITS: dict[str, Any] = {
    "parameter": lambda b: b.set_params(max_iter=0).fit(WIDE),
    "nan": lambda b: b.fit(np.full((300, 6), np.nan)),
    "too few points": lambda b: b.fit(WIDE[:2]),
    "no labels": lambda b: b.set_params(anchor_method="per_class").fit(WIDE),
    "network": lambda b: b.set_params(network=nn.Flatten(0)).fit(WIDE),
    "dataset": lambda b: b.fit(Rows(np.full((300, 6), np.nan))),
    "random_state": lambda b: b.set_params(random_state="x").fit(WIDE),
    "graph": lambda b: b.fit(nx.path_graph(9)),
}


@pytest.mark.parametrize("name", FAILING_FITS)
def test_an_earlier_fit_survives_a_failed_one(name: str) -> None:
    x = three_blobs()
    basis = quick().fit(x)
    embedding, history = basis.transform(x), copy.deepcopy(basis.history_)
    with pytest.raises(ValueError):
        FAILING_FITS[name](basis)
    assert basis.n_features_in_ == 3
    assert basis.history_ == history
    assert np.array_equal(basis.transform(x), embedding)


def test_another_fit_forgets_the_earlier_one() -> None:
    basis = quick().fit(three_blobs()).fit(WIDE)
    assert basis.n_features_in_ == 6
    assert same(basis, quick().fit(WIDE), WIDE)


def test_batches_are_solved_by_the_solver_that_is_named() -> None:
    x, points = three_blobs(), {}
    for solver in ("auto", "lobpcg", "dense"):
        basis = quick(max_iter=1, tol=None, eigen_solver=solver).fit(x)
        assert basis.layer_.embedding.solver == solver
        points[solver] = basis.layer_.targets(torch.from_numpy(x[:90])).y
    torch.testing.assert_close(points["lobpcg"], points["dense"], rtol=0, atol=1e-4)


def test_the_layer_goes_on_with_the_points_it_was_fitted_on() -> None:
    x = three_blobs()
    basis = quick(n_components=2).fit(x)
    nodes, anchors = basis.layer_.nodes, basis.layer_.anchors
    given = torch.from_numpy(x).float()
    assert torch.equal(given[nodes[: len(anchors)]], anchors)
    movement = basis.layer_.update_reference(given)
    assert movement.change < 1e-3


@pytest.mark.parametrize("laplacian", ["rw", "sym", "comb"])
def test_the_trivial_vector_alone_needs_no_alignment(laplacian: Any) -> None:
    basis = quick(n_components=1, drop_first=False, laplacian=laplacian, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "the embedding holds|n_samples")
        basis.fit(three_blobs())
