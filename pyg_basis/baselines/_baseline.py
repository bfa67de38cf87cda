import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from pyg_basis.estimators._estimator_file import (
    check_network,
    described,
    read_file,
    undescribed,
    write_file,
)
from pyg_basis.estimators._parameters import RULES, Rule, check_values
from pyg_basis.estimators._source import feature_source, row_blocks, single_precision
from pyg_basis.estimators._training import seeded_global_generator
from pyg_basis.loader import ExactEmbedding

# Raised when files of an older layout can no longer be read.
FORMAT = "baseline 2"


class Baseline(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    r"""What the compared systems have in common: they are scikit-learn transformers
    around a module that maps points to rows of the embedding.

    Attributes:
        module_ (torch.nn.Module): The fitted module.
        history_ (list): The loss of every iteration.
        n_iter_ (int): Number of iterations.
        eigenvalues_ (numpy.ndarray): Estimates of the eigenvalues, :obj:`[K]`.
        n_features_in_ (int): Width of the features.
    """

    module_: nn.Module
    history_: list[float]

    # Points that the graph is made of, drawn at random; all of them if not given. A
    # parameter of those that make one graph.
    sample_size: int | None = None

    # What parameters must be, beside those that BASiS has as well.
    _rules: ClassVar[dict[str, Rule]] = {}

    def fit(self, X: Any, y: Any = None) -> Any:
        r"""Learns the embedding of the points :obj:`X [n, d]`, which are held in
        memory.

        Raises:
            ValueError: If a parameter or the points cannot be used. An earlier fit
                is kept then.
        """
        sample_size = RULES["reference_size"]
        check_values(self, {**RULES, "sample_size": sample_size, **self._rules})
        fitted = copy.copy(self)
        source = feature_source(fitted, X, reset=True)
        self._check_num_nodes(self._num_in_graph(len(source)))
        x = single_precision(source.__getitems__(np.arange(len(source))))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded_global_generator(seed):
            module = self._new_module(source.num_features, len(source))
            history = self._train(module, x, torch.Generator().manual_seed(seed))
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(vars(fitted))
        self.module_, self.history_ = module.eval(), history
        self._num_points = len(source)
        return self

    def transform(self, X: Any) -> Any:
        r"""The embedding :obj:`[n, n_components]` of the points :obj:`X [n, d]`, seen
        or new; a tensor if :obj:`X` is one, else an array.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If the points are of another width, or not finite.
        """
        check_is_fitted(self)
        source = feature_source(self, X, reset=False)
        # In double precision a row does not depend on those beside it.
        precise = source[0].dtype == torch.float64
        module = copy.deepcopy(self.module_).double() if precise else self.module_
        dtype = torch.float64 if precise else torch.float32
        with torch.inference_mode():
            blocks = [module(rows.to(dtype)) for _, rows in row_blocks(source)]
        embedding = torch.cat(blocks)
        return embedding if isinstance(X, Tensor) else embedding.numpy()

    def save(self, path: str | Path) -> None:
        r"""Writes the fitted estimator to a file, for :meth:`load`.

        Raises:
            NotFittedError: Before :meth:`fit`.
        """
        check_is_fitted(self)
        content = {
            "pyg_basis": self._version(),
            "num_points": self._num_points,
            "state_dict": self.module_.state_dict(),
            "history": self.history_,
        }
        write_file({**content, **described(self)}, path)

    @classmethod
    def load(cls, path: str | Path, network: nn.Module | None = None) -> Any:
        r"""Reads an estimator that :meth:`save` wrote; no code from the file is run.
        One fitted with a :obj:`network` of its own needs a module of the same build
        again.

        Raises:
            ValueError: If the file is of another estimator or version.
        """
        saved = read_file(cls, path, cls._version())
        check_network(saved, path, network)
        try:
            return cls._restored(saved, network)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"path={str(path)!r} does not fit network={network!r}, or is damaged: "
                f"pass the network it was fitted with, or none if there was none "
                f"({error})"
            ) from error

    @classmethod
    def _restored(cls, saved: dict[str, Any], network: nn.Module | None) -> Any:
        estimator = undescribed(cls, saved, network)
        num_points = saved["num_points"]
        # The weights that are drawn here are replaced.
        with seeded_global_generator(0):
            module = estimator._new_module(estimator.n_features_in_, num_points)
        module.load_state_dict(saved["state_dict"])
        estimator.module_, estimator.history_ = module.eval(), saved["history"]
        estimator._num_points = num_points
        return estimator

    @property
    def n_iter_(self) -> int:
        return len(self.history_)

    @property
    def eigenvalues_(self) -> NDArray[np.floating[Any]]:
        values: Tensor = self.module_.get_buffer("eigenvalues")
        return values.numpy()

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components)

    @classmethod
    def _version(cls) -> str:
        return f"{cls.__name__}, {FORMAT}"

    def _space(self) -> ExactEmbedding:
        """The graph, and the eigenvectors that are looked for."""
        return ExactEmbedding(
            self.n_components,
            num_neighbors=self.n_neighbors,
            bandwidth=self.bandwidth,
            laplacian=self.laplacian,
        )

    def _check_num_nodes(self, num_nodes: int) -> None:
        self._space()  # it has rules of its own
        for name in ("n_neighbors", "n_components"):
            value = getattr(self, name)
            if value >= num_nodes:
                raise ValueError(
                    f"{name}={value} needs a graph of at least {value + 1} points, and "
                    f"that of all points, a batch or a sample has {num_nodes}: use at "
                    f"most {num_nodes - 1}, or make it larger"
                )

    def _num_in_graph(self, num_points: int) -> int:
        """Nodes of the smallest graph that is made."""
        return min(self.sample_size or num_points, num_points)

    @abstractmethod
    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        """The module before training, with a buffer ``eigenvalues [K]``."""

    @abstractmethod
    def _train(self, module: Any, x: Tensor, generator: torch.Generator) -> list[float]:
        """Trains it on the points ``[n, d]``; returns the losses."""
