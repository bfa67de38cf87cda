import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.experiments import peers
from benchmarks.lib.evaluation import FeatureSplit

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="RssAnon is Linux's word"
)


# Packages that stand-ins take the place of.
NAMED = ("umap-learn", "spectralnet", "grease-embeddings")


def clusters(num_points: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_points) % 10
    noise = torch.randn(num_points, 16, generator=generator)
    return 5 * torch.eye(16)[labels] + 0.5 * noise, labels


class StandInUMAP:
    """The features themselves."""

    def __init__(self, n_components, random_state, n_epochs):
        self.num_columns = n_components

    def fit(self, x, y=None):
        assert isinstance(x, np.ndarray)
        assert y is None  # with labels it would be a supervised one
        self.embedding_ = self.transform(x)

    def transform(self, x):
        return x[:, : self.num_columns]


class StandInSpectralNet:
    """A linear layer that draws from the global generator, as the package does."""

    spectral_batch_size = 64
    device = torch.device("cpu")

    def __init__(self, n_clusters, spectral_epochs):
        self.num_columns = n_clusters

    def fit(self, x, y=None):
        assert y is None
        weights = torch.randn(x.shape[1], self.num_columns)
        self.spec_net = lambda x, should_update_orth_weights: x @ weights


class StandInGrease:
    """Tensors in, an array out."""

    def __init__(self, n_components, spectral_max_epochs, **others):
        self.num_columns = n_components

    def fit(self, x, y=None):
        assert isinstance(x, torch.Tensor)

    def transform(self, x):
        return x[:, : self.num_columns].double().numpy()


@pytest.fixture
def stand_ins(monkeypatch):
    """Small features, workers in this process, and no package but the stand-ins."""
    data = FeatureSplit(*clusters(400, seed=0), *clusters(200, seed=1))
    monkeypatch.setattr(peers, "load_features", lambda *where: data)
    modules = {
        "umap": SimpleNamespace(UMAP=StandInUMAP),
        "umap.parametric_umap": None,  # importing it is an ImportError
        "spectralnet": SimpleNamespace(SpectralNet=StandInSpectralNet),
        "grease": SimpleNamespace(GrEASE=StandInGrease),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    version = peers.metadata.version
    monkeypatch.setattr(
        peers.metadata,
        "version",
        lambda name: "0.0" if name in NAMED else version(name),
    )

    monkeypatch.setattr(peers, "run_alone", lambda work, *task, limit: work(*task))


def test_command_measures_who_is_there_and_names_who_is_not(stand_ins, quick, tmp_path):
    with torch.random.fork_rng(devices=[]):
        record = quick("peers", "--seeds", 2, "--methods", *peers.PEERS)
    runs = {(run["method"], run["seed"]): run for run in record["results"]["runs"]}
    present = [method for method in peers.PEERS if method != "ParametricUMAP"]
    assert set(runs) == {(method, seed) for method in peers.PEERS for seed in (0, 1)}
    assert "umap.parametric_umap" in runs["ParametricUMAP", 0]["absent"]
    for method in present:
        run = runs[method, 0]
        assert 0 <= run["nmi"] <= 1
        assert run["fit_seconds"] >= 0
        assert run["fit_memory"] >= 0
    # The clusters are far apart: their own eigenvectors tell them.
    assert runs["SpectralEmbedding", 0]["nmi"] > 0.95
    assert runs["SpectralEmbedding", 0]["grassmann_distance"] < 0.5
    assert "transform_cpu_seconds" not in runs["SpectralEmbedding", 0]
    assert "grassmann_distance" not in runs["SpectralClustering", 0]
    assert runs["UMAP", 0]["orthogonality"] is None
    first, second = (runs["spectralnet", seed]["orthogonality"] for seed in (0, 1))
    assert first != second  # the seed arrives
    assert runs["spectralnet", 0]["parameters"]["spectral_epochs"] == 1

    lines = (tmp_path / "output" / "peers.md").read_text().splitlines()
    assert len(lines) == 2 + len(peers.PEERS)
    assert "absent: " in lines[-1]
    assert "test points themselves" in lines[2 + present.index("SpectralEmbedding")]


def test_what_is_there_is_kept_and_another_version_runs_anew(
    stand_ins, quick, tmp_path, monkeypatch
):
    quick("peers", "--methods", "SpectralClustering", "UMAP")

    done = []
    measured = peers.measured
    monkeypatch.setattr(
        peers, "measured", lambda *run: done.append(run[:2]) or measured(*run)
    )
    quick("peers", "--methods", "SpectralClustering", "UMAP", "--seeds", 2)
    assert done == [("SpectralClustering", 1), ("UMAP", 1)]

    done.clear()
    monkeypatch.setattr(peers, "version_of", {"umap-learn": "0.1"}.get)
    quick("peers", "--methods", "UMAP", "--seeds", 2)
    assert done == [("UMAP", 0), ("UMAP", 1)]
    assert "umap-learn 0.1" in (tmp_path / "output" / "peers.md").read_text()


def test_whatever_an_import_raises_is_the_reason(monkeypatch):
    def broken(name):
        raise RuntimeError("two lines\n  of complaint")

    monkeypatch.setattr(peers, "import_module", broken)
    run = peers.measured("UMAP", 0, "no.npz", False)
    assert run == {"absent": "RuntimeError: two lines of complaint"}


def test_published_spectralnet_embeds_in_batches():
    module = ModuleType("spectralnet")
    module.SpectralNet = StandInSpectralNet
    settings = {"n_clusters": 10, "spectral_epochs": 1}
    with torch.random.fork_rng(devices=[]):
        model = peers.PublishedSpectralNet(module, "SpectralNet", 0, settings)
        x, _ = clusters(150, seed=0)
        model.fit(x)
    expected = model.model.spec_net(x, False)
    assert torch.allclose(model.transform(x), expected, atol=1e-5)
