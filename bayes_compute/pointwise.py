"""Log density of each system given each draw of a fit, its own regime and parameters summed out.

What models of compute alone and models of compute and parameters have in common is the density of
log10 FLOP. A system of known date is of regime ``k`` with a probability that dates and shares say;
in a regime its parameters are normal about a line, truncated where the capacity says so, and its
log10 FLOP is normal given them: integrated over parameters, a skew normal
(:mod:`bayes_compute.changepoint.undisclosed`). In eras that follow each other the date alone says
which it is.
"""

import json
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import log_ndtr

from bayes_compute.changepoint import undisclosed
from bayes_compute.changepoint.dates import era_year
from bayes_compute.changepoint.normal_cdf import LOG_2_PI
from bayes_compute.changepoint.statistics import CAPACITY_YEAR, REFERENCE_YEAR
from bayes_compute.changepoint.thresholds import SIDE
from bayes_compute.draws import arrays
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations


class Draws(NamedTuple):
    """What draws say of systems, if of each of K regimes; each (K, S, n).

    ``log_chance`` of the regime; log10 parameters are normal, ``mu`` and ``sd``, truncated to their
    own ``side`` (K,) of the ``edge``; log10 FLOP is normal about ``flop`` where log10 parameters
    are ``mu``, with the variance ``noise``, and the elasticity ``slope`` (S,).
    """

    log_chance: np.ndarray
    flop: np.ndarray
    noise: np.ndarray
    slope: np.ndarray
    mu: np.ndarray
    sd: np.ndarray
    edge: np.ndarray
    side: np.ndarray


def flop_density(dt: xr.DataTree, systems: Observations) -> np.ndarray:
    """Log density of log10 FLOP of systems, of the fit or others, given each draw.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems.
    systems : Observations
        With training compute, in the domains of the fit.

    Returns
    -------
    ndarray, shape (S, n)
        The system's own regime and parameters summed and integrated out.
    """
    given = draws_of(dt, systems)
    return np.logaddexp.reduce(given.log_chance + _of_flop(given, systems.log10_flop))


def whole_density(dt: xr.DataTree) -> np.ndarray:
    """Log density of all that the fit knew of each of its systems with training compute, (S, n).

    That of FLOP in eras that follow each other; that of FLOP and disclosed parameters in regimes.
    """
    every = Observations.from_fit(dt)
    systems = every.with_compute
    given = draws_of(dt, systems)
    log_chance, p = given.log_chance.copy(), systems.log10_parameters
    density = _of_flop(given, systems.log10_flop)
    if "parameters_sd" in dt["posterior"]:
        known = np.isfinite(p)
        if "capacity" in dt["posterior"]:  # which regime it is, parameters decide
            era = dt["membership"]["era"].transpose("chain", "draw", "system").to_numpy()
            era = era.reshape(-1, every.n)[:, np.isfinite(every.log10_flop)]
            for k in range(len(log_chance)):
                log_chance[k][(era != k) & known] = -np.inf
        density[..., known] = _of_both(given, systems.log10_flop, p)[..., known]
    return np.logaddexp.reduce(log_chance + density)


def draws_of(dt: xr.DataTree, systems: Observations) -> Draws:
    """What draws say of systems by their dates and domains; see :class:`Draws`."""
    p = arrays(dt["posterior"].to_dataset())
    x, n_draws, n_eras = systems.year - REFERENCE_YEAR, len(p["level"]), p["level"].shape[1]
    shape = (n_eras, n_draws, systems.n)
    given = "_given_parameters" if "parameters_sd" in p else ""

    def line(level: str, growth: str) -> np.ndarray:
        return p[level].T[:, :, None] + p[growth].T[:, :, None] * x

    domains = list(map(str, dt["posterior"]["domain"].to_numpy()))
    unknown = [name for name in systems.domains if name not in domains]
    if unknown:
        raise InputError(
            f"domain: got {unknown[0]}; expected one that the fit knows: {', '.join(domains)}; "
            "leave such systems out"
        )
    domain = np.array([domains.index(name) for name in systems.domains])[systems.domain]
    flop = line("level" + given, "growth" + given) + p["offset"][:, domain]
    noise = p["sigma"].T[:, :, None] ** 2 + systems.variance
    slope, mu, sd = np.zeros(n_draws), np.zeros(shape), np.ones(shape)
    edge, side = np.zeros(shape[1:]), np.zeros(n_eras)
    if given:
        slope, mu = p["elasticity"], line("parameters_level", "parameters_growth")
        sd = np.broadcast_to(p["parameters_sd"].T[:, :, None], shape)
        expected = json.loads(dt.attrs["expected_parameters"])
        level, growth = (np.array(expected[name])[:, None, None] for name in ("level", "growth"))
        flop = flop + slope[:, None] * (mu - level - growth * x)
    if "capacity" in p:
        edge = p["capacity"][:, None] + p["drift"][:, None] * (systems.year - CAPACITY_YEAR)
        side = SIDE
    return Draws(_log_chance(p, systems.year, n_eras), flop, noise, slope, mu, sd, edge, side)


def _log_chance(p: dict[str, np.ndarray], year: np.ndarray, n_eras: int) -> np.ndarray:
    """Log probability of each regime or era at each date, (K, S, n)."""
    n_draws, date = len(p["level"]), era_year(year)
    passed = np.zeros((0, n_draws, len(date)), bool)
    if "transition_year" in p:
        passed = p["transition_year"].T[:, :, None] <= date
    if "parameters_sd" in p:
        before = p["share_before"] if "share_before" in p else np.zeros(n_draws)
        after = p["share_after"] if "share_after" in p else p["share"]
        bespoke = passed[0] * np.where(passed[1], after[:, None], before[:, None])
        chance = np.stack([~passed[0], passed[0] * (1 - bespoke), bespoke])
    else:
        number = passed.sum(axis=0)
        chance = np.stack([number == k for k in range(n_eras)])
    with np.errstate(divide="ignore"):
        return np.log(chance)


def _of_flop(given: Draws, log10_flop: np.ndarray) -> np.ndarray:
    """Log density of log10 FLOP in each regime, parameters integrated out, (K, S, n)."""
    found, side = np.empty(given.flop.shape), np.ones(len(given.slope))
    for k, own in enumerate(given.side):
        for i, flop in enumerate(log10_flop):
            found[k, :, i] = undisclosed.log_densities(
                flop, given.flop[k, :, i], given.slope, given.noise[k, :, i],
                given.mu[k, :, i], given.sd[k, :, i], given.edge[:, i], own * side,
            )  # fmt: skip
    return found


def _of_both(given: Draws, log10_flop: np.ndarray, log10_parameters: np.ndarray) -> np.ndarray:
    """Log density of log10 FLOP and log10 parameters in each regime, (K, S, n)."""
    excess, side = log10_parameters - given.mu, given.side[:, None, None]
    of_parameters = _log_normal(excess, given.sd**2)
    cut = log_ndtr(side * (given.edge - given.mu) / given.sd)
    of_parameters -= np.where(side == 0, 0.0, cut)
    residual = log10_flop - given.flop - given.slope[:, None] * excess
    return of_parameters + _log_normal(residual, given.noise)


def _log_normal(residual: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return -0.5 * (residual**2 / variance + np.log(variance) + LOG_2_PI)
