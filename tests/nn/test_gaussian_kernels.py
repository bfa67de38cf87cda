import pytest
import torch

from pyg_basis.nn.gaussian_kernels import gaussian_kernels, neighbor_bandwidths


@pytest.mark.parametrize("origin", [0.0, 100.0])
def test_formula_wherever_the_origin_is(origin: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x, centers = (torch.randn(n, 3, generator=generator) for n in (50, 20))
    bandwidths = 0.5 + torch.rand(20, generator=generator)
    distance = (x[:, None] - centers).norm(dim=2)
    expected = (-((distance / bandwidths) ** 2)).exp()
    found = gaussian_kernels(x + origin, centers + origin, bandwidths)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4 if origin else 1e-5)


def test_far_points_have_kernels_of_zero() -> None:
    centers = torch.rand(5, 2)
    far = torch.tensor([[1e3, 0.0], [1e18, -1e18]])
    assert not gaussian_kernels(far, centers, neighbor_bandwidths(centers, 2)).any()


def test_bandwidths_are_distances_to_a_neighbor() -> None:
    centers = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert neighbor_bandwidths(centers, 1).tolist() == [1, 1, 2, 4]
    assert neighbor_bandwidths(centers, 2).tolist() == [3, 2, 3, 6]
    assert neighbor_bandwidths(centers, 20).tolist() == [7, 6, 4, 7]


def test_equal_centers_have_a_positive_bandwidth() -> None:
    bandwidths = neighbor_bandwidths(torch.ones(4, 2), 1)
    assert (bandwidths > 0).all()
    assert (gaussian_kernels(torch.ones(1, 2), torch.ones(4, 2), bandwidths) == 1).all()
