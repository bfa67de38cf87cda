"""A map that stays: data that arrive daily.

    python examples/daily_data.py

Points of five groups come in on four days: of two groups at first, more of these on the
second day, then of two others, then of the last one. A model is fitted on the first
day, saved, and updated on each other one, from the file alone. Printed is how far rows
of the first day moved, how much of the exact eigenvectors of all points so far the
embedding holds, and how well a linear classifier separates the groups so far by their
rows.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from pyg_basis import BASiS
from pyg_basis.datasets import blobs
from pyg_basis.metrics import linear_probe_accuracy


def main(arguments: Sequence[str] | None = None) -> list[dict[str, float]]:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args(arguments)
    x, y = blobs(3000 if options.quick else 15_000, noise=0.3)
    is_even = torch.arange(len(x)) % 2 == 0
    early, middle = y < 2, (y == 2) | (y == 3)
    days = [early & is_even, early & ~is_even, middle, y == 4]
    size = 500 if options.quick else 2000

    seen, figures = torch.zeros(len(x), dtype=torch.bool), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        for day, new in enumerate(days, start=1):
            seen |= new
            if day == 1:
                model = BASiS(
                    5,
                    batch_size=500,
                    reference_size=size,
                    updatable=True,
                    random_state=0,
                ).fit(x[new])
                moved = 0.0
            else:
                model = BASiS.load(path)
                before = model.transform(x[days[0]])
                model.update(x[new])
                change = model.transform(x[days[0]]) - before
                moved = float(change.norm() / before.norm())
            model.save(path)
            rows, groups = model.transform(x[seen]), y[seen]
            right = linear_probe_accuracy(
                rows[::2], groups[::2], rows[1::2], groups[1::2]
            )
            held = model.quality_["captured_by_more"] if model.quality_ else 0.0
            figures.append({"moved": moved, "held": held, "right": right})
            print(
                f"day {day}: {int(new.sum()):5d} new points, moved by {moved:5.1%}, "
                f"holds {held:.1%}, groups right {right:.1%}"
            )
    return figures


if __name__ == "__main__":
    main()
