"""The methods of Table 1: each a transformer made from a seed and a learning rate, all
with the same network and the same number of iterations.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

from benchmarks.baselines import (
    DiffusionNet,
    EigenvectorRegression,
    NystroemEmbedding,
    SpecNet2,
    SpectralNet,
)
from benchmarks.lib.exact import NORMALIZED
from pyg_basis import BASiS
from pyg_basis.estimators import preset

NUM_COMPONENTS = 10
DEFAULT_RATE = 1e-3
# Of the batches' default size, as many as BASiS has; the published settings have more.
SETTINGS = {"n_neighbors": 50, "max_iter": 300}
# With their neighbors about as many points as the others' batches hold.
NEIGHBOR_BATCH = 64


class Method(NamedTuple):
    """How a method is shown, how it is made, whether it has a learning rate to be
    chosen, whether its fit takes the graph of all points, and for how many points it
    is there at most."""

    title: str
    estimator: Callable[..., Any]
    parameters: Mapping[str, Any]
    is_searched: bool = True
    needs_whole_graph: bool = False
    is_published: bool = False
    most_points: float = inf

    def make(self, seed: int, learning_rate: float | None, **changes: Any) -> Any:
        """The estimator, not fitted; changes apply to all methods that have them."""
        rate = {"learning_rate": learning_rate} if self.is_searched else {}
        settings = {} if self.is_published else SETTINGS
        common = {"n_components": NUM_COMPONENTS, "random_state": seed, **rate}
        parameters = {**common, **settings, **self.parameters, **changes}
        known = self.estimator().get_params()
        return self.estimator(
            **{name: value for name, value in parameters.items() if name in known}
        )


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
    "basis": Method("BASiS", BASiS, NORMALIZED),
    # Coarser: what BASiSClustering does by default.
    "basis_coarse": Method(
        "BASiS, reference of one batch", BASiS, {**NORMALIZED, "reference_size": None}
    ),
    "basis_paper": Method(
        "BASiS, settings of the paper",
        BASiS,
        preset("paper", NUM_COMPONENTS),
        is_searched=False,
        is_published=True,
    ),
    "basis_official": Method(
        "BASiS, settings of the authors' code",
        BASiS,
        preset("official", NUM_COMPONENTS),
        is_searched=False,
        is_published=True,
    ),
    "spectralnet": Method("SpectralNet", SpectralNet, {}),
    "specnet2_neighbor": Method(
        "SpecNet2, neighbor",
        SpecNet2,
        {"batch_operator": "neighbor", "batch_size": NEIGHBOR_BATCH},
        needs_whole_graph=True,
    ),
    "specnet2_local": Method("SpecNet2, local", SpecNet2, {"batch_operator": "local"}),
    "diffusion_net": Method(
        "Diffusion Net, 2,048 points", DiffusionNet, {"sample_size": 2048}
    ),
    # Every iteration takes all points through the network.
    "diffusion_net_all": Method(
        "Diffusion Net, all points",
        DiffusionNet,
        {},
        needs_whole_graph=True,
        most_points=10_000,
    ),
    "regression": Method(
        "exact plus regression", EigenvectorRegression, {}, needs_whole_graph=True
    ),
    "regression_degree": Method(
        "exact plus regression, degree extended",
        EigenvectorRegression,
        {"extend_degree": True},
        needs_whole_graph=True,
    ),
    "nystroem": Method(
        "exact plus Nyström",
        NystroemEmbedding,
        {},
        is_searched=False,
        needs_whole_graph=True,
    ),
    # As many points as BASiS takes its reference from.
    "nystroem_sample": Method(
        "Nyström, 10,000 points",
        NystroemEmbedding,
        {"sample_size": 10_000},
        is_searched=False,
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
