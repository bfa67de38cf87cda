"""Puts tables into the pages that show them: that of results/*/NAME.md goes between
<!-- NAME --> and <!-- end -->.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    ROOT / page
    for page in ("README.md", "docs/benchmarks.md", "docs/results.md", "docs/scale.md")
)
MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_pages(results: Path) -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text, results), encoding="utf-8")


def with_tables(text: str, results: Path) -> str:
    def filled(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        (path,) = results.glob(f"*/{name}.md")
        return f"{start}\n{path.read_text(encoding='utf-8').strip()}\n\n{end}"

    return MARKED.sub(filled, text)
