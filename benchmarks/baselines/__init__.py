"""The systems that BASiS is compared with, one a file, behind the same estimator face.

They share no code with the training of BASiS, only the graph and the eigensolver.
"""

from benchmarks.baselines.diffusion_net import DiffusionNet
from benchmarks.baselines.eigenvector_regression import EigenvectorRegression
from benchmarks.baselines.feature_read_out import FeatureReadOut
from benchmarks.baselines.nystroem import NystroemEmbedding
from benchmarks.baselines.specnet2 import SpecNet2
from benchmarks.baselines.spectralnet import SpectralNet

__all__ = [
    "DiffusionNet",
    "EigenvectorRegression",
    "FeatureReadOut",
    "NystroemEmbedding",
    "SpecNet2",
    "SpectralNet",
]
