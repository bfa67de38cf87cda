import math

import pytest
import torch
from torch import Tensor

from pyg_basis.nn import DegreeExtension, degree_extension


def uniform(num_points: int, seed: int = 0) -> Tensor:
    return torch.rand(num_points, 2, generator=torch.Generator().manual_seed(seed))


def smooth_degree(x: Tensor) -> Tensor:
    return 20 * torch.exp(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2)


def fitted(x: Tensor, degree: Tensor, num_centers: int = 200) -> DegreeExtension:
    extension = DegreeExtension(x.size(1), num_centers).to(x.dtype)
    extension.fit(x, degree, torch.Generator().manual_seed(0))
    return extension


def inner(num_points: int, seed: int) -> Tensor:
    """New points that lie between the sample's, not past its edge."""
    return 0.05 + 0.9 * uniform(num_points, seed)


def test_recovers_a_smooth_degree_out_of_sample() -> None:
    x = uniform(2000)
    degree = smooth_degree(x)
    new = inner(500, seed=1)
    expected = (smooth_degree(new) / degree.mean()).sqrt()
    error = (fitted(x, degree)(new) / expected - 1).abs()
    assert expected.max() / expected.min() > 1.8  # there is something to learn
    assert error.max() < 0.05
    assert error.mean() < 0.01


def test_averages_the_noise_of_single_nodes() -> None:
    x = uniform(3000)
    noise = torch.randn(3000, generator=torch.Generator().manual_seed(2))
    noisy = smooth_degree(x) * torch.exp(0.3 * noise)
    new = inner(500, seed=1)
    learned = fitted(x, noisy, num_centers=100)(new)
    expected = smooth_degree(new).sqrt()
    ratio = learned / expected
    assert (ratio / ratio.mean() - 1).square().mean().sqrt() < 0.05  # of 0.15


def test_mean_square_1_over_the_sample() -> None:
    x = uniform(1000)
    for factor in (1e-3, 1.0, 1e3):
        learned = fitted(x, factor * smooth_degree(x))(x)
        assert learned.square().mean() == pytest.approx(1, rel=0.01)


def test_constant_degree() -> None:
    x = uniform(300)
    learned = fitted(x, torch.full((300,), 7.0))(uniform(100, seed=1))
    torch.testing.assert_close(learned, torch.ones(100), rtol=0, atol=1e-4)


@pytest.mark.parametrize("num_points", [1, 2, 5, 30])
def test_fewer_nodes_than_centres(num_points: int) -> None:
    x = uniform(num_points)
    degree = smooth_degree(x)
    extension = fitted(x, degree, num_centers=50)
    expected = (degree / degree.mean()).sqrt()
    torch.testing.assert_close(extension(x), expected, rtol=0.02, atol=0)
    assert torch.isfinite(extension(100 * uniform(20, seed=1))).all()


def test_unused_centres_of_an_earlier_fit_are_gone() -> None:
    few = uniform(10)
    extension = fitted(uniform(50, seed=3), smooth_degree(uniform(50, seed=3)), 50)
    extension.fit(few, smooth_degree(few), torch.Generator().manual_seed(0))
    fresh = fitted(few, smooth_degree(few), 50)
    new = uniform(20, seed=1)
    assert torch.equal(extension(new), fresh(new))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_duplicated_points(dtype: torch.dtype) -> None:
    x = uniform(20).repeat(20, 1).to(dtype)
    degree = smooth_degree(x)
    learned = fitted(x, degree)(x)
    expected = (degree / degree.mean()).sqrt()
    torch.testing.assert_close(learned, expected, rtol=0.1, atol=0)


@pytest.mark.parametrize("num_points", [2, 10, 100])
def test_all_points_equal(num_points: int) -> None:
    x = torch.full((num_points, 2), 0.3)
    extension = fitted(x, torch.full((num_points,), 5.0))
    new = torch.cat([x, uniform(10)])
    torch.testing.assert_close(extension(new), torch.ones(len(new)), rtol=0, atol=1e-3)


def test_isolated_nodes_count_as_the_least_connected() -> None:
    x = uniform(500)
    degree = smooth_degree(x)
    isolated = x[:, 0] < 0.2
    least = degree[~isolated].min()
    extension = fitted(x, torch.where(isolated, 0.0, degree))
    reference = fitted(x, torch.where(isolated, least, degree))
    new = uniform(100, seed=1)
    assert torch.equal(extension(new), reference(new))


def test_only_isolated_nodes() -> None:
    x = uniform(40)
    learned = fitted(x, torch.zeros(40))(x)
    torch.testing.assert_close(learned, torch.ones(40), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shift", [100.0, 1000.0])
def test_does_not_depend_on_the_origin(shift: float) -> None:
    # Distances of far points taken by a matrix product would lose their digits.
    x = uniform(1000).double()
    degree = smooth_degree(x)
    new = inner(200, seed=1).double()
    near = fitted(x, degree)(new)
    far = fitted((x + shift).float(), degree.float())((new + shift).float())
    torch.testing.assert_close(far.double(), near, rtol=0.01, atol=0)


def test_blocks_of_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x = uniform(1000).double()
    expected = fitted(x, smooth_degree(x))
    monkeypatch.setattr(degree_extension, "BLOCK_ROWS", 130)
    found = fitted(x, smooth_degree(x))
    torch.testing.assert_close(found(x), expected(x), rtol=1e-9, atol=0)


def test_no_points() -> None:
    x = uniform(100)
    assert fitted(x, smooth_degree(x))(torch.empty(0, 2)).shape == (0,)


def test_reset_parameters() -> None:
    x = uniform(100)
    extension = fitted(x, smooth_degree(x))
    assert not torch.equal(extension(x), torch.ones(100))
    extension.reset_parameters()
    assert torch.equal(extension(x), torch.ones(100))


def test_same_generator_same_bits() -> None:
    x = uniform(500)
    new = uniform(50, seed=1)
    first, second = (fitted(x, smooth_degree(x)) for _ in range(2))
    assert torch.equal(first(new), second(new))


@pytest.mark.usefixtures("untouched_global_generators")
def test_global_generators() -> None:
    x = uniform(100)
    fitted(x, smooth_degree(x))(x)


def test_gaussian_density_decays_to_a_finite_level() -> None:
    # Far from every centre only the level c_0 is left: finite, and constant.
    x = uniform(300)
    extension = fitted(x, smooth_degree(x))
    far = extension(torch.tensor([[1e3, 0.0], [0.0, -1e4]]))
    assert far[0] == far[1]
    assert math.isfinite(float(far[0])) and far[0] > 0


def test_repr() -> None:
    assert repr(DegreeExtension(3, 10)) == "DegreeExtension(3, num_centers=10)"
