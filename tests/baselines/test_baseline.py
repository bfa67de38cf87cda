import ast
import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import pyg_basis.baselines
from pyg_basis.baselines import (
    DiffusionNet,
    EigenvectorRegression,
    NystroemEmbedding,
    SpecNet2,
    SpectralNet,
)
from pyg_basis.baselines._baseline import FORMAT, Baseline
from pyg_basis.loader import ExactEmbedding

QUICK: dict[str, Any] = {"n_components": 2, "n_neighbors": 10, "random_state": 0}
BATCHES: dict[str, Any] = {"max_iter": 4, "batch_size": 60, "learning_rate": 1e-2}
SETTINGS: dict[type[Baseline], dict[str, Any]] = {
    DiffusionNet: {"max_iter": 4, "sample_size": 60, "learning_rate": 1e-2},
    EigenvectorRegression: BATCHES,
    NystroemEmbedding: {},
    SpecNet2: BATCHES,
    SpectralNet: BATCHES,
}
ALL = list(SETTINGS)
LEARNED = [cls for cls in ALL if cls is not NystroemEmbedding]


@pytest.fixture(autouse=True)
def small_default_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("nn._default_network", "baselines.diffusion_net"):
        monkeypatch.setattr(f"pyg_basis.{module}.HIDDEN_CHANNELS", (16, 16))


every = pytest.mark.parametrize("cls", ALL)
every_learned = pytest.mark.parametrize("cls", LEARNED)


def quick(cls: Any, **kwargs: Any) -> Any:
    return cls(**(QUICK | SETTINGS[cls] | kwargs))


def points(num_points: int = 150, seed: int = 0) -> Any:
    x = np.random.default_rng(seed).normal(size=(num_points, 3))
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [2, 4, 0]])
    return x + corners[np.arange(num_points) % 3]


def network(num_columns: int = 2) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, num_columns))


def for_checks() -> list[Baseline]:
    small: dict[str, Any] = {"max_iter": 2, "n_neighbors": 2}
    return [
        cls(n_neighbors=2) if cls is NystroemEmbedding else cls(**small) for cls in ALL
    ]


@parametrize_with_checks(for_checks())
def test_sklearn_contract(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check(estimator)


# --- what is independent of BASiS


def test_does_not_import_the_layer() -> None:
    folder = Path(pyg_basis.baselines.__file__).parent
    sources = sorted(folder.glob("*.py"))
    assert len(sources) == 11
    for source in sources:
        imported = set()
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, source
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        ours = {name for name in imported if name.startswith("pyg_basis")}
        for name in ours:
            parts = set(name.split("."))
            assert not parts & {"basis_layer", "BASiSLayer", "BASiS", "basis"}, source
        assert not ours & {"pyg_basis", "pyg_basis.nn", "pyg_basis.estimators"}, source


def test_all_are_covered_here() -> None:
    assert {cls.__name__ for cls in ALL} == set(pyg_basis.baselines.__all__)


# --- randomness


@every
def test_same_seed_same_bits(cls: Any) -> None:
    x = points()
    first, second, other = (quick(cls, random_state=s).fit(x) for s in (4, 4, 5))
    assert first.history_ == second.history_
    assert np.array_equal(first.transform(x), second.transform(x))
    assert np.array_equal(first.eigenvalues_, second.eigenvalues_)
    is_learned = cls is not NystroemEmbedding
    assert np.array_equal(first.transform(x), other.transform(x)) != is_learned


@every_learned
def test_seed_draws_more_than_the_weights(cls: Any) -> None:
    # With a network of its own: batches, or the sample, are drawn.
    x = points()
    first, second, other = (
        quick(cls, random_state=s, network=network()).fit(x) for s in (4, 4, 5)
    )
    assert first.history_ == second.history_
    assert first.history_ != other.history_


@every
def test_random_state_instance(cls: Any) -> None:
    x = points()
    first, second = (quick(cls, random_state=np.random.RandomState(3)) for _ in "ab")
    assert np.array_equal(first.fit_transform(x), second.fit_transform(x))


@every
@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators(cls: Any, tmp_path: Path) -> None:
    estimator = quick(cls)
    if cls is not NystroemEmbedding:
        estimator.set_params(network=nn.Sequential(network(), nn.Dropout(0.1)))
    estimator.fit_transform(points())
    quick(cls).fit(points()).save(tmp_path / "one.pt")
    cls.load(tmp_path / "one.pt")


@every
def test_result_does_not_depend_on_the_global_generators(cls: Any) -> None:
    x = points()
    expected = quick(cls).fit_transform(x)
    state = torch.get_rng_state()
    try:
        torch.manual_seed(12345)
        assert np.array_equal(quick(cls).fit_transform(x), expected)
    finally:
        torch.set_rng_state(state)


# --- input and output


@every
def test_arrays_and_tensors(cls: Any) -> None:
    x = points().astype(np.float32)
    fitted = quick(cls).fit(x)
    embedding = fitted.transform(x)
    assert isinstance(embedding, np.ndarray) and embedding.shape == (150, 2)
    tensor = torch.from_numpy(x)
    kinds = (tensor, tensor.clone().requires_grad_())
    for given in kinds:
        rows = quick(cls).fit(given).transform(given)
        assert isinstance(rows, torch.Tensor)
        assert np.array_equal(rows.numpy(), embedding)
        assert not rows.requires_grad
        # It can be trained on, unlike what inference mode makes.
        nn.Linear(2, 1)(rows).sum().backward()
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    of_frame = quick(cls).fit(frame)
    assert np.array_equal(of_frame.transform(frame), embedding)
    assert of_frame.feature_names_in_.tolist() == ["a", "b", "c"]
    assert not hasattr(of_frame.fit(x), "feature_names_in_")


@every
def test_dtype_is_kept(cls: Any) -> None:
    x = points()
    fitted = quick(cls).fit(x)
    for dtype in (np.float32, np.float64):
        assert fitted.transform(x.astype(dtype)).dtype == dtype
        tensor = torch.from_numpy(x.astype(dtype))
        assert fitted.transform(tensor).dtype == tensor.dtype
    assert fitted.transform(torch.from_numpy(x).half()).dtype == torch.float32
    single = fitted.transform(x.astype(np.float32))
    np.testing.assert_allclose(fitted.transform(x), single, atol=1e-3)
    # More digits than single precision has do count.
    is_moved = fitted.transform(x + 1e-9) != fitted.transform(x)
    assert is_moved.any(axis=1).all()
    # The module itself stays as it is.
    assert fitted.module_.get_buffer("eigenvalues").dtype == torch.float32


@every
def test_a_point_does_not_depend_on_the_others(
    cls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = points()
    fitted = quick(cls).fit(x)
    whole = fitted.transform(points(30, seed=1))
    alone = [fitted.transform(row[None]) for row in points(30, seed=1)]
    np.testing.assert_allclose(np.concatenate(alone), whole, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr("pyg_basis.estimators._source.BLOCK_ROWS", 7)
    blocks = fitted.transform(points(30, seed=1))
    np.testing.assert_allclose(blocks, whole, rtol=1e-9, atol=1e-12)


@every
def test_labels_are_ignored(cls: Any) -> None:
    x = points()
    expected = quick(cls).fit(x).transform(x)
    assert np.array_equal(quick(cls).fit(x, np.arange(150) % 3).transform(x), expected)
    assert np.array_equal(quick(cls).fit(x, "none").transform(x), expected)
    assert np.array_equal(quick(cls).fit_transform(x, np.zeros(3)), expected)


@every
def test_pipeline_and_feature_names(cls: Any) -> None:
    x = points()
    pipeline = make_pipeline(StandardScaler(), quick(cls)).fit(x)
    assert pipeline.transform(x).shape == (150, 2)
    name = cls.__name__.lower()
    assert pipeline[-1].get_feature_names_out().tolist() == [f"{name}0", f"{name}1"]


# --- what a fit leaves


@every
def test_fitted_attributes(cls: Any) -> None:
    fitted = quick(cls).fit(points())
    num_iterations = 0 if cls is NystroemEmbedding else 4
    assert len(fitted.history_) == fitted.n_iter_ == num_iterations
    assert all(type(value) is float for value in fitted.history_)
    assert np.isfinite(fitted.history_).all()
    assert fitted.n_features_in_ == 3
    assert not fitted.module_.training
    assert fitted.eigenvalues_.shape == (2,)


@every
@pytest.mark.parametrize("laplacian", ["sym", "rw"])
def test_eigenvalues(cls: Any, laplacian: str) -> None:
    if cls is SpectralNet and laplacian == "rw":
        laplacian = "comb"
    x = points()
    exact = ExactEmbedding(3, 20, laplacian=laplacian)  # type: ignore[arg-type]
    values = exact(torch.from_numpy(x).float()).values.numpy()
    kwargs: dict[str, Any] = {
        "n_components": 3, "n_neighbors": 20, "laplacian": laplacian,
    }  # fmt: skip
    if cls is not NystroemEmbedding:
        size = "sample_size" if cls is DiffusionNet else "batch_size"
        kwargs |= {"network": network(3), "max_iter": 200, size: 150}
        if cls is SpecNet2:  # of which it needs more
            kwargs["max_iter"] = 600
        if cls is DiffusionNet:
            kwargs["decoder"] = False
    fitted = quick(cls, **kwargs).fit(x)
    assert (np.diff(fitted.eigenvalues_) >= 0).all()
    scale = float(exact.operator(torch.from_numpy(x)).degree.max())
    scale = scale if laplacian == "comb" else 1.0
    if cls in (SpecNet2, SpectralNet):
        # Ritz values are never below, as far as single precision goes.
        assert (fitted.eigenvalues_ > values - 1e-5 * scale).all()
        assert fitted.eigenvalues_ == pytest.approx(values, abs=0.015 * scale)
    else:
        assert fitted.eigenvalues_ == pytest.approx(values, abs=1e-5)


@every_learned
def test_progress_bar(cls: Any, capsys: pytest.CaptureFixture[str]) -> None:
    quick(cls).fit(points())
    silent = capsys.readouterr()
    assert silent.err == "" and silent.out == ""
    quick(cls, verbose=True).fit(points())
    shown = capsys.readouterr()
    assert "4/4" in shown.err and shown.out == ""


@every_learned
def test_network_is_copied(cls: Any) -> None:
    given = network()
    before = copy.deepcopy(given.state_dict())
    fitted = quick(cls, network=given).fit(points())
    assert fitted.module_.network is not given
    for name, value in given.state_dict().items():
        assert torch.equal(value, before[name])
        assert not torch.equal(fitted.module_.network.state_dict()[name], value)


@every_learned
def test_network_with_dropout_is_switched_to_evaluation(
    cls: Any, tmp_path: Path
) -> None:
    x = points()
    given = nn.Sequential(network(), nn.Dropout(0.5))
    fitted = quick(cls, network=given).fit(x)
    assert np.array_equal(fitted.transform(x), fitted.transform(x))
    fitted.save(tmp_path / "one.pt")
    loaded = cls.load(tmp_path / "one.pt", network=given)
    assert np.array_equal(loaded.transform(x), fitted.transform(x))


@every
def test_another_fit_forgets_the_earlier_one(cls: Any) -> None:
    wide = np.tile(points(140), (1, 2))
    again = quick(cls).fit(points()).fit(wide)
    assert again.n_features_in_ == 6
    assert np.array_equal(again.transform(wide), quick(cls).fit(wide).transform(wide))


@every
@pytest.mark.parametrize("bandwidth", ["self_tuning", "global", 0.5])
def test_unusual_points_stay_finite(cls: Any, bandwidth: Any) -> None:
    x = points()
    unusual = {
        "duplicates": np.tile(x[:10], (15, 1)),
        "all equal": np.full((150, 3), 0.1),
        "constant features": np.column_stack([x[:, 0], np.full((150, 2), 7.0)]),
        "outliers": np.where(np.arange(150)[:, None] < 3, 1e5 * x, x),
        "disconnected": x + 1e3 * (np.arange(150) % 7)[:, None],
    }
    for name, given in unusual.items():
        fitted = quick(cls, bandwidth=bandwidth, n_neighbors=5).fit(given)
        for new in (given, points(5, seed=1) * 100, given.astype(np.float32)):
            assert np.isfinite(fitted.transform(new)).all(), name
        assert np.isfinite(fitted.history_).all(), name
        assert np.isfinite(fitted.eigenvalues_).all(), name


# --- save, load, copies


@every
def test_save_and_load(cls: Any, tmp_path: Path) -> None:
    x = points()
    fitted = quick(cls, bandwidth=np.float64(0.7)).fit(x)
    fitted.save(tmp_path / "one.pt")
    loaded = cls.load(str(tmp_path / "one.pt"))
    assert type(loaded) is cls
    assert loaded.get_params() == fitted.get_params()
    for given in (x, x.astype(np.float32), points(20, seed=1)):
        assert np.array_equal(loaded.transform(given), fitted.transform(given))
    assert loaded.history_ == fitted.history_
    assert loaded.n_features_in_ == 3
    assert np.array_equal(loaded.eigenvalues_, fitted.eigenvalues_)
    # What was loaded can be saved, and fitted, again.
    loaded.save(tmp_path / "two.pt")
    assert np.array_equal(
        cls.load(tmp_path / "two.pt").transform(x), loaded.transform(x)
    )
    assert np.array_equal(loaded.fit(x).transform(x), fitted.transform(x))


@every
def test_save_holds_plain_values(cls: Any, tmp_path: Path) -> None:
    quick(cls).fit(points()).save(tmp_path / "one.pt")
    saved = torch.load(tmp_path / "one.pt", weights_only=True)
    assert saved["pyg_basis"] == f"{cls.__name__}, {FORMAT}"
    assert [path.name for path in tmp_path.iterdir()] == ["one.pt"]


@every_learned
def test_save_and_load_with_a_network(cls: Any, tmp_path: Path) -> None:
    x = points()
    fitted = quick(cls, network=network()).fit(x)
    path = tmp_path / "one.pt"
    fitted.save(path)
    with pytest.raises(ValueError, match=r"network=None.*same build"):
        cls.load(path)
    with pytest.raises(ValueError, match="does not fit network="):
        cls.load(path, network=nn.Linear(3, 2))
    given = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
    before = copy.deepcopy(given.state_dict())
    loaded = cls.load(path, network=given)
    assert np.array_equal(loaded.transform(x), fitted.transform(x))
    assert all(torch.equal(v, before[n]) for n, v in given.state_dict().items())


@every_learned
def test_load_with_a_network_that_is_not_needed(cls: Any, tmp_path: Path) -> None:
    quick(cls).fit(points()).save(tmp_path / "one.pt")
    with pytest.raises(ValueError, match="does not fit network="):
        cls.load(tmp_path / "one.pt", network=network())


@every
def test_files_that_cannot_be_read(cls: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.pt"
    quick(cls).fit(points()).save(path)
    for other in ALL:
        if other is not cls:
            with pytest.raises(ValueError, match=f"{cls.__name__}.*{other.__name__}"):
                other.load(path)
    saved = torch.load(path, weights_only=True)
    version = f"{cls.__name__}, baseline 0"
    torch.save(saved | {"pyg_basis": version}, path)
    with pytest.raises(ValueError, match=f"version {version}.*reads.*{FORMAT}"):
        cls.load(path)
    for missing in ("params", "state_dict", "num_points", "history", "n_features_in"):
        half = {name: value for name, value in saved.items() if name != missing}
        torch.save(half, path)
        with pytest.raises(ValueError, match=r"one\.pt.*damaged"):
            cls.load(path)
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=rf"a file written by {cls.__name__}\.save"):
        cls.load(path)
    with pytest.raises(FileNotFoundError):
        cls.load(tmp_path / "nowhere.pt")


@every
def test_pickle_and_clone(cls: Any) -> None:
    x = points()
    fitted = quick(cls, n_neighbors=12).fit(x)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.transform(x), fitted.transform(x))
    cloned = clone(fitted)
    assert cloned.get_params() == fitted.get_params()
    assert cloned.get_params()["n_neighbors"] == 12
    with pytest.raises(NotFittedError):
        cloned.transform(x)
    assert np.array_equal(cloned.fit_transform(x), fitted.transform(x))


# --- bad input


@every
def test_not_fitted(cls: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        quick(cls).transform(points())
    with pytest.raises(NotFittedError):
        quick(cls).save(tmp_path / "one.pt")
    assert not list(tmp_path.iterdir())
    for name in ("eigenvalues_", "history_", "n_iter_", "module_"):
        assert not hasattr(quick(cls), name)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_points_that_are_not_finite(cls: Any, bad: float, kind: Any) -> None:
    x = points()
    fitted = quick(cls).fit(x)
    x[123, 1] = bad
    for call in (quick(cls).fit, fitted.transform):
        with pytest.raises(ValueError, match=r"(?i)\b(nan|infinit)"):
            call(kind(x))


@every
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_transform_of_a_wrong_width(cls: Any, kind: Any) -> None:
    fitted = quick(cls).fit(points())
    with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3 features"):
        fitted.transform(kind(points()[:, :2].copy()))


def bad_parameters() -> list[Any]:
    counts = [(n, v) for n in ("n_components", "n_neighbors") for v in (0, 2.0, True)]
    values: list[tuple[str, Any]] = [
        *counts, ("laplacian", "signless"), ("laplacian", None), ("bandwidth", 0),
        ("bandwidth", "wide"), ("bandwidth", np.nan),
    ]  # fmt: skip
    learned: list[tuple[str, Any]] = [
        ("max_iter", 0), ("max_iter", "3"), ("learning_rate", 0),
        ("learning_rate", np.nan), ("network", "mlp"), ("network", nn.Linear),
    ]  # fmt: skip
    own: dict[type[Baseline], list[tuple[str, Any]]] = {
        DiffusionNet: [
            *learned, ("laplacian", "comb"), ("sample_size", 1), ("sample_size", 9.0),
            ("sample_size", True), ("weight_decay", -1), ("weight_decay", None),
            ("eigenvector_penalty", -1), ("eigenvector_penalty", np.inf),
            ("decoder", 1),
        ],
        EigenvectorRegression: [
            *learned, ("batch_size", 0), ("batch_size", 9.0), ("extend_degree", 1),
        ],
        NystroemEmbedding: [("laplacian", "comb"), ("sample_size", 1)],
        SpecNet2: [
            *learned, ("batch_size", 1), ("laplacian", "comb"),
            ("batch_operator", "all"), ("batch_operator", None),
        ],
        SpectralNet: [*learned, ("batch_size", 1), ("laplacian", "rw")],
    }  # fmt: skip
    return [(cls, name, v) for cls in ALL for name, v in values + own[cls]]


@pytest.mark.parametrize(("cls", "name", "value"), bad_parameters())
def test_bad_parameters(cls: Any, name: str, value: Any) -> None:
    # Nothing is looked at before, not even whether there are points.
    with pytest.raises(ValueError, match=rf"^{name}=.* cannot be used: it must be"):
        quick(cls, **{name: value}).fit(None)


@every
def test_bad_random_state(cls: Any) -> None:
    with pytest.raises(ValueError, match="'seed' cannot be used to seed"):
        quick(cls, random_state="seed").fit(points())


@every
def test_too_few_points(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("it was refused too late")

    for name in ("_train", "_new_module"):
        monkeypatch.setattr(cls, name, work)
    with pytest.raises(
        ValueError, match=r"^n_neighbors=10 needs .* 11 points.* has 10"
    ):
        quick(cls).fit(points(10))
    with pytest.raises(ValueError, match=r"^n_components=9 needs .* 10 points.* has 9"):
        quick(cls, n_components=9, n_neighbors=3).fit(points(9))
    # Of all points, or of a batch's or sample's?
    size = {
        DiffusionNet: "sample_size",
        NystroemEmbedding: "sample_size",
        SpectralNet: "batch_size",
    }.get(cls)
    if size is not None:
        with pytest.raises(ValueError, match=r"neighbors=10 needs .* has 8"):
            quick(cls, **{size: 8}).fit(points())


@every
def test_least_number_of_points(cls: Any) -> None:
    x = points(11)
    assert np.isfinite(quick(cls).fit(x).transform(x)).all()


@every_learned
@pytest.mark.parametrize("num_columns", [1, 5])
def test_network_of_a_wrong_width(cls: Any, num_columns: int) -> None:
    with pytest.raises(ValueError, match=rf"network gives .*{num_columns}\).*, 2\)"):
        quick(cls, network=network(num_columns)).fit(points())


def failing_fits() -> dict[str, Any]:
    wide = np.tile(points(), (1, 2))
    return {
        "parameter": lambda e: e.set_params(n_neighbors=0).fit(wide),
        "nan": lambda e: e.fit(np.full((150, 6), np.nan)),
        "too few points": lambda e: e.fit(wide[:5]),
        "random_state": lambda e: e.set_params(random_state="x").fit(wide),
        "network": lambda e: e.set_params(network=nn.Linear(6, 5)).fit(wide),
    }


@every
@pytest.mark.parametrize("name", failing_fits())
def test_an_earlier_fit_survives_a_failed_one(cls: Any, name: str) -> None:
    x = points()
    fitted = quick(cls).fit(x)
    embedding, history = fitted.transform(x), copy.deepcopy(fitted.history_)
    with pytest.raises(ValueError):  # of Nystroem: it has no network
        failing_fits()[name](fitted)
    assert fitted.n_features_in_ == 3
    assert fitted.history_ == history
    assert np.array_equal(fitted.transform(x), embedding)
