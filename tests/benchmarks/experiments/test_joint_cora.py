import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import stochastic_blockmodel_graph

from benchmarks.experiments import joint_cora
from benchmarks.experiments.joint_cora import (
    ALONE,
    DETACHED,
    JOINT,
    STARTED_ANEW,
    VARIANTS,
    WEIGHTS,
)

SIZES = [700, 700, 700]  # above what validation and test take


@pytest.fixture
def graph():
    """Three communities, and words that some of their nodes use more often."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inside, outside = 0.006, 0.0005
        chances = torch.full((3, 3), outside).fill_diagonal_(inside)
        edge_index = stochastic_blockmodel_graph(SIZES, chances)
        y = torch.arange(3).repeat_interleave(torch.tensor(SIZES))
        often = torch.full((3, 30), 0.05)
        for label in range(3):
            often[label, 10 * label : 10 * label + 10] = 0.2
        x = torch.bernoulli(often[y])
    return Data(
        x=x / x.sum(dim=1, keepdim=True).clamp(min=1), edge_index=edge_index, y=y
    )


def test_a_quick_run(graph, quick, monkeypatch):
    monkeypatch.setattr(joint_cora, "load_graph", lambda name, *folders: graph)
    before = torch.get_rng_state()
    record = quick("joint_cora", "--processes", 1)
    assert torch.equal(torch.get_rng_state(), before)

    assert record["settings"]["quick"]
    assert record["settings"]["weights"] == list(WEIGHTS)
    assert record["seeds"] == [0]
    runs = record["results"]["runs"]
    for labels in (5, 20):
        of_labels = [run for run in runs if run["labels_per_class"] == labels]
        weights = [run["weight"] for run in of_labels if run["variant"] == JOINT]
        assert weights == list(WEIGHTS)
        by_variant = {run["variant"]: run for run in of_labels}
        assert tuple(by_variant) == VARIANTS
        # A layer that gives no gradient to the encoder changes nothing, not even by
        # the random numbers that it draws; one that gives it does.
        alone = by_variant[ALONE]
        for variant in (DETACHED, STARTED_ANEW, JOINT):
            same = [
                by_variant[variant][key] == alone[key]
                for key in ("accuracy", "validation_accuracy", "nmi_hidden")
            ]
            assert all(same) == (variant != JOINT)
            assert 0 < by_variant[variant]["spectral_loss"] < 2
            assert 0 <= by_variant[variant]["nmi_embedding"] <= 1
        assert 0.4 < alone["accuracy"] <= 1


def test_a_split_has_no_node_twice(graph):
    split = joint_cora.random_split(graph.y, labels_per_class=5, seed=0)
    assert graph.y[split["train"]].bincount().tolist() == [5, 5, 5]
    assert [len(split[part]) for part in ("validation", "test")] == [500, 1000]
    assert len(torch.cat(list(split.values())).unique()) == 15 + 500 + 1000
    other = joint_cora.random_split(graph.y, labels_per_class=5, seed=1)
    assert not torch.equal(split["test"], other["test"])


def test_the_validation_chooses_the_weight():
    runs = [
        {
            "labels_per_class": 5,
            "variant": JOINT,
            "weight": weight,
            "seed": seed,
            "validation_accuracy": validation,
            "accuracy": 1 - validation,
        }
        for weight, mean in zip(WEIGHTS, (0.5, 0.7, 0.6), strict=True)
        for seed, validation in enumerate((mean - 0.1, mean + 0.1))
    ]
    assert joint_cora.chosen_weight(runs, 5) == WEIGHTS[1]


def test_what_the_layer_must_not_change_is_checked():
    def run(variant, accuracy):
        weight = joint_cora.weights_of(variant)[0]
        return {
            "labels_per_class": 5,
            "variant": variant,
            "weight": weight,
            "seed": 0,
            "accuracy": accuracy,
            "nmi_hidden": 0.5,
        }

    same = [run(ALONE, 0.7), run(DETACHED, 0.7), run(STARTED_ANEW, 0.7)]
    joint_cora.check_fairness(same)
    with pytest.raises(RuntimeError, match="gives no gradient"):
        joint_cora.check_fairness([*same[:2], run(STARTED_ANEW, 0.8)])
