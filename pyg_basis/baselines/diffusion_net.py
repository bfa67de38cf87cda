import copy
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils.validation import check_array, check_is_fitted
from torch import Tensor, nn
from torch_geometric.nn import MLP

from pyg_basis.baselines._baseline import Baseline
from pyg_basis.baselines._batches import draw
from pyg_basis.baselines._embedding_network import EmbeddingNetwork
from pyg_basis.baselines._minimize import minimize
from pyg_basis.eigen import eigenpairs
from pyg_basis.estimators._parameters import Rule, not_negative, one_of, switch
from pyg_basis.nn._default_network import HIDDEN_CHANNELS


class DiffusionNet(Baseline):
    r"""Regression of exact eigenvectors on one fixed graph, with a regulariser that
    asks the outputs to be eigenvectors: `"Diffusion Nets"
    <https://arxiv.org/abs/1506.07840>`_ (Mishne, Shaham, Cloninger and Cohen, 2015),
    Section 3; Eq. 7 of `BASiS <https://arxiv.org/abs/2211.16960>`_.

    .. math::
        \frac{1}{2m} \sum_i \| f(x_i) - \phi_i \|^2
        + \frac{\mu}{2} \sum_l \| \theta_l \|^2
        + \frac{\eta}{2m} \sum_j \| (P - \lambda_j I) y_j \|^2

    The sum over :math:`l` is over weight matrices, :math:`y_j` the :math:`j`-th
    output at all nodes, :math:`P = I - L` the diffusion operator and
    :math:`\lambda_j` its eigenvalue. Every iteration takes all nodes of the graph. The
    decoder, a network of mirrored widths, is trained apart, from the eigenvectors'
    rows to the points.

    Args:
        n_components (int): Columns of the embedding :math:`K`. (default: :obj:`2`)
        sample_size (int, optional): Points that the graph is made of, drawn at
            random; all of them if not given. (default: :obj:`None`)
        n_neighbors (int): Neighbours of a node. (default: :obj:`50`)
        max_iter (int): Iterations of the encoder, and of the decoder.
            (default: :obj:`300`)
        laplacian (str): :obj:`"sym"` or :obj:`"rw"` (diffusion maps).
            (default: :obj:`"sym"`)
        bandwidth (str or float): See :func:`~pyg_basis.graph.affinity`.
            (default: :obj:`"self_tuning"`)
        weight_decay (float): :math:`\mu`. (default: :obj:`1e-6`)
        eigenvector_penalty (float): :math:`\eta`. (default: :obj:`1.0`)
        decoder (bool): Train a decoder as well. (default: :obj:`True`)
        network (torch.nn.Module, optional): The encoder to train a copy of, see
            :class:`~pyg_basis.BASiSLayer`. (default: :obj:`None`)
        learning_rate (float): Of Adam, before it decays. (default: :obj:`1e-3`)
        random_state (int, RandomState or None): Source of all randomness.
            (default: :obj:`None`)
        verbose (bool): Show a progress bar. (default: :obj:`False`)
    """

    module_: EmbeddingNetwork

    _rules: ClassVar[dict[str, Rule]] = {
        "laplacian": one_of("sym", "rw"),
        "weight_decay": not_negative(),
        "eigenvector_penalty": not_negative(),
        "decoder": switch(),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        sample_size: int | None = None,
        n_neighbors: int = 50,
        max_iter: int = 300,
        laplacian: Literal["sym", "rw"] = "sym",
        bandwidth: Literal["self_tuning", "global"] | float = "self_tuning",
        weight_decay: float = 1e-6,
        eigenvector_penalty: float = 1.0,
        decoder: bool = True,
        network: nn.Module | None = None,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.sample_size = sample_size
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.laplacian = laplacian
        self.bandwidth = bandwidth
        self.weight_decay = weight_decay
        self.eigenvector_penalty = eigenvector_penalty
        self.decoder = decoder
        self.network = network
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def inverse_transform(self, X: Any) -> Any:
        r"""The points :obj:`[n, d]` that the decoder gives for rows of the embedding
        :obj:`X [n, n_components]`; a tensor if :obj:`X` is one, else an array.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ValueError: If it was fitted with :obj:`decoder=False`, or the rows are of
                another width or not finite.
        """
        check_is_fitted(self)
        if not self.decoder:
            raise ValueError(
                "decoder=False trained no decoder: fit with decoder=True to decode"
            )
        rows = torch.as_tensor(check_array(X, dtype=np.float32))
        if rows.size(1) != self.n_components:
            raise ValueError(
                f"X has {rows.size(1)} columns, but the embedding has "
                f"n_components={self.n_components}: pass rows of the embedding"
            )
        with torch.no_grad():
            scaled = self.module_.get_submodule("decoder")(rows)
            points = self.module_.standardization.inverse(scaled)
        return points if isinstance(X, Tensor) else points.numpy()

    def _new_module(self, num_features: int, num_points: int) -> nn.Module:
        encoder = EmbeddingNetwork(
            num_features, self.n_components, copy.deepcopy(self.network)
        )
        if self.decoder:
            widths = [self.n_components, *reversed(HIDDEN_CHANNELS), num_features]
            encoder.add_module("decoder", MLP(widths, norm=None))
        return encoder

    def _train(
        self, module: EmbeddingNetwork, x: Tensor, generator: torch.Generator
    ) -> list[float]:
        x = x[draw(len(x), self._num_in_graph(len(x)), generator)]
        module.standardization.fit(x)
        operator = self._space().operator(x)
        pairs = eigenpairs(operator, self.n_components)
        vectors = pairs.vectors.to(x)
        target = vectors * (len(x) ** 0.5 / vectors.norm(dim=0))
        module.eigenvalues.copy_(pairs.values)
        matrix = operator.matrix.to(x.dtype)
        weights = [w for w in module.network.parameters() if w.dim() > 1]

        def encoder_loss() -> Tensor:
            rows = module.rows(x)
            loss = (rows - target).square().sum() / (2 * len(x))
            decay = sum(weight.square().sum() for weight in weights)
            # With P = I - L, P - (1 - value) is value - L.
            error = (matrix @ rows - rows * module.eigenvalues).square().sum()
            return (
                loss
                + self.weight_decay / 2 * decay
                + self.eigenvector_penalty / (2 * len(x)) * error
            )

        settings = self.max_iter, self.learning_rate, self.verbose
        history = minimize(module.network, encoder_loss, *settings, "encoder")
        if self.decoder:
            decoder = module.get_submodule("decoder")
            scaled = module.standardization(x)
            minimize(
                decoder,
                lambda: F.mse_loss(decoder(target), scaled),
                *settings,
                "decoder",
            )
        return history
