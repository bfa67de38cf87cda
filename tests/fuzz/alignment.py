"""Affine maps between embeddings."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pyg_basis.align import (
    RANSAC,
    LeastSquares,
    MomentPreserving,
    Orthogonal,
    fit_affine,
)
from tests.fuzz.inputs import (
    arguments,
    either,
    is_moderate,
    odd,
    odd_tensors,
    one_of,
    tensors,
)
from tests.fuzz.judge import Case

METHODS = one_of(
    *("lstsq", "ransac", "orthogonal", "moments"),
    *(LeastSquares(), RANSAC(num_trials=20), Orthogonal(), MomentPreserving()),
)


def cases() -> SearchStrategy[Case]:
    """Calls of fit_affine, of the maps that it gives, and of RANSAC."""
    return either(_fits(), _fits(), _maps(), _ransac())


@st.composite
def _pairs(draw: DrawFn) -> dict[str, Any]:
    num_rows = st.just(draw(st.integers(2, 20)))
    widths = st.just(draw(st.integers(1, 3)))
    source, other = tensors(num_rows, widths), odd_tensors(num_rows, widths)
    good = {"source": source, "target": source | tensors(num_rows), "method": METHODS}
    return draw(arguments(good, {"source": other, "target": other}))


def fitted(source: Any, target: Any, method: Any) -> Any:
    """The map, and what it makes of the source."""
    found = fit_affine(source, target, method)
    # In half precision the targets may be infinite.
    mapped = found.apply(source.to(found.linear.dtype))
    return found, found.inlier_share, mapped, repr(found)


def _fits() -> SearchStrategy[Case]:
    def case(given: dict[str, Any]) -> Case:
        def check(answer: Any) -> None:
            found, source, target = answer[0], given["source"], given["target"]
            shape = source.size(1), target.size(1)
            assert found.linear.shape == shape and found.shift.shape == shape[1:]
            assert found.linear.dtype == found.residual.dtype == target.dtype
            assert found.inliers.shape == (len(source),)
            assert 0 < float(answer[1]) <= 1
            if found.method == "lstsq":
                assert float(found.residual) <= 1 + 1e-3, "worse than the mean"

        return Case(fitted, given, check)

    return _pairs().map(case)


def applied(phi: Any) -> Any:
    """Rows mapped from two columns to three."""
    rng = np.random.default_rng(0)
    source, target = (torch.from_numpy(rng.normal(size=(9, k))) for k in (2, 3))
    return fit_affine(source, target).apply(phi)


def _maps() -> SearchStrategy[Case]:
    widths = one_of(2, 3)
    phi = either(tensors(num_columns=st.just(2)), odd_tensors(num_columns=widths))
    # NaN stays NaN.
    return phi.filter(is_moderate).map(lambda phi: Case(applied, {"phi": phi}))


def fitted_by_ransac(**settings: Any) -> Any:
    """The map of a RANSAC with settings of its own."""
    rng = np.random.default_rng(0)
    source = torch.from_numpy(rng.normal(size=(9, 2)))
    return fit_affine(source, 2 * source, RANSAC(**settings))


def _ransac() -> SearchStrategy[Case]:
    good = {
        "num_trials": one_of(1, 20, np.int64(20)),
        "tolerance": one_of(0.25, 1e-9, 1e9, np.float32(1), 1),
        "seed": one_of(0, 1, np.int64(2)),
    }
    return arguments(good, {"num_trials": odd, "seed": odd}).map(
        lambda given: Case(fitted_by_ransac, given)
    )
