r"""The systems that BASiS is compared with, behind the same estimator face."""

from pyg_basis.baselines.diffusion_net import DiffusionNet
from pyg_basis.baselines.eigenvector_regression import EigenvectorRegression
from pyg_basis.baselines.nystroem import NystroemEmbedding
from pyg_basis.baselines.specnet2 import SpecNet2
from pyg_basis.baselines.spectralnet import SpectralNet

__all__ = [
    "DiffusionNet",
    "EigenvectorRegression",
    "NystroemEmbedding",
    "SpecNet2",
    "SpectralNet",
]
