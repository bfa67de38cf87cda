import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_archive(path: Path, key: str | None) -> NDArray[Any]:
    """The array of this name in an .npz file, or the only one.

    Raises:
        ValueError: If the file is of another kind, or which array is meant is open.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{str(path)!r} is no .npz file, or is damaged: write it again with "
            f"numpy.savez"
        )
    with np.load(path) as archive:
        names = archive.files
        if key is None and len(names) == 1:
            key = names[0]
        if key not in names:
            raise ValueError(
                f"--key={key!r} is none of the arrays in {str(path)!r}: choose one of "
                f"{', '.join(names)}"
            )
        return archive[key]
