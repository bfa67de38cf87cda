from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyg_basis import BASiS
from pyg_basis.datasets import blobs
from pyg_basis.estimators import _point_training
from pyg_basis.estimators._point_training import Training, point_training
from pyg_basis.loader import ExactEmbedding, FeatureSource, choose_anchors
from pyg_basis.metrics import grassmann_distance


def points(num_points: int = 200) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_points, 3, generator=generator)


def training(x: Any = None, y: Any = None, seed: int = 0, **kwargs: Any) -> Training:
    settings = {"n_anchors": 20, "batch_size": 60, "n_neighbors": 8, "max_iter": 4}
    source = FeatureSource(points() if x is None else x)
    return point_training(BASiS(2, **(settings | kwargs)), source, y, seed)


class Recorded(Dataset[Tensor]):
    """Points that remember which of them were asked for."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.asked = x, list[list[int]]()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Tensor:
        return self.x[index]

    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        self.asked.append(indices)
        return list(self.x[indices])


def rows(x: Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in x.tolist()}


def test_anchors_that_were_exchanged_are_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = points(200)
    x[190:] = 300 + points(10)  # a group by itself
    chosen = []

    def choose(*arguments: Any, **settings: Any) -> Tensor:
        chosen.append(choose_anchors(*arguments, **settings))
        return chosen[0]

    monkeypatch.setattr(_point_training, "choose_anchors", choose)
    layer, batches, *_ = training(x, anchors="random", batch_size=190, seed=0)
    anchors = rows(layer.anchors)
    assert len(anchors & rows(x[190:])) == 1
    assert layer.nodes[:20].tolist() != chosen[0].tolist()
    for batch in batches:
        others = rows(batch.x[20:])
        assert len(others) == 170 and not others & anchors


def test_batches_are_the_anchors_and_other_points() -> None:
    layer, batches, _, held_out, sizes = training()
    assert sizes == (60, 20, 8, 200, 6)
    batches = list(batches)
    assert len(batches) == 4
    anchors = rows(layer.anchors)
    assert len(anchors) == 20
    for batch in batches:
        assert batch.num_nodes == 60
        assert torch.equal(batch.x[:20], layer.anchors)
        others = rows(batch.x[20:])
        # No anchor is drawn a second time.
        assert len(others) == 40 and not others & anchors
        assert others <= rows(points())
    # All points are in the reference: there is none to be held out.
    assert held_out.took_part and rows(held_out.x) == rows(points())


def test_targets_are_those_of_the_layer() -> None:
    layer, batches, *_ = training()
    for batch in batches:
        expected = layer.targets(batch.x[20:])
        assert torch.equal(batch.y, expected.y)
        assert torch.isfinite(layer.loss(batch))


def test_reference_has_the_size_asked_for() -> None:
    x = points()
    layer = training(reference_size=200).layer
    number = [int((x == row).all(dim=1).nonzero()) for row in layer.anchors]
    # All points: the rows are those of the exact embedding of the set.
    expected = layer.embedding(x).vectors[number]
    found = layer.anchor_reference().rows
    signs = (found * expected).sum(dim=0).sign()
    torch.testing.assert_close(found * signs, expected, rtol=0, atol=1e-4)
    other = training(reference_size=None).layer.anchor_reference().rows
    assert not torch.allclose(other, found, atol=1e-2)


def test_layer_is_ready() -> None:
    made = training()
    layer = made.layer
    standardized = layer.standardization(points())
    mean = standardized.mean(dim=0)
    torch.testing.assert_close(mean, torch.zeros(3), rtol=0, atol=1e-5)
    assert standardized.square().mean() == pytest.approx(1, rel=1e-4)
    made.read_out.excess()
    made.read_out.finish()
    # Degrees are learned with the read-out. They vary, and have mean square 1 over the
    # sample: all points.
    degree = layer.degree(points())
    assert degree.std() > 0.01
    assert degree.square().mean() == pytest.approx(1, abs=0.05)


def test_sample_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_point_training, "DEGREE_SAMPLE", 90)
    source = Recorded(points())
    layer, batches, *_ = training(source, reference_size=None)
    sample = source.asked[1]  # the first is asked for its width
    assert len(set(sample)) == 90
    assert rows(layer.anchors) < rows(points()[sample])
    # All points are drawn for batches, all the same.
    seen = set().union(*[rows(batch.x) for batch in batches])
    assert seen - rows(points()[sample])
    # A reference that is larger needs a larger sample.
    source = Recorded(points())
    training(source, reference_size=150)
    assert len(set(source.asked[1])) == 150


def held_out_training(
    monkeypatch: pytest.MonkeyPatch, num_points: int = 2500, **settings: Any
) -> tuple[Training, list[list[int]]]:
    """A reference of 200 points, and 40 that are held out; and the row numbers that
    were asked for: the sample, and what the fit is measured on."""
    monkeypatch.setattr(_point_training, "DEGREE_SAMPLE", 300)
    source = Recorded(points(num_points))
    made = training(source, reference_size=200, **settings)
    _, *source.asked = source.asked  # its width
    return made, source.asked


def test_held_out_points_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = held_out_training(monkeypatch, max_iter=60)
    held_out = rows(made.held_out.x)
    assert not made.held_out.took_part and len(held_out) == 40
    sample, measured = asked
    assert rows(points(2500)[measured[:40]]) == held_out
    assert len(sample) == 300 and not set(measured[:40]) & set(sample)
    drawn = set().union(*[rows(batch.x) for batch in made.batches])
    assert len(drawn) > 1500 and not drawn & held_out
    made.read_out.excess()
    made.read_out.finish()
    assert len(asked) > 2  # it took further graphs
    assert not set().union(*asked[2:]) & set(measured[:40])


def test_held_out_points_have_exact_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (_, measured) = held_out_training(monkeypatch)
    # The exact embedding of a set as large as the reference, which they are among.
    assert len(set(measured)) == 200
    expected = ExactEmbedding(2, 8)(points(2500)[measured]).vectors[:40]
    torch.testing.assert_close(made.held_out.exact, expected)


@pytest.mark.parametrize(
    ("num_points", "settings", "num_held_out"),
    [
        (200, {}, 0),  # all are in the reference
        (279, {}, 0),  # half of those beyond it are fewer than 20 an eigenvector
        (280, {}, 40),
        (2500, {}, 40),
        (2500, {"reference_size": 800}, 80),  # a tenth of the reference
        (2500, {"n_components": 3}, 60),
        (2500, {"n_components": 6}, 0),  # more than half of the reference
        (2500, {"readout": False}, 0),
    ],
)
def test_how_many_are_held_out(
    monkeypatch: pytest.MonkeyPatch,
    num_points: int,
    settings: dict[str, Any],
    num_held_out: int,
) -> None:
    monkeypatch.setattr(_point_training, "DEGREE_SAMPLE", 200)
    basis = BASiS(2, n_anchors=20, batch_size=60, n_neighbors=8, reference_size=200)
    source = FeatureSource(points(num_points))
    held_out = point_training(basis.set_params(**settings), source, None, 0).held_out
    assert held_out.took_part == (num_held_out == 0)
    assert len(held_out.x) == len(held_out.exact) == (num_held_out or 200)


def test_further_graphs_are_of_other_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_point_training, "MOST_NODES", 1399)
    made, asked = held_out_training(monkeypatch)
    graphs = list(made.read_out.others)
    assert len(graphs) == 5  # six with the first
    _, _, *others = asked
    assert [len(index) for index in others] == [200] * 5
    # All together set how many directions may be searched.
    assert made.read_out.num_nodes == 6 * 200
    # None comes twice, and the first sample holds more than its graph takes.
    assert len(set().union(*others)) == 5 * 200
    for (x,), laplacian in graphs:
        assert laplacian.num_nodes == 200 and laplacian.kind == "rw"
        expected = made.layer.embedding.operator(x).degree
        torch.testing.assert_close(laplacian.degree, expected)


def test_further_graphs_of_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    # 760 points beside those held out: as many graphs as they fill, the last one with
    # points of the first.
    made, asked = held_out_training(monkeypatch, num_points=800)
    assert len(list(made.read_out.others)) == 3
    sample, measured, *others = asked
    assert [len(set(index)) for index in others] == [200] * 3
    assert not set(measured[:40]) & set().union(*others)
    assert len(set().union(sample, *others)) == 760
    # Of the reference alone there is no other graph.
    assert not list(training().read_out.others)


def test_further_graphs_of_wide_features_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for most, expected in ((4 * 200 * 3, 3), (200 * 3, 1), (1, 1)):
        monkeypatch.setattr(_point_training, "MOST_NUMBERS", most)
        made, _ = held_out_training(monkeypatch)
        assert len(list(made.read_out.others)) == expected


def test_few_points_lower_the_sizes() -> None:
    with pytest.warns(UserWarning, match="n_samples = 30 is below batch_size=60"):
        layer, batches, _, _, sizes = training(points(30))
    assert sizes == (30, 15, 7, 30, 0)
    assert layer.num_anchors == 15
    assert {batch.num_nodes for batch in batches} == {30}


def test_labels_are_for_anchors_of_each_class() -> None:
    labels = np.repeat(["few", "many"], [40, 160])
    layer = training(y=labels, anchors="per_class").layer
    number = [int((points() == row).all(dim=1).nonzero()) for row in layer.anchors]
    assert np.unique(labels[number], return_counts=True)[1].tolist() == [10, 10]
    with pytest.raises(ValueError, match=r"anchors='per_class'.*pass y"):
        training(anchors="per_class")
    without, with_labels = training(), training(y=labels)
    assert torch.equal(without.layer.anchors, with_labels.layer.anchors)


@pytest.mark.usefixtures("untouched_global_generators")
def test_one_seed_gives_the_same_training() -> None:
    one, again, other = (training(seed=seed) for seed in (3, 3, 4))
    for name, value in one.layer.state_dict().items():
        assert torch.equal(value, again.layer.state_dict()[name]), name
    assert not torch.equal(one.layer.anchors, other.layer.anchors)
    weights = (next(made.layer.network.parameters()) for made in (one, other))
    assert not torch.equal(*weights)
    for left, right in zip(one.batches, again.batches, strict=True):
        assert torch.equal(left.x, right.x) and torch.equal(left.y, right.y)


def test_points_that_cannot_be_used() -> None:
    x = points()
    x[:, 1] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite values among the sampled"):
        training(x)
    with pytest.raises(ValueError, match="lost in single precision"):
        training(1e20 * points())


def test_degrees_are_those_of_a_large_graph_where_the_reference_is_small() -> None:
    x = blobs(2000, seed=0)[0]
    basis = BASiS(
        5,
        n_anchors=50,
        batch_size=200,
        reference_size=None,
        n_neighbors=10,
        max_iter=10,
        random_state=0,
    ).fit(x)
    exact = ExactEmbedding(5, num_neighbors=10)(x).vectors
    # 0.07 with degrees of graphs of 200 points.
    assert grassmann_distance(basis.transform(x), exact) < 0.02
