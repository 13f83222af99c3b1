"""How many transitions, and when: exactly, in milliseconds, without sampling.

The conjugate special case: every era is a line with a normal-inverse-gamma prior,

    y ~ N(level + growth x, sigma^2),  (level, growth) ~ N(mean, sigma^2 diag(spread)^2),
    sigma^2 ~ InverseGamma(shape, scale),

so the evidence of any era is closed (Bishop 2006, section 3.5; DeGroot 1970) and the sum over all
ordered dates is a recursion (Fearnhead 2006, doi:10.1007/s11222-006-8450-8). There are no domain
offsets and no known estimation errors here: it answers at once, and the sampled models answer in
full. How probable each number of transitions is depends on the priors; they stand in the result,
with what comes out under others.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp

from bayes_compute.changepoint import recursion
from bayes_compute.changepoint.date_priors import flat
from bayes_compute.changepoint.dates import DateCells
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations

_MOST_TRANSITIONS = 20  # of more, cells that transitions share take minutes


@dataclass(frozen=True)
class ConjugatePrior:
    """Prior of a line; see the module's docstring.

    Attributes
    ----------
    level, growth : float
        Prior means [log10 FLOP in 2010, OOM/year].
    level_spread, growth_spread : float
        Prior sds in units of the scatter [1, 1/year].
    shape, scale : float
        Of the inverse-gamma prior of the squared scatter [1, log10 FLOP squared].
    """

    level: float = 16.0
    growth: float = 0.4
    level_spread: float = 2.5
    growth_spread: float = 0.25
    shape: float = 2.0
    scale: float = 2.0


@dataclass(frozen=True, eq=False)
class Transitions:
    """Exact posterior of the number of transitions and of their dates.

    Attributes
    ----------
    observations : Observations
    max_k : int
        The most transitions considered; 0 to ``max_k`` have equal prior probability.
    min_systems : int
        The fewest systems an era may hold. Dates that leave an era with fewer are impossible, and
        the flat prior of ordered dates is normalised over the others.
    prior : ConjugatePrior
    """

    observations: Observations
    max_k: int
    min_systems: int
    prior: ConjugatePrior

    @cached_property
    def log_evidence(self) -> np.ndarray:
        """Log evidence of 0 to ``max_k`` transitions, shape (max_k + 1,); -inf if impossible."""
        weight, mass = (
            self._weights(self._evidence)[0],
            self._weights(np.zeros(len(self._spans)))[0],
        )
        possible = mass > -np.inf
        return np.where(possible, weight - np.where(possible, mass, 0.0), -np.inf)

    @cached_property
    def probability(self) -> np.ndarray:
        """Posterior probability of 0 to ``max_k`` transitions, shape (max_k + 1,)."""
        return np.exp(self.log_evidence - logsumexp(self.log_evidence))

    def date_probability(self, k: int) -> np.ndarray:
        """Posterior probability of each of :attr:`cells` for each of ``k`` dates.

        Parameters
        ----------
        k : int
            Number of transitions, from 1 to `max_k`.

        Returns
        -------
        ndarray, shape (k, G)
        """
        return recursion.probabilities(*self._history(k))[1]

    def draw(self, k: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws of ``k`` dates from their joint posterior.

        Parameters
        ----------
        k : int
            Number of transitions, from 1 to `max_k`.
        n : int
            Number of draws.
        rng : numpy.random.Generator
            Where they come from.

        Returns
        -------
        ndarray, shape (n, k)
            Decimal years.
        """
        spans, rows, evidence, log_mass, _, entered_rest, closed_rest = self._history(k)
        cell = [
            recursion.draw_cells(spans, rows, evidence, log_mass, entered_rest, closed_rest, u)
            for u in rng.random((n, 2 * k))
        ]
        dates = self.cells.priors[:k]
        return replace(self.cells, priors=dates).draw(np.array(cell).reshape(n, k), rng)

    def quantile(self, k: int, q: np.ndarray) -> np.ndarray:
        """Quantiles of each of ``k`` dates.

        Parameters
        ----------
        k : int
            Number of transitions, from 1 to `max_k`.
        q : ndarray
            Probabilities.

        Returns
        -------
        ndarray, shape (k, len(q))
            Decimal years.
        """
        edges = self.cells.edges.copy()
        edges[0], edges[-1] = edges[1], edges[-2]  # nothing lies outside
        cumulative = np.cumsum(self.date_probability(k), axis=1)
        return np.array([np.interp(q, np.append(0.0, row), edges) for row in cumulative])

    @cached_property
    def cells(self) -> DateCells:
        """Cells between publication dates, under a flat prior from the first to the last."""
        year = self.observations.year
        return DateCells.between(year, [flat(-np.inf, year)] * self.max_k)

    @cached_property
    def _log_mass(self) -> np.ndarray:
        mass = self.cells.log_mass
        if self.min_systems > 0:  # transitions in one cell leave an era empty
            apart = ~np.eye(self.max_k, dtype=bool)
            mass = np.where(apart[:, :, None], -np.inf, mass)
        return mass

    @cached_property
    def _spans(self) -> np.ndarray:
        """Eras that hold enough systems, shape (P, 5)."""
        start, stop = np.triu_indices(self.cells.n_cells + 1)
        size = self._sums[stop + 1, 0] - self._sums[start, 0]
        enough = size >= self.min_systems
        zero = np.zeros(enough.sum(), dtype=np.int64)
        return np.stack([start[enough], stop[enough], zero, zero, zero], axis=1)

    @cached_property
    def _rows(self) -> np.ndarray:
        return np.searchsorted(self._spans[:, 0], np.arange(self.cells.n_cells + 2))

    @cached_property
    def _sums(self) -> np.ndarray:
        """Cumulative sums of the residuals from the prior's line, shape (G + 2, 6)."""
        x = self.observations.year - REFERENCE_YEAR
        r = self.observations.log10_flop - self.prior.level - self.prior.growth * x
        powers = np.stack([np.ones_like(x), x, x * x, r, x * r, r * r], axis=1)
        before = np.cumsum(np.vstack([np.zeros(6), powers]), axis=0)
        first = np.searchsorted(self.observations.year, np.unique(self.observations.year))
        position = np.append(first, len(x))[self.cells.position]
        return np.vstack([before[0], before[position], before[-1]])

    @cached_property
    def _evidence(self) -> np.ndarray:
        """Log evidence of each era, shape (P,)."""
        prior = self.prior
        n, x, xx, r, xr, rr = (self._sums[self._spans[:, 1] + 1] - self._sums[self._spans[:, 0]]).T
        a = 1 + prior.level_spread**2 * n
        b = 1 + prior.growth_spread**2 * xx
        c = prior.level_spread * prior.growth_spread * x
        u, v = prior.level_spread * r, prior.growth_spread * xr
        det = a * b - c * c
        scale = prior.scale + (rr - (b * u * u - 2 * c * u * v + a * v * v) / det) / 2
        shape = prior.shape + np.arange(self.observations.n + 1) / 2
        count = n.astype(int)
        constant = gammaln(shape) - gammaln(prior.shape) - (shape - prior.shape) * np.log(2 * np.pi)
        constant += prior.shape * np.log(prior.scale)
        return constant[count] - np.log(det) / 2 - shape[count] * np.log(scale)

    def _weights(self, evidence: np.ndarray) -> tuple[np.ndarray, Any, Any]:
        """Log weight of every number of transitions, and what follows each cell.

        All dates have one prior, so what follows the last but one of many transitions also follows
        the first of two: one pass serves every number of them.
        """
        n_cells, spans, rows = self.cells.n_cells, self._spans, self._rows
        whole = evidence[(spans[:, 0] == 0) & (spans[:, 1] == n_cells)]
        of_none = whole[0] if len(whole) else -np.inf
        if self.max_k == 0:
            return np.array([of_none]), None, None
        _, entered_rest, closed_rest = recursion.backward(spans, rows, evidence, self._log_mass)
        first = spans[: rows[1]]
        first, value = first[first[:, 1] < n_cells, 1], evidence[: rows[1]][first[:, 1] < n_cells]
        weights = [
            logsumexp(np.append(value + rest[first], -np.inf)) for rest in entered_rest[::-1]
        ]
        return np.array([of_none, *weights]), entered_rest, closed_rest

    def _history(self, k: int):
        if not 1 <= k <= self.max_k:
            raise ValueError(f"k: got {k}; expected 1 to {self.max_k}")
        weights, entered_rest, closed_rest = self._weights(self._evidence)
        first, mass = self.max_k - k, self._log_mass
        rest = entered_rest[first:], closed_rest[first:]
        return self._spans, self._rows, self._evidence, mass[first:, first:], weights[k], *rest

    def describe(self, prob: float = 0.9) -> str:
        """Probabilities, dates, priors and what other priors give, in a few lines of text.

        Parameters
        ----------
        prob : float
            Probability of the intervals of dates.

        Returns
        -------
        str
        """
        best = int(np.argmax(self.probability))
        lines = ["Number of transitions  " + "  ".join(f"{k:>5}" for k in range(self.max_k + 1))]
        lines.append(self._line("probability", self))
        tails = np.array([(1 - prob) / 2, 0.5, (1 + prob) / 2])
        for k in range(1, self.max_k + 1):
            if self.probability[k] >= 0.05 or k == best:
                lines.append(f"\nDates given {k} (probability {self.probability[k]:.3f}):")
                for low, middle, high in self.quantile(k, tails):
                    interval = f"{100 * prob:g} % equal-tailed interval {low:.1f} to {high:.1f}"
                    lines.append(f"  {middle:.1f} ({interval})")
        prior = self.prior
        lines.append(
            f"\nPriors: 0 to {self.max_k} equally probable; ordered dates flat from the first "
            "system to the last;\n"
            f"eras of at least {self.min_systems} systems; level {prior.level:g} +- "
            f"{prior.level_spread:g} sigma in {REFERENCE_YEAR:g}, growth {prior.growth:g} +- "
            f"{prior.growth_spread:g} sigma a year,\n"
            f"sigma^2 ~ InverseGamma({prior.shape:g}, {prior.scale:g}). Under other priors:"
        )
        return "\n".join(lines + [self._line(name, other) for name, other in self.sensitivity()])

    def sensitivity(self) -> list[tuple[str, "Transitions"]]:
        """The same under other priors.

        Returns
        -------
        list of (str, Transitions)
            What was changed, and what it gives.
        """
        prior = self.prior
        others = [
            ("spreads halved", replace(self, prior=_spread(prior, 0.5))),
            ("spreads doubled", replace(self, prior=_spread(prior, 2.0))),
            ("scale doubled", replace(self, prior=replace(prior, scale=2 * prior.scale))),
            ("eras of 1 system", replace(self, min_systems=1)),
            ("eras of 10 systems", replace(self, min_systems=10)),
        ]
        return [(name, other) for name, other in others if other.min_systems <= self.observations.n]

    @staticmethod
    def _line(name: str, result: "Transitions") -> str:
        return f"  {name:<21}" + "  ".join(f"{p:5.3f}" for p in result.probability)


def transitions(
    observations: Observations,
    max_k: int = 4,
    *,
    min_systems: int = 5,
    prior: ConjugatePrior | None = None,
) -> Transitions:
    """Exact posterior of the number of transitions and of their dates, without sampling.

    Parameters
    ----------
    observations : Observations
        Those whose training compute is known are used.
    max_k : int
        The most transitions to consider.
    min_systems : int
        The fewest systems an era may hold.
    prior : ConjugatePrior, optional
        Of the lines and the scatter of eras; by default the one that ``describe`` states.

    Returns
    -------
    Transitions
        Its ``probability`` is of each number of transitions, and ``describe()`` a text.

    Raises
    ------
    InputError
        If ``max_k`` is negative or above 20, or there are too few systems or dates for one era.

    Examples
    --------
    >>> import bayes_compute as bc
    >>> systems = bc.load_systems("systems-2022-03")
    >>> found = bc.transitions(bc.Observations.from_systems(systems))
    >>> found.probability.round(2).tolist()
    [0.0, 0.36, 0.35, 0.2, 0.1]
    """
    observations = observations.with_compute
    if not 0 <= max_k <= _MOST_TRANSITIONS:
        raise InputError(f"max_k: got {max_k}; expected 0 to {_MOST_TRANSITIONS}; leave it at 4")
    if min_systems < 0 or observations.n < min_systems:
        raise InputError(
            f"min_systems: got {min_systems} with {observations.n} systems; expected 0 to "
            f"{observations.n}; leave it at 5"
        )
    return Transitions(observations, max_k, min_systems, prior or ConjugatePrior())


def _spread(prior: ConjugatePrior, factor: float) -> ConjugatePrior:
    return replace(
        prior,
        level_spread=factor * prior.level_spread,
        growth_spread=factor * prior.growth_spread,
    )
