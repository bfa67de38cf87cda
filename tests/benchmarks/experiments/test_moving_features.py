from dataclasses import replace

import pytest
import torch

from benchmarks.experiments import moving_features
from pyg_basis.algorithm import fix_reference


def first_reference(x):
    embedding = moving_features.embedding_of(moving_features.NUM_BLOBS)
    return fix_reference(x, moving_features.NUM_ANCHORS, embedding)[0]


def test_blobs_touch_and_a_gap_follows_them():
    for seed in range(3):
        x = moving_features.blobs(moving_features.NUM_NODES, seed)
        found = moving_features.spectrum(x)
        assert found["num_components"] == 1
        assert found["eigenvalues"][10] > 2 * found["eigenvalues"][9]


def test_rotations_are_some_and_turn_once():
    turn = moving_features.UPDATES_PER_TURN
    rotation = moving_features.rotations(turn, seed=0)
    identity = torch.eye(moving_features.DIMENSION).double()
    assert torch.allclose(rotation @ rotation.mT, identity.expand_as(rotation))
    assert torch.allclose(rotation[0], identity)
    assert torch.allclose(rotation[1] @ rotation[2], rotation[3])
    # The fastest plane is back, the others are not.
    assert torch.linalg.svdvals(rotation[turn] - identity)[-2:].max() < 1e-9
    assert (rotation[turn] - identity).norm() > 1


def test_chain_measures_anchors_by_their_nodes():
    x = moving_features.blobs(moving_features.NUM_NODES, 0)
    first = first_reference(x)
    chain = moving_features.Chain(first, "moments", 0.0)
    order = torch.randperm(len(first.nodes), generator=torch.Generator().manual_seed(0))
    chain.reference = replace(
        first, nodes=first.nodes[order], rows=2 * first.rows[order]
    )
    now, start = chain.rows()
    assert torch.equal(now, 2 * start)
    assert chain.norm_left() == pytest.approx(2)


def test_figures_of_any_magnitude_and_of_none():
    runs = [{"change": 1e-6}, {"change": 3e-6}]
    assert moving_features.over_seeds(runs, "change") == "2.0e-06 ± 1.4e-06"
    assert moving_features.over_seeds(runs[:1], "change") == "1.0e-06"
    assert moving_features.over_seeds([{"change": 0.5}], "change") == "0.500"
    assert moving_features.over_seeds([{"change": None}], "change") is None


def test_command_writes_figures_for_every_chain(quick, tmp_path):
    record = quick("moving_features")
    results = record["results"]
    assert record["seeds"] == [0]
    assert len(results["spectra"]) == 1
    runs = {
        (run["motion"], run["alignment"], run["momentum"]): run
        for run in results["drift"]
    }
    assert len(runs) == 6
    for run in runs.values():
        steps, changes = zip(*run["curve"], strict=True)
        assert list(steps) == sorted(steps) and steps[0] == 1
        assert steps[-1] == record["settings"]["num_updates"]
        assert max(changes) <= run["largest_change"]
        assert changes[-1] == run["last_change"]
        assert run["num_lost"] == run["num_reanchored"] == 0
    still = runs["rotation", "moments", 0.0]
    assert still["largest_change"] < 0.01
    assert still["norm_left"] == pytest.approx(1, abs=1e-3)
    assert still["worst_condition"] < 1.01
    noisy = runs["rotation with noise", "moments", 0.0]
    assert noisy["change_without_noise"] < noisy["largest_change"] < 0.2
    assert noisy["norm_left"] == pytest.approx(1, abs=0.01)
    assert runs["rotation with noise", "lstsq", 0.0]["norm_left"] < 0.95
    for row in results["cost"]:
        assert 0 < row["update"] < row["spectral_step"]
        # Two rounds in a test are no measurement.
        assert 1 < row["ratio"] < 20
    assert (tmp_path / "output" / "moving_features.png").stat().st_size > 10_000
