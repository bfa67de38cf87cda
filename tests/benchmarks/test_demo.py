import json

from benchmarks import demo
from pyg_basis import BASiS
from pyg_basis.datasets import digits


def test_demo_writes_what_it_says(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "SIAMESE_EPOCHS", 2)
    demo.main(["--output", str(tmp_path), "--max-iter", "20"])
    printed = capsys.readouterr().out
    for name in ("digits.json", "digits.md", "digits.png", "digits_basis.pt"):
        assert (tmp_path / name).exists()
        assert name in printed
    assert (tmp_path / "digits.md").read_text() in printed
    runs = json.loads((tmp_path / "digits.json").read_text())["results"]["runs"]
    assert runs[0]["iterations"] == 20
    # The saved embedding is the one that was measured.
    basis = BASiS.load(tmp_path / "digits_basis.pt")
    assert basis.n_features_in_ == 16
    assert digits().x_train.shape[1] == 64
