import json

import batch_size
import numpy as np
import pytest
from PIL import Image

from pyg_basis.datasets import sphere


def run(m, distance, seed=0, **more):
    base = {"set": "sphere", "m": m, "anchors": 100, "seed": seed, "iterations": 10}
    return {**base, "seconds": 1.0, "grassmann_distance": distance, **more}


def test_table_compares_with_the_smallest_batch():
    runs = [run(512, 0.10), run(512, 0.14, 1), run(2048, 0.02), run(2048, 0.04, 1)]
    lines = batch_size.table(runs).splitlines()
    assert len(lines) == 4
    assert " 4.0 |" in lines[3]
    assert "0.0300 ± 0.0141" in lines[3]


def test_steps_fill_the_time():
    x = sphere(500)
    sizes = {"n_components": 4, "batch_size": 100, "n_anchors": 30, "n_neighbors": 10}
    few = batch_size.iterations_in(1.0, x, **sizes)
    many = batch_size.iterations_in(10.0, x, **sizes)
    assert 1 <= few < many
    assert batch_size.iterations_in(0.0, x, **sizes) == 1


@pytest.mark.slow
def test_command_writes_figures(tmp_path):
    batch_size.main(["--quick", "--output", str(tmp_path)])
    runs = json.loads((tmp_path / "batch_size.json").read_text())["results"]["runs"]
    assert [(row["m"], row["anchors"]) for row in runs] == [
        (300, 100),
        (300, 250),
        (600, 100),
        (600, 250),
    ]
    assert (tmp_path / "batch_size.md").read_text() == batch_size.table(runs)
    with Image.open(tmp_path / "batch_size.png") as image:
        assert np.asarray(image.convert("L")).std() > 5  # not blank
