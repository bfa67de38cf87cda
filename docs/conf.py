"""Sphinx: `make docs` builds the site into docs/_build/html, without a network.

A reader's browser loads MathJax and mermaid from the net. Without it, formulas and
diagrams show their source.
"""

import ast
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pyg_basis

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from parameter_pictures import draw_pictures  # noqa: E402

project = "pyg_basis"
author = "The pyg_basis authors"
release = version = pyg_basis.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]

# Pages are Markdown, with mathematics, and notebooks as they were executed.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
suppress_warnings = [
    "misc.highlighting_failure",  # a diagram in mermaid, see _static/diagrams.js
    # Pages also link to what is in the repository and not on the site.
    "myst.xref_missing",
    "myst.header",
    "mystnb.unknown_mime_type",
]

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autosummary_generate = True
napoleon_use_ivar = True
strip_signature_backslash = True  # napoleon then keeps the "_" of a fitted attribute

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = [("diagrams.js", {"defer": "defer"})]
templates_path = ["_templates"]
# The sidebar lists all pages, so the header need not.
html_sidebars = {"**": ["sidebar.html"]}
html_theme_options = {
    "navbar_center": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}


def with_notebooks() -> None:
    """The notebooks lie next to the pages while the site is built."""
    folder = ROOT / "docs/tutorials"
    folder.mkdir(exist_ok=True)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy2(notebook, folder / notebook.name)


def names_in(path: Path) -> set[str]:
    """The names in a file's code: of a page, in its blocks of Python."""
    text = path.read_text(encoding="utf-8")
    blocks = [text]
    if path.suffix == ".md":
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    names = set()
    for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                names.add(name)
    return names


EXAMPLES = {
    path.relative_to(ROOT): names_in(path)
    for pattern in ("README.md", "docs/*.md", "notebooks/*.py", "examples/*.py")
    for path in sorted(ROOT.glob(pattern))
}


def add_examples(app: Any, page: str, source: list[str]) -> None:
    """At the end of a name's page in the reference: what else uses the name."""
    if not page.startswith("generated/"):
        return
    links = []
    for path, names in EXAMPLES.items():
        # The page is written anew when one of these files has changed.
        app.env.note_dependency(str(ROOT / path))
        if page.rpartition(".")[2] not in names:
            continue
        if path.parent.name == "docs":
            links.append(f"- :doc:`/{path.stem}`")
        elif path.parent.name == "notebooks":
            links.append(f"- :doc:`/tutorials/{path.stem}`")
        else:
            links.append(f"- :download:`{path} <../../{path}>`")
    if links:
        title = "Examples that use it"
        source[0] += "\n".join(["\n", title, "-" * len(title), "", *links, ""])


def write_text_twins(app: Any, error: Exception | None) -> None:
    """Each page as Markdown next to its HTML, and llms.txt, which lists them."""
    if error is not None or app.builder.name != "html":
        return
    lines = [f"# {project}", "", "Spectral embeddings for any new point.", ""]
    for page in sorted(Path(app.srcdir).glob("*.md")):
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({page.name})")
        shutil.copy2(page, Path(app.outdir) / page.name)
    text = "\n".join(lines) + "\n"
    (Path(app.outdir) / "llms.txt").write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    with_notebooks()
    draw_pictures()
    app.connect("source-read", add_examples)
    app.connect("build-finished", write_text_twins)
