import pytest
import torch
from torch import Tensor

from pyg_basis.nn import DegreeExtension


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
    expected = (smooth_degree(new) / degree.mean()).sqrt()  # mean square 1
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


@pytest.mark.parametrize("num_points", [1, 2, 30])
def test_fewer_nodes_than_centers(num_points: int) -> None:
    x = uniform(num_points)
    degree = smooth_degree(x)
    extension = fitted(x, degree, num_centers=50)
    expected = (degree / degree.mean()).sqrt()
    torch.testing.assert_close(extension(x), expected, rtol=0.02, atol=0)
    far = extension(torch.tensor([[1e3, 0.0], [0.0, -1e4]]))
    assert far[0] == far[1] and torch.isfinite(far).all()


def test_unused_centers_of_an_earlier_fit_are_gone() -> None:
    few = uniform(10)
    extension = fitted(uniform(50, seed=3), smooth_degree(uniform(50, seed=3)), 50)
    extension.fit(few, smooth_degree(few), torch.Generator().manual_seed(0))
    fresh = fitted(few, smooth_degree(few), 50)
    new = uniform(20, seed=1)
    assert torch.equal(extension(new), fresh(new))


def test_duplicated_points() -> None:
    x = uniform(20).repeat(20, 1)
    degree = smooth_degree(x)
    expected = (degree / degree.mean()).sqrt()
    torch.testing.assert_close(fitted(x, degree)(x), expected, rtol=0.1, atol=0)
    # Even if all are equal, the extension is 1 everywhere.
    equal = torch.full((10, 2), 0.3)
    extension = fitted(equal, torch.full((10,), 5.0))
    torch.testing.assert_close(extension(x), torch.ones(400), rtol=0, atol=1e-3)


def test_isolated_nodes_count_as_the_least_connected() -> None:
    x = uniform(500)
    degree = smooth_degree(x)
    isolated = x[:, 0] < 0.2
    least = degree[~isolated].min()
    extension = fitted(x, torch.where(isolated, 0.0, degree))
    reference = fitted(x, torch.where(isolated, least, degree))
    new = uniform(100, seed=1)
    assert torch.equal(extension(new), reference(new))
    learned = fitted(x, torch.zeros(500))(x)
    torch.testing.assert_close(learned, torch.ones(500), rtol=0, atol=1e-4)


@pytest.mark.usefixtures("untouched_global_generators")
def test_centers_are_drawn_from_the_given_generator() -> None:
    x = uniform(500)
    first, second = (fitted(x, smooth_degree(x), 50)(x) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("num_points", [30, 500])
@pytest.mark.parametrize("exponent", [-80, 80])
def test_units_of_features_do_not_matter(exponent: int, num_points: int) -> None:
    x = uniform(num_points)
    expected = fitted(x, smooth_degree(x))(x)
    scaled = x * 2.0**exponent
    found = fitted(scaled, smooth_degree(x))(scaled)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
