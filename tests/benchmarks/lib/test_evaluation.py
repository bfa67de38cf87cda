import pytest
import torch

from benchmarks.baselines import NystroemEmbedding
from benchmarks.lib import evaluation
from pyg_basis.datasets import blobs


@pytest.fixture
def data():
    x, y = blobs(900, seed=0)
    return evaluation.FeatureSplit(x[:600], y[:600], x[600:], y[600:])


def test_exact_embedding_is_perfect_on_separate_blobs(data):
    exact, eigenvalues = evaluation.exact_embedding(data.x_test, 10, 5)
    assert exact.shape == (300, 5)
    assert eigenvalues.shape == (6,)
    assert eigenvalues[4] < 1e-6 < eigenvalues[5]
    scores = evaluation.run_exact(data, exact, seed=0)
    assert scores["grassmann_distance"] == 0
    assert scores["orthogonality"] == pytest.approx(0, abs=1e-6)
    assert scores["nmi"] == pytest.approx(1)
    assert scores["accuracy"] == scores["linear_accuracy"] == 1


@pytest.mark.parametrize("sample_size", [None, 200])
def test_nystroem_has_a_row_for_every_training_point(data, sample_size):
    exact, _ = evaluation.exact_embedding(data.x_test, 10, 5)
    nystroem = NystroemEmbedding(
        5, sample_size=sample_size, n_neighbors=10, random_state=0
    )
    scores, embedding = evaluation.run_estimator(nystroem, data, exact, seed=0)
    # Measured at points that it has not seen.
    assert torch.equal(embedding, nystroem.transform(data.x_test))
    assert scores["accuracy"] == scores["linear_accuracy"] == 1


def test_features_are_distinguished_by_their_values(data):
    record = data._replace(checksum="abc").record()
    assert record["features"] == "abc"
    for part in ("x_train", "x_test"):
        changed = getattr(data, part).clone()
        changed[0, 0] += 1e-6
        other = data._replace(checksum="abc", **{part: changed}).record()
        assert other["feature_values"] != record["feature_values"]
