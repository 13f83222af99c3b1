"""What systems to come would be trained with if nothing stood in the way.

A system of the regimes that coexist is bespoke with the share before or since the bespoke
transition, which may be still to come, and has the compute that its regime's lines say of its date,
its parameters and its domain; one of eras that follow each other, that of the last era. Domains
come as they came lately.

No era lasts. Transitions come at a rate that is learned from those on record: after K of them in
the T years since the first system it is Gamma(2 + K, 20 + T), which begins with two in twenty
years. After a transition compute goes on from where it was, and all systems grow at the rate of a
new era, drawn from the population of eras, N(growth_mean, growth_sd²)
(Pesaran, Pettenuzzo & Timmermann 2006, doi:10.1111/j.1467-937X.2006.00408.x).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bayes_compute.changepoint import truncated_normal
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD
from bayes_compute.changepoint.statistics import CAPACITY_YEAR, REFERENCE_YEAR
from bayes_compute.changepoint.thresholds import SIDE

_TRANSITIONS, _YEARS = 2.0, 20.0  # of the prior of the rate
_MOST = 6  # transitions that are drawn: a seventh in thirty years has a probability below 1 %
LATELY = 3.0  # years whose domains are drawn from


class Eras(NamedTuple):
    """Eras to come.

    Attributes
    ----------
    begin : ndarray, shape (S, M)
        Decimal years.
    growth : ndarray, shape (S, M)
        [OOM/year]
    """

    begin: np.ndarray
    growth: np.ndarray

    def since(self, year: np.ndarray) -> np.ndarray:
        """Growth from the first transition to come until each date, (S, n) [OOM]."""
        end = np.append(self.begin[:, 1:], np.full((len(self.begin), 1), np.inf), axis=1)
        total = np.zeros_like(year)
        for k in range(self.begin.shape[1]):
            lasted = np.clip(year, self.begin[:, [k]], end[:, [k]]) - self.begin[:, [k]]
            total += self.growth[:, [k]] * lasted
        return total


def eras_to_come(
    p: Mapping[str, np.ndarray], first: float, as_of: float, rng: np.random.Generator
) -> Eras:
    """Draw transitions to come and the growth after each.

    Parameters
    ----------
    p : mapping of str to ndarray of shape (S, ...)
        Draws of a fit.
    first, as_of : float
        Date of the first system, and from when on transitions come [decimal years].
    rng : numpy.random.Generator
    """
    n = len(p["growth_mean"])
    seen = (p["transition_year"] <= as_of).sum(axis=1) if "transition_year" in p else 0
    rate = rng.gamma(_TRANSITIONS + seen, 1 / (_YEARS + as_of - first), n)
    begin = as_of + np.cumsum(rng.standard_exponential((n, _MOST)) / rate[:, None], axis=1)
    mean = p["growth_mean"]
    if "growth_given_parameters" in p:  # which the population is of; parameters grow too
        mean = mean + (p["growth"] - p["growth_given_parameters"])[:, CLOUD:].mean(axis=1)
    normal = rng.standard_normal((n, _MOST))
    return Eras(begin, mean[:, None] + p["growth_sd"][:, None] * normal)


def demand(
    p: Mapping[str, np.ndarray],
    expected: Mapping[str, list[float]] | None,
    eras: Eras,
    year: np.ndarray,
    domain: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the training compute of systems to come.

    Parameters
    ----------
    p : mapping of str to ndarray of shape (S, ...)
        Draws of a fit.
    expected : mapping, optional
        Of regimes, the lines of log10 parameters about which FLOP given parameters is stated:
        ``level`` in the reference year and ``growth`` a year.
    eras : Eras
    year : ndarray, shape (S, n)
        Decimal years.
    domain : ndarray of int, shape (S, n)
    rng : numpy.random.Generator

    Returns
    -------
    log10_flop : ndarray, shape (S, n)
    bespoke : ndarray of bool, shape (S, n)
        True of all systems where eras follow each other.
    """
    at = np.minimum(year, eras.begin[:, :1])  # lines end with the era
    x, noise = at - REFERENCE_YEAR, rng.standard_normal(year.shape)
    offset = np.take_along_axis(p["offset"], domain, axis=1) + eras.since(year)
    if expected is None:
        line = p["level"][:, -1:] + p["growth"][:, -1:] * x
        return line + offset + p["sigma"][:, -1:] * noise, np.ones(year.shape, dtype=bool)
    if "share_after" in p:
        earlier, later = p["share_before"], p["share_after"]
    else:
        earlier, later = np.zeros_like(p["share"]), p["share"]
    to_come = year < p["transition_year"][:, [1]]
    share = np.where(to_come, earlier[:, None], later[:, None])
    bespoke = rng.random(year.shape) < share
    regime = np.where(bespoke, BESPOKE, CLOUD)

    def of(name: str) -> np.ndarray:
        return np.take_along_axis(p[name], regime, axis=1)

    edge, side = 0.0, 0.0  # none
    if "capacity" in p:
        edge = p["capacity"][:, None] + p["drift"][:, None] * (at - CAPACITY_YEAR)
        side = SIDE[regime]
    mu = of("parameters_level") + of("parameters_growth") * x
    parameters = truncated_normal.draw(mu, of("parameters_sd"), edge, side, rng)
    level, growth = (np.array(expected[name])[regime] for name in ("level", "growth"))
    line = of("level_given_parameters") + of("growth_given_parameters") * x
    line = line + p["elasticity"][:, None] * (parameters - level - growth * x)
    return line + offset + of("sigma") * noise, bespoke
