import json

import pytest
import report


def run(method, seed, distance, nmi):
    values = {"grassmann_distance": distance, "orthogonality": distance, "nmi": nmi}
    values |= {"accuracy": nmi, "linear_accuracy": nmi, "fit_cpu_seconds": 30.0}
    values |= {"parameters": {"learning_rate": 0.001}}
    return {"method": method, "seed": seed, **values}


@pytest.fixture
def results(tmp_path):
    runs = [
        run("basis", 0, 0.1, 0.90),
        run("basis", 1, 0.2, 0.92),
        run("spectralnet", 0, 0.3, 0.91),
        run("spectralnet", 1, 0.5, 0.93),
        run("regression", 0, 0.07, 0.80),
        run("exact", 0, 0.0, 0.95),
    ]
    record = {
        "results": {"runs": runs},
    }
    (tmp_path / "table1_mnist.json").write_text(json.dumps(record))
    return tmp_path


def test_runs_on_features_that_were_trained_apart_do_not_compare(results):
    path = results / "table1_mnist.json"
    record = json.loads(path.read_text())
    record["results"]["runs"][2]["parameters"]["feature_values"] = "abc"
    path.write_text(json.dumps(record))
    with pytest.raises(SystemExit, match="trained apart"):
        report.main(["--results", str(results), "--page", str(results / "page.md")])


def test_the_page(results):
    page = results / "results.md"
    report.main(["--results", str(results), "--page", str(page)])
    text = page.read_text()
    assert "0.150 ± 0.071" in text  # d_G of BASiS
    assert "0.107" in text  # the paper's
    assert "Learning rates: BASiS 0.001, SpectralNet 0.001" in text
    assert "95.8 %" in text  # 0.91 of 0.95
    assert "d_G: BASiS has 0.1500. Better: none." in text
    assert "SpectralNet (0.9200)" in text  # in NMI, within two standard errors
    assert "Fig. 4" not in text
    short = (results / "table1.md").read_text()
    assert "MNIST" in short
    assert "SpectralNet" in short
    assert short.count("\n") == 2 + 3
