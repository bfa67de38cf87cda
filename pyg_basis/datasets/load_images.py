r"""The four image sets of the paper's Table 1."""

import os
import sys
import warnings
from pathlib import Path

from sklearn.datasets import get_data_home

from pyg_basis.datasets._image_file import read_image_file, write_image_file
from pyg_basis.datasets._openml import OPENML_SOURCES, fetch_images
from pyg_basis.datasets.image_split import ImageSplit


def load_images(
    name: str,
    data_root: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> ImageSplit:
    r"""Load an image set with its official train/test split.

    The sets of Table 1 of `BASiS (Streicher, Cohen, Gilboa, CVPR 2023)
    <https://arxiv.org/abs/2211.16960>`_.

    Args:
        name: `"mnist"`, `"fashion_mnist"`, `"cifar10"` or `"svhn"`.
        data_root: Folder that holds `<name>.npz`, with the arrays `x_train, y_train,
            x_test, y_test` (uint8), or with JPEG files one after another in
            `train_bytes` and `test_bytes` and their positions in `train_offsets` and
            `test_offsets`. A partial SVHN may lie there as `svhn_partial.npz`: it is
            used, with a warning, where `svhn.npz` is missing. Nothing is downloaded.
            Without `data_root` the set comes from OpenML, once, by scikit-learn.
        cache_dir: Folder for downloads; by default scikit-learn's
            (:func:`sklearn.datasets.get_data_home`).
        progress: Whether to say on the standard error what is being done.

    Returns:
        Images (uint8, `[n, h, w]` grey or `[n, h, w, 3]` RGB) and labels (int64,
        0 to 9).

    Raises:
        ValueError: If `name` is unknown, or the file is broken.
        FileNotFoundError: If `data_root` holds no such file.
        OSError: If the download fails.
        ImportError: If the file is JPEG-coded and Pillow is missing.
    """
    if name not in OPENML_SOURCES:
        options = ", ".join(repr(option) for option in OPENML_SOURCES)
        raise ValueError(f"name must be one of {options}, got {name!r}.")
    if data_root is not None:
        path = _local_file(name, Path(data_root))
        _tell(f"{name}: reading {path}", progress)
        return read_image_file(path)
    # get_data_home also makes the folder and resolves "~".
    folder = Path(get_data_home(None if cache_dir is None else str(cache_dir)))
    path = folder / f"{name}.npz"
    if path.exists():
        _tell(f"{name}: reading {path}", progress)
        return read_image_file(path)
    source = OPENML_SOURCES[name]
    _tell(
        f"{name}: downloading {source.title} from OpenML (once, some minutes) "
        f"to {path}",
        progress,
    )
    split = fetch_images(source, folder)
    write_image_file(path, split)
    _tell(f"{name}: {len(split.x_train)} + {len(split.x_test)} images", progress)
    return split


def _local_file(name: str, root: Path) -> Path:
    r"""The file of an image set in `root`; a partial one only with a warning."""
    path = root / f"{name}.npz"
    if path.is_file():
        return path
    partial = root / f"{name}_partial.npz"
    if name == "svhn" and partial.is_file():
        warnings.warn(
            f"{path} is missing; using {partial}, a part of SVHN that does not "
            f"support a comparison with published results.",
            UserWarning,
            stacklevel=3,
        )
        return partial
    raise FileNotFoundError(
        f"data_root must be a folder that holds {path.name}, got {root}; copy the "
        f"file there, or leave data_root out to download the set from OpenML."
    )


def _tell(message: str, progress: bool) -> None:
    if progress:
        print(message, file=sys.stderr, flush=True)
