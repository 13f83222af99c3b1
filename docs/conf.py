"""How Sphinx builds the documentation; nothing is fetched, and the site asks no other server.

Build it with ``uv run --group docs sphinx-build -W docs site`` and open ``site/index.html``.
"""

import subprocess
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import bayes_compute

project = "bayes_compute"
version = release = bayes_compute.__version__
copyright = "bayes_compute contributors"

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["paper"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = "bayes_compute"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_sidebars = {"**": ["pages.html"]}
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_center": [],
    "navbar_end": [],
}
html_context = {"default_mode": "light"}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_typehints = "none"  # docstrings tell types in the words of the field
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False  # autodoc shows them
# What a reader of a function has to be told. ruff holds what is raised to the docstring (DOC501).
numpydoc_validation_checks = {"PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "SS03", "YD01"}
# Fields of a dataclass are told as attributes, for nobody constructs them by hand.
numpydoc_validation_overrides = {"PR01": [r"Attributes\n\s*-{5}"]}


def inline_formula(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def displayed_formula(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    mathml = tex2mathml(node.astext(), as_block=True)
    self.body.append(f'<div class="formula">{mathml}</div>')
    raise nodes.SkipNode


def write_command_line(app: Sphinx) -> None:
    """Let typer describe the command line."""
    told = [sys.executable, "-m", "typer", "bayes_compute.cli", "utils", "docs"]
    page = Path(app.srcdir) / "command_line.md"
    subprocess.run([*told, "--name", "bayes-compute", "--output", page], check=True)


def setup(app: Sphinx) -> None:
    """Register what stands here."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    app.connect("builder-inited", write_command_line)
