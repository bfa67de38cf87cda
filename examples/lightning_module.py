"""Features and their spectrum, learned together in a Lightning module.

    python examples/lightning_module.py

An encoder of scikit-learn's digits is trained on their classes, and a BASiSLayer behind
it on the eigenvectors of the graph of its features, whose basis stays where it is while
the features change (Algorithm 2 of BASiS). Saved and loaded, the module gives the same
rows. Needs the extra "examples".
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.warnings import PossibleUserWarning
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pyg_basis import BASiSLayer
from pyg_basis.datasets import digits
from pyg_basis.loader import ExactEmbedding
from pyg_basis.metrics import grassmann_distance

WIDTH, NUM_CLASSES = 16, 10
K = NUM_CLASSES - 1
# The nodes whose features the reference follows, and how often.
NUM_FOLLOWED, EVERY = 400, 5


class SpectralClassifier(L.LightningModule):
    def __init__(self, followed: Tensor) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(followed.size(1), 64), nn.ReLU(), nn.Linear(64, WIDTH)
        )
        self.classifier = nn.Linear(WIDTH, NUM_CLASSES)
        self.layer = BASiSLayer(
            WIDTH, K, 80, num_neighbors=15, laplacian="rw", drop_trivial=True
        )
        self.register_buffer("followed", followed)
        self.layer.init_reference(
            self.encoder(followed).detach(), reference_size=len(followed)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The rows `[n, K]` of the learned eigenvectors."""
        rows: Tensor = self.layer(self.encoder(x))
        return rows

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        x, y = batch
        if number % EVERY == 0:
            self.layer.update_reference(self.encoder(self.followed).detach())
        features = self.encoder(x)
        task = F.cross_entropy(self.classifier(features), y)
        spectral = self.layer.loss(features.detach())  # for the layer's network only
        self.log_dict({"task": task, "spectral": spectral})
        return task + spectral

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    quick = parser.parse_args(arguments).quick
    images = digits()
    L.seed_everything(0, verbose=False)
    module = SpectralClassifier(images.x_train[:NUM_FOLLOWED])
    dataset = TensorDataset(images.x_train, images.y_train)
    batches = DataLoader(dataset, batch_size=256, shuffle=True, drop_last=True)
    trainer = quiet_trainer(max_epochs=3 if quick else 100)
    trainer.fit(module, batches)

    module.eval()
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.ckpt"
        trainer.save_checkpoint(path)
        empty = torch.rand_like(images.x_train[:NUM_FOLLOWED])
        loaded = SpectralClassifier.load_from_checkpoint(path, followed=empty).eval()
        rows, features = module(images.x_test), module.encoder(images.x_test)
        scores = module.classifier(features)
        difference = float((loaded(images.x_test) - rows).abs().max())
    exact = ExactEmbedding(K, 15, laplacian="rw", drop_trivial=True)(features)
    figures = {
        "accuracy": float((scores.argmax(dim=1) == images.y_test).float().mean()),
        "d_G to the exact eigenvectors": grassmann_distance(rows, exact.vectors),
        "difference after loading": difference,
    }
    for name, value in figures.items():
        print(f"{name:32} {value:.3f}")
    return figures


def quiet_trainer(**settings: Any) -> L.Trainer:
    """A trainer that writes no files of its own and says nothing but its errors."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", PossibleUserWarning)
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")  # Lightning's own
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


if __name__ == "__main__":
    main()
