"""Features and spectrum learned together (Algorithm 2), on MNIST: Figs. 6 to 8.

A convolutional network learns 16 features by the contrastive loss of Eq. 21, 1,500
iterations. In every tenth the reference set is embedded again under the present
features, aligned to where it was (T_G), and BASiSLayer takes one step. A second layer
learns too, whose reference is not aligned: it begins anew in every step. Neither
sends a gradient to the features; a second training, where the spectral loss does, shows
what that brings.

Every fiftieth iteration the embedding of held-out digits by the network is compared
with the exact eigenvectors of their graph under the same features, and once more after
the last one, when the eigenvectors have been read out on a sample of 10,000 digits. A
third training has two eigenvectors and the digits 4, 7 and 9. Writes joint.json after
every training (one that was broken off goes on where it stopped) and three figures.
"""

import argparse
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from benchmarks.data.load_images import load_images
from benchmarks.data.siamese import SiameseNetwork, contrastive_loss
from benchmarks.experiments.joint_figures import draw_bases, draw_curves, draw_maps
from benchmarks.lib.evaluation import agreement
from benchmarks.lib.record import read_results
from benchmarks.lib.run_file import RunFile
from benchmarks.lib.tables import markdown_table, over_runs
from benchmarks.lib.tasks import run_tasks
from pyg_basis import BASiSLayer
from pyg_basis.datasets import ImageSplit
from pyg_basis.metrics import grassmann_distance, linear_probe_accuracy

SETTINGS: dict[str, Any] = {
    "iterations": 1500,
    "spectral_every": 10,
    "measured_every": 50,
    "image_batch": 128,
    "size": 512,  # of the reference set and of batches
    "anchors": 250,
    "neighbors": 50,
    "feature_rate": 1e-3,
    "spectral_rate": 1e-3,
    "measured_images": 2000,
    "sampled_images": 10_000,  # that the eigenvectors are read out on
}
QUICK = {
    "iterations": 20,
    "measured_every": 10,
    "size": 120,
    "anchors": 60,
    "neighbors": 10,
    "measured_images": 200,
    "sampled_images": 200,
    "image_batch": 64,
    "images": 400,  # of each part; all of them else
}
# The embeddings that Fig. 8 shows.
SHOWN = (10, 100, 500, 1500)
NUM_EIGENVECTORS = 9
THREE_DIGITS = (4, 7, 9)
# The trainings whose embeddings Figs. 7 and 8 show.
DRAWN = {"network": ("maps", draw_maps), "three_digits": ("bases", draw_bases)}
# Of the spectral loss, where it reaches the features.
WEIGHT = 1.0
TITLES = {
    "network": "spectral loss for the network only",
    "gradient": "spectral loss for the features too",
    "three_digits": "digits 4, 7, 9",
}

Run = dict[str, Any]


class Joint:
    """An encoder, a layer behind it that follows its features, and one that does
    not."""

    def __init__(
        self, split: ImageSplit, columns: int, settings: Run, gradient: bool, seed: int
    ) -> None:
        self.settings, self.gradient = settings, gradient
        self.images, self.labels = split.x_train.unsqueeze(1), split.y_train
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            # Layers draw their starting weights from the global generator alone.
            torch.default_generator.manual_seed(seed)
            self.encoder = SiameseNetwork(self.images)
            self.layer = BASiSLayer(
                16,
                columns,
                num_anchors=settings["anchors"],
                num_neighbors=settings["neighbors"],
                laplacian="rw",
                drop_first=True,
            )
        self.not_aligned = copy.deepcopy(self.layer)
        self.reference = self.images[self.draw(settings["size"])]
        self.feature_optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=settings["feature_rate"]
        )
        self.spectral_optimizers = [
            torch.optim.Adam(layer.parameters(), lr=settings["spectral_rate"])
            for layer in (self.layer, self.not_aligned)
        ]

    def draw(self, count: int) -> Tensor:
        return torch.randint(len(self.images), (count,), generator=self.generator)

    def feature_step(self) -> None:
        drawn = self.draw(self.settings["image_batch"])
        loss = contrastive_loss(self.encoder(self.images[drawn]), self.labels[drawn])
        self.feature_optimizer.zero_grad()
        loss.backward()
        self.feature_optimizer.step()

    def spectral_step(self) -> float:
        """One step of Algorithm 2; returns how far the reference moved."""
        drawn = self.draw(self.settings["size"] - self.settings["anchors"])
        with evaluating(self.encoder), torch.no_grad():
            reference = self.encoder(self.reference)
        if self.layer.is_initialized:
            change = float(self.layer.update_reference(reference).change)
        else:
            self.layer.init_reference(reference, reference_size=len(reference))
            change = 0.0
        # Without T_G: the same anchors, in whatever basis their eigenvectors come.
        anchors = self.layer.nodes[: self.layer.num_anchors]
        self.not_aligned.init_reference(reference, anchors, len(reference))
        with evaluating(self.encoder), torch.set_grad_enabled(self.gradient):
            features = self.encoder(self.images[drawn])
        losses = (
            WEIGHT * self.layer.loss(features),
            self.not_aligned.loss(features.detach()),
        )
        self.feature_optimizer.zero_grad()
        for loss, optimizer in zip(losses, self.spectral_optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if self.gradient:
            self.feature_optimizer.step()
        return change

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        with evaluating(self.encoder):
            return torch.cat([self.encoder(block) for block in images.split(1000)])

    def embedded(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of the images, the network's rows, and the exact ones."""
        features = self.features(images)
        return features, self.layer(features), self.layer.embedding(features).vectors

    @torch.no_grad()
    def measured(self, images: Tensor, labels: Tensor) -> Run:
        """The network's embedding and the exact one, under the same features."""
        features, learned, exact = self.embedded(images)
        few = features[: self.settings["size"] - self.settings["anchors"]]
        return {
            "contrastive_loss": float(contrastive_loss(features, labels)),
            "spectral_loss": float(self.layer.loss(few)),
            "spectral_loss_not_aligned": float(self.not_aligned.loss(few)),
            "grassmann_distance": grassmann_distance(learned, exact),
            **clustered(learned, labels, "network"),
            **clustered(exact, labels, "exact"),
        }

    @torch.no_grad()
    def read_out(self, images: Tensor, labels: Tensor) -> Run:
        """Reads the eigenvectors out; the embedding then, and the exact one."""
        sample = self.images[: self.settings["sampled_images"]]
        self.layer.read_out(self.features(sample))
        _, learned, exact = self.embedded(images)
        return {
            "readout_grassmann_distance": grassmann_distance(learned, exact),
            **clustered(learned, labels, "readout"),
        }


def main(options: argparse.Namespace) -> None:
    settings = {**SETTINGS, **(QUICK if options.quick else {})}
    parameters = {**settings, "num_eigenvectors": NUM_EIGENVECTORS, "weight": WEIGHT}
    results = RunFile.of(options, ("kind", "seed"))
    tasks = [
        (kind, seed, settings, options.data_root, options.cache_dir)
        for seed in range(options.seeds)
        for kind in TITLES
        # The digits 4, 7 and 9 are for a figure only.
        if (kind != "three_digits" or seed == 0)
        and not results.has((kind, seed), parameters)
    ]
    for task, (run, shown) in run_tasks(train, tasks, options.processes, "joint"):
        kind, seed = task[:2]
        if seed == 0 and kind in DRAWN:
            name, draw = DRAWN[kind]
            draw(shown).savefig(options.output / f"joint_{name}.png", dpi=100)
        results.add((kind, seed), parameters, run)
    draw_curves(results.runs()).savefig(options.output / "joint_curves.png", dpi=100)


def train(
    kind: str, seed: int, settings: Run, data_root: Path | None, cache_dir: Path
) -> tuple[Run, Run]:
    """One joint training: its measures on the way and at the end, and the embeddings
    that figures show."""
    split, columns = load_images("mnist", data_root, cache_dir), NUM_EIGENVECTORS
    split = ImageSplit(*(part[: settings.get("images")] for part in split))
    if kind == "three_digits":
        split, columns = of_classes(split, THREE_DIGITS), len(THREE_DIGITS) - 1
    joint = Joint(split, columns, settings, kind == "gradient", seed)
    held_out = split.x_test.unsqueeze(1), split.y_test
    count = settings["measured_images"]
    # Shuffled: the first of MNIST's test digits are the cleaner ones.
    order = torch.randperm(len(held_out[0]), generator=joint.generator)[:count]
    parts = {
        "train": (joint.images[:count], joint.labels[:count]),
        "held_out": (held_out[0][order], held_out[1][order]),
    }
    history, changes, shown = [], [], {}
    for iteration in range(1, settings["iterations"] + 1):
        joint.feature_step()
        if iteration % settings["spectral_every"] == 0:
            changes.append(joint.spectral_step())
        if iteration % settings["measured_every"] == 0:
            measures = {name: joint.measured(*part) for name, part in parts.items()}
            history.append({"iteration": iteration, **measures})
        if iteration in (*SHOWN, settings["iterations"]):
            shown[iteration] = snapshot(joint, *parts["held_out"])
    final = joint.measured(*held_out)
    # The last, as the read-out replaces the output layer.
    final |= joint.read_out(*held_out)
    final["linear_accuracy"] = linear_probe_accuracy(
        joint.features(joint.images[:10_000]),
        joint.labels[:10_000],
        joint.features(held_out[0]),
        held_out[1],
    )
    return {"history": history, "changes": changes, "final": final}, shown


@torch.no_grad()
def snapshot(joint: Joint, images: Tensor, labels: Tensor) -> Run:
    """What the figures show: the reference set before and after T_G, and the embedding
    of held-out images."""
    reference = joint.features(joint.reference)[joint.layer.nodes]
    return {
        "before": joint.layer.embedding(reference).vectors.numpy(),
        "after": joint.layer.rows.numpy(),
        "learned": joint.layer(joint.features(images)).numpy(),
        "labels": labels.numpy(),
    }


def clustered(rows: Tensor, labels: Tensor, prefix: str) -> dict[str, float]:
    num_clusters = len(labels.unique())
    kmeans = KMeans(num_clusters, n_init=10, random_state=0)
    found = agreement(labels, kmeans.fit_predict(rows.numpy()))
    return {f"{prefix}_{name}": found[name] for name in found}


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Batch normalization as it will be for single images."""
    module.eval()
    try:
        yield
    finally:
        module.train()


def of_classes(split: ImageSplit, classes: tuple[int, ...]) -> ImageSplit:
    train, test = (
        torch.isin(labels, torch.tensor(classes))
        for labels in (split.y_train, split.y_test)
    )
    return ImageSplit(
        split.x_train[train],
        split.y_train[train],
        split.x_test[test],
        split.y_test[test],
    )


def tables(folder: Path) -> dict[str, str]:
    runs = read_results(folder, "joint")["runs"]
    rows = []
    for kind, title in TITLES.items():
        finals = [run["final"] for run in runs if run["kind"] == kind]
        means = {key: over_runs(finals, key) for key in finals[0]}
        rows.append({"kind": title, "seeds": str(len(finals)), **means})
    columns = {
        "kind": "held-out digits at the end",
        "seeds": "seeds",
        "network_nmi": "NMI",
        "readout_nmi": "NMI, read out",
        "exact_nmi": "NMI, exact",
        "network_accuracy": "ACC",
        "readout_accuracy": "ACC, read out",
        "exact_accuracy": "ACC, exact",
        "grassmann_distance": "d_G",
        "readout_grassmann_distance": "d_G, read out",
        "spectral_loss": "spectral loss",
        "spectral_loss_not_aligned": "without T_G",
        "linear_accuracy": "linear accuracy of the features",
    }
    return {"joint": markdown_table(rows, columns)}
