"""Dense twin of the changepoint regression: every formula as one would first write it down.

Histories are listed one by one, an era's systems are one multivariate normal, and integrals go to
``scipy.integrate``. Nothing here is fast, and nothing is shared with the package: not its cells,
its sums, its recursion, nor (unless a test hands it over) its grid of scatters.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement, groupby, product

import numpy as np
from scipy import integrate, stats
from scipy.special import logsumexp

from bayes_compute.observations import Observations

REFERENCE_YEAR = 2010.0


def made_up(year, log10_flop, variance, domain) -> Observations:
    """Observations without names, in the order of their years."""
    order = np.argsort(year, kind="stable")
    year, log10_flop, variance, domain = (
        np.asarray(values)[order] for values in (year, log10_flop, variance, domain)
    )
    return Observations(
        system=tuple(f"system {i}" for i in range(len(year))),
        year=year,
        log10_flop=log10_flop,
        variance=variance,
        log10_parameters=np.full(len(year), np.nan),
        domain=domain,
        domains=("Language", "Vision", "Games")[: max(2, int(np.max(domain)) + 1)],
        source={},
    )


def small(seed: int = 1, n: int = 8) -> Observations:
    """Few systems of two domains and two variances, several on one date."""
    rng = np.random.default_rng(seed)
    year = 2004.0 + rng.choice([0.3, 3.1, 6.0, 8.55, 11.2, 15.7], n)
    log10_flop = 17 + 0.4 * (year - 2010) + (year > 2011) * 2 + rng.normal(0, 1.0, n)
    return made_up(year, log10_flop, rng.choice([0.08, 0.8], n), np.arange(n) % 2)


def many(n: int, seed: int = 1, sd: float = 1.0) -> Observations:
    """Systems on one line, each of its own date."""
    rng = np.random.default_rng(seed)
    year = np.sort(rng.uniform(1990.0, 2022.0, n))
    log10_flop = 16.5 + 0.35 * (year - 2010) + rng.normal(0, sd, n)
    return made_up(year, log10_flop, rng.choice([0.08, 0.37, 0.8], n), np.arange(n) % 2)


def integral(function, low: float, high: float) -> float:
    """Integrate a smooth function to 1e-11 of itself."""
    if not low < high:
        return 0.0
    return integrate.quad(function, low, high, epsabs=1e-18, epsrel=1e-11, limit=200)[0]


def within(density, low: float, high: float) -> tuple[float, float]:
    """Cut an interval to where the density is not negligible."""
    return max(low, density.ppf(1e-15)), min(high, density.isf(1e-15))


def increasing_mass(densities, low: float, high: float) -> float:
    """Probability that independent dates all lie in an interval and increase."""
    *before, last = densities
    low, high = within(last, low, high)
    if not before:
        return integral(last.pdf, low, high)
    if len(before) == 1:  # the inner integral is what a cdf is
        first = before[0]
        start = first.cdf(low if low > last.ppf(1e-15) else -np.inf)
    return integral(lambda t: last.pdf(t) * increasing_mass(before, low, t), low, high)


@dataclass(frozen=True)
class History:
    """Where transitions fall: their cells, the prior mass, and the systems of each era."""

    cells: tuple[int, ...]
    mass: float
    eras: tuple[tuple[int, ...], ...]


@dataclass(eq=False)
class DenseTwin:
    """Posterior of dates and lines at one point, from a sum over all histories."""

    observations: Observations
    densities: tuple
    prior: object
    log_sigma: np.ndarray | None = None
    date: np.ndarray | None = None
    _evidence: dict = field(default_factory=dict)
