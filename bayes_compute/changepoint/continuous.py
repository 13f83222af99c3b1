"""Changepoint regression with a continuous trend: the lines of neighbouring eras meet.

System ``i``, of era ``e`` and with ``x = year - reference year``, has

    log10 FLOP = level + sum_k growth_k f_k(x) + offset_domain + noise,
    f_0 = min(x, t_1),  f_k = clip(x - t_k, 0, t_{k+1} - t_k),  f_K = max(x - t_K, 0),
    noise ~ N(0, sigma_e^2 + variance_i),
    level ~ N(level_mean, level_sd^2),  growth_k ~ N(growth_mean, growth_sd^2),

where ``t_k``, the transition dates less the reference year, have any continuous prior, ordered.
The slope in era ``k`` is ``growth_k``, and ``level`` is where the first era's line stands in the
reference year. Dates and lines are summed and integrated out;
:meth:`ContinuousRegression.draw` brings them back. Since all lines hang together, an era's
scatter cannot be integrated by itself: ``sigma`` stays a hyperparameter.

The ``f_k`` add up to ``x``, so residuals from the prior mean, and with them all sums, are those
of :mod:`bayes_compute.changepoint.moments`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayes_compute.changepoint import era_draws, moments, trend
from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.dates import DateCells, era_year
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.statistics import REFERENCE_YEAR, cumulative_sums, quantise
from bayes_compute.observations import Observations

_LEAST_MASS = 1e-12  # prior mass below which a cell is left out


class ContinuousHyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``growth_mean`` and ``growth_sd`` scalar [OOM/year], ``sigma`` (K + 1,) and
    ``offset`` (D,) [log10 FLOP]; for several draws each has a leading dimension S.
    """

    growth_mean: np.ndarray | float
    growth_sd: np.ndarray | float
    sigma: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class ContinuousRegression:
    """The collapsed likelihood of one set of observations, for one or two transitions.

    Attributes
    ----------
    cells : DateCells
        Candidate cells of the K transition dates, with their prior.
    sums : ndarray, shape (C, D, 6, G + 2)
        Cumulative sums: of nothing, before each cell, and of everything.
    variance : ndarray, shape (C,)
        Known variance of each class [log10 FLOP squared].
    prior : EraPrior
        Its level is that of the first era; scatters are sampled.
    """

    cells: DateCells
    sums: np.ndarray
    variance: np.ndarray
    prior: EraPrior

    Point = ContinuousHyperparameters
    SAMPLED_WITHOUT = DRAWN_WITHOUT = 0.0  # nothing is left out

    # Methods that have a file of their own
    systems, simulate = era_draws.systems, era_draws.simulate

    @classmethod
    def of(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: EraPrior,
        widest: float = 1 / 12,
    ) -> "ContinuousRegression":
        """Sum observations up.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density, length K
            Prior of each transition date, earliest first.
        prior : EraPrior
        widest : float
            No cell of dates is wider [years]: the likelihood changes inside a cell, and that of
            its middle (:attr:`DateCells.node`) stands for all of it. When systems are assigned
            to eras, they count as published in the middle of one of equal parts of the year, no
            wider either. Lines see exact dates.

        Raises
        ------
        ValueError
            If there are no transitions, or more than two: then the sum over dates does not
            factor.
        """
        if len(dates) not in (1, 2):
            raise ValueError(
                f"got {len(dates)} transitions; a continuous trend can have one or two; "
                "use CollapsedRegression, whose trend may jump, for any other number"
            )
        per_year = math.ceil(1 / widest)
        date = era_year(observations.year, per_year)
        variance, variance_class = quantise(observations.variance)
        sums = cumulative_sums(
            date,
            observations.year,
            observations.log10_flop,
            variance_class,
            observations.domain,
            (len(variance), len(observations.domains)),
        )
        cells = DateCells.between(date, dates, 1 / per_year)
        columns = np.concatenate([[0], cells.position, [len(sums) - 1]])
        sums = np.ascontiguousarray(np.moveaxis(sums[columns], 0, -1))
        return cls(cells, sums, variance, prior)

    @property
    def n_transitions(self) -> int:
        """Number of transitions K; there are K + 1 eras."""
        return len(self.cells.priors)

    @cached_property
    def rows(self) -> np.ndarray:
        """Which pairs of cells are summed over, shape (F, 4).

        Each row holds a cell of the first transition, a range of cells of the second, and where
        it stands in lists of pairs. With one transition the second is G, after all systems.
        """
        mass, n_cells = np.exp(self.cells.log_mass), self.cells.n_cells
        first = np.flatnonzero(mass[0, 0] > _LEAST_MASS)
        low, high = np.full_like(first, n_cells), np.full_like(first, n_cells + 1)
        if self.n_transitions == 2:
            second = np.flatnonzero(mass[1, 1] > _LEAST_MASS)
            low, high = np.maximum(first, second[0]), np.full_like(first, second[-1] + 1)
        kept = low < high
        first, low, high = first[kept], low[kept], high[kept]
        return np.column_stack([first, low, high, np.cumsum(high - low) - (high - low)])

    @cached_property
    def pairs(self) -> np.ndarray:
        """Cells of both transitions of every pair, shape (M, 2)."""
        first, low, high, start = self.rows.T
        size = high - low
        second = np.arange(size.sum()) + np.repeat(low - start, size)
        return np.column_stack([np.repeat(first, size), second])

    @cached_property
    def log_mass(self) -> np.ndarray:
        """Log prior mass of every pair, shape (M,); that of all ordered dates adds up to one."""
        mass, (first, second) = self.cells.log_mass, self.pairs.T
        if self.n_transitions == 1:
            return mass[0, 0, first] - np.log(np.sum(np.exp(mass[0, 0])))
        earlier = np.cumsum(np.exp(mass[0, 0])) - np.exp(mass[0, 0])
        constant = np.log(np.sum(earlier * np.exp(mass[1, 1]) + np.exp(mass[0, 1])))
        apart = mass[0, 0, first] + mass[1, 1, second]
        return np.where(first == second, mass[0, 1, first], apart) - constant

    @cached_property
    def arguments(self) -> tuple:
        """What :func:`log_likelihood` takes after the hyperparameters."""
        date = np.append(self.cells.node, self.cells.node[-1]) - REFERENCE_YEAR
        level_prior = np.array([self.prior.level_mean, self.prior.level_sd], dtype=float)
        return self.sums, self.variance, level_prior, date, self.log_mass, self.rows

    @property
    def data(self) -> dict[str, np.ndarray]:
        """:attr:`arguments` by the name under which a graph shares them."""
        names = ("sums", "variance", "level_prior", "date", "log_mass", "rows")
        return dict(zip(names, self.arguments, strict=True))

    def log_likelihood(self, at: ContinuousHyperparameters) -> tuple[float, np.ndarray]:
        """Log marginal likelihood at one point, and its gradient.

        Returns
        -------
        value : float
        gradient : ndarray, shape (2 + K + 1 + D,)
            In ``growth_mean``, ``growth_sd``, ``sigma`` and ``offset``, in this order.
        """
        return log_likelihood(*at, *self.arguments)

    def date_probability(self, at: ContinuousHyperparameters) -> np.ndarray:
        """Posterior probability of each cell for each transition, shape (K, G)."""
        share = _probability(*at, *self.arguments)
        n_cells = self.cells.n_cells
        cells = self.pairs.T[: self.n_transitions]
        return np.stack([np.bincount(cell, share, n_cells) for cell in cells])

    def draw(
        self, at: ContinuousHyperparameters, rng: np.random.Generator, prior: bool = False
    ) -> dict[str, np.ndarray]:
        """Draw dates, and lines given these dates, from their conditional distribution.

        Parameters
        ----------
        at : ContinuousHyperparameters
            S draws: each member with a leading dimension S.
        rng : numpy.random.Generator
        prior : bool
            Draw from the prior instead, as if there were no systems.

        Returns
        -------
        dict of ndarray
            ``transition_year`` (S, K) [decimal year]; ``level`` [log10 FLOP at the reference
            year] and ``growth`` [OOM/year], each (S, K + 1): the trend in era ``e`` is
            ``level[e] + growth[e] x``, and the lines of neighbours meet at their transition; and
            ``sigma``, that of the point.
        """
        n, n_transitions = len(at.offset), self.n_transitions
        sums, variance, level_prior = self.arguments[:3]
        members = [np.ascontiguousarray(member, dtype=float) for member in at]
        pair, uniform = np.empty(n, dtype=int), rng.random(n)
        cumulative = np.cumsum(np.exp(self.log_mass))
        for s, each in enumerate(zip(*members, strict=True)):
            if not prior:
                cumulative = np.cumsum(_probability(*each, *self.arguments))
            pair[s] = np.searchsorted(cumulative[:-1], uniform[s] * cumulative[-1], side="right")
        if prior:
            sums = np.zeros_like(sums)
        cell = self.pairs[pair, :n_transitions]
        date = self.cells.draw(cell, rng)
        normal = rng.standard_normal((n, n_transitions + 2))
        level, growth = trend.draw_lines(
            date - REFERENCE_YEAR, cell, normal, *members, sums, variance, level_prior
        )
        return {"transition_year": date, "level": level, "growth": growth, "sigma": at.sigma}

    def draw_prior(
        self, at: ContinuousHyperparameters, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw as :meth:`draw` does, as if there were no systems."""
        return self.draw(at, rng, prior=True)

    def focused(
        self, without: float, draws: ContinuousHyperparameters | None = None
    ) -> "ContinuousRegression":
        """Return itself: every pair is summed over, whatever the probability ``without``."""
        return self

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered, (S, K)."""
        return {"transition_year": self.cells.log_density(drawn["transition_year"])}

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """Ends of grids other than that of dates, of which there are none."""
        return iter(())


@kernel
def log_likelihood(
    growth_mean, growth_sd, sigma, offset, sums, variance, level_prior, date, log_mass, rows
):
    """Log marginal likelihood and its gradient; see :class:`ContinuousRegression`.

    Parameters
    ----------
    growth_mean, growth_sd : float
    sigma : ndarray, shape (K + 1,)
    offset : ndarray, shape (D,)
    sums : ndarray, shape (C, D, 6, G + 2)
    variance : ndarray, shape (C,)
    level_prior : ndarray, shape (2,)
        Mean and sd of the level.
    date : ndarray, shape (G + 1,)
        As in :mod:`bayes_compute.changepoint.trend`, like ``rows``.
    log_mass : ndarray, shape (M,)
    rows : ndarray of int, shape (F, 4)

    Returns
    -------
    value : float
    gradient : ndarray, shape (2 + K + 1 + D,)
    """
    level_mean, level_sd, n_eras = level_prior[0], level_prior[1], len(sigma)
    moment = moments.residual_moments(sums, level_mean, growth_mean, offset)
    weight, weighted = trend.weighted_by_era(moment, sigma, variance)
    total, share = trend.pair_probability(weighted, date, log_mass, rows, level_sd, growth_sd)
    lines, in_growth_sd = trend.expected_lines(weighted, date, share, rows, level_sd, growth_sd)
    adjoint, in_weight = trend.gradient_in_sums(lines, moment, weight)
    in_growth_mean, in_offset = moments.chain_rule(
        adjoint, weight, sums, moment, level_mean, growth_mean, offset
    )
    gradient = np.empty(2 + n_eras + len(offset))
    gradient[0], gradient[1], gradient[2 + n_eras :] = in_growth_mean, in_growth_sd, in_offset
    for e in range(n_eras):
        gradient[2 + e] = -2 * sigma[e] * np.sum(in_weight[:, e] * weight[:, e] ** 2)
    return total - 0.5 * np.log(2 * np.pi) * np.sum(sums[:, :, 0, -1]), gradient


@kernel
def _probability(
    growth_mean, growth_sd, sigma, offset, sums, variance, level_prior, date, log_mass, rows
):
    """Probability of every pair of cells at one point, shape (M,)."""
    moment = moments.residual_moments(sums, level_prior[0], growth_mean, offset)
    _, weighted = trend.weighted_by_era(moment, sigma, variance)
    return trend.pair_probability(weighted, date, log_mass, rows, level_prior[1], growth_sd)[1]
