"""What the documentation prints: examples in docstrings, and the page on one's own data."""

import doctest
import re
import shlex
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pymc.blocking import DictToArrayBijection

from bayes_compute import plots
from bayes_compute.cli import main
from bayes_compute.observations import Observations
from bayes_compute.systems import load_systems

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "own_data.md"


def with_examples() -> list[str]:
    """Modules in whose docstrings something is run."""
    files = sorted((DOCS.parent / "bayes_compute").rglob("*.py"))
    found = [file for file in files if ">>> " in file.read_text(encoding="utf-8")]
    return [".".join(file.relative_to(DOCS.parent).with_suffix("").parts) for file in found]


@pytest.mark.parametrize("module", with_examples())
def test_examples_of_docstrings_hold(module):
    found = doctest.testmod(import_module(module.removesuffix(".__init__")))
    assert found.attempted and not found.failed


def test_the_gallery_shows_every_plot():
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    for name in plots.__all__:
        if callable(getattr(plots, name)):
            (picture,) = re.findall(rf"\]\((\S*\b{name}\.png)\)", page)
            assert (DOCS / picture).is_file(), name
            assert f"`{name}`" in page


def test_the_model_of_the_page_on_models_can_be_sampled():
    page = (DOCS / "add_model.md").read_text(encoding="utf-8")
    model = ModuleType("two_eras")
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], model.__dict__)
    observations = Observations.from_systems(load_systems("systems-2022-03"))
    built = model.build(observations)
    assert model.regression(observations).cells.priors[0].mean() == pytest.approx(2012, abs=0.5)
    value, slope = built.logp_dlogp_function(ravel_inputs=True)(
        DictToArrayBijection.map(built.initial_point())
    )
    assert np.isfinite(value) and np.isfinite(slope).all()


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: what it prints, on either stream."""
    monkeypatch.chdir(tmp_path)

    def call(line):
        with pytest.raises(SystemExit):
            main(shlex.split(line)[1:])
        return "".join(capsys.readouterr())

    return call


def example() -> tuple[str, str]:
    """The file that the page shows, and the rest of the page."""
    _, file, rest = re.split(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    return file, rest


def test_example_file_gives_what_the_page_prints(command):
    file, rest = example()
    Path("mine.csv").write_text(file, encoding="utf-8", newline="\n")
    line, _, printed = re.findall(r"```console\n\$ (.*?)```", rest, re.S)[0].partition("\n")
    assert command(line) == printed


@pytest.mark.parametrize(
    ("change", "to", "row"),
    [
        (r"7\.4e18", "7.4e18 FLOP", 0),
        ("15/10/2018", "10/15/2018", 1),
        (r"Training compute \(FLOP\)", "Training compute", 2),
        ("15/10/2018", "5/10/2018", 3),
        (r"(?<=,)(\d\.\de)(\d\d)(?=,[LC])", lambda of: f"{of[1]}{int(of[2]) - 15}", 4),
        (r"2\.1e8", "0.21", 5),
        ("Delta.*", "", 6),
    ],
)
def test_refusals_are_those_of_the_page(command, change, to, row):
    file, rest = example()
    changed = re.sub(change, to, file, flags=re.S)
    Path("mine.csv").write_text(changed, encoding="utf-8", newline="\n")
    answers = re.findall(r"^\| .* \| `((?:mine\.csv|systems).*)` \|$", rest, re.M)
    assert command("bayes-compute data mine.csv") == f"bayes-compute: {answers[row]}\n"
