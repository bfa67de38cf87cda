import numpy as np
import pytest
import torch

from pyg_basis import BASiS
from pyg_basis.datasets import blobs
from pyg_basis.estimators import preset


@pytest.mark.parametrize("name", ["paper", "official"])
def test_presets_fit(name) -> None:
    x, y = blobs(900, seed=0)
    parameters = preset(name, n_components=5)
    assert parameters["n_anchors"] == 125
    assert parameters["batch_size"] == 512
    parameters["batch_size"] = 400  # each call gives its own
    assert preset(name, n_components=5)["batch_size"] == 512
    assert preset(name, n_components=np.uint8(11))["n_anchors"] == 275
    basis = BASiS(**parameters, random_state=0).set_params(max_iter=5)
    embedding = basis.fit(x, y).transform(x)
    assert basis.n_iter_ == 5 and basis.quality_ is None
    assert torch.isfinite(embedding).all()
    # Anchors are chosen by class.
    with pytest.raises(ValueError, match="per_class"):
        basis.fit(x)


def test_published_targets_hold_the_degrees() -> None:
    """The layer regresses the batch's own normalized Laplacian."""
    x, y = blobs(900, seed=0)
    basis = BASiS(**preset("paper", 5), random_state=0).set_params(max_iter=1)
    layer = basis.fit(x, y).layer_
    batch = layer.targets(x[: 512 - layer.num_anchors])  # a batch as in training
    root = batch.degree.double().sqrt()
    # The trivial vector, the root of the degree, is in the span of the targets.
    basis_of_span = torch.linalg.qr(
        torch.cat([batch.y, torch.ones(len(batch.y), 1)], dim=1).double()
    ).Q
    rest = root - basis_of_span @ (basis_of_span.T @ root)
    assert rest.norm() < 1e-3 * root.norm()
    # Nothing was read out.
    assert not layer.output.eigenvalues.any()


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"a str among .*Got 'best'"):
        preset("best", n_components=5)


def test_as_many_clusters_as_batches_have_room_for() -> None:
    assert BASiS(**preset("paper", n_components=20)).n_anchors == 500
    with pytest.raises(ValueError, match=r"n_components=21 .* at most 20"):
        preset("paper", n_components=21)
