"""What the attrs of a fit say of how it was made: data, sampler, versions, units and priors."""

import hashlib
import json
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_compute import __version__

if TYPE_CHECKING:  # slow to import
    import pymc as pm

_LIBRARIES = ("pymc", "nutpie", "arviz", "numpy", "numba", "scipy", "xarray", "pandas")

UNITS = {
    "transition_year": "year",
    "growth": "OOM/year",
    "growth_factor": "×/year",
    "doubling_time": "months",
    "sigma": "log10 FLOP",
    "level": "log10 FLOP",
    "offset": "log10 FLOP",
    "capacity": "log10 parameters",
    "drift": "log10 parameters/year",
    "elasticity": "log10 FLOP/log10 parameters",
    "level_given_parameters": "log10 FLOP",
    "growth_given_parameters": "OOM/year",
    "parameters_level": "log10 parameters",
    "parameters_growth": "log10 parameters/year",
    "parameters_sd": "log10 parameters",
    "share_before": "",
    "share_after": "",
    "share": "",
    "level_read": "log10 FLOP",
    "parameters_read": "log10 parameters",
    "parameters_gap": "log10 parameters",
    "growth_mean": "OOM/year",
    "growth_sd": "OOM/year",
    "offset_sd": "log10 FLOP",
}


def provenance(model: str, source: dict, sampler: dict, prob: float, units: dict) -> dict:
    """Attrs of every fit.

    Parameters
    ----------
    model : str
    source : dict
        Of the data: name, rows, sha256 and as_of.
    sampler : dict
        Name, version, seed, chains, draws and tune.
    prob : float
        Of the equal-tailed intervals that summaries of this fit quote.
    units : dict of str to str
        Of variables, by name.
    """
    return {
        "model": model,
        "data": json.dumps(source),
        "interval_kind": "eti",
        "interval_prob": prob,
        "sampler": json.dumps(sampler),
        "versions": json.dumps(versions()),
        "units": json.dumps(units),
    }


def versions() -> dict[str, str]:
    """Versions of this package, its code, and the libraries that numbers depend on."""
    own = {"bayes_compute": __version__, "code": code_hash()[:8]}
    return own | {name: version(name) for name in _LIBRARIES}


@lru_cache
def code_hash() -> str:
    """Hash of the code of this package and of its models."""
    from bayes_compute.models import __path__ as models

    package = Path(__file__).parent
    own = [path for path in package.rglob("*.py") if "_models" not in path.parts]
    found = hashlib.sha256()
    for path in (*sorted(own), *sorted(Path(models[0]).glob("*.py"))):
        found.update(path.read_bytes())
    return found.hexdigest()


def prior_text(pm_model: "pm.Model", likelihood: Any, transitions: list[str]) -> dict[str, str]:
    """Every prior, in words."""
    text = {rv.name: rv.str_repr() for rv in pm_model.free_RVs} | likelihood.prior.describe()
    for name, prior in zip(transitions, likelihood.cells.priors, strict=True):
        low, middle, high = (float(prior.ppf(q)) for q in (0.05, 0.5, 0.95))
        text[f"transition_year[{name}]"] = (
            f"before dates are ordered: median {middle:.1f}, 90 % {low:.1f} to {high:.1f}"
        )
    return text
