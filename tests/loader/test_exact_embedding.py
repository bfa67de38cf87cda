import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from pyg_basis.loader import ExactEmbedding

KINDS = ["sym", "rw", "comb"]


def cloud(n: int = 60, seed: int = 0) -> Tensor:
    """One connected cloud."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator, dtype=torch.double)


def islands(n: int = 60) -> Tensor:
    """Two clouds of unlike size, so far apart that no neighbours are shared."""
    x = cloud(n)
    x[: n // 3] += 1000
    return x


def dense_weights(x: Tensor, k: int) -> np.ndarray:
    """Self-tuning affinities [n, n] of the k nearest neighbours, by hand."""
    x = x.double().numpy()
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1)[:, :k]
    scale = np.take_along_axis(distance, order, axis=1)[:, -1]
    weights = np.zeros_like(distance)
    for i, neighbors in enumerate(order):
        for j in neighbors:
            w = np.exp(-(distance[i, j] ** 2) / (scale[i] * scale[j]))
            weights[i, j] = weights[j, i] = max(w, weights[i, j])
    return weights


def dense_pairs(weights: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    degree = weights.sum(axis=1)
    if kind == "comb":
        return scipy.linalg.eigh(np.diag(degree) - weights)
    # (D - W) v = lambda D v for both of the others.
    values, vectors = scipy.linalg.eigh(np.diag(degree) - weights, np.diag(degree))
    return values, vectors * degree[:, None] ** 0.5 if kind == "sym" else vectors


def one_sign(vectors: np.ndarray) -> np.ndarray:
    """Columns of mean square 1 whose largest entry is positive."""
    vectors = vectors / np.sqrt((vectors**2).mean(axis=0))
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_a_dense_decomposition_by_hand(kind, drop_trivial) -> None:
    x = cloud()
    weights = dense_weights(x, 8)
    values, vectors = dense_pairs(weights, kind)
    kept = slice(int(drop_trivial), 4 + drop_trivial)
    assert np.diff(values[: 5 + drop_trivial]).min() > 1e-3, "vectors are not unique"
    found = ExactEmbedding(4, 8, laplacian=kind, drop_trivial=drop_trivial)(x)
    assert np.allclose(found.values, values[kept], rtol=0, atol=1e-8)
    every = values[: 4 + drop_trivial]  # the trivial one as well
    assert np.allclose(found.all_values, every, rtol=0, atol=1e-8)
    expected = one_sign(vectors[:, kept])
    assert np.allclose(one_sign(found.vectors.numpy()), expected, rtol=0, atol=1e-6)
    assert np.allclose(found.degree, weights.sum(axis=1))
    assert found.num_components == 1
    assert found.converged


@pytest.mark.parametrize("data", [cloud, islands])
@pytest.mark.parametrize("n", [30, 120])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_square_is_one_whatever_the_number_of_nodes(kind, n, data) -> None:
    found = ExactEmbedding(5, 8, laplacian=kind)(data(n))
    assert found.vectors.shape == (n, 5)
    assert found.values.shape == (5,)
    assert found.degree.shape == (n,)
    mean_square = found.vectors.square().mean(dim=0)
    assert torch.allclose(mean_square, torch.ones(5).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("data", [cloud, islands])
@pytest.mark.parametrize("kind", KINDS)
def test_drop_trivial_drops_the_trivial_vector_and_nothing_else(kind, data) -> None:
    x = data()
    whole = ExactEmbedding(4, 8, laplacian=kind)(x)
    rest = ExactEmbedding(3, 8, laplacian=kind, drop_trivial=True)(x)
    trivial = torch.ones(60).double()
    if kind == "sym":
        trivial = whole.degree.sqrt()
    trivial = trivial / trivial.square().mean().sqrt()
    first = whole.vectors[:, 0]
    assert torch.allclose(first * first[0].sign(), trivial, rtol=0, atol=1e-6)
    assert torch.allclose(whole.vectors[:, 1:], rest.vectors, rtol=0, atol=1e-8)
    assert torch.allclose(whole.values[1:], rest.values, rtol=0, atol=1e-10)
    # What stays is orthogonal to it (by degrees for rw).
    weight = whole.degree if kind == "rw" else torch.ones(60).double()
    assert ((trivial * weight) @ rest.vectors / weight.sum()).abs().max() < 1e-8
    assert (int((rest.values < 1e-6).sum()) == 1) == (data is islands)


@pytest.mark.parametrize("data", [cloud, islands])
def test_rw_is_sym_divided_by_the_root_of_the_degree(data) -> None:
    x = data()
    sym, rw = (ExactEmbedding(5, 8, laplacian=kind)(x) for kind in ("sym", "rw"))
    assert torch.allclose(sym.values, rw.values, rtol=0, atol=1e-8)
    scaled = sym.vectors / sym.degree.sqrt().unsqueeze(1)
    scaled = scaled / scaled.square().mean(dim=0).sqrt()
    assert np.allclose(
        one_sign(scaled.numpy()), one_sign(rw.vectors.numpy()), atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_islands", [1, 2, 3])
def test_num_components(num_islands, kind) -> None:
    x = cloud(90)
    x[:, 0] += 1000 * (torch.arange(90) % num_islands)
    found = ExactEmbedding(4, 8, laplacian=kind)(x)
    assert found.num_components == num_islands
    # One more eigenvalue than vectors is looked at, and no further.
    few = ExactEmbedding(1, 8, laplacian=kind)(x)
    assert few.num_components == min(num_islands, 2)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_the_features_does_not_matter(kind, factor) -> None:
    embedding = ExactEmbedding(4, 8, laplacian=kind)
    one, other = embedding(cloud()), embedding(factor * cloud())
    assert torch.allclose(one.vectors, other.vectors, rtol=0, atol=1e-7)


def test_small_weights_do_not_look_like_components() -> None:
    # All weights vanish but for the smallest normal number, and "comb" has
    # eigenvalues of that size.
    x = torch.linspace(0, 1, 50).unsqueeze(1)
    embedding = ExactEmbedding(3, 5, bandwidth=1e-3, laplacian="comb")
    assert embedding(x).num_components == 1


def test_bandwidth_is_used() -> None:
    x = cloud()
    values = [
        ExactEmbedding(4, 8, bandwidth=bandwidth)(x).values
        for bandwidth in ("self_tuning", "global", 3.0)
    ]
    assert (values[0] - values[1]).abs().max() > 1e-3
    assert (values[1] - values[2]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["lanczos", "lobpcg"])
def test_solver_is_used_and_gives_the_same(solver, kind) -> None:
    dense = ExactEmbedding(4, 8, laplacian=kind, solver="dense")(cloud(200))
    found = ExactEmbedding(4, 8, laplacian=kind, solver=solver)(cloud(200))
    assert found.converged
    assert not torch.equal(dense.vectors, found.vectors)
    assert torch.allclose(dense.values, found.values, rtol=0, atol=1e-6)
    correlation = dense.vectors.T @ found.vectors / 200
    assert correlation.diag().abs().min() > 1 - 1e-4


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_runs_repeat(dtype) -> None:
    x = cloud().to(dtype)
    one, other = (ExactEmbedding(4, 8)(x) for _ in range(2))
    for tensor in (one.vectors, one.values, one.degree):
        assert tensor.dtype == dtype
    assert torch.equal(one.vectors, other.vectors)


@pytest.mark.filterwarnings("ignore")  # a warning at most
@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "x",
    [
        torch.ones(40, 2),
        cloud(4).float().repeat(10, 1),
        torch.cat([cloud(30).float(), torch.zeros(30, 3)]),
        torch.cat([cloud(39).float(), torch.full((1, 3), 1e6)]),
    ],
    ids=["constant", "duplicates", "half constant", "an outlier"],
)
def test_degenerate_features_are_finite(x, kind, drop_trivial) -> None:
    found = ExactEmbedding(4, 5, laplacian=kind, drop_trivial=drop_trivial)(x)
    for tensor in (found.vectors, found.values, found.degree):
        assert torch.isfinite(tensor).all()
    assert torch.allclose(found.vectors.square().mean(0), torch.ones(4), atol=1e-4)
    assert found.converged


@pytest.mark.parametrize("num_eigenvectors", [0, -2])
def test_no_eigenvectors(num_eigenvectors) -> None:
    match = f"num_eigenvectors={num_eigenvectors} must be at least 1"
    with pytest.raises(ValueError, match=match):
        ExactEmbedding(num_eigenvectors)


@pytest.mark.parametrize("num_neighbors", [0, -2])
def test_no_neighbors(num_neighbors) -> None:
    match = f"num_neighbors={num_neighbors} must be at least 1: the default is 50"
    with pytest.raises(ValueError, match=match):
        ExactEmbedding(3, num_neighbors)


def test_unknown_laplacian_is_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match="laplacian='L' is unknown: use 'sym', 'rw'"):
        ExactEmbedding(3, laplacian="L")


@pytest.mark.parametrize("drop_trivial", [False, True])
def test_more_eigenvectors_than_nodes_give(drop_trivial) -> None:
    most = 9 - drop_trivial
    fits = ExactEmbedding(most, 3, drop_trivial=drop_trivial)
    assert fits(cloud(10)).vectors.shape == (10, most)
    match = (
        f"num_eigenvectors={most + 1} is above what 10 nodes can give: ask for at most "
        f"{most}, or use a larger batch"
    )
    with pytest.raises(ValueError, match=match):
        ExactEmbedding(most + 1, 3, drop_trivial=drop_trivial)(cloud(10))


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (cloud(8), {}, "num_neighbors=8 needs at least 9 nodes.*at most 7"),
        (cloud(20).fill_(torch.nan), {}, "x must be finite.*drop those rows"),
        (cloud(20)[:, 0], {}, "x must have shape"),
        (cloud(20).long(), {}, r"x must be floating point.*x\.float"),
        (cloud(20), {"bandwidth": -1.0}, "bandwidth must be.*pass bandwidth="),
        (cloud(20), {"laplacian": "L"}, "laplacian='L' is unknown: use 'sym'"),
        (cloud(20), {"solver": "eigh"}, "solver"),
    ],
)
def test_bad_input(x, settings, match) -> None:
    with pytest.raises(ValueError, match=f"(?s){match}"):
        ExactEmbedding(3, 8, **settings)(x)


def test_repr() -> None:
    assert repr(ExactEmbedding(3, 8)) == (
        "ExactEmbedding(num_eigenvectors=3, num_neighbors=8, "
        "bandwidth='self_tuning', laplacian='sym', drop_trivial=False, solver='auto')"
    )
