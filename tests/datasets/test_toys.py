import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from pyg_basis.datasets import TOYS
from pyg_basis.metrics import clustering_accuracy

NUM_COMPONENTS = {
    "three_moons": 3,
    "two_moons": 2,
    "circles": 2,
    "spirals": 2,
    "blobs": 5,
}


def test_the_registry_names_every_set():
    assert {name: toy.__name__ for name, toy in TOYS.items()} == {
        name: name for name in NUM_COMPONENTS
    }


@pytest.mark.parametrize("name", TOYS)
def test_shapes_scale_and_equal_components(name):
    x, y = TOYS[name]()
    assert x.shape == (9000, 2) and x.dtype == torch.float32
    assert y.shape == (9000,) and y.dtype == torch.int64
    parts = NUM_COMPONENTS[name]
    assert y.bincount().tolist() == [9000 // parts] * parts
    assert 0.4 < float(x.std()) < 1.2
    assert float(x.abs().max()) < 3
    # Shuffled: every tenth of the set holds every component.
    assert all(len(part.unique()) == parts for part in y.chunk(10))


@pytest.mark.parametrize("name", TOYS)
def test_the_seed_decides_and_the_global_generator_is_untouched(name):
    state = torch.get_rng_state()
    x, y = TOYS[name](600, seed=3)
    again, labels = TOYS[name](600, seed=3)
    other, _ = TOYS[name](600, seed=4)
    assert torch.equal(x, again) and torch.equal(y, labels)
    assert not torch.equal(x, other)
    assert torch.equal(torch.get_rng_state(), state)


@settings(deadline=None, max_examples=25)
@given(name=st.sampled_from(sorted(TOYS)), extra=st.integers(0, 40))
def test_sizes_differ_by_at_most_one(name, extra):
    parts = NUM_COMPONENTS[name]
    x, y = TOYS[name](parts + extra)
    counts = y.bincount(minlength=parts)
    assert len(x) == len(y) == parts + extra
    assert int(counts.max() - counts.min()) <= 1


@pytest.mark.parametrize("name", TOYS)
def test_components_are_separated(name):
    x, y = TOYS[name](seed=1)
    test_x, test_y = TOYS[name](seed=2)
    nearest = KNeighborsClassifier(1).fit(x.numpy(), y.numpy())
    assert nearest.score(test_x.numpy(), test_y.numpy()) == 1.0


@pytest.mark.parametrize("name", sorted(set(TOYS) - {"blobs"}))
def test_k_means_does_not_solve_it(name):
    x, y = TOYS[name](3000)
    model = KMeans(NUM_COMPONENTS[name], n_init=4, random_state=0)
    assert clustering_accuracy(y, model.fit_predict(x.numpy())) < 0.97


@pytest.mark.parametrize("name", TOYS)
def test_the_graph_of_a_batch_has_one_component_for_each(name):
    x, y = (part.numpy() for part in TOYS[name]())
    rng = np.random.default_rng(0)
    num_batches, joined, split = 60, 0, 0
    for _ in range(num_batches):
        batch = rng.choice(len(x), 256, replace=False)
        points, labels = x[batch], y[batch]
        neighbors = cKDTree(points).query(points, 11)[1][:, 1:]
        same = labels[neighbors] == labels[:, None]
        joined += not same.all()
        rows = np.repeat(np.arange(256), 10)[same.ravel()]
        columns = neighbors[same]
        graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(256, 256))
        count = connected_components(graph, directed=False)[0]
        split += count > NUM_COMPONENTS[name]
    assert joined <= 0.1 * num_batches
    assert split <= 0.1 * num_batches


@pytest.mark.parametrize("name", TOYS)
def test_without_noise_points_lie_on_the_curve(name):
    x, y = TOYS[name](500, noise=0.0)
    if name == "circles":
        radius = x.norm(dim=1)
        torch.testing.assert_close(radius, torch.tensor([0.3, 1.0])[y])
    elif name == "blobs":
        assert len(x.unique(dim=0)) == 5
    elif name == "spirals":
        # r = 0.25 + 0.75 t and angle = 1.2 pi t, so the angle follows from r.
        radius = x.norm(dim=1)
        angle = 1.2 * torch.pi * (radius - 0.25) / 0.75 + torch.pi * y
        direction = torch.stack([angle.cos(), angle.sin()], dim=1)
        torch.testing.assert_close(x / radius[:, None], direction, atol=1e-5, rtol=0)
    else:
        # Three points of a moon fix its circle, of radius 1.
        for index in range(NUM_COMPONENTS[name]):
            moon = x[y == index].double()
            system = torch.cat([2 * moon, torch.ones(len(moon), 1).double()], dim=1)
            solution = torch.linalg.lstsq(system, moon.square().sum(1)).solution
            radius = (solution[2] + solution[:2].square().sum()).sqrt()
            assert float(radius) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", TOYS)
def test_bad_input(name):
    toy = TOYS[name]
    with pytest.raises(ValueError, match=r"'num_points' .* Got 1"):
        toy(1)
    for noise in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"'noise' .* Got"):
            toy(100, noise=noise)
    for seed in (-1, 1.5):
        with pytest.raises(ValueError, match=r"'seed' .* Got"):
            toy(100, seed=seed)
