"""Puts the tables of benchmarks/results/ into the README and docs/benchmarks.md.

    python benchmarks/readme.py

There the table of results/NAME.md goes between <!-- NAME --> and <!-- end -->.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/benchmarks.md")
MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, results: Path) -> str:
    def filled(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        table = (results / f"{name}.md").read_text().strip()
        return f"{start}\n{table}\n\n{end}"

    return MARKED.sub(filled, text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(), ROOT / "benchmarks/results"))
