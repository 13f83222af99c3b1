"""Changepoint regression, collapsed: what is left of it is a density of few hyperparameters.

System ``i`` of era ``e`` has

    log10 FLOP = level_e + growth_e (year - reference year) + offset_domain + noise,
    noise ~ N(0, sigma_e^2 + variance_i),
    level_e ~ N(level_mean, level_sd^2),  growth_e ~ N(growth_mean, growth_sd^2),
    log sigma_e ~ N(log sigma_median, log_sigma_sd^2),

and transition dates have any continuous prior, ordered. Dates, levels, growth and scatter are
summed and integrated out; :func:`era_draws.draw` brings them back, one independent draw for each
draw of the hyperparameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize

from bayes_compute.changepoint import collapse, era_draws, moments, recursion
from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.dates import DateCells, era_year
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.hyperparameters import Hyperparameters, checked, some_of
from bayes_compute.changepoint.statistics import cumulative_sums, quantise
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations

# Draws at which it is asked what to leave out: with four times as many a fit takes a tenth more,
# and as much is left out.
_FOCUSED_AT = 8
_SOUGHT_WITHOUT = 1e-3  # probability of what the mode is sought without
_ARGUMENTS = (
    "cumulative_sums",
    "fixed_sums",
    "scatter_weight",
    "level_mean",
    "level_sd",
    "log_date_mass",
    "spans",
    "rows",
)


@dataclass(frozen=True, eq=False)
class CollapsedRegression:
    """The collapsed likelihood of one set of observations.

    Attributes
    ----------
    cells : DateCells
        Candidate cells of the K transition dates, with their prior.
    sums : ndarray, shape (C, D, 6, G + 2)
        Cumulative sums: of nothing, before each cell, and of everything.
    variance : ndarray, shape (C,)
        Known variance of each class [log10 FLOP squared].
    prior : EraPrior
    spans : ndarray of int, shape (P, 4)
        Which eras are summed over: start, stop, and the range of scatters of each.
    """

    cells: DateCells
    sums: np.ndarray
    variance: np.ndarray
    prior: EraPrior
    spans: np.ndarray

    Point = Hyperparameters
    SAMPLED_WITHOUT, DRAWN_WITHOUT = 0.1, 1e-4  # for :meth:`focused`

    # Methods that have a file of their own
    draw, draw_prior = era_draws.draw, era_draws.draw_prior
    simulate, systems = era_draws.simulate, era_draws.systems

    @classmethod
    def of(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: EraPrior,
        per_year: int | None = 12,
    ) -> "CollapsedRegression":
        """Sum observations up.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density, length K
            Prior of each transition date, earliest first.
        prior : EraPrior
        per_year : int, optional
            As :func:`era_year` takes it. Lines see exact dates in either case.
        """
        year = observations.year
        date = era_year(year, per_year)
        variance, variance_class = quantise(observations.variance)
        sums = cumulative_sums(
            date,
            year,
            observations.log10_flop,
            variance_class,
            observations.domain,
            (len(variance), len(observations.domains)),
        )
        cells = DateCells.between(date, dates)
        columns = np.concatenate([[0], cells.position, [len(sums) - 1]])
        sums = np.ascontiguousarray(np.moveaxis(sums[columns], 0, -1))
        spans = _all_spans(cells.n_cells, len(prior.log_sigma(observations.n)))
        return cls(cells, sums, variance, prior, spans)

    @property
    def n_systems(self) -> int:
        """Number of systems."""
        return round(self.sums[:, :, 0, -1].sum())

    @property
    def n_transitions(self) -> int:
        """Number of transitions K; there are K + 1 eras."""
        return len(self.cells.priors)

    @cached_property
    def sigma(self) -> np.ndarray:
        """Scatters that are summed over, shape (J,) [log10 FLOP]."""
        return np.exp(self.prior.log_sigma(self.n_systems))

    @cached_property
    def log_sigma_prior(self) -> np.ndarray:
        """Log prior probability of each of :attr:`sigma`, shape (J,)."""
        z = (np.log(self.sigma) - np.log(self.prior.sigma_median)) / self.prior.log_sigma_sd
        return -0.5 * z * z - np.log(np.sum(np.exp(-0.5 * z * z)))

    @cached_property
    def log_mass(self) -> np.ndarray:
        """Normalised log prior mass of runs of transitions in a cell, shape (K, K, G).

        The joint prior of ordered dates sums to one over all sets of cells; each transition
        bears an equal share of the constant.

        Raises
        ------
        InputError
            If no dates are in order under their priors.
        """
        n, mass = self.n_transitions, self.cells.log_mass
        if n == 0:
            return mass
        spans, rows = self.every_era
        constant = recursion.backward(spans, rows, np.zeros(len(spans)), mass)[0]
        if not np.isfinite(constant):
            raise InputError(
                "dates: got priors that put no transition before the next; expected each date to "
                "have a chance of lying before the following one; order the priors, earliest first"
            )
        length = np.arange(n) - np.arange(n)[:, None] + 1
        return mass - length[:, :, None] * constant / n

    @cached_property
    def every_era(self) -> tuple[np.ndarray, np.ndarray]:
        """Every span between two cells, and the first of those with each start, (G + 2,)."""
        spans = _all_spans(self.cells.n_cells, 1)
        return spans, np.searchsorted(spans[:, 0], np.arange(self.cells.n_cells + 2))

    @cached_property
    def columns(self) -> np.ndarray:
        """Columns of :attr:`sums` at which eras start or stop, ascending."""
        ends = np.concatenate([[self.cells.n_cells + 1], self.spans[:, 0], self.spans[:, 1] + 1])
        return np.unique(np.append(ends, 0))

    @property
    def kept_cells(self) -> np.ndarray:
        """Cells in which a transition may lie, ascending."""
        return self.columns[1:-1] - 1

    @cached_property
    def arguments(self) -> tuple:
        """What functions of :mod:`bayes_compute.changepoint.collapse` take after the point."""
        prior, spans = self.prior, self.spans
        sums = np.ascontiguousarray(self.sums[..., self.columns])
        start = np.searchsorted(self.columns, spans[:, 0])
        stop = np.searchsorted(self.columns, spans[:, 1] + 1) - 1
        low, high = spans[:, 2].min(), spans[:, 3].max()
        weight = 1 / (self.sigma[low:high] ** 2 + self.variance[:, None])
        size = spans[:, 3] - spans[:, 2]
        spans = np.column_stack([start, stop, spans[:, 2:] - low, np.cumsum(size) - size])
        return (
            sums,
            _of_each_scatter(sums, weight, self.log_sigma_prior[low:high], spans),
            weight,
            np.float64(prior.level_mean),
            np.float64(prior.level_sd),
            np.ascontiguousarray(self.log_mass[..., self.kept_cells]),
            spans,
            np.searchsorted(start, np.arange(len(self.columns))),
        )

    @property
    def data(self) -> dict[str, np.ndarray]:
        """:attr:`arguments` by the name under which a graph shares them."""
        return dict(zip(_ARGUMENTS, map(np.asarray, self.arguments), strict=True))

    def log_likelihood(self, at: Hyperparameters) -> tuple[float, np.ndarray]:
        """Log marginal likelihood at one point, and its gradient.

        Returns
        -------
        value : float
        gradient : ndarray, shape (2 + D,)
            In ``growth_mean``, ``growth_sd`` and ``offset``, in this order.
        """
        value, gradient = collapse.log_likelihood(*checked(at), *self.arguments)
        return value, gradient

    def date_probability(self, at: Hyperparameters) -> np.ndarray:
        """Exact posterior probability of each cell for each transition, shape (K, G)."""
        probability = np.zeros((self.n_transitions, self.cells.n_cells))
        probability[:, self.kept_cells] = collapse.probabilities(*checked(at), *self.arguments)[1]
        return probability

    def focused(
        self, without: float, draws: Hyperparameters | None = None
    ) -> "CollapsedRegression":
        """Leave out the least probable eras and scatters.

        Parameters
        ----------
        without : float
            Probability of all that is left out, at most: at :attr:`mode`, or on average over ...
        draws : Hyperparameters, optional
            ... some of these draws.
        """
        whole = self.whole()
        points = [whole.mode] if draws is None else some_of(draws, _FOCUSED_AT)
        return whole._likely(points, without)

    def _likely(self, points: list[Hyperparameters], without: float) -> "CollapsedRegression":
        """Leave out what all points together give less probability than ``without``."""
        probability = np.zeros((len(self.spans), len(self.sigma)))
        for at in points:
            of_span, _, share = collapse.probabilities(*at, *self.arguments)
            some = of_span > 0  # of all spans, a few
            probability[some] += of_span[some, None] * share.reshape(len(of_span), -1)[some]
        probability /= len(points)
        ascending = np.sort(probability[probability > 0])
        n_without = np.searchsorted(np.cumsum(ascending), without)
        keep = probability >= ascending[min(n_without, ascending.size - 1)]
        spans = self.spans.copy()
        spans[:, 2] = np.argmax(keep, axis=1)
        spans[:, 3] = keep.shape[1] - np.argmax(keep[:, ::-1], axis=1)
        return replace(self, spans=spans[keep.any(axis=1)])

    def whole(self) -> "CollapsedRegression":
        """Undo :meth:`focused`."""
        spans = _all_spans(self.cells.n_cells, len(self.sigma))
        return self if np.array_equal(spans, self.spans) else replace(self, spans=spans)

    @cached_property
    def mode(self) -> Hyperparameters:
        """A point of high density; weak penalties keep it finite.

        It is sought with the eras that are likely at the start, and again with those likely there:
        over all eras an evaluation takes as long as hundreds.
        """
        n_domains = self.sums.shape[1]
        start = np.concatenate([[0.4, np.log(0.2)], np.zeros(n_domains)])
        spread = np.concatenate([[0.5, 1.0], np.full(n_domains, 1.0)])
        point, whole = start, self.whole()
        for _ in range(2):
            likely = whole._likely([_at(point)], _SOUGHT_WITHOUT)

            def negative(point: np.ndarray, likely=likely) -> tuple[Any, np.ndarray]:
                at = _at(point)
                value, slope = likely.log_likelihood(at)
                slope[1] *= at.growth_sd
                pull = (point - start) / spread
                return 0.5 * pull @ pull - value, pull / spread - slope

            point = optimize.minimize(
                negative, point, jac=True, method="L-BFGS-B", options={"ftol": 1e-6}
            ).x
        return _at(point)

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered, (S, K), if there are any."""
        if not self.n_transitions:
            return {}
        return {"transition_year": self.cells.log_density(drawn["transition_year"])}

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """How much of the posterior lies at the ends of the grid of scatters.

        Yields
        ------
        name, element, end, share, prior share
            Of draws beyond the last but one node, and of the prior.
        """
        for low, node in ((True, self.sigma[1]), (False, self.sigma[-2])):
            for era, sigma in enumerate(np.moveaxis(draws["sigma"], -1, 0)):
                outside = sigma < node if low else sigma > node
                yield "sigma", era, float(node), float(np.mean(outside)), 0.0


def _at(point: np.ndarray) -> Hyperparameters:
    """Hyperparameters of a point in which the sd of growth is its logarithm."""
    return Hyperparameters(point[0], np.exp(point[1]), point[2:])


def _of_each_scatter(sums, weight, log_prior, spans):
    """What no hyperparameter enters, as :func:`eras.era_evidence` takes it, shape (4, M)."""
    cumulative = moments.fixed_sums(sums.sum(axis=1), weight)
    cumulative[3] /= 2
    start, stop, low, high, first = spans.T
    span = np.repeat(np.arange(len(spans)), high - low)
    scatter = np.arange(len(span)) - (first - low)[span]
    fixed = cumulative[:, (stop + 1)[span], scatter] - cumulative[:, start[span], scatter]
    fixed[3] += log_prior[scatter]
    return np.ascontiguousarray(fixed)


def _all_spans(n_cells: int, n_scatters: int) -> np.ndarray:
    """Every era between two cells, with every scatter, shape (P, 4)."""
    start, stop = np.triu_indices(n_cells + 1)
    zero = np.zeros_like(start)
    return np.stack([start, stop, zero, zero + n_scatters], axis=1)
