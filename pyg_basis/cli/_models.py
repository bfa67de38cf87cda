from hashlib import sha256
from pathlib import Path

from pyg_basis import BASiS, BASiSClustering
from pyg_basis.estimators._checkpoint import is_checkpoint, read_checkpoint
from pyg_basis.estimators.basis_clustering import restored_clustering


def is_model(path: Path) -> bool:
    """Whether a file contains a model rather than points."""
    return path.suffix.lower() == ".pt" and is_checkpoint(path)


def checksum(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def read_model(path: Path) -> tuple[BASiS, BASiSClustering | None]:
    """Returns the embedding in a file, and its clusters, if any."""
    basis, clusters = read_checkpoint(BASiS, path, network=None)
    return basis, None if clusters is None else restored_clustering(basis, clusters)
