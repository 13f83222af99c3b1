"""Regimes that coexist, told apart by nothing but how likely a system is in each.

System ``i``, published at ``year``, with ``x = year - reference year``, ``p = log10 parameters``
and ``y = log10 FLOP``, is DIY before the cloud transition and cloud between both; from the bespoke
transition on it is bespoke with probability ``share`` and else cloud. In regime ``k``

    p ~ N(mu_k, parameters_sd_k^2),  mu_k = parameters_level_k + parameters_growth_k x,
    y ~ N(level_k + growth_k x + elasticity (p - expected_k) + offset_domain, sigma_k^2 + variance),

where ``expected_k`` is the line that the prior expects of a regime's parameters. Where parameters
are undisclosed, they are integrated out: ``y`` is normal about the mean at ``mu_k``, with
``(elasticity parameters_sd_k)^2`` more variance. Where compute is undisclosed, ``p`` alone speaks.

Given everything else systems are independent, so both dates sum out: the log density of all systems
is a sum of three cumulative sums, one a state, that are read where the transitions fall. The sum
over ordered pairs of cells takes one pass, and so does the posterior probability of each state of
each system, which makes the gradient exact.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numba as nb
import numpy as np

from bayes_compute.changepoint.dates import DateCells, Density
from bayes_compute.changepoint.regression import SystemDraws, era_year
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.observations import Observations

DIY, CLOUD, BESPOKE = range(3)
_LOG_2_PI = math.log(2 * math.pi)


class MixtureHyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``level_given_parameters`` [log10 FLOP in 2010], ``growth_given_parameters`` [OOM/year]
    and ``sigma`` [log10 FLOP] (3,), ``elasticity`` [log10 FLOP per log10 parameter] scalar,
    ``offset`` (D,) [log10 FLOP], ``parameters_level`` [log10 parameters in 2010],
    ``parameters_growth`` [log10 parameters a year] and ``parameters_sd`` [log10 parameters] (3,),
    ``share`` of bespoke systems after the bespoke transition scalar; for several draws each has a
    leading dimension S.
    """

    level_given_parameters: Any
    growth_given_parameters: Any
    sigma: Any
    elasticity: Any
    offset: Any
    parameters_level: Any
    parameters_growth: Any
    parameters_sd: Any
    share: Any


@nb.njit(cache=True, error_model="numpy", nogil=True)
def densities(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected,
):  # fmt: skip
    """Log density of each system, if of each regime, and after the bespoke transition.

    Parameters
    ----------
    level, ..., share
        See :class:`MixtureHyperparameters`.
    x, p, y, variance : ndarray, shape (n,)
        Systems in the order of dates; NaN where parameters or compute are undisclosed.
    domain : ndarray of int, shape (n,)
    expected : ndarray, shape (3, n)
        Log10 parameters that the prior expects in each regime.

    Returns
    -------
    of_regime : ndarray, shape (3, n)
    late : ndarray, shape (n,)
        With cloud and bespoke summed out.
    bespoke : ndarray, shape (n,)
        Posterior probability of the bespoke regime after the bespoke transition.
    """
    n = len(x)
    of_regime, late, bespoke = np.zeros((3, n)), np.empty(n), np.empty(n)
    log_share, log_rest = math.log(share), math.log1p(-share)
    for i in range(n):
        for k in range(3):
            excess, more = parameters_level[k] + parameters_growth[k] * x[i] - expected[k, i], 0.0
            if math.isnan(p[i]):
                more = (elasticity * parameters_sd[k]) ** 2
            else:
                z = (p[i] - parameters_level[k] - parameters_growth[k] * x[i]) / parameters_sd[k]
                of_regime[k, i] -= 0.5 * (z * z + _LOG_2_PI) + math.log(parameters_sd[k])
                excess = p[i] - expected[k, i]
            if not math.isnan(y[i]):
                total = sigma[k] ** 2 + variance[i] + more
                r = y[i] - level[k] - growth[k] * x[i] - elasticity * excess - offset[domain[i]]
                of_regime[k, i] -= 0.5 * (r * r / total + _LOG_2_PI + math.log(total))
        cloud, other = log_rest + of_regime[CLOUD, i], log_share + of_regime[BESPOKE, i]
        late[i] = np.logaddexp(cloud, other)
        bespoke[i] = math.exp(other - late[i])
    return of_regime, late, bespoke


@nb.njit(cache=True, error_model="numpy", nogil=True)
def weigh(of_regime, late, first, log_cloud, log_bespoke, log_both):
    """Log weight of cells of both transitions, of which :func:`evaluate` says more.

    Returns
    -------
    before, after : ndarray, shape (G,)
        The log weight of cells ``i < j`` of the cloud and the bespoke transition is
        ``before[i] + after[j]``,
    same : ndarray, shape (G,)
        and that of both in one cell.
    """
    n, n_cells = len(late), len(first)
    # Cumulative log density of being cloud rather than DIY, and late rather than cloud
    rather, diy = np.zeros((2, n + 1)), 0.0
    for i in range(n):
        diy += of_regime[DIY, i]
        rather[0, i + 1] = rather[0, i] + of_regime[DIY, i] - of_regime[CLOUD, i]
        rather[1, i + 1] = rather[1, i] + of_regime[CLOUD, i] - late[i]
    before, after, same = np.empty(n_cells), np.empty(n_cells), np.empty(n_cells)
    total = np.sum(late)
    for g in range(n_cells):
        before[g] = log_cloud[g] + rather[0, first[g]]
        after[g] = log_bespoke[g] + rather[1, first[g]] + total
        same[g] = log_both[g] + rather[0, first[g]] + rather[1, first[g]] + total
    return before, after, same


@nb.njit(cache=True, error_model="numpy", nogil=True)
def evaluate(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected, first, log_cloud, log_bespoke, log_both,
):  # fmt: skip
    """Log likelihood with dates and regimes summed out, its gradient, and regimes' probabilities.

    Parameters
    ----------
    level, ..., expected
        As :func:`densities` takes them.
    first : ndarray of int, shape (G,)
        Number of systems before each cell of dates, ascending.
    log_cloud, log_bespoke, log_both : ndarray, shape (G,)
        Log prior mass of one or the other transition in each cell, and of both; pairs of cells,
        cloud transition first, add up to one.

    Returns
    -------
    value : float
    gradient : ndarray, shape (20 + D,)
        In the hyperparameters, in their order.
    probability : ndarray, shape (3, n)
        Posterior probability of each regime of each system.
    """
    of_regime, late, bespoke = densities(
        level, growth, sigma, elasticity, offset, parameters_level, parameters_growth,
        parameters_sd, share, x, p, y, variance, domain, expected,
    )  # fmt: skip
    before, after, same = weigh(of_regime, late, first, log_cloud, log_bespoke, log_both)
    n, n_cells, n_domains = len(x), len(first), len(offset)

    # Sums over the other transition, forward and backward
    sum_before, cloud_cell, bespoke_cell = -math.inf, np.empty(n_cells), np.empty(n_cells)
    for g in range(n_cells):
        bespoke_cell[g] = np.logaddexp(after[g] + sum_before, same[g])
        sum_before = np.logaddexp(sum_before, before[g])
    sum_after, value = -math.inf, -math.inf
    for g in range(n_cells - 1, -1, -1):
        cloud_cell[g] = np.logaddexp(before[g] + sum_after, same[g])
        sum_after = np.logaddexp(sum_after, after[g])
        value = np.logaddexp(value, cloud_cell[g])

    probability, gradient = np.empty((3, n)), np.zeros(20 + n_domains)
    begun = ended = 0.0  # probability that the cloud, and the bespoke, transition came before
    rest = 1.0 / share + 1.0 / (1.0 - share)
    g = 0
    for i in range(n):
        while g < n_cells and first[g] <= i:
            begun += math.exp(cloud_cell[g] - value)
            ended += math.exp(bespoke_cell[g] - value)
            g += 1
        probability[DIY, i] = max(0.0, 1.0 - begun)
        probability[BESPOKE, i] = ended * bespoke[i]
        probability[CLOUD, i] = max(0.0, begun - probability[BESPOKE, i])
        gradient[19 + n_domains] += ended * (bespoke[i] * rest - 1.0 / (1.0 - share))
        for k in range(3):
            weight = probability[k, i]
            mean, sd = parameters_level[k] + parameters_growth[k] * x[i], parameters_sd[k]
            known = not math.isnan(p[i])
            excess, more = mean - expected[k, i], (elasticity * sd) ** 2
            in_mean = in_sd = 0.0
            if known:
                z = (p[i] - mean) / sd
                in_mean, in_sd = weight * z / sd, weight * (z * z - 1.0) / sd
                excess, more = p[i] - expected[k, i], 0.0
            if not math.isnan(y[i]):
                total = sigma[k] ** 2 + variance[i] + more
                r = y[i] - level[k] - growth[k] * x[i] - elasticity * excess - offset[domain[i]]
                in_line = weight * r / total
                in_total = 0.5 * weight * (r * r / total - 1.0) / total
                gradient[k] += in_line
                gradient[3 + k] += x[i] * in_line
                gradient[6 + k] += 2.0 * sigma[k] * in_total
                gradient[9] += excess * in_line
                gradient[10 + domain[i]] += in_line
                if not known:
                    gradient[9] += 2.0 * elasticity * sd * sd * in_total
                    in_mean += elasticity * in_line
                    in_sd += 2.0 * elasticity * elasticity * sd * in_total
            gradient[10 + n_domains + k] += in_mean
            gradient[13 + n_domains + k] += x[i] * in_mean
            gradient[16 + n_domains + k] += in_sd
    return value, gradient, probability


@nb.njit(cache=True, nogil=True)
def log_likelihood(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected, first, log_cloud, log_bespoke, log_both,
):  # fmt: skip
    """Log likelihood and its gradient."""
    value, gradient, _ = evaluate(
        level, growth, sigma, elasticity, offset, parameters_level, parameters_growth,
        parameters_sd, share, x, p, y, variance, domain, expected, first,
        log_cloud, log_bespoke, log_both,
    )  # fmt: skip
    return value, gradient


@dataclass(frozen=True)
class MixturePrior:
    """What the prior expects of regimes' parameters, in the order DIY, cloud, bespoke.

    Attributes
    ----------
    parameters_level : tuple of 3 floats
        Log10 parameters in 2010.
    parameters_growth : float
        Their growth [log10 parameters a year].
    """

    parameters_level: tuple[float, float, float]
    parameters_growth: float

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Log10 parameters in each regime, ``x`` years after the reference year, shape (3, n)."""
        return np.array(self.parameters_level)[:, None] + self.parameters_growth * x

    def describe(self) -> dict[str, str]:
        """What is drawn back, in words."""
        return {"regime": "bespoke with probability share after the bespoke transition"}


@dataclass(frozen=True, eq=False)
class MixtureRegimes:
    """The likelihood of one set of observations, dates and regimes summed out.

    Attributes
    ----------
    observations : Observations
    cells : DateCells
        Of the cloud and the bespoke transition.
    prior : MixturePrior
    """

    observations: Observations
    cells: DateCells
    prior: MixturePrior

    Point = MixtureHyperparameters
    SAMPLED_WITHOUT = DRAWN_WITHOUT = 0.0  # nothing is left out

    @classmethod
    def of(
        cls, observations: Observations, dates: Sequence[Density], prior: MixturePrior
    ) -> "MixtureRegimes":
        """Lay out cells of dates.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density
            Prior of the cloud and of the bespoke transition.
        prior : MixturePrior
        """
        return cls(observations, DateCells.between(era_year(observations.year), dates), prior)

    def focused(
        self, without: float, draws: MixtureHyperparameters | None = None
    ) -> "MixtureRegimes":
        """Return itself: every cell is summed over, whatever the probability ``without``."""
        return self

    @cached_property
    def data(self) -> dict[str, np.ndarray]:
        """What :func:`evaluate` takes after the hyperparameters, by name."""
        o, mass, ordered = self.observations, np.exp(self.cells.log_mass), self.cells.ordered_mass
        x = o.year - REFERENCE_YEAR
        with np.errstate(divide="ignore"):
            return {
                "x": x,
                "p": np.array(o.log10_parameters),  # copies can be written to, as kernels expect
                "y": np.array(o.log10_flop),
                "variance": np.array(o.variance),
                "domain": np.array(o.domain),
                "expected": self.prior.expected(x),
                "first": self.cells.n_before(era_year(o.year)),
                "log_cloud": np.log(mass[0, 0] / ordered),
                "log_bespoke": np.log(mass[1, 1]),
                "log_both": np.log(mass[0, 1] / ordered),
            }

    def log_likelihood(self, at: MixtureHyperparameters) -> tuple[float, np.ndarray]:
        """Log likelihood and its gradient, in the order of the hyperparameters."""
        return log_likelihood(*at, *self.data.values())

    def probability(self, at: MixtureHyperparameters) -> np.ndarray:
        """Posterior probability of each regime of each system, shape (3, n)."""
        return evaluate(*at, *self.data.values())[2]

    def draw(self, at: MixtureHyperparameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw dates and regimes from their conditional distribution.

        Parameters
        ----------
        at : MixtureHyperparameters
            S draws: each member with a leading dimension S.
        rng : numpy.random.Generator

        Returns
        -------
        dict of ndarray
            ``transition_year`` (S, 2) [decimal year]; ``level`` [log10 FLOP in 2010] and
            ``growth`` [OOM/year] of training compute in each regime, its growing parameters
            included (S, 3); and ``regime`` of each system (S, n).
        """
        n, n_draws = self.observations.n, len(at.share)
        *of_systems, first, log_cloud, log_bespoke, log_both = self.data.values()
        cell, chance = np.empty((n_draws, 2), dtype=int), np.empty((n_draws, n))
        for s in range(n_draws):
            one = at._make(member[s] for member in at)
            of_regime, late, chance[s] = densities(*one, *of_systems)
            weights = weigh(of_regime, late, first, log_cloud, log_bespoke, log_both)
            cell[s] = _draw_cells(*weights, rng)
        cloud, bespoke = first[cell].T[:, :, None]
        late = np.where(rng.random((n_draws, n)) < chance, BESPOKE, CLOUD)
        regime = np.where(np.arange(n) < cloud, DIY, np.where(np.arange(n) < bespoke, CLOUD, late))
        drawn = {
            "transition_year": self.cells.draw(cell, rng),
            "regime": regime.astype(np.int8),
        }
        return drawn | self._lines_of_compute(at)

    def draw_prior(
        self, at: MixtureHyperparameters, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw dates as :meth:`draw` does, as if there were no systems."""
        date = self.cells.draw_prior(len(at.share), rng)
        return {"transition_year": date} | self._lines_of_compute(at)

    def systems(
        self,
        observations: Observations,
        at: MixtureHyperparameters,
        drawn: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> SystemDraws:
        """What draws say of each system; undisclosed parameters are integrated out.

        Parameters
        ----------
        observations : Observations
            Those of the likelihood.
        at : MixtureHyperparameters
            S draws.
        drawn : dict of ndarray
            What :meth:`draw` returned for them.
        rng : numpy.random.Generator
        """
        o, seen = observations, np.flatnonzero(np.isfinite(observations.log10_flop))
        x, era = o.year[seen] - REFERENCE_YEAR, drawn["regime"][:, seen].astype(int)
        level, growth, sigma, a, b, sd = (
            np.take_along_axis(each, era, axis=1)
            for each in (
                at.level_given_parameters,
                at.growth_given_parameters,
                at.sigma,
                at.parameters_level,
                at.parameters_growth,
                at.parameters_sd,
            )
        )
        p, slope = o.log10_parameters[seen], at.elasticity[:, None]
        known = np.isfinite(p)
        excess = np.where(known, p, a + b * x) - self.prior.expected(x)[era, np.arange(len(x))]
        mean = level + growth * x + slope * excess + at.offset[:, o.domain[seen]]
        variance = sigma**2 + o.variance[seen] + np.where(known, 0.0, slope * sd) ** 2
        return SystemDraws.of(drawn["regime"], o.log10_flop[seen], mean, variance, rng)

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered."""
        return {"transition_year": self.cells.log_density(drawn["transition_year"])}

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """Ends of grids other than that of dates, of which there are none."""
        return iter(())

    def _lines_of_compute(self, at: MixtureHyperparameters) -> dict[str, np.ndarray]:
        """Level and growth of training compute itself, shape (S, 3): parameters grow too."""
        slope, prior = at.elasticity[:, None], self.prior
        level = at.parameters_level - np.array(prior.parameters_level)
        growth = at.parameters_growth - prior.parameters_growth
        return {
            "level": at.level_given_parameters + slope * level,
            "growth": at.growth_given_parameters + slope * growth,
        }


def _draw_cells(before, after, same, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a cell of each transition, given their weights by :func:`weigh`.

    Each is the largest of log weights with Gumbel noise, in which none of them underflow.
    """
    earlier = np.logaddexp.accumulate(np.concatenate([[-np.inf], before[:-1]]))
    log_weight = np.logaddexp(after + earlier, same)
    bespoke = int(np.argmax(log_weight + rng.gumbel(size=len(log_weight))))
    given = np.append(before[:bespoke] + after[bespoke], same[bespoke])
    return int(np.argmax(given + rng.gumbel(size=len(given)))), bespoke
