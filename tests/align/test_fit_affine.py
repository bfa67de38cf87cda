import warnings

import pytest
import torch
from torch import Tensor

from pyg_basis.align import (
    RANSAC,
    LeastSquares,
    MomentPreserving,
    Orthogonal,
    fit_affine,
)
from pyg_basis.align.fit_affine import get_aligner, keeps_width

METHODS = ["lstsq", "ransac", "orthogonal"]


def normal(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.double) for s in shapes]


@pytest.mark.parametrize("method", ["lstsq", "ransac"])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_recovers_a_known_map(k, method) -> None:
    source, linear, shift, phi = normal(k, (100, k), (k, k), (k,), (7, k))
    found = fit_affine(source, source @ linear + shift, method)
    assert torch.allclose(found.apply(phi), phi @ linear + shift, rtol=0, atol=1e-6)
    assert torch.allclose(found.linear, linear, rtol=0, atol=1e-6)
    assert torch.allclose(found.shift, shift, rtol=0, atol=1e-6)
    assert found.method == method


def test_least_squares_is_the_default() -> None:
    source, target = normal(0, (30, 3), (30, 3))
    found = fit_affine(source, target)
    assert found.method == "lstsq"
    assert torch.equal(found.linear, LeastSquares().fit(source, target).linear)


def test_round_trip_between_two_embeddings() -> None:
    source, linear, shift = normal(1, (30, 4), (4, 4), (4,))
    target = source @ linear + shift
    there, back = fit_affine(source, target), fit_affine(target, source)
    assert torch.allclose(there.inverse().linear, back.linear, rtol=0, atol=1e-8)
    assert torch.allclose(there.inverse().shift, back.shift, rtol=0, atol=1e-8)


def test_settings_of_an_instance_are_used() -> None:
    source, target = normal(2, (30, 2), (30, 2))
    with pytest.warns(RuntimeWarning, match="span 0 of 2"):
        found = fit_affine(source, target, LeastSquares(relative_cutoff=2.0))
    assert (found.linear == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_good_anchors_do_not_warn(method) -> None:
    (source,) = normal(3, (30, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_affine(source, source, method)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_rank_deficient_anchors_warn_once(method, dtype) -> None:
    source, basis = normal(4, (30, 2), (2, 4))
    source = (source @ basis).to(dtype)
    with pytest.warns(RuntimeWarning) as record:
        found = fit_affine(source, source, method)
    assert len(record) == 1
    message = str(record[0].message)
    assert "span 2 of 4 dimensions" in message
    assert "least norm" in message
    assert "choose more, or more varied, anchors" in message
    assert record[0].filename == __file__
    # What the anchors do span is mapped exactly.
    assert torch.allclose(found.apply(source), source, rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("method", METHODS)
def test_constant_anchors_give_a_finite_map(method, value) -> None:
    (target,) = normal(5, (30, 3))
    constant = torch.full((30, 3), value, dtype=torch.double)
    with pytest.warns(RuntimeWarning) as record:
        found = fit_affine(constant, target, method)
    assert "span 0 of 3" in str(record[-1].message)
    # RANSAC says besides that it found nothing.
    assert len(record) == 1 + (method == "ransac")
    for tensor in (found.linear, found.shift, found.residual):
        assert torch.isfinite(tensor).all()
    assert torch.allclose(found.apply(constant[:1])[0], target.mean(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
def test_dtype_of_the_target_comes_back(method, dtype) -> None:
    (source,) = normal(6, (30, 3))
    found = fit_affine(source.float(), (2 * source).to(dtype), method)
    for tensor in (found.linear, found.shift, found.residual, found.inlier_share):
        assert tensor.dtype == dtype
    assert found.apply(source.float()).dtype == torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_arguments_are_left_as_they_were(method) -> None:
    source, target = normal(7, (30, 3), (30, 3))
    before = source.clone(), target.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit_affine(source, target, method)
    assert torch.equal(source, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("name", ["source", "target"])
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (torch.ones(30), "floating-point matrix .* pass one row"),
        (torch.ones(30, 3, 1), r"matrix .* got torch.float32 of shape \(30, 3, 1\)"),
        (torch.ones(30, 3).long(), "matrix .* got torch.int64 .* pass one row"),
        (torch.ones(30, 0), r"matrix .* shape \(30, 0\): pass one row"),
        (torch.ones(30, 3).fill_(torch.nan), "NaN or infinite .* cleaning"),
        (torch.ones(30, 3).fill_(-torch.inf), "NaN or infinite .* cleaning"),
    ],
)
def test_no_matrix_of_finite_numbers(name, bad, match) -> None:
    rows = {"source": torch.ones(30, 3), "target": torch.ones(30, 3), name: bad}
    with pytest.raises(ValueError, match=f"{name} .*{match}"):
        fit_affine(**rows)


def test_different_numbers_of_anchors() -> None:
    match = "source has 30 rows and target 29: give both the same anchors"
    with pytest.raises(ValueError, match=match):
        fit_affine(torch.ones(30, 3), torch.ones(29, 3))


@pytest.mark.parametrize("method", METHODS)
def test_too_few_anchors(method) -> None:
    (rows,) = normal(8, (4, 3))
    fit_affine(rows, rows, "lstsq")
    match = "source has 3 anchors, .* 3 columns needs at least 4: choose more anchors"
    with pytest.raises(ValueError, match=match):
        fit_affine(rows[:3], rows[:3], method)


@pytest.mark.parametrize("aligner", [Orthogonal(), MomentPreserving()])
def test_between_widths(aligner) -> None:
    name = type(aligner).__name__
    match = f"method={name} needs equal widths, got 3 and 2: use method='lstsq'"
    with pytest.raises(ValueError, match=match):
        fit_affine(torch.ones(30, 3), torch.ones(30, 2), aligner)
    assert keeps_width(aligner)
    assert not keeps_width(LeastSquares()) and not keeps_width(RANSAC())


def test_unknown_method() -> None:
    match = r"method='affine' is unknown: use one of \['lstsq', 'moments', 'orthogonal"
    with pytest.raises(ValueError, match=match):
        fit_affine(torch.ones(30, 3), torch.ones(30, 3), "affine")


def test_get_aligner() -> None:
    assert get_aligner("lstsq") == LeastSquares()
    assert get_aligner("ransac") == RANSAC()
    assert get_aligner("orthogonal") == Orthogonal()
    assert get_aligner("moments") == MomentPreserving()
    own = RANSAC(seed=3)
    assert get_aligner(own) is own
