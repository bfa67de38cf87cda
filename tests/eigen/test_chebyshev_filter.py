import numpy as np
import pytest
import torch

from pyg_basis.eigen._chebyshev_filter import chebyshev_filter, log_growth


@pytest.mark.parametrize("degree", [1, 2, 5, 12])
def test_is_the_scaled_chebyshev_polynomial(degree) -> None:
    values = torch.linspace(-0.5, 2, 40, dtype=torch.float64)
    matrix, block = torch.diag(values), torch.ones(40, 2, dtype=torch.float64)
    result = chebyshev_filter(matrix, block, 0.1, 0.4, 2.0, degree)
    polynomial = np.polynomial.Chebyshev.basis(degree, domain=[0.4, 2.0])
    expected = polynomial(values.numpy()) / polynomial(0.1)
    assert np.allclose(result[:, 0], expected)
    assert torch.equal(result[:, 0], result[:, 1])


def test_high_degrees_do_not_overflow() -> None:
    matrix = torch.diag(torch.linspace(0, 2, 30, dtype=torch.float64))
    block = torch.ones(30, 1, dtype=torch.float64)
    result = chebyshev_filter(matrix, block, 0.0, 1.0, 2.0, 2000)
    assert result[0].item() == pytest.approx(1)
    assert result[15:].abs().max() < 1e-300


def test_growth_is_that_of_the_polynomial() -> None:
    polynomial = np.polynomial.Chebyshev.basis(7, domain=[0.4, 2.0])
    # cosh(y) is exp(y) / 2 for large y.
    expected = np.log(2 * abs(polynomial(0.1)))
    assert log_growth(0.1, 0.4, 2.0, 7) == pytest.approx(expected, rel=1e-4)
    assert log_growth(0.5, 0.4, 2.0, 7) == 0


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_result_is_in_the_memory_that_was_given(degree) -> None:
    matrix = torch.diag(torch.linspace(0, 2, 30, dtype=torch.float64))
    block = torch.ones(30, 2, dtype=torch.float64)
    expected = chebyshev_filter(matrix, block.clone(), 0.1, 0.4, 2.0, degree)
    spare = torch.full_like(block, torch.nan)
    result = chebyshev_filter(matrix, block, 0.1, 0.4, 2.0, degree, spare)
    assert torch.equal(result, expected)
    assert result is block or result is spare
