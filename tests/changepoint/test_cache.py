"""Kernels compiled from other sources are not run."""

import shutil
import subprocess
import sys
from pathlib import Path

from bayes_compute.changepoint import KERNEL_KEY
from bayes_compute.changepoint.op import CollapsedLogLikelihood, _compile

PACKAGE = Path(__file__).parents[2] / "bayes_compute"


def test_an_edit_of_a_called_file_takes_effect(tmp_path):
    shutil.copytree(
        PACKAGE, tmp_path / "bayes_compute", ignore=shutil.ignore_patterns("__pycache__")
    )
    folder = tmp_path / "bayes_compute" / "changepoint"
    (folder / "callee.py").write_text(
        "import numba as nb\n@nb.njit(cache=True)\ndef two():\n    return 2\n"
    )
    (folder / "caller.py").write_text(
        "import numba as nb\nfrom bayes_compute.changepoint.callee import two\n"
        "@nb.njit(cache=True)\ndef twice():\n    return 2 * two()\n"
    )
    code = "from bayes_compute.changepoint.caller import twice; print(twice())"

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert run() == "4"
    callee = folder / "callee.py"
    callee.write_text(callee.read_text().replace("return 2", "return 30"))
    assert run() == "60"


def test_compiled_graphs_are_cached_under_the_sources_they_call():
    _, key = _compile(CollapsedLogLikelihood())
    assert key == KERNEL_KEY
