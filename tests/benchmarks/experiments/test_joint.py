import json

import pytest
import torch

from benchmarks.experiments import joint


@pytest.mark.filterwarnings("ignore")  # few steps move the features far
def test_a_quick_run_and_its_figures(data_root, tmp_path, quick):
    record = quick("joint", "--processes", 1, "--data-root", data_root)
    assert str(tmp_path) not in json.dumps(record)
    runs = {run["kind"]: run for run in record["results"]["runs"]}
    assert set(runs) == set(joint.TITLES)
    for run in runs.values():
        assert [entry["iteration"] for entry in run["history"]] == [10, 20]
        assert len(run["changes"]) == 2 and run["changes"][0] == 0
        assert run["final"]["linear_accuracy"] > 0.2
        assert 0 <= run["final"]["readout_nmi"] <= 1
    # The features of the first two differ only by what the spectral loss sends them.
    first, second = (
        runs[kind]["history"][1]["train"] for kind in list(joint.TITLES)[:2]
    )
    assert first["contrastive_loss"] != second["contrastive_loss"]
    for name in ("joint_curves", "joint_maps", "joint_bases"):
        assert (tmp_path / "output" / f"{name}.png").stat().st_size > 10_000
    assert "digits 4, 7, 9" in (tmp_path / "output" / "joint.md").read_text()

    # What is there is not trained again.
    again = quick("joint", "--processes", 1, "--data-root", data_root)
    assert again == record


def test_the_reference_follows_and_the_other_begins_anew(data_root):
    split = joint.load_images("mnist", data_root, data_root)
    settings = {**joint.SETTINGS, **joint.QUICK}
    # Under features not learned yet the graph has five components: four columns and
    # the trivial one are determined.
    both = joint.Joint(split, 4, settings, gradient=False, seed=0)
    before = [parameter.clone() for parameter in both.encoder.parameters()]
    both.spectral_step()
    first = both.layer.rows.clone()
    assert torch.equal(both.not_aligned.rows, first)  # at first they are the same
    # Features that turn: the same space in the same basis.
    turn = torch.linalg.qr(torch.randn(16, 16, generator=both.generator)).Q
    with torch.no_grad():
        last = both.encoder.layers[-1]
        last.weight.copy_(turn @ last.weight)
        last.bias.copy_(turn @ last.bias)
    both.spectral_step()
    torch.testing.assert_close(both.layer.rows, first, atol=1e-2, rtol=0)
    # No gradient reached the features but by the turn.
    untouched = list(both.encoder.parameters())[:-2]
    for old, new in zip(before, untouched, strict=False):
        assert torch.equal(old, new)
