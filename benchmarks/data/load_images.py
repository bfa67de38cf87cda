"""The four image sets of the paper's Table 1."""

import sys
import warnings
from pathlib import Path

from benchmarks.data.image_file import read_image_file, write_image_file
from benchmarks.data.openml import OPENML_SOURCES, fetch_images
from pyg_basis.datasets import ImageSplit


def load_images(name: str, data_root: Path | None, cache_dir: Path) -> ImageSplit:
    """An image set with its official train/test split: `"mnist"`, `"fashion_mnist"`,
    `"cifar10"` or `"svhn"`.

    Args:
        data_root: Folder that holds `<name>.npz`, see
            :func:`~benchmarks.data.image_file.read_image_file`. A partial SVHN may be
            there as `svhn_partial.npz`: it is used, with a warning, where `svhn.npz` is
            missing. Without `data_root` the set comes from OpenML, once.
        cache_dir: Folder for downloads.
    """
    if data_root is not None:
        return read_image_file(_local_file(name, data_root))
    path = cache_dir / f"{name}.npz"
    if not path.exists():
        print(f"{name}: downloading from OpenML to {path}", file=sys.stderr)
        write_image_file(path, fetch_images(OPENML_SOURCES[name], cache_dir))
    return read_image_file(path)


def _local_file(name: str, root: Path) -> Path:
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
        f"file there, or leave data_root out to download the set from OpenML"
    )
