import pytest
import torch

from benchmarks.experiments import step_cost
from pyg_basis.datasets import sphere


def test_all_solvers_find_the_same_eigenvalues() -> None:
    generator = torch.Generator().manual_seed(0)
    x = sphere(400)
    operator = step_cost.graph_of(x)
    start = torch.randn(50, step_cost.NUM_COLUMNS + 1, generator=generator)
    solve = step_cost.solvers(operator, start.double())
    assert list(solve) == list(step_cost.SOLVERS)
    expected = torch.linalg.eigvalsh(operator.matrix.to_dense())
    expected = expected[: step_cost.NUM_COLUMNS + 1]
    for name in step_cost.SOLVERS:
        found = solve[name]()
        if name in step_cost.OTHERS:
            values = torch.as_tensor(found[0]).sort().values
        else:
            values = found.values
        torch.testing.assert_close(values, expected, atol=1e-6, rtol=0)


def test_what_fails_is_not_timed() -> None:
    times: dict[str, list[float]] = {"search": []}
    with pytest.raises(ImportError), step_cost.timed(times, "search"):
        raise ImportError
    assert times["search"] == []
    with step_cost.timed(times, "search"):
        pass
    assert len(times["search"]) == 1


@pytest.mark.slow
def test_command_writes_both_tables(quick, tmp_path) -> None:
    results = quick("step_cost")["results"]
    # Without a data folder the sphere alone is measured.
    assert [(row["set"], row["m"]) for row in results["steps"]] == [
        ("sphere", 300),
        ("sphere", 400),
    ]
    for row in results["steps"]:
        assert all(row["milliseconds"][name] > 0 for name in step_cost.PARTS)
        assert row["fell_back"] == row["missed"]["arpack"] == 0
    assert all(row["torch"] > 0 for row in results["backends"])
    tables = {path.stem for path in (tmp_path / "output").glob("*.md")}
    assert tables == {"step_cost", "neighbor_search"}
