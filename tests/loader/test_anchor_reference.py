import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pyg_basis.align import RANSAC, Alignment, LeastSquares, Orthogonal
from pyg_basis.align.fit_affine import get_aligner
from pyg_basis.loader import AnchorReference, ExactEmbedding
from pyg_basis.loader.anchor_reference import aligned_to

KINDS = ["sym", "rw", "comb"]


def cloud(n: int, seed: int = 0) -> Tensor:
    """An annulus, less dense on one side: no eigenvalue is multiple."""
    generator = torch.Generator().manual_seed(seed)
    radius, angle = torch.rand(2, n, generator=generator)
    radius, angle = 1 + 0.3 * radius, 2 * torch.pi * angle**1.5
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def make_reference(
    laplacian: str = "sym", aligner=None, drop_trivial: bool = False
) -> tuple[AnchorReference, Tensor, Tensor]:
    """A reference with 30 anchors, the other 120 nodes, and the whole embedding."""
    x = cloud(150)
    embedding = ExactEmbedding(4, 10, laplacian=laplacian, drop_trivial=drop_trivial)
    reference = AnchorReference.from_sample(x[:30], x[30:], embedding, aligner)
    return reference, x[30:], embedding(x).vectors


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("aligner", [None, LeastSquares(), RANSAC(), Orthogonal()])
@pytest.mark.parametrize("laplacian", KINDS)
def test_targets_of_the_reference_set_are_the_reference(
    laplacian, aligner, drop_trivial
) -> None:
    reference, others, whole = make_reference(laplacian, aligner, drop_trivial)
    assert torch.allclose(reference.rows, whole[:30], rtol=0, atol=1e-5)
    batch = reference.targets(others)
    assert torch.allclose(batch.y, whole, rtol=0, atol=1e-4)
    assert batch.residual < 1e-4
    # Another order of the nodes changes nothing but the order.
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    shuffled = reference.targets(others[order])
    assert torch.allclose(shuffled.y[30:], whole[30:][order], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("laplacian", KINDS)
def test_other_nodes_come_into_the_reference_space(laplacian, seed) -> None:
    # A strip, whose eigenfunctions are cosines along it with clear gaps between
    # the eigenvalues: all samples of it have one space in common.
    def strip(n: int, seed: int) -> Tensor:
        x = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed))
        x[:, 0] = (x[:, 0] + torch.arange(n)) / n  # even: less sampling error
        return x * torch.tensor([1.0, 0.02])

    anchors, embedding = strip(60, 0), ExactEmbedding(3, 10, laplacian=laplacian)
    reference = AnchorReference.from_sample(anchors, strip(240, 1), embedding)
    # Another basis of the same space, which no batch comes up with by itself.
    mix = torch.tensor([[1.0, 0, 0], [0, 0.6, 0.8], [0, -1.6, 1.2]])
    reference = replace(reference, rows=reference.rows @ mix)
    batch = reference.targets(strip(240, 10 + seed))
    spread = reference.rows.var(dim=0).sum().sqrt()
    raw = embedding(batch.x).vectors
    assert (raw[:60] - reference.rows).square().mean(0).sum().sqrt() > spread / 2
    error = (batch.y[:60] - reference.rows).square().mean(0).sum().sqrt()
    assert error < spread / 10
    assert torch.isclose(batch.residual, error / spread, rtol=0.1)
    # The new nodes come along, not the anchors alone.
    nearest = torch.cdist(batch.x[60:], anchors).argmin(dim=1)
    carried = batch.y[60:] - reference.rows[nearest]
    assert carried.square().mean(0).sum().sqrt() < spread / 8


def test_alignment_undoes_signs_rotations_and_shifts_of_the_batch() -> None:
    _, others, whole = make_reference()
    x = cloud(150)
    generator = torch.Generator().manual_seed(3)
    moved = whole @ torch.randn(4, 4, generator=generator) + 2.0
    reference = AnchorReference(x[:30], moved[:30], ExactEmbedding(4, 10))
    batch = reference.targets(others)
    assert torch.allclose(batch.y, moved, rtol=0, atol=1e-3)
    assert batch.y.dtype == torch.float32


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_trivial_column_stays_constant(laplacian, seed) -> None:
    reference, *_ = make_reference(laplacian)
    batch = reference.targets(cloud(120, seed))
    expected = reference.rows[0, 0].expand(150)
    assert torch.allclose(batch.y[:, 0], expected, rtol=0, atol=1e-5)
    # Three columns were mapped, and the anchors determine their map.
    assert batch.rank == 3
    assert torch.isclose(reference.rows[:, 0].abs().mean(), torch.ones(()))


@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_trivial_column_is_kept_out_of_the_alignment(laplacian) -> None:
    # Beside the shift of an affine map it would leave no draw of RANSAC regular,
    # and it has no direction for a rotation.
    x = cloud(120, 1)
    for aligner in (RANSAC(tolerance=2.0), Orthogonal(), LeastSquares()):
        reference, *_ = make_reference(laplacian, aligner)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            batch = reference.targets(x)
        raw = reference.embedding(batch.x).vectors
        assert torch.allclose(batch.y[:, 0], raw[:, 0], rtol=1e-5)
        assert not torch.equal(batch.y[:, 1], raw[:, 1])


def test_the_aligner_is_used() -> None:
    x = cloud(120, 1)
    aligners = [LeastSquares(), RANSAC(tolerance=0.05), Orthogonal()]
    references = [make_reference(aligner=aligner)[0] for aligner in aligners]
    rows = [reference.targets(x).y for reference in references]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(rows[one], rows[other], rtol=0, atol=1e-4)
    # A rigid map keeps the distances within the batch.
    own = references[2].embedding(torch.cat([references[2].anchors, x])).vectors
    assert torch.allclose(
        torch.cdist(rows[2], rows[2]), torch.cdist(own, own), atol=0.01
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("laplacian", ["rw", "comb"])
def test_trivial_column_alone(laplacian) -> None:
    x = cloud(60)
    embedding = ExactEmbedding(1, 10, laplacian=laplacian)
    reference = AnchorReference.from_sample(x[:5], x[5:], embedding)
    batch = reference.targets(cloud(40, 1))
    assert torch.allclose(batch.y, reference.rows[0].expand(45, 1), atol=1e-5)


@pytest.mark.parametrize("drop_trivial", [False, True])
@pytest.mark.parametrize("laplacian", KINDS)
def test_what_a_batch_holds(laplacian, drop_trivial) -> None:
    reference, *_ = make_reference(laplacian, drop_trivial=drop_trivial)
    x = cloud(70, 1)
    batch = reference.targets(x)
    assert torch.equal(batch.x, torch.cat([reference.anchors, x]))
    assert torch.equal(batch.anchor_mask, torch.arange(100) < 30)
    assert batch.y.shape == (100, 4)
    assert batch.num_nodes == 100
    direct = reference.embedding(batch.x)
    assert torch.allclose(batch.eigenvalues, direct.values, rtol=1e-5, atol=1e-6)
    assert torch.allclose(batch.degree, direct.degree, rtol=1e-5)
    assert batch.num_components == direct.num_components == 1
    assert batch.converged is True
    assert 0 <= batch.residual < 1
    assert batch.rank == 4 - (laplacian != "sym" and not drop_trivial)


def test_components_are_reported() -> None:
    reference, *_ = make_reference()
    batch = reference.targets(torch.cat([cloud(40, 1), cloud(40, 2) + 100]))
    assert batch.num_components == 2
    assert torch.isfinite(batch.y).all()


@pytest.mark.filterwarnings("ignore")  # a warning at most
@pytest.mark.parametrize("aligner", [LeastSquares(), RANSAC(), Orthogonal()])
@pytest.mark.parametrize("laplacian", KINDS)
def test_degenerate_anchors_are_finite(laplacian, aligner) -> None:
    embedding = ExactEmbedding(4, 10, laplacian=laplacian)
    anchors = torch.ones(30, 2)
    reference = AnchorReference.from_sample(anchors, cloud(90), embedding, aligner)
    for x in (cloud(90, 1), torch.ones(90, 2), torch.ones(1, 2)):
        batch = reference.targets(x)
        assert torch.isfinite(batch.y).all()
        assert torch.isfinite(batch.residual)


@pytest.mark.parametrize("learned", [True, False])
def test_targets_are_constants_and_features_keep_their_gradient(learned) -> None:
    reference, *_ = make_reference()
    x = cloud(90, 1).requires_grad_(learned)
    batch = reference.targets(x)
    assert not batch.y.requires_grad
    assert not batch.eigenvalues.requires_grad
    assert batch.x.requires_grad is learned
    if learned:
        batch.x.sum().backward()
        assert torch.equal(x.grad, torch.ones(90, 2))


def test_reference_of_learned_features() -> None:
    x = cloud(90).requires_grad_()
    reference = AnchorReference.from_sample(x[:20], x[20:], ExactEmbedding(3, 10))
    assert not reference.rows.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_that_of_the_anchors(dtype) -> None:
    x = cloud(90).to(dtype)
    reference = AnchorReference.from_sample(x[:20], x[20:], ExactEmbedding(3, 10))
    for other in (torch.float32, torch.float64):
        batch = reference.targets(cloud(70, 1).to(other))
        assert (batch.x.dtype, batch.y.dtype) == (dtype, dtype)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("aligner", [LeastSquares(), RANSAC()])
def test_runs_repeat(aligner) -> None:
    reference, *_ = make_reference(aligner=aligner)
    one, other = (reference.targets(cloud(90, 1)) for _ in range(2))
    assert torch.equal(one.y, other.y)


def test_to() -> None:
    reference, *_ = make_reference(aligner=RANSAC(seed=3))
    moved = reference.to("meta")
    assert moved.anchors.device.type == moved.rows.device.type == "meta"
    assert moved.aligner == reference.aligner
    assert moved.embedding == reference.embedding
    assert reference.anchors.device.type == "cpu"
    same = reference.to(torch.device("cpu"))
    x = cloud(90, 1)
    assert torch.equal(same.targets(x).y, reference.targets(x).y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_targets_on_a_gpu() -> None:
    reference, *_ = make_reference()
    x = cloud(90, 1)
    batch = reference.to("cuda").targets(x)
    assert batch.y.is_cuda
    expected = reference.targets(x).y
    assert torch.allclose(batch.y.cpu(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", [(90, 3), (90, 1), (90,), (0, 2), (2, 90, 2)])
def test_features_of_another_width(shape) -> None:
    reference, *_ = make_reference()
    match = r"x has shape .*, expected \[nodes, 2\] with at least one node: the anchors"
    with pytest.raises(ValueError, match=match):
        reference.targets(torch.zeros(shape))


def test_features_that_are_not_finite() -> None:
    reference, *_ = make_reference()
    with pytest.raises(ValueError, match=r"x must be finite.*drop those rows"):
        reference.targets(torch.full((90, 2), torch.nan))


def test_no_other_node() -> None:
    match = "num_anchors=30 leaves no other node in a set of 30: use fewer anchors"
    with pytest.raises(ValueError, match=match):
        AnchorReference.from_sample(cloud(30), cloud(0), ExactEmbedding(4, 10))


@pytest.mark.parametrize("others", [torch.zeros(90, 3), torch.zeros(90)])
def test_anchors_and_others_of_unlike_width(others) -> None:
    match = r"anchors have shape \(30, 2\) and others .*: give both the same features"
    with pytest.raises(ValueError, match=match):
        AnchorReference.from_sample(cloud(30), others, ExactEmbedding(4, 10))


@pytest.mark.parametrize(
    ("laplacian", "drop_trivial", "mapped"),
    [("sym", False, 4), ("rw", False, 3), ("comb", False, 3), ("rw", True, 4)],
)
def test_too_few_anchors(laplacian, drop_trivial, mapped) -> None:
    x = cloud(90)
    embedding = ExactEmbedding(4, 10, laplacian=laplacian, drop_trivial=drop_trivial)
    AnchorReference.from_sample(x[: mapped + 1], x[mapped + 1 :], embedding)
    match = (
        f"num_anchors={mapped} cannot fix an affine map of {mapped} columns: use at "
        f"least {mapped + 1}"
    )
    with pytest.raises(ValueError, match=match):
        AnchorReference.from_sample(x[:mapped], x[mapped:], embedding)


def test_repr() -> None:
    reference, *_ = make_reference()
    assert repr(reference) == "AnchorReference(num_anchors=30, num_eigenvectors=4)"


def rows_with_an_island(leak: float) -> tuple[Tensor, Tensor]:
    """Four orthogonal columns of mean square 1, of which the last lives on eight nodes
    without an anchor, but for a little; and the first two at the first forty nodes,
    the anchors, in another basis, with some noise."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(400, 4, generator=generator).double()
    columns[:, 0] *= leak
    columns[-8:, 0] = 50**0.5
    rows = 20 * torch.linalg.qr(columns).Q.flip(1)
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]]).double()
    reference = rows[:40, :2] @ turn
    return rows, reference + 0.01 * torch.randn(40, 2, generator=generator).double()


@pytest.mark.parametrize("leak", [1e-3, 1e-6, 0.0])
@pytest.mark.parametrize("method", ["lstsq", "ransac"])
def test_what_the_anchors_do_not_fix_is_left_out(leak, method) -> None:
    rows, reference = rows_with_an_island(leak)
    mapped, alignment = aligned_to(reference, rows, get_aligner(method), 0)
    expected = rows[:, :2] @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]]).double()
    # Those eight nodes, too, are where their other columns say.
    assert (mapped - expected).abs().max() < 0.3
    assert alignment.rank == 3


class WithoutTheFirst(RANSAC):
    """Takes the first three anchors for outliers."""

    def fit(self, source: Tensor, target: Tensor) -> Alignment:
        inliers = torch.arange(len(source)) >= 3
        fitted = LeastSquares().fit(source[3:], target[3:])
        return replace(fitted, inliers=inliers)


def test_what_only_outlying_anchors_fix_is_left_out() -> None:
    rows, reference = rows_with_an_island(1e-6)
    rows[:3, 3] = rows[-1, 3]
    mapped, alignment = aligned_to(reference, rows, WithoutTheFirst(), 0)
    expected = rows[:, :2] @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]]).double()
    assert (mapped - expected).abs().max() < 0.5
    assert alignment.rank == 3


def test_where_the_anchors_spread_nothing_is_left_out() -> None:
    rows, reference = rows_with_an_island(1.0)
    rows[0, 3] = rows[-1, 3]  # a single anchor among those of the island
    aligner = LeastSquares()
    mapped, alignment = aligned_to(reference, rows, aligner, 0)
    assert torch.equal(mapped, aligner.fit(rows[:40], reference).apply(rows))
    assert alignment.rank == 4
