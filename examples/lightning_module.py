"""Features and their spectrum, learned together in a Lightning module.

    python examples/lightning_module.py

An encoder of scikit-learn's digits is trained on their classes, together with a
BASiSLayer behind it, which learns the eigenvectors of the graph of the features and,
once these say something, shapes them too. The basis stays where it is while the
features change (Algorithm 2 of BASiS). Half-way the module is saved; loaded, it gives
the same rows, and its training goes on. Needs the extra "examples".
"""

import argparse
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.warnings import PossibleUserWarning
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pyg_basis import BASiSLayer
from pyg_basis.datasets import digits
from pyg_basis.metrics import grassmann_distance
from pyg_basis.reference import ExactEmbedding

WIDTH, NUM_CLASSES = 16, 10
K = NUM_CLASSES - 1
# The images whose features the reference follows, and how often.
NUM_FOLLOWED, EVERY = 400, 4
# Steps until the spectral loss reaches the encoder: the eigenvectors of features that
# know nothing yet would hold it back.
WARM_UP = 100


class SpectralClassifier(L.LightningModule):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(
            nn.Linear(in_channels, 64), nn.ReLU(), nn.Linear(64, WIDTH)
        )
        self.classifier = nn.Linear(WIDTH, NUM_CLASSES)
        self.layer = BASiSLayer(WIDTH, K, 80, num_neighbors=15)
        self.register_buffer("followed", torch.zeros(NUM_FOLLOWED, in_channels))

    def follow(self, x: Tensor) -> None:
        """Fixes the basis by these images, whose features are followed from now on."""
        self.followed.copy_(x)
        self.layer.init_reference(self.encoder(x).detach(), reference_size=len(x))

    def forward(self, x: Tensor) -> Tensor:
        """The rows `[n, K]` of the learned eigenvectors."""
        rows: Tensor = self.layer(self.encoder(x))
        return rows

    def training_step(self, batch: list[Tensor]) -> Tensor:
        x, y = batch
        if self.global_step % EVERY == 0:
            self.layer.update_reference(self.encoder(self.followed).detach())
        features = self.encoder(x)
        task = F.cross_entropy(self.classifier(features), y)
        is_early = self.global_step < WARM_UP
        spectral = self.layer.loss(features.detach() if is_early else features)
        self.log_dict({"task": task, "spectral": spectral})
        return task + spectral

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    num_epochs = 40 if parser.parse_args(arguments).quick else 100
    images = digits()
    L.seed_everything(0, verbose=False)
    module = SpectralClassifier(images.x_train.size(1))
    module.follow(images.x_train[:NUM_FOLLOWED])
    dataset = TensorDataset(images.x_train, images.y_train)
    batches = DataLoader(dataset, batch_size=256, shuffle=True, drop_last=True)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half_way.ckpt"
        trainer = quiet_trainer(num_epochs // 2)
        trainer.fit(module, batches)
        trainer.save_checkpoint(path)  # weights, reference, optimizer, epoch
        loaded = SpectralClassifier.load_from_checkpoint(path)
        difference = rows_of(loaded, images.x_test) - rows_of(module, images.x_test)
        quiet_trainer(num_epochs).fit(loaded, batches, ckpt_path=path)

    rows = rows_of(loaded, images.x_test)
    with torch.no_grad():
        features = loaded.encoder(images.x_test)
        predicted = loaded.classifier(features).argmax(dim=1)
    exact = ExactEmbedding(K, 15)(features)
    figures = {
        "accuracy": float((predicted == images.y_test).float().mean()),
        "d_G to the exact eigenvectors": grassmann_distance(rows, exact.vectors),
        "difference after loading": float(difference.abs().max()),
    }
    for name, value in figures.items():
        print(f"{name:32} {value:.3f}")
    return figures


@torch.no_grad()
def rows_of(module: SpectralClassifier, x: Tensor) -> Tensor:
    rows: Tensor = module.eval()(x)
    return rows


def quiet_trainer(num_epochs: int) -> L.Trainer:
    """A trainer that writes no files of its own and says nothing but its errors."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", PossibleUserWarning)
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")  # Lightning's own
    return L.Trainer(
        max_epochs=num_epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


if __name__ == "__main__":
    main()
