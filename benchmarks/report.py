"""The results page docs/results.md, from the JSON files of benchmarks/results/.

    python benchmarks/report.py

Also the short table of the README (table1.md, put in by readme.py) and Fig. 4.
"""

import argparse
from pathlib import Path

from evaluation import MEASURES
from image_features import DATASETS
from results import markdown_table, read_results
from robustness_section import robustness_section
from table1_section import section, short_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
# What is said of the scripts on moving features (Algorithm 2).
JOINT = (
    (
        "joint",
        "Features and spectrum learned together (Figs. 6 to 8)",
        "MNIST: a spectral step in every tenth iteration of the features, whose "
        "reference follows them (T_G); beside it one whose reference begins anew each "
        "time. The exact eigenvectors are those of the graph of held-out digits under "
        "the same features. In the second row the spectral loss reaches the features.",
        {
            "joint_curves": "Losses, NMI and ACC during the training",
            "joint_maps": "t-SNE of the embedding of held-out digits, first and last",
            "joint_bases": "Digits 4, 7, 9: the reference before and after T_G",
        },
    ),
    (
        "moving_features",
        "How references drift, and what an update costs",
        "10,000 updates under features that turn slowly, alone and with fresh noise in "
        "every update, whose true embedding stays where it is; and the time of a "
        "spectral step with its update beside one without.",
        {"moving_features": "Change of the reference against the number of updates"},
    ),
    (
        "joint_cora",
        "Joint training in a graph neural network (Cora)",
        "Ten random splits. The weight of the spectral loss is chosen by the accuracy "
        "on validation nodes; the GCN alone has none to choose.",
        {},
    ),
)

INTRODUCTION = """# Results

This page is made by `python benchmarks/report.py` from the JSON files in
[`benchmarks/results/`](../benchmarks/results), which hold the commands, seeds,
versions and the machine. No number in it is typed by hand, but the paper's row.

## Table 1

`python benchmarks/learning_rates.py --data-root DIR`, then
`python benchmarks/run_all.py --data-root DIR`.

Every method sees the same 16 siamese features (Eq. 21, learned from the labels of the
training split). All that learn have the same network, 300 iterations and a learning
rate of their own, chosen by d_G on a held-out part of the training split; but for the
rows of published settings, which have 1,000 iterations of 512 points, fixed rates, and
anchors chosen by class, with training labels. All measures are taken on the
test split, of which every learned method embeds each point by itself. d_G is the
distance (Eq. 16) to the exact eigenvectors of the test split's own graph; k-means (NMI,
ACC) and the linear layer (linear accuracy) are fitted on the embedding of the training
split. Exact eigenvectors exist for the test split only: their k-means is fitted there,
and their linear layer on one half of it. Mean and standard deviation over the seeds.

"Whole graph" marks what needs the graph of all training points, whose cost grows with
their number ([how](../README.md#results)); the graphs of the others do not. BASiS,
SpectralNet and SpecNet2 end in a Rayleigh-Ritz step: BASiS in the span of its network's
hidden features and of Gaussian kernels at the anchors, over the graphs of one sample
or several, each as large as its reference; the others in the span of their columns,
over one graph of 10,000 points, which is more than the one batch of their papers. The
published settings of BASiS, Diffusion Net and the regressions do not. BASiS ends its
training when further batches add nothing to what can be read out; its 300 iterations
are a bound.

The two rows of published settings differ from the publications where
`pyg_basis.estimators.preset` says so. SpectralNet here passes gradients through its
orthogonalisation, which makes it stronger than the published alternation (see its
docstring).

BASiS learns the eigenvectors of a graph of 10,000 sampled points. "Reference of one
batch" learns the coarser ones of 2,048, as `BASiSClustering` does: where no gap follows
the last eigenvalue (CIFAR-10) they are far from the exact ones, and cluster better.

Most of what separates an embedding from the exact one is the degree. BASiS learns it
apart from a sample ("degree extended"), as no published method does; the regression
with and without it, and BASiS with the published settings, show how much that is.

### What does not compare, and why

- Our siamese features are not the paper's, so the paper's BASiS row stands here for
  orientation.
- All rows of a set are of the same features, trained once, and learning rates were
  chosen on features of another training. Trained in the same way on another machine,
  features are others, and figures change by more than between seeds: what compares
  are rows of one table.
- CIFAR-10 here is JPEG-coded, and SVHN a small part (4,434 training images).
- The paper's code takes other forms of d_G, d_perp and NMI than the paper's text, and
  anchors from the test split; ours come from the training split.
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/results.md")
    options = parser.parse_args(arguments)
    parts, short = [INTRODUCTION], []
    for name in DATASETS:
        path = options.results / f"table1_{name}.json"
        if path.exists():
            record = read_results(path)
            parts.append(section(name, record))
            short += short_rows(name, record["results"]["runs"])
    parts.append(robustness_section(options.results))
    parts.append(peers_section(options.results))
    parts += [joint_section(options.results, *about) for about in JOINT]
    options.page.write_text("\n".join(part for part in parts if part))
    columns = {"set": "set", "method": "method", "seeds": "seeds", **MEASURES}
    (options.results / "table1.md").write_text(markdown_table(short, columns))
    print(f"written to {options.page} and {options.results}")


def joint_section(
    results: Path, name: str, title: str, text: str, figures: dict[str, str]
) -> str:
    """A table that its own script made, with its figures."""
    path = results / f"{name}.md"
    if not path.exists():
        return ""
    command = read_results(results / f"{name}.json")["command"]
    pictures = "\n\n".join(
        f"![{caption}](../benchmarks/results/{figure}.png)"
        for figure, caption in figures.items()
    )
    return f"## {title}\n\n`{command}`\n\n{text}\n\n{path.read_text()}\n{pictures}\n"


def peers_section(results: Path) -> str:
    """The table that peers.py made."""
    path = results / "peers.md"
    if not path.exists():
        return ""
    command = read_results(results / "peers.json")["command"]
    return f"## Other packages\n\n`{command}`\n\n{path.read_text()}"


if __name__ == "__main__":
    main()
