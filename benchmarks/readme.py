"""Puts the tables of benchmarks/results/ into the README, between their marks.

    python benchmarks/readme.py

The table of results/NAME.md goes between <!-- NAME --> and <!-- end -->.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, results: Path) -> str:
    def filled(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        table = (results / f"{name}.md").read_text().strip()
        return f"{start}\n{table}\n\n{end}"

    return MARKED.sub(filled, text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text(), ROOT / "benchmarks/results"))
