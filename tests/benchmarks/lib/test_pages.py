import pytest

from benchmarks.lib.pages import PAGES, with_tables
from benchmarks.registry import RESULTS


def test_tables_go_between_their_marks(tmp_path):
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys" / "toys.md").write_text("| new |\n")
    text = "before\n<!-- toys -->\n| old |\n<!-- end -->\nafter"
    filled = with_tables(text, tmp_path)
    assert filled == "before\n<!-- toys -->\n\n| new |\n\n<!-- end -->\nafter"
    assert with_tables(filled, tmp_path) == filled


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_the_committed_results(page):
    text = page.read_text(encoding="utf-8")
    assert "<!-- end -->" in text
    assert with_tables(text, RESULTS) == text
