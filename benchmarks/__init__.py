"""Experiments of pyg_basis: ``python -m benchmarks list`` names them."""
