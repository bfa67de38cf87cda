from typing import Any, Literal

from pyg_basis._constraints import StrOptions, at_least, check_arguments

# Shared by both publications.
PUBLISHED = {
    "batch_size": 512,
    "reference_size": None,
    "anchor_method": "per_class",
    "alignment": "ransac",
    "laplacian": "sym",
    "drop_first": False,
    "tol": None,
    "extend_degree": False,
    "readout": False,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        **PUBLISHED,
        "n_neighbors": 50,
        "max_iter": 1000,
        "bandwidth": "global",
        "learning_rate": 1e-3,
    },
    "official": {
        **PUBLISHED,
        "n_neighbors": 9,  # ten there, including the point itself
        "max_iter": 1000,
        "bandwidth": "self_tuning",
        "learning_rate": 1e-4,
    },
}
ANCHORS_OF_A_CLUSTER = 25
CONSTRAINTS = {"name": [StrOptions(set(PRESETS))], "n_components": [at_least(1)]}


def preset(name: Literal["paper", "official"], n_components: int) -> dict[str, Any]:
    r"""Returns published settings as parameters of :class:`~pyg_basis.BASiS`.

    .. code-block:: python

        basis = BASiS(**preset("paper", n_components=10), random_state=0)
        basis.fit(x, y)  # anchors are chosen with the labels

    :obj:`"paper"` has the settings of `"BASiS" <https://arxiv.org/abs/2211.16960>`_:
    batches of 512 with 25 anchors per cluster, 50 neighbors, one global bandwidth
    (Eq. 1), RANSAC, and the eigenvectors of the batches' own normalized Laplacians.

    :obj:`"official"` has those of the authors' published experiment on MNIST: ten
    neighbors including the point itself, locally scaled affinities, and a learning rate
    of 1e-4. There, the local scale is the distance to the seventh neighbor, affinities
    are averaged with their transpose, and eigenvectors have unit norm. Here, it is the
    distance to the last neighbor, the larger of the two affinities is used, and
    eigenvectors have mean square 1.

    In both, RANSAC has our own number of trials and tolerance. As in any
    :class:`~pyg_basis.BASiS`, directions that the anchors do not span are excluded from
    the alignment, features are standardized, and the learning rate decays.

    Args:
        name (str): :obj:`"paper"` or :obj:`"official"`.
        n_components (int): Dimension of the embedding, and number of clusters.

    Raises:
        ValueError: If the preset does not exist, or the anchors of all clusters leave
            no room in a batch.
    """
    check_arguments(CONSTRAINTS, "preset", name=name, n_components=n_components)
    most = (PRESETS[name]["batch_size"] - 1) // ANCHORS_OF_A_CLUSTER
    if n_components > most:
        raise ValueError(
            f"n_components={n_components} cannot be used: {ANCHORS_OF_A_CLUSTER} "
            f"anchors a cluster fill the preset's batches, so it must be at most {most}"
        )
    return {
        "n_components": n_components,
        "n_anchors": ANCHORS_OF_A_CLUSTER * int(n_components),
        **PRESETS[name],
    }
