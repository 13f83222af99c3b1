"""One row a quantity: median and interval, convergence, and how much of it is the prior's."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.convergence import convergence, quantile_errors
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.floor import floor_jump
from bayes_compute.keys import draws_hash, key
from bayes_compute.rounding import ENDS

LARGELY_PRIOR = 0.7
"""A posterior sd above this share of the prior sd marks a quantity as largely the prior's."""

_FIRM = 0.8  # sd of log10 FLOP above which evidence is no figure that was collected

_OF_GROWTH = ("growth_factor", "doubling_time")  # growth in other units
_READING_ORDER = (
    "transition_year",
    "growth",
    "growth_factor",
    "doubling_time",
    "capacity",
    "drift",
    "sigma",
    "level",
    "offset",
)


def growth_factor(growth: np.ndarray) -> np.ndarray:
    """Growth [OOM/year] as a factor [×/year]."""
    return 10.0 ** np.asarray(growth, float)


def doubling_time(growth: np.ndarray) -> np.ndarray:
    """Growth [OOM/year] as a doubling time [months]; infinite where there is no growth."""
    growth = np.asarray(growth, float)
    with np.errstate(divide="ignore"):
        return np.where(growth > 0, 12 * np.log10(2) / growth, np.inf)


def summary(dt: xr.DataTree, prob: float | None = None) -> pd.DataFrame:
    """Summarise every quantity of a fit by its median and an equal-tailed interval.

    ``growth_factor`` and ``doubling_time`` are read off the quantiles of ``growth``, so that the
    three say the same thing. Where the interval of growth reaches zero, the upper end of the
    doubling time is infinite; where any draw does, its mean and sd do not exist and are nan.
    Their R-hat, effective sample sizes and what is said of the prior are those of growth.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.
    prob : float, optional
        Probability of the interval; that of the fit (attribute ``interval_prob``) by default.

    Returns
    -------
    pandas.DataFrame
        Index ``name`` (``growth[2]``); columns ``unit``, ``median``, ``mean``, ``sd``,
        ``lower``, ``upper``, ``r_hat``, ``ess_bulk``, ``ess_tail`` (rank-normalised, Vehtari et
        al. 2021, doi:10.1214/20-BA1221; R-hat of a constant is 1), ``mcse_median``,
        ``mcse_lower``, ``mcse_upper`` (Monte Carlo standard errors of the quantiles; the same
        source), ``prior_sd``, ``largely_prior`` (posterior sd above 0.7 prior sd) and
        ``outside_prior`` (the interval does not meet that of the prior).

    Raises
    ------
    InputError
        If ``prob`` is not between 0 and 1.
    """
    prob = float(dt.attrs["interval_prob"] if prob is None else prob)
    if not 0 < prob < 1:
        raise InputError(f"prob: got {prob:g}; expected a probability between 0 and 1, such as 0.9")
    units = json.loads(dt.attrs["units"])
    posterior, prior = dt["posterior"].dataset, dt["prior"].dataset
    rows = {}
    wanted = {*map(str, posterior.data_vars)}
    if "growth_factor" in wanted:
        wanted |= {*_OF_GROWTH}  # of which doubling times are not drawn
    for variable in sorted(wanted, key=_reading_position):
        derived = variable in _OF_GROWTH
        source = "growth" if derived else variable
        labels = list(labelled(posterior[source]))
        for (label, draws), (_, before) in zip(labels, labelled(prior[source]), strict=True):
            row = _row(draws, before, prob)
            if derived:
                row |= _derived(variable, row, draws, before)
            rows[variable + label] = {"unit": units.get(variable, "")} | row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def era_probability(dt: xr.DataTree) -> xr.DataArray:
    """Posterior probability of each era for each system.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.

    Returns
    -------
    xarray.DataArray
        Dims ``system``, ``era``; each row sums to 1.
    """
    era, labels = dt["membership"].dataset["era"], dt["posterior"]["era"].to_numpy()
    draws = era.transpose("chain", "draw", "system").to_numpy()
    return xr.DataArray(
        np.stack([(draws == k).mean(axis=(0, 1)) for k in range(len(labels))], axis=1),
        dims=("system", "era"),
        coords={"system": era["system"], "era": labels},
        name="era_probability",
    )


def summary_record(dt: xr.DataTree) -> dict:
    """Everything about a fit that may be quoted, as plain JSON values (``summary.json``).

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.

    Returns
    -------
    dict
        Strict JSON: what is infinite or does not exist is ``None``. Of models of eras, ``counts``
        holds for each
        era the number of systems for which it is the most probable one (``modal``) and the
        expected number (``expected``): of systems whose training compute is known and, in models
        of regimes, whose parameters are.

    Raises
    ------
    NotConverged
        If the fit failed its diagnostics.
    """
    attrs = dt.attrs
    stored = {
        key: json.loads(attrs[key])
        for key in ("data", "sampler", "versions", "diagnostics", "priors")
    }
    if not int(attrs["converged"]):
        raise NotConverged(
            f"{attrs['model']}: the fit failed its diagnostics, so nothing of it can be quoted",
            stored["diagnostics"],
        )
    table, digest = summary(dt), draws_hash(dt["posterior"].dataset)
    record = {
        "model": attrs["model"],
        "converged": True,
        "data": stored["data"],
        "interval": {"kind": attrs["interval_kind"], "prob": float(attrs["interval_prob"])},
        "sampler": stored["sampler"],
        "versions": stored["versions"],
        "diagnostics": stored["diagnostics"],
        "priors": stored["priors"],
        "posterior_sha256": digest,
        "quantities": [
            {"name": name, "key": key(attrs["model"], str(name), stored["data"], digest)}
            | row.drop("prior_sd").to_dict()
            for name, row in table.iterrows()
        ],
        "prior_influence": [
            {
                "name": name,
                "prior_sd": row["prior_sd"],
                "posterior_sd": row["sd"],
                "largely_prior": row["largely_prior"],
            }
            for name, row in table.iterrows()
        ],
    }
    if "membership" in dt:
        record |= {
            "flat_dates": bool(attrs["flat_dates"]),
            "reference_year": float(attrs["reference_year"]),
            "counts": _counts(dt),
            "selection_floor": floor_verdicts(dt),
        }
    return plain(record)


def _counts(dt: xr.DataTree) -> dict[str, dict]:
    """Of each era, the number of systems: by where they most probably belong, and expected."""
    constant = dt["constant_data"].dataset
    counted = np.isfinite(constant["log10_flop"])
    if "parameters_sd" in dt["posterior"]:  # a model of parameters too
        counted &= np.isfinite(constant["log10_parameters"])
    probability = era_probability(dt).isel(system=np.flatnonzero(counted))
    modal = probability.argmax("era").to_numpy()
    return {
        str(era): {
            "modal": int((modal == k).sum()),
            "expected": float(probability.isel(era=k).sum()),
        }
        for k, era in enumerate(probability["era"].to_numpy())
    }


def floor_verdicts(dt: xr.DataTree) -> list[dict]:
    """:func:`~bayes_compute.floor.floor_jump` at the median date of each transition."""
    if "transition_year" not in dt["posterior"]:
        return []
    dates = dt["posterior"]["transition_year"].median(("chain", "draw"))
    year = dt["constant_data"]["year"].to_numpy()
    log10_flop = dt["constant_data"]["log10_flop"].to_numpy()
    seen = np.isfinite(log10_flop)
    if "evidence" in json.loads(dt.attrs["data"]):  # what was collected, not what was worked out
        seen &= dt["constant_data"]["variance"].to_numpy() < _FIRM**2
    year, log10_flop = year[seen], log10_flop[seen]
    return [
        {"transition": str(name)} | floor_jump(year, log10_flop, float(date))
        for name, date in zip(dates["transition"].to_numpy(), dates.to_numpy(), strict=True)
    ]


def _reading_position(variable: str) -> tuple[int, str]:
    known = variable in _READING_ORDER
    return (_READING_ORDER.index(variable) if known else len(_READING_ORDER), variable)


def labelled(variable: xr.DataArray) -> Iterator[tuple[str, np.ndarray]]:
    """Label (``[2]``) and draws (chain, draw) of each element of a variable."""
    named = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    variable = variable.transpose("chain", "draw", *named)
    for index in np.ndindex(variable.shape[2:]):
        labels = [str(variable[d].to_numpy()[i]) for d, i in zip(named, index, strict=True)]
        label = f"[{', '.join(labels)}]" if labels else ""
        yield label, variable.to_numpy()[(slice(None), slice(None), *index)]


def _quantiles(draws: np.ndarray, prob: float) -> np.ndarray:
    return np.quantile(draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2])


def _row(draws: np.ndarray, prior: np.ndarray, prob: float) -> dict:
    lower, median, upper = _quantiles(draws, prob)
    lowest, _, highest = _quantiles(prior, prob)
    sd, prior_sd = draws.std(ddof=1), prior.std(ddof=1)
    return {
        "median": median,
        "mean": draws.mean(),
        "sd": sd,
        "lower": lower,
        "upper": upper,
        **convergence(draws),
        **quantile_errors(draws, prob),
        "prior_sd": prior_sd,
        "largely_prior": bool(sd > LARGELY_PRIOR * prior_sd),
        "outside_prior": bool(lower > highest or upper < lowest),
    }


def quantities(draws: xr.Dataset) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of every quantity by its name; of growth in OOM/year alone."""
    found = {}
    for variable in sorted(map(str, draws.data_vars), key=_reading_position):
        if variable not in _OF_GROWTH:
            found |= {variable + label: values for label, values in labelled(draws[variable])}
    return found


def _derived(variable: str, row: dict, draws: np.ndarray, prior: np.ndarray) -> dict:
    """What changes in growth's row when growth is stated in another unit."""
    down = variable == "doubling_time"  # what grows fast doubles soon
    to_unit = doubling_time if down else growth_factor
    changed = {}
    for end, of in zip(ENDS, reversed(ENDS) if down else ENDS, strict=True):
        value = float(to_unit(row[of]))
        slope = value**2 / (12 * np.log10(2)) if down else value * np.log(10)
        changed[end] = value
        changed[f"mcse_{end}"] = slope * row[f"mcse_{of}"] if np.isfinite(value) else np.nan
    draws, prior = to_unit(draws), to_unit(prior)
    finite, prior_finite = np.isfinite(draws).all(), np.isfinite(prior).all()
    return changed | {
        "mean": draws.mean() if finite else np.nan,
        "sd": draws.std(ddof=1) if finite else np.nan,
        "prior_sd": prior.std(ddof=1) if prior_finite else np.nan,
    }


def plain(value: Any) -> Any:
    """Strict JSON values; ten significant digits hide the last bits, which no seed fixes."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.10g}") if np.isfinite(value) else None
    return value
