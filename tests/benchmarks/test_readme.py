from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).parents[2]


def test_tables_go_between_their_marks(tmp_path):
    (tmp_path / "toys.md").write_text("| new |\n")
    text = "before\n<!-- toys -->\n| old |\n<!-- end -->\nafter"
    filled = readme.with_tables(text, tmp_path)
    assert filled == "before\n<!-- toys -->\n\n| new |\n\n<!-- end -->\nafter"
    assert readme.with_tables(filled, tmp_path) == filled


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.name)
def test_pages_show_the_committed_results(page):
    text = page.read_text()
    assert "<!-- end -->" in text
    assert readme.with_tables(text, ROOT / "benchmarks" / "results") == text
