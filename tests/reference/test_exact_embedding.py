import pytest
import torch

from pyg_basis.eigen import LOBPCG
from pyg_basis.reference import ExactEmbedding
from tests.reference.exact import (
    KINDS,
    SPACES,
    cloud,
    dense_embedding,
    dense_weights,
    islands,
    with_signs_of,
)


@pytest.mark.parametrize("embedding", SPACES)
def test_agrees_with_a_dense_decomposition_by_hand(embedding) -> None:
    x = cloud(80).double()
    values, vectors = dense_embedding(x, embedding)
    found = embedding(x)
    torch.testing.assert_close(found.values, values, rtol=0, atol=1e-8)
    signed = with_signs_of(found.vectors, vectors)
    torch.testing.assert_close(signed, vectors, rtol=0, atol=1e-6)
    degree = torch.from_numpy(dense_weights(x, 10).sum(axis=1))
    torch.testing.assert_close(found.degree, degree)
    assert found.num_components == 1
    assert (found.converged, found.fell_back) == (True, False)
    # With the trivial one, and some beyond on demand.
    assert torch.equal(found.all_values[-4:], found.values)
    assert len(found.all_values) == embedding.num_pairs
    more = embedding.rows_of(embedding.operator(x), num_beyond=3)
    assert len(more.all_values) == embedding.num_pairs + 3
    torch.testing.assert_close(more.values, found.values, rtol=0, atol=1e-8)
    assert more.vectors.shape == (80, 4)


@pytest.mark.parametrize("data", [cloud, islands])
@pytest.mark.parametrize("kind", KINDS)
def test_drop_first_drops_the_trivial_vector_and_nothing_else(kind, data) -> None:
    x = data(60).double()
    whole = ExactEmbedding(4, 8, laplacian=kind, drop_first=False)(x)
    rest = ExactEmbedding(3, 8, laplacian=kind)(x)
    trivial = whole.degree.sqrt() if kind == "sym" else torch.ones(60).double()
    trivial = trivial / trivial.square().mean().sqrt()
    first = with_signs_of(whole.vectors[:, :1], trivial[:, None])[:, 0]
    torch.testing.assert_close(first, trivial, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole.vectors[:, 1:], rest.vectors, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole.values[1:], rest.values, rtol=0, atol=1e-8)
    # What stays is orthogonal to it (by degrees for rw), in one piece or several.
    weight = whole.degree if kind == "rw" else torch.ones(60).double()
    assert ((trivial * weight) @ rest.vectors / weight.sum()).abs().max() < 1e-8
    assert (int((rest.values < 1e-6).sum()) == 1) == (data is islands)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_components_are_counted(count, kind) -> None:
    # However few eigenvectors are asked for.
    for num_eigenvectors in (1, 5):
        found = ExactEmbedding(num_eigenvectors, 8, laplacian=kind)(islands(90, count))
        assert found.num_components == count
        mean_square = found.vectors.square().mean(dim=0)
        torch.testing.assert_close(mean_square, torch.ones(num_eigenvectors))


def test_parts_that_nothing_more_joins_count_as_components() -> None:
    # A bridge of hardly any weight.
    x = torch.cat([cloud(30), cloud(30) + 10])
    embedding = ExactEmbedding(2, 30, bandwidth=0.5)
    assert embedding.operator(x).num_components == 1
    assert embedding(x).num_components == 2


def test_small_weights_do_not_look_like_components() -> None:
    # All weights vanish but for the smallest normal number, and "comb" has
    # eigenvalues of that size.
    x = torch.linspace(0, 1, 50).unsqueeze(1)
    embedding = ExactEmbedding(3, 5, bandwidth=1e-3, laplacian="comb")
    assert embedding(x).num_components == 1


def test_bandwidth_is_used() -> None:
    first, *others = (
        ExactEmbedding(4, 8, bandwidth=bandwidth)(cloud(60)).values
        for bandwidth in ("self_tuning", "global", 0.3)
    )
    assert (others[0] - first).abs().max() > 1e-3
    assert (others[1] - others[0]).abs().max() > 1e-3


HASTY = LOBPCG(max_iter=1)  # never converges


@pytest.mark.parametrize(
    ("solver", "fell_back"),
    [("lanczos", False), ("lobpcg", False), ("chebyshev", False), (HASTY, True)],
)
def test_solver_is_used_and_gives_the_same(solver, fell_back) -> None:
    x = cloud(300).double()
    dense, found = (ExactEmbedding(4, 8, solver=name)(x) for name in ("dense", solver))
    assert found.converged and found.fell_back is fell_back
    assert not torch.equal(dense.vectors, found.vectors)
    torch.testing.assert_close(dense.values, found.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(dense.vectors, found.vectors, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_dtype_is_kept_and_runs_repeat(dtype) -> None:
    x = cloud(60).to(dtype)
    one, other = (ExactEmbedding(4, 8)(x) for _ in range(2))
    for tensor in (one.vectors, one.values, one.all_values, one.degree):
        assert tensor.dtype == dtype
    assert torch.equal(one.vectors, other.vectors)


@pytest.mark.parametrize("drop_first", [False, True])
def test_more_eigenvectors_than_nodes_give(drop_first) -> None:
    most = 9 - drop_first
    fits = ExactEmbedding(most, 3, drop_first=drop_first)
    assert fits(cloud(10)).vectors.shape == (10, most)
    match = (
        f"num_eigenvectors={most + 1} is above what 10 nodes can give: ask for at most "
        f"{most}, or use a larger batch"
    )
    with pytest.raises(ValueError, match=match):
        ExactEmbedding(most + 1, 3, drop_first=drop_first)(cloud(10))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"num_eigenvectors": 0}, r"num_eigenvectors.*\[1, inf\)\. Got 0"),
        ({"num_eigenvectors": 2.0}, r"num_eigenvectors.*Got 2\.0"),
        ({"num_neighbors": 0}, r"num_neighbors.*\[1, inf\)\. Got 0"),
        ({"bandwidth": -1.0}, r"bandwidth.*'self_tuning'.*Got -1\.0"),
        ({"laplacian": "L"}, "laplacian.*'comb'.*Got 'L'"),
        ({"drop_first": -1}, "drop_first.*Got -1"),
        ({"solver": "eigh"}, "solver.*'lanczos'.*Got 'eigh'"),
    ],
)
def test_bad_settings_are_refused_before_any_work(settings, match) -> None:
    with pytest.raises(ValueError, match=f"(?s){match}"):
        ExactEmbedding(**{"num_eigenvectors": 3, **settings})


def test_true_is_one_neighbor() -> None:  # as scikit-learn counts it
    found, expected = (ExactEmbedding(2, count)(cloud(10)) for count in (True, 1))
    assert torch.equal(found.vectors, expected.vectors)


@pytest.mark.parametrize(
    ("x", "settings", "match"),
    [
        (cloud(8), {}, "num_neighbors=8 needs at least 9 nodes.*at most 7"),
        (cloud(20).fill_(torch.nan), {}, "x must be finite.*drop those rows"),
        (cloud(20)[:, 0], {}, r"x has shape \(20,\)"),
        (cloud(20).to_sparse(), {}, "x must be a dense tensor.*sparse_coo"),
        (cloud(20).numpy(), {}, "x must be a dense tensor.*ndarray"),
        (cloud(20).long(), {}, r"x must be floating point.*x\.float"),
    ],
)
def test_bad_input(x, settings, match) -> None:
    with pytest.raises(ValueError, match=f"(?s){match}"):
        ExactEmbedding(3, 8, **settings)(x)
