"""Estimates, with intervals, of the compute available to train machine-learning systems.

Load a table of systems, keep what a model needs, fit it, and read off numbers with intervals::

    import bayes_compute as bc

    systems = bc.load_systems("systems-2022-03")
    observations = bc.Observations.from_systems(systems)
    posterior = bc.fit("three_eras", observations, seed=1)
    bc.summary(posterior)

The names below are imported when they are first used, so ``import bayes_compute`` is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bayes_compute import plots
    from bayes_compute.calibration import calibrate
    from bayes_compute.changepoint.evidence import transitions
    from bayes_compute.comparison import compare
    from bayes_compute.errors import InputError, NotConverged
    from bayes_compute.facts import load_facts
    from bayes_compute.flop import training_flop
    from bayes_compute.inference import fit
    from bayes_compute.measurement import with_evidence
    from bayes_compute.observations import Observations
    from bayes_compute.projection.projection import project
    from bayes_compute.quoting import quote
    from bayes_compute.readings import Readings
    from bayes_compute.summaries import summary
    from bayes_compute.systems import load_systems

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "NotConverged",
    "Observations",
    "Readings",
    "calibrate",
    "compare",
    "fit",
    "load_facts",
    "load_systems",
    "plots",
    "project",
    "quote",
    "summary",
    "training_flop",
    "transitions",
    "with_evidence",
]

# No function shares its name with a module of this package: importing such a module would
# replace the function.
_HOME = {
    "InputError": "errors",
    "NotConverged": "errors",
    "Observations": "observations",
    "Readings": "readings",
    "calibrate": "calibration",
    "compare": "comparison",
    "fit": "inference",
    "load_facts": "facts",
    "load_systems": "systems",
    "project": "projection.projection",
    "quote": "quoting",
    "summary": "summaries",
    "training_flop": "flop",
    "transitions": "changepoint.evidence",
    "with_evidence": "measurement",
}


def __getattr__(name: str) -> object:
    if name == "plots":
        return import_module(f"{__name__}.plots")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
