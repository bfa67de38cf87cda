"""The compared methods: each a transformer made from a seed and a learning rate. Those
that are trained have the same network and the same number of iterations.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Literal, NamedTuple

from benchmarks.baselines import (
    DiffusionNet,
    EigenvectorRegression,
    FeatureReadOut,
    NystroemEmbedding,
    SpecNet2,
    SpectralNet,
)
from benchmarks.lib.exact import NORMALIZED
from pyg_basis import BASiS
from pyg_basis.estimators import preset

NUM_COMPONENTS = 10
DEFAULT_RATE = 1e-3
MAX_ITER = 300
# Of the batches' default size, as many as BASiS has; the published settings have more.
SETTINGS = {"n_neighbors": 50, "max_iter": MAX_ITER}
# With their neighbors about as many points as the others' batches hold.
NEIGHBOR_BATCH = 64
# In the place of a sample's size: all points.
ALL = 0
ITERATIONS = (30, 100, MAX_ITER, 1000)
# Points whose graph is made as a whole, at most.
MOST_POINTS = 80_000


class Method(NamedTuple):
    """How a method is called, how it is made, whether it has a learning rate to be
    chosen, the published settings that it has, whether its fit takes the graph of all
    points, and for how many points it is there at most; the parameter that trades time
    for closeness, its values, and those of them that tables show, with a title each:
    without any it is in the curves alone."""

    title: str
    estimator: Callable[..., Any]
    parameters: Mapping[str, Any] = {}
    is_searched: bool = True
    published: Literal["paper", "official"] | None = None
    needs_whole_graph: bool = False
    most_points: float = inf
    effort: str = "max_iter"
    values: tuple[int, ...] = ITERATIONS
    shown: Mapping[int, str] | None = None

    def make(self, seed: int, learning_rate: float | None, **changes: Any) -> Any:
        """The estimator, not fitted; changes apply to all methods that have them."""
        common = {"n_components": NUM_COMPONENTS, "random_state": seed, **changes}
        if self.published:
            settings = preset(self.published, common["n_components"])
            # That of the publication stays.
            changes.pop("laplacian", None)
        else:
            settings = {**SETTINGS, **self.parameters}
        if self.is_searched:
            settings["learning_rate"] = learning_rate
        parameters = {**common, **settings, **changes}
        known = self.estimator().get_params()
        return self.estimator(
            **{name: value for name, value in parameters.items() if name in known}
        )

    def at(self, value: int, seed: int, rate: float | None, **changes: Any) -> Any:
        """The estimator with a value of what trades time for closeness."""
        effort = {self.effort: None if value == ALL else value}
        return self.make(seed, rate, **{**changes, **effort})

    @property
    def default(self) -> int:
        """The first of the values that tables show."""
        return next(iter(self.titles()))

    def titles(self) -> Mapping[int, str]:
        """Those that tables show, by their values."""
        return {MAX_ITER: self.title} if self.shown is None else self.shown


def parameters_of(estimator: Any, features: Mapping[str, str]) -> dict[str, Any]:
    """What a run records of its estimator (none for the exact eigenvectors), and of
    the features it was fitted to; the seed stands apart, none has a network of its own,
    and points have no graph but that of their neighbors."""
    if estimator is None:
        graph = {"n_neighbors": SETTINGS["n_neighbors"]}
        return {"n_components": NUM_COMPONENTS, **graph, **features}
    parameters: dict[str, Any] = estimator.get_params(deep=False)
    left_out = ("random_state", "network", "graph", "verbose")
    recorded = {name: parameters[name] for name in parameters if name not in left_out}
    return {**recorded, **features}


METHODS = {
    # With the default learning rate: nothing is chosen for it.
    "basis": Method(
        "BASiS",
        BASiS,
        NORMALIZED,
        is_searched=False,
        effort="reference_size",
        values=(1000, 2048, 5000, 10_000, 20_000),
        # The coarser one is what BASiSClustering does by default.
        shown={10_000: "BASiS", 2048: "BASiS, reference of one batch"},
    ),
    "basis_paper": Method(
        "BASiS, settings of the paper",
        BASiS,
        is_searched=False,
        published="paper",
        values=(100, 300, 1000),
        shown={1000: "BASiS, settings of the paper"},
    ),
    "basis_official": Method(
        "BASiS, settings of the authors' code",
        BASiS,
        is_searched=False,
        published="official",
        values=(100, 300, 1000),
        shown={},
    ),
    "kernels": Method(
        "read-out of Gaussian kernels",
        FeatureReadOut,
        {"features": "kernels"},
        is_searched=False,
        effort="num_features",
        values=(100, 300, 1000),
        shown={1000: "read-out of 1,000 Gaussian kernels"},
    ),
    "random_features": Method(
        "read-out of random features",
        FeatureReadOut,
        {"features": "fourier"},
        is_searched=False,
        effort="num_features",
        values=(100, 300, 1000),
        shown={1000: "read-out of 1,000 random features"},
    ),
    "nystroem": Method(
        "Nyström",
        NystroemEmbedding,
        {"sample_size": 10_000},
        is_searched=False,
        effort="sample_size",
        values=(500, 1000, 2000, 5000, 10_000, 20_000, ALL),
        shown={
            2000: "Nyström, 2,000 points",
            10_000: "Nyström, 10,000 points",
            ALL: "Nyström, all points",
        },
    ),
    "spectralnet": Method("SpectralNet", SpectralNet),
    "specnet2_local": Method("SpecNet2, local", SpecNet2, {"batch_operator": "local"}),
    "specnet2_neighbor": Method(
        "SpecNet2, neighbor",
        SpecNet2,
        {"batch_operator": "neighbor", "batch_size": NEIGHBOR_BATCH},
        needs_whole_graph=True,
        most_points=MOST_POINTS,
        shown={},
    ),
    "diffusion_net": Method(
        "Diffusion Net, 2,048 points", DiffusionNet, {"sample_size": 2048}
    ),
    "regression": Method(
        "exact plus regression, no degree",
        EigenvectorRegression,
        needs_whole_graph=True,
        most_points=MOST_POINTS,
        shown={},
    ),
    "regression_degree": Method(
        "exact plus regression",
        EigenvectorRegression,
        {"extend_degree": True},
        needs_whole_graph=True,
        most_points=MOST_POINTS,
    ),
}
EXACT = "exact"
LEARNED = [name for name, method in METHODS.items() if method.is_searched]
TITLES = {**{name: method.title for name, method in METHODS.items()}, EXACT: "exact"}


def for_so_many(methods: Iterable[str], num_points: int) -> list[str]:
    """Those of the methods that there are for so many training points."""
    return [
        name
        for name in methods
        if name == EXACT or num_points <= METHODS[name].most_points
    ]


def values_of(name: str, num_points: int) -> list[int]:
    """The values of a method's effort for so many training points: no sample is larger
    than the points, but the size that stands for all."""
    method = METHODS[name]
    if method.effort not in ("sample_size", "reference_size"):
        return list(method.values)
    by_default = method.parameters.get(method.effort, 10_000)
    return [
        value
        for value in method.values
        if (value == ALL and num_points <= MOST_POINTS)
        or 0 < value < num_points
        or (value == by_default and ALL not in method.values)
    ]
