"""Kernels round the same, compiled or cached; those compiled from other sources are not run."""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from numba.core.dispatcher import Dispatcher

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


def test_no_kernel_takes_its_rounding_from_the_first_that_calls_it():
    """What is not said is inherited from that caller, and kept in the cache."""
    names = [
        f"bayes_compute.changepoint.{each.stem}"
        for each in (PACKAGE / "changepoint").glob("[a-z]*.py")
    ]
    kernels = {
        f"{name}.{called}": each.targetoptions
        for name in names
        for called, each in vars(import_module(name)).items()
        if isinstance(each, Dispatcher)
    }
    assert len(kernels) > 70
    free = [name for name, options in kernels.items() if options.get("fastmath") is not False]
    assert not free


def test_what_is_compiled_rounds_as_what_is_read_from_the_cache(tmp_path):
    """Else the draws of a first run are not those of the second: leapfrogs amplify the last bit."""
    for name in ("bayes_compute", "models", "data"):
        shutil.copytree(
            PACKAGE.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    code = """
import numpy as np
import bayes_compute as bc
from bayes_compute.changepoint.hyperparameters import Hyperparameters
from bayes_compute.density_callback import evaluate
from bayes_compute.models import power, three_eras
from bayes_compute.sampling import CompiledDensity
systems = bc.Observations.from_systems(bc.load_systems("systems-2022-03")).with_compute
at = Hyperparameters(0.4, 0.2, np.linspace(-0.5, 0.5, len(systems.domains)))
value, slope = three_eras.regression(systems).log_likelihood(at)
compiled = CompiledDensity(power.build(power.observe("2025-08-24")))
points = np.random.default_rng(1).normal(size=(5, len(compiled._start.data)))
found = [evaluate(compiled._callback, point, []) for point in points]
print(value.hex(), slope.tobytes().hex(), [(v.hex(), g.tobytes().hex()) for v, g in found])
"""
    here = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'pytensor'}",
    }

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path, env=here, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert run() == run()


def test_compiled_graphs_are_cached_under_the_sources_they_call():
    _, key = _compile(CollapsedLogLikelihood())
    assert key == KERNEL_KEY
