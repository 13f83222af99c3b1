"""Dense twin of the changepoint regression: every formula as one would first write it down.

Histories are listed one by one, an era's systems are one multivariate normal, and integrals go to
``scipy.integrate``. Nothing here is fast, and nothing is shared with the package: not its cells,
its sums, its recursion, nor (unless a test hands it over) its grid of scatters.
"""

from functools import cache, cached_property
from itertools import combinations_with_replacement, groupby
from typing import NamedTuple

import numpy as np
from scipy import integrate, stats

from bayes_compute.observations import Observations

REFERENCE_YEAR = 2010.0


def made_up(year, log10_flop, variance, domain) -> Observations:
    """Observations without names, in the order of their years."""
    order = np.argsort(year, kind="stable")
    n = len(order)
    return Observations(
        system=tuple(f"system {i}" for i in range(n)),
        year=np.asarray(year, float)[order],
        log10_flop=np.asarray(log10_flop, float)[order],
        variance=np.asarray(variance, float)[order],
        log10_parameters=np.full(n, np.nan),
        domain=np.asarray(domain, int)[order],
        domains=("Language", "Vision", "Games")[: max(2, int(np.max(domain)) + 1)],
        source={},
    )


def small(seed: int = 1, n: int = 8) -> Observations:
    """Few systems of two domains and two variances, several of them on one date."""
    rng = np.random.default_rng(seed)
    year = 2004.0 + rng.choice([0.3, 3.1, 6.0, 8.55, 11.2, 15.7], n)
    log10_flop = 17 + 0.4 * (year - 2010) + 2 * (year > 2011) + rng.normal(0, 1, n)
    return made_up(year, log10_flop, rng.choice([0.08, 0.8], n), np.arange(n) % 2)


def many(n: int, seed: int = 1, sigma: float = 1.0) -> Observations:
    """Systems on one line with a scatter and the stated variances, each on its own date."""
    rng = np.random.default_rng(seed)
    year = rng.uniform(1990.0, 2022.0, n)
    variance = rng.choice([0.08, 0.37, 0.8], n)
    noise = rng.normal(0, np.sqrt(sigma**2 + variance))
    return made_up(year, 16.5 + 0.35 * (year - 2010) + noise, variance, np.arange(n) % 2)


def integral(function, low: float, high: float) -> float:
    """Integrate a smooth function, to 1e-11 of itself."""
    if not low < high:
        return 0.0
    return integrate.quad(function, low, high, epsabs=1e-15, epsrel=1e-11, limit=200)[0]


def increasing_mass(densities, low: float, high: float, times=None) -> float:
    """Integral of independent dates' density where all lie in (low, high] and increase.

    ``times`` is a pair ``(i, f)``: then the integrand is multiplied by ``f(date i)``.
    """
    *before, last = densities
    factor = times[1] if times is not None and times[0] == len(before) else lambda t: 1.0
    start = max(low, last.ppf(1e-15))
    stop = min(high, last.isf(1e-15))
    if not before:
        return integral(lambda t: factor(t) * last.pdf(t), start, stop)
    if len(before) == 1 and (times is None or times[0] > 0):  # what a cdf is for
        return integral(
            lambda t: factor(t) * last.pdf(t) * (before[0].cdf(t) - before[0].cdf(low)), start, stop
        )
    return integral(
        lambda t: factor(t) * last.pdf(t) * increasing_mass(before, low, t, times), start, stop
    )


def gaps(date: np.ndarray, densities) -> list[tuple[float, float]]:
    """The intervals (low, high] between dates, and between ends of a density's support."""
    ends = {end for density in densities for end in density.support() if np.isfinite(end)}
    inner = sorted(ends | set(date.tolist()))
    return list(zip([-np.inf, *inner], [*inner, np.inf], strict=True))


class History(NamedTuple):
    """One way in which transitions can fall."""

    cells: tuple[int, ...]
    mass: float  # prior, not normalised
    eras: tuple[tuple[int, ...], ...]  # the systems of each


def histories(date: np.ndarray, densities) -> list[History]:
    """All non-decreasing sets of cells, with their prior mass and what they mean."""
    cells, found = gaps(date, densities), []

    @cache
    def run_mass(first: int, last: int, cell: int) -> float:
        return increasing_mass(densities[first : last + 1], *cells[cell])

    for chosen in combinations_with_replacement(range(len(cells)), len(densities)):
        mass, taus = 1.0, []
        for cell, run in groupby(chosen):
            length, done = len(list(run)), len(taus)
            mass *= run_mass(done, done + length - 1, cell)
            low, high = cells[cell]
            low, high = max(low, np.min(date) - 1), min(high, np.max(date) + 1)
            taus += [low + (high - low) * (i + 1) / (length + 1) for i in range(length)]
        era = [sum(tau <= t for tau in taus) for t in date]
        members = tuple(
            tuple(i for i in range(len(date)) if era[i] == e) for e in range(len(densities) + 1)
        )
        found.append(History(chosen, mass, members))
    return found


class Line(NamedTuple):
    """Normal distribution of an era's level and growth."""

    mean: np.ndarray  # (2,)
    covariance: np.ndarray  # (2, 2)


class DenseTwin:
    """Exact posterior at one value of the hyperparameters, by a sum over all histories.

    Parameters
    ----------
    observations, densities, prior
        As ``CollapsedRegression.of`` takes them.
    at : (growth_mean, growth_sd, offset)
    log_sigma : ndarray, optional
        The scatters to sum over, evenly spaced in the logarithm; by default so many of them that
        the sum is the integral.
    date : ndarray, optional
        What transitions are compared with; by default the year.
    """

    def __init__(self, observations, densities, prior, at, log_sigma=None, date=None):
        self.observations, self.prior, self.at = observations, prior, at
        date = observations.year if date is None else date
        self.densities, self.cells = tuple(densities), gaps(date, densities)
        self.histories = histories(date, self.densities)
        middle, sd = np.log(prior.sigma_median), prior.log_sigma_sd
        if log_sigma is None:
            log_sigma = middle + sd * np.linspace(-8, 8, 161)
        self.sigma = np.exp(log_sigma)
        density = stats.norm.logpdf(log_sigma, middle, sd)
        self.log_sigma_prior = density - np.logaddexp.reduce(density)
        self.evidence_by_sigma = cache(self._evidence_by_sigma)

    def normal(self, systems: tuple[int, ...], sigma: float):
        """Mean and covariance of some systems' log10 FLOP, and their design matrix."""
        o, rows = self.observations, list(systems)
        growth_mean, growth_sd, offset = self.at
        x = o.year[rows] - REFERENCE_YEAR
        X = np.stack([np.ones_like(x), x], axis=1)
        mean = X @ [self.prior.level_mean, growth_mean] + np.asarray(offset)[o.domain[rows]]
        covariance = np.diag(sigma**2 + o.variance[rows])
        covariance += X @ np.diag([self.prior.level_sd**2, growth_sd**2]) @ X.T
        return mean, covariance, X

    def _evidence_by_sigma(self, systems: tuple[int, ...]) -> np.ndarray:
        if not systems:
            return np.zeros(len(self.sigma))
        y = self.observations.log10_flop[list(systems)]
        means, covariances, _ = zip(*(self.normal(systems, s) for s in self.sigma), strict=True)
        residual, covariance = y - np.stack(means), np.stack(covariances)
        solved = np.linalg.solve(covariance, residual[..., None])[..., 0]
        distance = np.sum(residual * solved, axis=1)
        return -0.5 * (
            len(y) * np.log(2 * np.pi) + np.linalg.slogdet(covariance).logabsdet + distance
        )

    def evidence(self, systems: tuple[int, ...]) -> float:
        """Log marginal density of the systems of one era."""
        return np.logaddexp.reduce(self.log_sigma_prior + self.evidence_by_sigma(systems))

    @cached_property
    def log_weight(self) -> np.ndarray:
        """Log of prior mass times likelihood of every history; prior masses sum to one."""
        mass = np.array([h.mass for h in self.histories])
        with np.errstate(divide="ignore"):
            log_mass = np.log(mass / mass.sum())
        return log_mass + [sum(map(self.evidence, h.eras)) for h in self.histories]

    @property
    def log_likelihood(self) -> float:
        return np.logaddexp.reduce(self.log_weight)

    @property
    def weight(self) -> np.ndarray:
        """Posterior probability of every history."""
        return np.exp(self.log_weight - self.log_likelihood)

    @property
    def date_probability(self) -> np.ndarray:
        """Posterior probability of every cell for every transition."""
        n_transitions = len(self.histories[0].cells)
        out = np.zeros((n_transitions, len(self.cells)))
        for weight, history in zip(self.weight, self.histories, strict=True):
            for k, cell in enumerate(history.cells):
                out[k, cell] += weight
        return out

    def date_moments(self, transition: int) -> tuple[float, float]:
        """Posterior mean and variance of a transition date."""

        @cache
        def of(first: int, last: int, cell: int) -> np.ndarray:
            run, i = self.densities[first : last + 1], transition - first
            low, high = self.cells[cell]
            powers = [
                increasing_mass(run, low, high, (i, lambda t: t - REFERENCE_YEAR)),
                increasing_mass(run, low, high, (i, lambda t: (t - REFERENCE_YEAR) ** 2)),
            ]
            return np.array(powers) / increasing_mass(run, low, high)

        total = np.zeros(2)
        for weight, history in zip(self.weight, self.histories, strict=True):
            if weight > 0:
                cell = history.cells[transition]
                run = [k for k, c in enumerate(history.cells) if c == cell]
                total += weight * of(run[0], run[-1], cell)
        return total[0] + REFERENCE_YEAR, total[1] - total[0] ** 2

    def line(self, systems: tuple[int, ...], sigma: float) -> Line:
        """Level and growth given an era's systems, conditioned as any joint normal."""
        growth_mean, growth_sd, _ = self.at
        start = np.array([self.prior.level_mean, growth_mean])
        spread = np.diag([self.prior.level_sd**2, growth_sd**2])
        if not systems:
            return Line(start, spread)
        mean, covariance, X = self.normal(systems, sigma)
        gain = np.linalg.solve(covariance, X @ spread).T
        residual = self.observations.log10_flop[list(systems)] - mean
        return Line(start + gain @ residual, spread - gain @ X @ spread)

    def era_moments(self, era: int) -> dict[str, tuple[float, float]]:
        """Posterior mean and variance of an era's level, growth and log scatter."""

        @cache
        def of(systems: tuple[int, ...]) -> np.ndarray:
            share = self.log_sigma_prior + self.evidence_by_sigma(systems)
            share = np.exp(share - np.logaddexp.reduce(share))
            lines = [self.line(systems, s) for s in self.sigma]
            mean = np.stack([line.mean for line in lines])
            square = mean**2 + np.stack([np.diag(line.covariance) for line in lines])
            u = np.log(self.sigma)
            columns = [mean[:, 0], mean[:, 1], u, square[:, 0], square[:, 1], u**2]
            return share @ np.stack(columns, axis=1)

        pairs = zip(self.weight, self.histories, strict=True)
        total = np.sum([weight * of(history.eras[era]) for weight, history in pairs], axis=0)
        names = ("level", "growth", "log_sigma")
        return {name: (total[i], total[i + 3] - total[i] ** 2) for i, name in enumerate(names)}
