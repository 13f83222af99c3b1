"""What the documentation prints: examples in docstrings, and the page on one's own data."""

import doctest
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from bayes_compute.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "own_data.md"


@pytest.mark.parametrize(
    "module", ["changepoint.evidence", "facts", "flop", "observations", "systems"]
)
def test_examples_of_docstrings_hold(module):
    found = doctest.testmod(import_module(f"bayes_compute.{module}"))
    assert found.attempted and not found.failed


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
