"""The main job on data that ships with scikit-learn: handwritten digits.

    python benchmarks/demo.py [--output DIR]

Learns features of the digits from the training labels, then their spectral embedding
with BASiS, and compares it on digits never seen with the exact eigenvectors. Writes a
table and pictures to the folder it names.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    # The packages of this checkout, instead of what is in this file's folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from benchmarks.data.siamese import siamese_features
from benchmarks.lib.evaluation import (
    MEASURES,
    FeatureSplit,
    exact_embedding,
    run_estimator,
    run_exact,
)
from benchmarks.lib.exact import NORMALIZED
from benchmarks.lib.pictures import draw
from benchmarks.lib.record import write_record
from benchmarks.lib.tables import markdown_table
from pyg_basis import BASiS
from pyg_basis.datasets import digits

# Some 50 digits of each kind are in the test part: 20 neighbors stay within.
PARAMETERS = {
    **NORMALIZED,
    "n_components": 10,
    "n_neighbors": 20,
    "batch_size": 512,
    "verbose": sys.stderr.isatty(),
}
SIAMESE_EPOCHS = 10


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--max-iter", type=int, default=1000, help="batches")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    split = digits()
    print(f"{len(split.x_train)} digits to train on, {len(split.x_test)} to test on")
    x_train, x_test, _ = siamese_features(
        split, "digits", options.output, epochs=SIAMESE_EPOCHS
    )
    print("their features learned from the labels of the training digits")
    data = FeatureSplit(x_train, split.y_train, x_test, split.y_test)
    exact, eigenvalues = exact_embedding(x_test, PARAMETERS["n_neighbors"])
    parameters = {**PARAMETERS, "max_iter": options.max_iter}
    basis = BASiS(random_state=0, **parameters)
    scores, embedding = run_estimator(basis, data, exact, seed=0)
    rows = [
        {"method": "BASiS, each new digit by itself", **scores},
        {"method": "exact eigenvectors of all new digits", **run_exact(data, exact, 0)},
    ]
    text = markdown_table(rows, {"method": "", **MEASURES})
    draw(
        options.output / "digits.png", data.y_test, basis, embedding, exact, eigenvalues
    )
    (options.output / "digits.md").write_text(text)
    write_record(options.output / "digits.json", parameters, {"runs": rows}, [0])
    basis.save(options.output / "digits_basis.pt")
    print(f"\n{text}")
    print("d_G: distance to the exact eigenspace; d_perp: columns off orthonormal.")
    print("Features trained on so few digits are tighter on those than on new ones, so")
    print("new digits get low degrees as a whole: d_perp sees that, d_G does not.")
    print(f"\nWritten to {options.output}/:")
    for path in sorted(options.output.iterdir()):
        print(f"  {path.name}")


if __name__ == "__main__":
    main()
