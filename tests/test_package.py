"""The package as installed: its public names, what importing it costs, and what a wheel holds."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

import bayes_compute as bc

CHECKOUT = Path(__file__).parents[1]
SAMPLERS = {"nutpie", "pymc", "pytensor"}
HEAVY = SAMPLERS | {
    "arviz", "jinja2", "matplotlib", "numba", "numpy", "pandas", "plotly", "scipy", "xarray",
}  # fmt: skip


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(CHECKOUT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        yield archive


def files_below(folder: str) -> set[str]:
    below = (path for path in (CHECKOUT / folder).rglob("*") if path.is_file())
    return {
        path.relative_to(CHECKOUT / folder).as_posix()
        for path in below
        if "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("name", bc.__all__)
def test_public_name_resolves(name):
    assert getattr(bc, name).__name__.rpartition(".")[2] == name


def test_dir_lists_the_public_names():
    assert set(bc.__all__) <= set(dir(bc))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'bayes_compute' has no attribute 'nonsense'"):
        bc.nonsense  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(bc.__all__) - {"plots"}))
def test_no_module_is_named_like_a_public_object(name):
    assert find_spec(f"bayes_compute.{name}") is None, (
        f"importing bayes_compute.{name} would replace the object bayes_compute.{name}"
    )


def test_importing_the_package_imports_nothing_heavy():
    assert not imported_by("import bayes_compute") & HEAVY


@pytest.mark.parametrize("module", ["summaries", "quoting", "plots", "page.render"])
def test_reading_results_does_not_import_a_sampler(module):
    assert not imported_by(f"import bayes_compute.{module}") & SAMPLERS


@pytest.mark.parametrize("name", ["one_era", "three_eras"])
def test_model_is_importable(name):
    assert callable(import_module(f"bayes_compute.models.{name}").build)


@pytest.mark.parametrize("folder", ["models", "data"])
def test_wheel_holds_the_folder(wheel, folder):
    expected = {f"bayes_compute/_{folder}/{file}" for file in files_below(folder)}
    assert expected and expected <= set(wheel.namelist())


def test_wheel_holds_what_a_page_is_made_of(wheel):
    expected = {f"bayes_compute/page/page.{kind}" for kind in ("html", "css", "js")}
    assert expected <= set(wheel.namelist())


def test_wheel_installs_one_top_level_name(wheel):
    top = {file.partition("/")[0] for file in wheel.namelist()}
    assert top == {"bayes_compute", f"bayes_compute-{bc.__version__}.dist-info"}


def test_wheel_declares_its_types(wheel):
    assert "bayes_compute/py.typed" in wheel.namelist()


def test_wheel_installs_the_command(wheel):
    declared = wheel.read(f"bayes_compute-{bc.__version__}.dist-info/entry_points.txt").decode()
    assert "bayes-compute = bayes_compute.cli:main" in declared.splitlines()


def test_citation_gives_this_version():
    text = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", text, re.M) == [bc.__version__]


def test_tested_versions_are_the_same_for_pip_and_uv():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    for_uv = project["tool"]["uv"]["constraint-dependencies"]
    for_pip = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert for_uv == for_pip, "write the lines of constraints.txt into pyproject.toml, in order"


def test_tested_versions_name_no_address():
    pins = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []


def test_licences_of_what_is_needed_allow_any_use():
    """Of all that is installed with the package. Mozilla's asks that changes be shared, no more."""
    allowed = r"MIT|BSD|Apache|Python Software Foundation|PSF|ISC|Zlib|HPND|MPL|Mozilla"
    licences = licences_of("bayes-compute", {})
    assert {"pymc", "plotly", "distributed", "numba"} <= licences.keys()
    assert {name: text for name, text in licences.items() if not re.search(allowed, text)} == {}
    assert {name: text for name, text in licences.items() if re.search("GPL|General P", text)} == {}


def licences_of(name: str, found: dict[str, str]) -> dict[str, str]:
    """What a distribution and all that it requires say of their licences, by name."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in found:
        return found
    here = distribution(name)
    said = [here.metadata.get("License-Expression"), here.metadata.get("License")]
    said += [text for text in here.metadata.get_all("Classifier", []) if "License ::" in text]
    found[name] = "; ".join(text.splitlines()[0] for text in said if text)
    for each in map(Requirement, here.requires or []):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            licences_of(each.name, found)
    return found
