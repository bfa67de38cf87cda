r"""Images of a toy bunny on a rotating plate, after Fig. 5 of `BASiS
<https://arxiv.org/abs/2211.16960>`_: a circle in image space."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import Dataset

from pyg_basis._atomic_file import atomic_file


class Ellipsoid(NamedTuple):
    r"""A part of the scene at angle 0: x to the right, y away, z up from the plate.

    Attributes:
        center (tuple): Center of the ellipsoid.
        radii (tuple): Semi-axes before the rotation.
        color (tuple): Red, green and blue in [0, 1].
        turn (tuple): Rotation vector in degrees: axis times angle.
    """

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    color: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)


FUR, BELLY, PINK = (0.66, 0.47, 0.33), (0.93, 0.86, 0.76), (0.93, 0.60, 0.60)
BLACK, WHITE, BLUE = (0.06, 0.05, 0.06), (0.97, 0.96, 0.94), (0.18, 0.35, 0.75)
RED, ORANGE, GREEN = (0.85, 0.13, 0.16), (0.95, 0.47, 0.10), (0.25, 0.62, 0.22)
PLATE = (0.72, 0.80, 0.84)

# The bunny looks toward -y. The carrot and the napkins make all sides of the plate
# different.
SCENE = (
    Ellipsoid((0.0, 0.0, -0.14), (1.95, 1.95, 0.14), BLUE),
    Ellipsoid((0.0, 0.0, -0.10), (1.86, 1.86, 0.14), PLATE),
    Ellipsoid((1.30, 0.55, 0.03), (0.36, 0.22, 0.05), RED, (0.0, 0.0, 20.0)),
    Ellipsoid((-0.55, 1.35, 0.03), (0.20, 0.20, 0.05), BLUE),
    # Carrot with leaves.
    Ellipsoid((-1.22, -0.50, 0.14), (0.44, 0.12, 0.12), ORANGE, (0.0, 0.0, 60.0)),
    Ellipsoid((-1.00, -0.10, 0.18), (0.22, 0.05, 0.06), GREEN, (0.0, 0.0, 85.0)),
    Ellipsoid((-0.93, -0.16, 0.18), (0.22, 0.05, 0.06), GREEN, (0.0, 0.0, 35.0)),
    # Body, belly, feet, paws and tail.
    Ellipsoid((0.0, 0.15, 0.62), (0.56, 0.66, 0.62), FUR),
    Ellipsoid((0.0, -0.10, 0.58), (0.42, 0.48, 0.48), BELLY),
    Ellipsoid((-0.36, -0.32, 0.14), (0.17, 0.38, 0.14), FUR),
    Ellipsoid((0.36, -0.32, 0.14), (0.17, 0.38, 0.14), FUR),
    Ellipsoid((-0.30, -0.46, 0.66), (0.12, 0.22, 0.12), FUR, (30.0, 0.0, 0.0)),
    Ellipsoid((0.30, -0.46, 0.66), (0.12, 0.22, 0.12), FUR, (30.0, 0.0, 0.0)),
    Ellipsoid((0.0, 0.86, 0.42), (0.22, 0.22, 0.22), WHITE),
    # Head, muzzle, nose, eyes and cheeks.
    Ellipsoid((0.0, -0.18, 1.42), (0.44, 0.42, 0.40), FUR),
    Ellipsoid((-0.11, -0.54, 1.31), (0.16, 0.13, 0.13), BELLY),
    Ellipsoid((0.11, -0.54, 1.31), (0.16, 0.13, 0.13), BELLY),
    Ellipsoid((0.0, -0.66, 1.39), (0.07, 0.05, 0.05), PINK),
    Ellipsoid((-0.21, -0.51, 1.54), (0.08, 0.06, 0.10), BLACK),
    Ellipsoid((0.21, -0.51, 1.54), (0.08, 0.06, 0.10), BLACK),
    Ellipsoid((-0.19, -0.57, 1.58), (0.03, 0.02, 0.03), WHITE),
    Ellipsoid((0.23, -0.57, 1.58), (0.03, 0.02, 0.03), WHITE),
    # Ears: one stands, one leans.
    Ellipsoid((-0.22, -0.05, 2.08), (0.15, 0.09, 0.46), FUR, (0.0, -8.0, 0.0)),
    Ellipsoid((-0.22, -0.11, 2.08), (0.09, 0.06, 0.36), PINK, (0.0, -8.0, 0.0)),
    Ellipsoid((0.38, -0.05, 2.00), (0.15, 0.09, 0.46), FUR, (0.0, 32.0, 0.0)),
    Ellipsoid((0.38, -0.11, 2.00), (0.09, 0.06, 0.36), PINK, (0.0, 32.0, 0.0)),
)

ELEVATION = math.radians(24.0)  # of the camera, above the plate
SINE, COSINE = math.sin(ELEVATION), math.cos(ELEVATION)
# Rows: right; away and up in the image; up and out of the image.
CAMERA = np.array([[1, 0, 0], [0, SINE, COSINE], [0, -COSINE, SINE]])
VIEW = (5.8, 3.48)  # minimum width and height of the visible area
MIDDLE = 0.88  # height of the image center above the plate
# Unit vectors toward the light, and halfway between it and the camera.
LIGHT = np.array([-0.45, 0.65, 0.61]) / np.linalg.norm([-0.45, 0.65, 0.61])
HALFWAY = np.add(LIGHT, [0, 0, 1]) / np.linalg.norm(np.add(LIGHT, [0, 0, 1]))
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.38, 0.66, 0.22, 24
TOP, BOTTOM = (0.80, 0.84, 0.88), (0.55, 0.50, 0.46)  # of the background
# Rays per pixel in each direction: with one, edges would jump between pixels.
OVERSAMPLING = 2


class Turntable(Dataset[Tensor]):
    r"""Images of a toy bunny on a rotating plate, rendered on access.

    The scene consists of ellipsoids, seen by an orthographic camera under one light.
    Frames differ only by the angle of the plate, and different angles give different
    images. Items are flat vectors :obj:`[height * width * 3]` (float32 in [0, 1]);
    :obj:`frame.view(height, width, 3)` is the image.

    Args:
        angles (array-like): Angle of the plate in each frame, in radians, :obj:`[n]`.
        height (int, optional): Height of an image, in pixels. (default: :obj:`240`)
        width (int, optional): Width of an image, in pixels. By default, images have
            288,000 values, as in the paper. (default: :obj:`400`)

    Attributes:
        angles (Tensor): The angles, :obj:`[n]` float64.
    """

    def __init__(self, angles: Any, height: int = 240, width: int = 400) -> None:
        self.angles = torch.as_tensor(angles, dtype=torch.float64).clone()
        self.height, self.width = int(height), int(width)

    @property
    def num_features(self) -> int:
        r"""Number of values per frame."""
        return 3 * self.height * self.width

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, index: int) -> Tensor:
        image = render(float(self.angles[index]), self.height, self.width)
        return torch.from_numpy(image.reshape(-1))

    def save(self, path: str | Path) -> None:
        r"""Writes all frames, in order, to a :obj:`.npy` file
        :obj:`[n, height * width * 3]` (float32), which can be memory-mapped. An earlier
        file is replaced once the new one is complete.

        Raises:
            OSError: If the file cannot be written.
        """
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            shape = len(self), self.num_features
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for index in range(len(self)):
                file.write(self[index].numpy().astype("<f4", copy=False).data)

    def __repr__(self) -> str:
        size = f"height={self.height}, width={self.width}"
        return f"{self.__class__.__name__}({len(self)}, {size})"


def turntable(
    num_frames: int = 2000, height: int = 240, width: int = 400, seed: int = 0
) -> Turntable:
    r"""Images of a steadily rotating plate, in random order: one uniformly drawn angle
    in each of n equal arcs.

    Args:
        num_frames (int, optional): Number of frames n, at least 1.
            (default: :obj:`2000`)
        height (int, optional): Height of an image, in pixels. (default: :obj:`240`)
        width (int, optional): Width of an image, in pixels. (default: :obj:`400`)
        seed (int, optional): Seed of the angles. (default: :obj:`0`)

    Returns:
        Turntable: The frames, a map-style dataset.
    """
    rng = np.random.default_rng(int(seed))
    arcs = rng.permutation(num_frames)
    angles = 2 * math.pi * (arcs + rng.random(num_frames)) / num_frames
    return Turntable(angles, height, width)


def render(angle: float, height: int, width: int) -> NDArray[np.float32]:
    r"""Renders the image :obj:`[height, width, 3]` at an angle of the plate."""
    rows, columns = OVERSAMPLING * height, OVERSAMPLING * width
    rays_per_unit = min(columns / VIEW[0], rows / VIEW[1])
    u = (np.arange(columns) + 0.5 - columns / 2) / rays_per_unit
    v = (np.arange(rows) + 0.5 - rows / 2) / rays_per_unit  # down
    image = np.linspace(TOP, BOTTOM, rows, dtype=np.float32)[:, None]
    image = np.repeat(image, columns, axis=1)
    nearest = np.full((rows, columns), -np.inf, dtype=np.float32)
    turned = CAMERA @ Rotation.from_euler("z", angle % (2 * math.pi)).as_matrix()
    for part in SCENE:
        center = turned @ part.center - (0, MIDDLE * COSINE, 0)
        axes = turned @ Rotation.from_rotvec(part.turn, degrees=True).as_matrix()
        shape = (axes * np.square(part.radii)) @ axes.T
        # Only the rays that may hit it.
        reach = np.sqrt(np.diag(shape))[:, None] * [-1, 1]
        across = slice(*np.searchsorted(u, center[0] + reach[0]))
        down = slice(*np.searchsorted(v, -center[1] + reach[1]))
        offset = _surface(u[across] - center[0], -v[down] - center[1], shape)
        depth = offset[..., 2] + np.float32(center[2])
        is_seen = depth > nearest[down, across]  # false for NaN
        nearest[down, across][is_seen] = depth[is_seen]
        normals = offset[is_seen] @ np.linalg.inv(shape).astype(np.float32)
        image[down, across][is_seen] = _colors(normals, part.color)
    rays = image.reshape(height, OVERSAMPLING, width, OVERSAMPLING, 3)
    pixels: NDArray[np.float32] = rays.mean(axis=(1, 3)).clip(0, 1)
    return pixels


def _surface(
    u: NDArray[np.float64], v: NDArray[np.float64], shape: NDArray[np.float64]
) -> NDArray[np.float32]:
    r"""Points where rays first hit an ellipsoid :math:`p^T S^{-1} p \le 1`,
    :obj:`[v, u, 3]`; NaN for rays that miss it. With :math:`r = (u, v)` and
    :math:`P = S^{-1}`,

    .. math::
        z = S_{zr} S_{rr}^{-1} r + \sqrt{(1 - r^T S_{rr}^{-1} r) / P_{zz}}.
    """
    x, y = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
    (a, b), (_, c) = np.linalg.inv(shape[:2, :2]).astype(np.float32)
    slope = np.linalg.solve(shape[:2, :2], shape[:2, 2]).astype(np.float32)
    scale = np.float32(1 / np.linalg.inv(shape)[2, 2])
    with np.errstate(invalid="ignore"):
        half = np.sqrt(scale * (1 - (a * x + 2 * b * y) * x - c * y * y))
    return np.stack([x, y, slope[0] * x + slope[1] * y + half], axis=-1)


def _colors(
    normals: NDArray[np.float32], color: tuple[float, float, float]
) -> NDArray[np.float32]:
    r"""Colors :obj:`[m, 3]` of surface points (Blinn and Phong)."""
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    toward = np.maximum(normals @ LIGHT.astype(np.float32), 0)
    gloss = np.maximum(normals @ HALFWAY.astype(np.float32), 0) ** SHININESS
    brightness = (AMBIENT + DIFFUSE * toward)[:, None]
    return brightness * np.asarray(color, np.float32) + SPECULAR * gloss[:, None]
