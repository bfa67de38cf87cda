import numpy as np
import pytest
import torch

from benchmarks.lib.pictures import display_map


@pytest.mark.parametrize("num_clusters", [3, 5])
def test_display_map_puts_centers_on_a_regular_polygon(num_clusters):
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(num_clusters, num_clusters, generator=generator))
    clusters = np.arange(10 * num_clusters) % num_clusters
    rows = turn.Q[torch.from_numpy(clusters)]
    corners = rows @ display_map(rows, clusters)
    assert torch.allclose(corners.norm(dim=1), torch.ones(len(rows)), atol=1e-5)
    following = (corners[1:num_clusters] * corners[: num_clusters - 1]).sum(dim=1)
    expected = torch.full_like(following, np.cos(2 * np.pi / num_clusters))
    assert torch.allclose(following, expected, atol=1e-5)


def test_display_map_shows_two_columns_as_they_are():
    rows = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert torch.equal(rows @ display_map(rows, np.array([0, 1])), rows)
