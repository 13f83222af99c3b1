"""Notebooks are stored without output, and run from start to end with short settings."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CHECKOUT = Path(__file__).parents[1]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
DRAWS = 800  # with fewer, not every fit passes the gate
# Ceilings take minutes to fit: a projection gets those that do not bind, as in other tests.
WITHOUT_CEILINGS = f"""
import sys
import pytest
sys.path.append({str(Path(__file__).parent)!r})
from conftest import without_ceilings
without_ceilings(pytest.MonkeyPatch())
"""
PLACE = re.compile(r"""(^|[\s"'(=])(/[\w.-]+/|~/|file:|[A-Za-z]:\\)""")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
DRAWS_A_FIGURE = re.compile(r"^(fig, ax|ax) = |^(bc\.plots\.|az\.plot_)", re.M)

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def shows_a_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 3


@each
def test_notebook_is_valid_and_holds_no_output(path):
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code if cell.outputs or cell.execution_count] == []


@each
def test_notebook_names_no_place_of_a_machine_and_no_dead_link(path):
    source = [line for cell in nbformat.read(path, 4).cells for line in cell.source.splitlines()]
    assert [line for line in source if PLACE.search(line)] == []
    links = LINK.findall("\n".join(source))
    assert links and [link for link in links if not (path.parent / link).is_file()] == []


@each
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("BAYES_COMPUTE_DRAWS", str(DRAWS))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own shows figures
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))  # none of the user's own
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WITHOUT_CEILINGS))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = [
        output.text for cell in code for output in cell.outputs if output.get("name") == "stderr"
    ]
    assert [text for text in said if "Warning" in text] == []
    drawn = [cell for cell in code if DRAWS_A_FIGURE.search(cell.source)]
    assert drawn and [cell.source for cell in drawn if not shows_a_figure(cell)] == []
