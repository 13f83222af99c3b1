"""Training compute from all evidence: every reading, each for what it is worth.

What readings are worth is learned by ``models/calibration.py``. Given its errors, log10 FLOP of a
system is a mixture of normal distributions, one for each way in which its readings may have come
about; a bound cuts it off. :func:`with_evidence` gives each system the mean and the variance of it.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import log_ndtr, logsumexp

from bayes_compute.confidence import Z90
from bayes_compute.observations import known
from bayes_compute.reading_mixture import Errors, Mixture, mixture
from bayes_compute.readings import Readings

_DRAWS = 100  # of the errors, over which moments are averaged: they vary little
_NEAREST, _FEWEST = 30, 10  # figures that a bound alone is held against
_LEAST = 0.05  # of the precision of these, below which a bound says nothing
_ROOT_2_PI = np.sqrt(2 * np.pi)


def with_evidence(systems: pd.DataFrame, calibration: xr.DataTree) -> pd.DataFrame:
    """Put what all readings say in place of published figures.

    A figure between two bounds has the error that these state, and is kept if there is no other
    reading. Of the other systems ``training_compute_flop`` becomes ten
    to the mean of log10 FLOP given every reading, and the bounds a central 90 % interval of the
    normal distribution of the same variance, which is what :class:`~bayes_compute.Observations`
    takes them for. Systems without a published figure get one if anything else is known of them:
    other readings, or a bound. A bound cuts the distribution off. Alone, it cuts off that of the
    30 figures nearest in time, and what it adds to that is kept, as far as that is anything (one
    step of expectation propagation: Minka 2001). Fine-tuned systems stay as they are.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`bayes_compute.load_systems` returned.
    calibration : xarray.DataTree
        ``fit("calibration", readings)``.

    Returns
    -------
    pandas.DataFrame
        The same rows, in the same order.

    Raises
    ------
    InputError
        A column is missing.
    """
    figure, *ends = (f"training_compute_{name}flop" for name in ("", "lower_", "upper_"))
    readings = Readings.from_systems(systems)
    rows = readings.row
    bounds = np.full((2, readings.n), [[-np.inf], [np.inf]])
    for end, name in zip(bounds, ends, strict=True):
        given = known(systems, name)[rows]
        end[given] = np.log10(systems[name].to_numpy(float)[rows][given])
    stated = np.isfinite(readings.stated_sd)
    settled = stated & np.isnan([readings.operations, readings.hardware]).all(axis=0)
    bounds[:, stated | (bounds[0] >= bounds[1])] = [[-np.inf], [np.inf]]
    mean, variance = moments(readings, calibration, bounds)
    half = Z90 * np.sqrt(variance)
    weighed = np.isfinite(mean) & ~settled
    found = systems.copy()
    for name, value in zip((figure, *ends), (mean, mean - half, mean + half), strict=True):
        column = found[name].to_numpy(float, copy=True)
        column[rows[weighed]] = 10.0 ** value[weighed]
        found[name] = column
    how = calibration.attrs
    evidence = {"calibration": json.loads(how["data"]), "sampler": json.loads(how["sampler"])}
    found.attrs["source"] = readings.source | {"rows": len(found), "evidence": evidence}
    return found


def moments(
    readings: Readings, calibration: xr.DataTree, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of log10 FLOP given every reading and bounds.

    Parameters
    ----------
    readings : Readings
    calibration : xarray.DataTree
        ``fit("calibration", ...)``.
    bounds : (2, n) float array
        Lower and upper, infinite where there are none.

    Returns
    -------
    mean, variance : (n,) float array
        NaN where nothing is known.
    """
    ways = mixtures(readings, calibration)
    log_weight, mean, variance = (each.reshape(-1, readings.n) for each in ways)
    bounded = np.isfinite(bounds).any(axis=0)
    alone = np.flatnonzero(bounded & ~readings.read)
    prior_mean, prior_variance = np.zeros(readings.n), np.full(readings.n, np.inf)
    for i in alone:
        prior_mean[i], prior_variance[i] = _typical(readings, readings.year[i])
    held = np.isfinite(prior_variance)
    mean[:, held], variance[:, held] = prior_mean[held], prior_variance[held]
    cut = bounded & (readings.read | held)
    log_mass, mean[:, cut], variance[:, cut] = _cut(
        mean[:, cut], np.sqrt(variance[:, cut]), *bounds[:, cut]
    )
    log_weight[:, cut] += log_mass
    weight = np.exp(log_weight - logsumexp(log_weight, axis=0))
    middle = np.sum(weight * mean, axis=0)
    total = np.sum(weight * (variance + (mean - middle) ** 2), axis=0)
    # What it adds to a prior, the whole where there is none
    precision = 1 / total - 1 / prior_variance
    informed = readings.read | (held & (precision > _LEAST / prior_variance))
    precision[~informed] = np.nan
    return (middle / total - prior_mean / prior_variance) / precision, 1 / precision


def mixtures(readings: Readings, calibration: xr.DataTree) -> Mixture:
    """What :func:`~bayes_compute.reading_mixture.mixture` says in each of some draws.

    Parameters
    ----------
    readings : Readings
    calibration : xarray.DataTree
        ``fit("calibration", ...)``.

    Returns
    -------
    Mixture
        Arrays, shape (draw, way, n); weights of a system sum to one in each draw.
    """
    from pytensor.compile.maker import function
    from pytensor.configdefaults import config
    from pytensor.tensor.type import tensor

    draws = some_draws(calibration)
    errors = Errors(*(tensor(name, shape=draws[name].shape[1:]) for name in Errors._fields))
    with config.change_flags(numba__fastmath=False):  # to round the same, compiled or cached
        work: Any = function([*errors], mixture(readings, errors), on_unused_input="ignore")
    each = [work(*(draws[name][i] for name in Errors._fields)) for i in range(_DRAWS)]
    log_weight, mean, variance = (np.stack(part) for part in zip(*each, strict=True))
    return Mixture(log_weight - logsumexp(log_weight, axis=1, keepdims=True), mean, variance)


def some_draws(calibration: xr.DataTree) -> dict[str, np.ndarray]:
    """Evenly spaced draws of the errors, each with a leading dimension."""
    posterior = calibration["posterior"].dataset
    found = {}
    for name in Errors._fields:
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        values = values.reshape(-1, *values.shape[2:])
        found[name] = values[np.linspace(0, len(values) - 1, _DRAWS).astype(int)]
    return found


def _typical(readings: Readings, year: float) -> tuple[float, float]:
    """Mean and variance of the published figures nearest in time; of too few, infinite."""
    published = readings.published[np.isfinite(readings.published)]
    apart = np.abs(readings.year[np.isfinite(readings.published)] - year)
    nearest = published[np.argsort(apart, kind="stable")[:_NEAREST]]
    if len(nearest) < _FEWEST:
        return 0.0, np.inf
    return float(nearest.mean()), float(nearest.var(ddof=1))


def _cut(mean, sd, lower, upper) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log mass, mean and variance of normal distributions between bounds."""
    low, high = (lower - mean) / sd, (upper - mean) / sd
    flip = low > 0  # so that differences are of small numbers
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    log_mass = log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))
    density = [np.exp(-0.5 * z**2 - log_mass) / _ROOT_2_PI for z in (low, high)]
    shift = density[0] - density[1]
    ends = [np.where(np.isfinite(z), z, 0) * d for z, d in zip((low, high), density, strict=True)]
    variance = 1 + ends[0] - ends[1] - shift**2
    return log_mass, mean + np.where(flip, -1, 1) * sd * shift, sd**2 * np.maximum(variance, 1e-4)
