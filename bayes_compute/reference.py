"""Reference posteriors: one long fit of a model to a table, for every other fit to be held to.

In the manner of posteriordb (Magnusson et al. 2025, arXiv:2407.04967): a reference is defined by
its model, data and sampler, passes stricter diagnostics than other fits do, and is kept with all of
these. Of its draws what they say of each quantity is kept, with Monte Carlo standard errors.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.errors import InputError, NotConverged
from bayes_compute.strict_json import plain
from bayes_compute.summaries import quantities

SAMPLER: dict[str, Any] = {"chains": 10, "draws": 2000, "tune": 1000}
"""What a reference is drawn with."""

_ESS = 4000  # of every quantity, bulk and tail
_QUANTILES = (0.05, 0.5, 0.95)


def reference(dt: xr.DataTree) -> dict[str, Any]:
    """Keep what a long fit says.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned with :data:`SAMPLER`.

    Returns
    -------
    dict
        Plain JSON values: ``model``, ``data``, ``sampler``, ``versions``, ``diagnostics``, and by
        quantity the ``value`` and ``mcse`` of its ``mean``, ``sd`` and quantiles.

    Raises
    ------
    NotConverged
        If a draw diverged, or an effective sample size is below 4,000.
    """
    found = {key: json.loads(dt.attrs[key]) for key in ("data", "sampler", "versions")}
    checks = json.loads(dt.attrs["diagnostics"])
    ess = min(checks["smallest_ess_bulk"], checks["smallest_ess_tail"])
    if checks["divergences"] or ess < _ESS:
        raise NotConverged(
            f"{dt.attrs['model']}: reference: got {checks['divergences']} divergences and an ESS "
            f"of {ess}; expected none, and at least {_ESS}; try another seed or more draws",
            checks,
        )
    keep = ("worst_r_hat", "smallest_ess_bulk", "smallest_ess_tail", "divergences", "pareto_k")
    found["diagnostics"] = {name: checks[name] for name in keep if name in checks}
    return plain({"model": dt.attrs["model"]} | found | {"quantities": _statistics(dt)})


def departures(dt: xr.DataTree, kept: dict[str, Any]) -> pd.Series:
    """How far a fit is from a reference.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for the same model and data.
    kept : dict
        What :func:`reference` returned.

    Returns
    -------
    pandas.Series
        Of each statistic of each quantity, such as ``("capacity", "mean")``, the difference in
        standard errors of both; about normal if both sample the same posterior.

    Raises
    ------
    InputError
        If the model, its data or its quantities are others.
    """
    data, model = json.loads(dt.attrs["data"]), dt.attrs["model"]
    fitted = _statistics(dt)
    for what, got, expected in (
        ("model", model, kept["model"]),
        ("data", (data["sha256"], data["rows"]), (kept["data"]["sha256"], kept["data"]["rows"])),
        ("quantities", sorted(fitted), sorted(kept["quantities"])),
    ):
        if got != expected:
            raise InputError(
                f"reference: {what}: got {got}; expected {expected}; fit what it was made of, or "
                "make it anew with benchmarks/reference.py"
            )
    found = {}
    for name, statistics in fitted.items():
        for statistic, of_fit in statistics.items():
            of_reference = kept["quantities"][name][statistic]
            error = np.hypot(of_fit["mcse"], of_reference["mcse"])
            difference = of_fit["value"] - of_reference["value"]
            found[name, statistic] = difference / error if error else difference * np.inf
    return pd.Series(found)


def _statistics(dt: xr.DataTree) -> dict[str, dict[str, dict[str, float]]]:
    """Mean, sd and quantiles of each quantity, with their Monte Carlo standard errors."""
    from arviz_stats.sampling_diagnostics import mcse

    found = {}
    for name, draws in quantities(dt["posterior"].dataset).items():
        values = {
            "mean": (draws.mean(), mcse(draws, method="mean")),
            "sd": (draws.std(ddof=1), mcse(draws, method="sd")),
        }
        for q in _QUANTILES:
            error = mcse(draws, method="quantile", prob=q)
            values[f"quantile_{q:g}"] = np.quantile(draws, q), error
        found[name] = {
            statistic: {"value": float(value), "mcse": float(error)}
            for statistic, (value, error) in values.items()
        }
    return found
