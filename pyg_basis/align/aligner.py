from typing import Any, Literal, get_args

from pyg_basis._constraints import StrOptions, check_arguments
from pyg_basis.align.least_squares import LeastSquares
from pyg_basis.align.moment_preserving import MomentPreserving
from pyg_basis.align.orthogonal import Orthogonal
from pyg_basis.align.ransac import RANSAC

AlignmentMethod = Literal["lstsq", "ransac", "orthogonal", "moments"]
Aligner = LeastSquares | RANSAC | Orthogonal | MomentPreserving
METHOD: list[Any] = [StrOptions(set(get_args(AlignmentMethod))), *get_args(Aligner)]


def get_aligner(method: AlignmentMethod | Aligner) -> Aligner:
    r"""Returns the aligner of a name, or the given aligner.

    Raises:
        ValueError: If the name is unknown.
    """
    check_arguments({"method": METHOD}, "get_aligner", method=method)
    if isinstance(method, Aligner):
        return method
    aligners: dict[str, type[Aligner]] = {
        "lstsq": LeastSquares,
        "ransac": RANSAC,
        "orthogonal": Orthogonal,
        "moments": MomentPreserving,
    }
    return aligners[method]()


def keeps_width(aligner: Aligner) -> bool:
    r"""Whether an aligner requires equal widths of source and target."""
    return isinstance(aligner, Orthogonal | MomentPreserving)
