import torch

from pyg_basis.eigen import LOBPCG, Dense, Eigenpairs, Lanczos, eigenpairs


class Known:
    """A solver that knows the answer."""

    def solve(self, operator, k, x0=None, tol=1e-6, seed=0):
        vectors = torch.eye(operator.num_nodes, dtype=torch.float64)[:, :k]
        return operator.measure(vectors, tol, 1, "known")


def test_an_object_with_solve_is_a_solver():
    pairs = eigenpairs(torch.arange(5.0).diag(), 2, Known())
    assert pairs.solver == "known"
    assert pairs.converged
    assert pairs.values.tolist() == [0, 1]


def test_all_solvers_answer_alike():
    matrix = torch.arange(1.0, 41.0).diag()
    for solver in (Dense(), Lanczos(), LOBPCG()):
        pairs = eigenpairs(matrix, 3, solver)
        assert isinstance(pairs, Eigenpairs)
        torch.testing.assert_close(pairs.values, torch.tensor([1.0, 2.0, 3.0]))
        torch.testing.assert_close(pairs.vectors, torch.eye(40)[:, :3])
