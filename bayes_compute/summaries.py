"""One row a quantity: median and interval, convergence, and how much of it is the prior's."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.convergence import convergence, quantile_errors
from bayes_compute.errors import InputError
from bayes_compute.rounding import ENDS

LARGELY_PRIOR = 0.7
"""A posterior sd above this share of the prior sd marks a quantity as largely the prior's."""

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

    Examples
    --------
    >>> import bayes_compute as bc
    >>> observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    >>> dt = bc.fit("one_era", observations, seed=1, progress=False)
    >>> found = bc.summary(dt)
    >>> print(found.loc[["growth[1]", "doubling_time[1]"], ["unit", "median"]].round(1))
    ... # doctest: +NORMALIZE_WHITESPACE
                          unit  median
    name
    growth[1]         OOM/year     0.3
    doubling_time[1]    months    13.2
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
