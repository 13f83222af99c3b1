"""Regimes that coexist, told apart by a capacity: the collapsed likelihood.

System ``i``, published at ``year``, with ``x = year - reference year``, ``p = log10 parameters``
and ``y = log10 FLOP``, is DIY before the cloud transition. After it, it is bespoke where ``p`` is
above what shared hardware can hold, ``capacity + drift (year - 2020)``, and cloud elsewhere:

    P(bespoke) = share, which changes at the bespoke transition,
    p ~ N(mu_k, parameters_sd_k^2),  mu_k = parameters_level_k + parameters_growth_k x,
        truncated at the capacity: above it in the cloud, below it for bespoke systems,
    y ~ N(level_k + growth_k x + elasticity (p - expected_k) + offset_domain, sigma_k^2 + variance),
    level_k ~ N(level_mean_k, level_sd_k^2),  growth_k ~ N(growth_mean, growth_sd^2),

where ``expected_k`` is the line that the prior expects of a regime's parameters. Dates, capacity,
drift, shares and the lines of FLOP are summed and integrated out in closed form, the lines of
parameters by quadrature; they do not meet, so that the second are integrated before anything is
sampled. The regime is decided by the parameters, so the density of one system integrates to one
over ``p`` and ``y`` only if the truncation is normalised.

Systems are in the order of their dates: a date of the cloud transition is a number of systems
before it. A threshold is a node of capacity and drift; all systems are sorted by it.

A system whose FLOP is undisclosed informs capacity, shares and lines of parameters. One whose
parameters are undisclosed has no threshold to be held to: its parameters are integrated out in
each regime, and regimes are summed out. Neither has a closed form together with the rest, so the
sampler takes a bound (see :class:`Undisclosed`), and each draw gets the weight that makes it exact.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize
from scipy.special import digamma, log_ndtr, logsumexp, ndtri_exp, xlogy

from bayes_compute.changepoint import coexistence, shares, truncated, undisclosed
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.dates import DateCells, Density
from bayes_compute.changepoint.eras import line_posterior
from bayes_compute.changepoint.regime_prior import RegimeHyperparameters, RegimePrior
from bayes_compute.changepoint.regression import SystemDraws, era_year, some_of
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.observations import Observations

DRIFT_YEAR = 2020.0  # where the capacity is read

_TAIL = 1e-6  # prior probability of dates and capacities beyond which none are looked at
_FINEST = 0.01  # log10 parameters, between which systems are not told apart
_NARROWEST = 0.01  # log10 parameters a year, between drifts
_LATE_YEAR, _GROUPED = 2024, 0.2  # thresholds that round alike then share one account
_HOPELESS = 25.0  # log weight by which cells, thresholds and groups may fall short of the best
_REFINED = 1e-3  # probability of all whose parameters are left to Laplace's approximation
_NODES, _LOG_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_LOG_WEIGHTS = np.log(_LOG_WEIGHTS / _LOG_WEIGHTS.sum())
# Where parameters are undisclosed, a draw of the hyperparameters chooses among so many
# completions, and each of these among so many lines of parameters.
_COMPLETIONS, _CANDIDATES = 4, 16
_DOF = 5.0  # of the t distribution from which lines of parameters are drawn


class Undisclosed(NamedTuple):
    """What stands for undisclosed parameters while sampling.

    Before the cloud transition, ``excess`` (U,) of log10 parameters over the expected line, and
    its variance ``spread`` (U,). After it, both if the system is cloud and if it is bespoke,
    (Q, 2, U), and ``above`` (Q, U), how far it counts as bespoke, for each of Q groups of
    thresholds that are close in the years of most such systems; ``group`` (H,) of each.

    With such fixed shares ``q`` the log likelihood of a system is bounded from below by
    ``sum q log(share density / q)`` (Jensen), which is exact where ``q`` is the posterior.
    """

    excess: np.ndarray
    spread: np.ndarray
    late_excess: np.ndarray
    late_spread: np.ndarray
    above: np.ndarray
    group: np.ndarray

    def at(self, nodes: np.ndarray) -> "Undisclosed":
        """Of some thresholds only."""
        kept, group = np.unique(self.group[nodes], return_inverse=True)
        late = (self.late_excess, self.late_spread, self.above)
        return Undisclosed(self.excess, self.spread, *(each[kept] for each in late), group)


@dataclass(frozen=True, eq=False)
class ThresholdRegimes:
    """The collapsed likelihood of one set of observations.

    Attributes
    ----------
    observations : Observations
    cells : DateCells
        Of the cloud and the bespoke transition.
    prior : RegimePrior
    capacity, drift, width : ndarray, shape (H,)
        Nodes of the threshold, each in the middle of a cell of the capacity, and its width.
    log_threshold : ndarray, shape (H,)
        Their log prior probability.
    drifts : ndarray
        Nodes of the drift, ascending.
    drift_mass : ndarray
        Prior probability of each.
    kept_cells : ndarray of int, shape (G,)
        Cells of the cloud transition that are summed over.
    early : ndarray, shape (G,)
        Log evidence of the parameters of DIY systems.
    late : ndarray, shape (H, 2, G)
        Log evidence of the parameters of cloud and bespoke systems.
    line : ndarray, shape (H, 2, G, 3)
        Modes of their level, growth and log sd.
    slope : ndarray, shape (H, 2, G)
        Slope of the log evidence in the capacity, inside its cell.
    undisclosed : Undisclosed
    log_bespoke : ndarray, shape (G, H)
        Log weight of who is above the threshold, shares and the bespoke transition summed out.
    """

    observations: Observations
    cells: DateCells
    prior: RegimePrior
    capacity: np.ndarray
    drift: np.ndarray
    width: np.ndarray
    log_threshold: np.ndarray
    drifts: np.ndarray
    drift_mass: np.ndarray
    kept_cells: np.ndarray
    early: np.ndarray
    late: np.ndarray
    line: np.ndarray
    slope: np.ndarray
    undisclosed: Undisclosed
    log_bespoke: np.ndarray

    Point = RegimeHyperparameters
    SAMPLED_WITHOUT, DRAWN_WITHOUT = 3e-3, 1e-4  # for :meth:`focused`

    @classmethod
    def of(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: RegimePrior,
        widest: float = 0.1,
        n_drifts: int = 11,
    ) -> "ThresholdRegimes":
        """Lay out cells of dates and nodes of the threshold, and integrate parameters out.

        Between two systems next to each other on the scale of ``p - drift (year - 2020)`` the
        regimes do not depend on the capacity: those gaps are its cells, cut to ``widest``; systems
        within 0.01 of each other are not told apart. Drifts are evenly spaced over all but a
        thousandth of the prior, no further apart than 1.5 sds of their posterior.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density
            Prior of the cloud and of the bespoke transition.
        prior : RegimePrior
        widest : float
            No cell of the capacity is wider [log10 parameters].
        n_drifts : int
            Number of drifts to look at first.
        """
        ends = float(prior.drift.ppf(5e-4)), float(prior.drift.isf(5e-4))
        drifts = np.linspace(*ends, n_drifts) if n_drifts > 1 else np.array([np.mean(ends)])
        regimes = cls._laid_out(observations, dates, prior, widest, drifts)
        weight: Any = np.exp(regimes._log_weight(regimes.mode)).sum(axis=0)
        weight /= weight.sum()
        sd = float(np.sqrt(weight @ (regimes.drift - weight @ regimes.drift) ** 2))
        step = (drifts[-1] - drifts[0]) / max(n_drifts - 1, 1)
        finer = math.ceil(step / max(1.5 * sd, _NARROWEST))
        if finer > 1:
            drifts = np.linspace(*ends, finer * (n_drifts - 1) + 1)
            near = np.abs(drifts[:, None] - np.unique(regimes.drift)).min(axis=1)
            wanted = near < step
            regimes = cls._laid_out(observations, dates, prior, widest, drifts, wanted)
        return regimes._with_undisclosed()._refined()

    @classmethod
    def _laid_out(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: RegimePrior,
        widest: float,
        drifts: np.ndarray,
        wanted: np.ndarray | None = None,
    ) -> "ThresholdRegimes":
        """Cells and nodes, with parameters by Laplace's approximation; hopeless ones left out."""
        cells = DateCells.between(era_year(observations.year), dates)
        edges = (drifts[1:] + drifts[:-1]) / 2
        drift_mass = np.diff(np.concatenate([[0.0], prior.drift.cdf(edges), [1.0]]))
        if wanted is not None:
            drifts, drift_mass = drifts[wanted], drift_mass[wanted]
        parts = [_capacities(observations, prior.capacity, drift, widest) for drift in drifts]
        # Up and down in turn, so that few systems change sides from one to the next
        parts = [
            part if turn % 2 == 0 else tuple(each[::-1] for each in part)
            for turn, part in enumerate(parts)
        ]
        n_capacities = [len(part[0]) for part in parts]
        capacity, width, mass = (np.concatenate(part) for part in zip(*parts, strict=True))
        drift = np.repeat(drifts, n_capacities)
        late = np.round((capacity + drift * (_LATE_YEAR - DRIFT_YEAR)) / _GROUPED)
        _, group = np.unique(late, return_inverse=True)
        n_unknown = int(np.isnan(observations.log10_parameters).sum())
        nothing = np.zeros((group.max() + 1, 2, n_unknown))
        kept = np.flatnonzero(cells.log_mass[0, 0] > np.log(_TAIL))
        empty = np.empty((len(capacity), 2, len(kept)))
        regimes = cls(
            observations,
            cells,
            prior,
            capacity,
            drift,
            width,
            np.log(mass * np.repeat(drift_mass, n_capacities)),
            drifts,
            drift_mass,
            kept,
            early=np.empty(len(kept)),
            late=empty,
            line=np.empty((*empty.shape, 3)),
            slope=empty,
            undisclosed=Undisclosed(
                nothing[0, 0], nothing[0, 0], nothing, nothing, nothing[:, 0] + 0.5, group
            ),
            log_bespoke=np.empty((len(kept), len(capacity))),
        )
        return regimes._with_parameters()._with_shares()._hopeful()

    # The systems

    @cached_property
    def disclosed(self) -> np.ndarray:
        """Which systems' parameters are known, ascending."""
        return np.flatnonzero(np.isfinite(self.observations.log10_parameters))

    @cached_property
    def unknown(self) -> np.ndarray:
        """Which systems' parameters are not, ascending."""
        return np.flatnonzero(np.isnan(self.observations.log10_parameters))

    @cached_property
    def with_flop(self) -> np.ndarray:
        """Which systems' training compute is known, ascending."""
        return np.flatnonzero(np.isfinite(self.observations.log10_flop))

    @property
    def drift_step(self) -> float:
        """Distance between drifts [log10 parameters a year]."""
        return float(np.diff(self.drifts).min()) if len(self.drifts) > 1 else 0.0

    @cached_property
    def threshold(self) -> np.ndarray:
        """Capacity at the date of each system, shape (H, n)."""
        since = self.observations.year - DRIFT_YEAR
        return self.capacity[:, None] + self.drift[:, None] * since

    @cached_property
    def above(self) -> np.ndarray:
        """Whether a system's parameters are known to exceed the capacity, shape (H, n)."""
        return self.observations.log10_parameters > self.threshold

    @cached_property
    def first(self) -> np.ndarray:
        """Number of systems before each cell, shape (all cells,)."""
        date = era_year(self.observations.year)
        each = np.searchsorted(date, np.unique(date))
        return np.append(each, len(date))[self.cells.position]

    # The likelihood

    @cached_property
    def constant(self) -> np.ndarray:
        """Log weight of cell and threshold before FLOP is seen, shape (G, H)."""
        weight = self.log_bespoke + self.log_threshold
        # Mean over the cell of the capacity, in which the log evidence has about this slope
        half = self.slope.sum(axis=1).T * self.width / 2
        weight += np.where(np.abs(half) > 1e-4, _log_sinhc(half), half**2 / 6)
        weight += self.early[:, None] + self.late.sum(axis=1).T
        entropy = np.zeros((self.observations.n + 1, len(self.capacity)))
        q = self._unknown_above
        entropy[self.unknown] = -xlogy(q, q) - xlogy(1 - q, 1 - q)
        after = np.cumsum(entropy[::-1], axis=0)[::-1]
        return weight + after[self.first[self.kept_cells]]

    @property
    def data(self) -> dict[str, np.ndarray]:
        """What functions of the core take after the hyperparameters, by name."""
        o, seen = self.observations, self.with_flop
        place = np.searchsorted(seen, self.unknown)
        expected = self._expected
        excess, spread = o.log10_parameters[seen] - expected[:, seen], np.zeros(len(seen))
        excess[:, place] = self.undisclosed.excess
        spread[place] = self.undisclosed.spread
        above = self.above[:, seen].astype(int)
        side = above[0].copy()
        side[place] = -1
        first = np.searchsorted(seen, self.first[self.kept_cells])
        node, system = np.nonzero(np.diff(above, axis=0))
        node, system = node[system >= first[0]] + 1, system[system >= first[0]]
        n_before = np.searchsorted(first, system, side="right")
        return {
            "x": o.year[seen] - REFERENCE_YEAR,
            "y": o.log10_flop[seen],
            "variance": o.variance[seen],
            "domain": o.domain[seen],
            "excess": excess,
            "spread": spread,
            "first": first,
            "side": side,
            "change": np.stack([system, above[node, system], n_before], axis=1),
            "start": np.searchsorted(node, np.arange(len(above) + 1)),
            "undisclosed": place,
            "group": self.undisclosed.group,
            "late_excess": self.undisclosed.late_excess,
            "late_spread": self.undisclosed.late_spread,
            "late_above": self.undisclosed.above,
            "constant": self.constant,
            "level_mean": np.array(self.prior.level_mean),
            "level_sd": np.array(self.prior.level_sd),
        }

    def log_likelihood(self, at: RegimeHyperparameters) -> tuple[float, np.ndarray]:
        """Log marginal likelihood and its gradient, in the order of the hyperparameters."""
        return coexistence.log_likelihood(*at, *self._arguments)

    def probability(self, at: RegimeHyperparameters) -> np.ndarray:
        """Posterior probability of cells of the cloud transition and thresholds, (G, H)."""
        return coexistence.evaluate(*at, *self._arguments)[2]

    def _log_weight(self, at: RegimeHyperparameters) -> np.ndarray:
        """Log weight of cells of the cloud transition and thresholds, largest 0, (G, H)."""
        log_weight = coexistence.weigh(*at, *self._arguments)[0]
        return log_weight - log_weight.max()

    def focused(
        self, without: float, draws: RegimeHyperparameters | None = None
    ) -> "ThresholdRegimes":
        """Leave out the least probable cells and thresholds.

        Parameters
        ----------
        without : float
            Probability of all that is left out, at most: at :attr:`mode`, or on average over ...
        draws : RegimeHyperparameters, optional
            ... some of these draws.
        """
        points = [self.mode] if draws is None else some_of(draws)
        return self._most_probable(
            np.mean([self.probability(at) for at in points], axis=0), without
        )

    @cached_property
    def mode(self) -> RegimeHyperparameters:
        """A point of high density; weak penalties keep it finite."""
        n_domains = len(self.observations.domains)
        start = np.concatenate([[0.3, np.log(0.2), 0.6], np.zeros(3 + n_domains)])
        spread = np.concatenate([[0.5, 1.0, 0.5], np.ones(3 + n_domains)])

        def point(v: np.ndarray) -> RegimeHyperparameters:
            return RegimeHyperparameters(v[0], np.exp(v[1]), v[2], np.exp(v[3:6]), v[6:])

        def climb(regimes: ThresholdRegimes, v: np.ndarray) -> np.ndarray:
            def negative(v: np.ndarray) -> tuple[Any, np.ndarray]:
                at = point(v)
                value, slope = regimes.log_likelihood(at)
                slope[1] *= at.growth_sd
                slope[3:6] *= at.sigma
                pull = (v - start) / spread
                return 0.5 * pull @ pull - value, pull / spread - slope

            options = {"ftol": 1e-7}
            return optimize.minimize(negative, v, jac=True, method="L-BFGS-B", options=options).x

        found = start
        for without in (1e-3, 1e-6):  # what is improbable takes most of the time
            probability = self.probability(point(found))
            found = climb(self._most_probable(probability, without), found)
        return point(found)

    # Layout

    @cached_property
    def _arguments(self) -> tuple:
        return tuple(self.data.values())

    @cached_property
    def _expected(self) -> np.ndarray:
        """Log10 parameters that the prior expects of each system in each regime, shape (3, n)."""
        mean = self.prior.line[0]
        return mean[:, [0]] + mean[:, [1]] * (self.observations.year - REFERENCE_YEAR)

    @cached_property
    def _n_above(self) -> np.ndarray:
        """Number of the first systems above each threshold, shape (n + 1, H)."""
        counted = self.above.T.astype(float)
        counted[self.unknown] = self._unknown_above
        return np.vstack([np.zeros(len(self.capacity)), np.cumsum(counted, axis=0)])

    @property
    def _unknown_above(self) -> np.ndarray:
        """How far undisclosed systems count as bespoke, shape (U, H)."""
        return self.undisclosed.above[self.undisclosed.group].T

    def _log_bespoke(self, row: int, node: int) -> np.ndarray:
        """Log weight of cells of the bespoke transition from that of the cloud's on."""
        n_above, first, log_mass, before, after = self._of_shares(node)
        later = shares.log_after(n_above, first, after)
        return shares.of_cell(n_above, first, log_mass, before, later, self.kept_cells[row])

    def _most_probable(self, probability: np.ndarray, without: float) -> "ThresholdRegimes":
        return self._only(
            _most_probable(probability.sum(axis=1), without / 2),
            _most_probable(probability.sum(axis=0), without / 2),
        )

    def _only(self, cells: np.ndarray, nodes: np.ndarray) -> "ThresholdRegimes":
        return replace(
            self,
            kept_cells=self.kept_cells[cells],
            capacity=self.capacity[nodes],
            drift=self.drift[nodes],
            width=self.width[nodes],
            log_threshold=self.log_threshold[nodes],
            early=self.early[cells],
            late=self.late[nodes][:, :, cells],
            line=self.line[nodes][:, :, cells],
            slope=self.slope[nodes][:, :, cells],
            undisclosed=self.undisclosed.at(nodes),
            log_bespoke=self.log_bespoke[np.ix_(cells, nodes)],
        )

    @cached_property
    def _of_parameters(self) -> tuple[np.ndarray, ...]:
        """``x``, ``p``, thresholds and who is above, of systems with parameters; first of each."""
        o, known = self.observations, self.disclosed
        return (
            o.year[known] - REFERENCE_YEAR,
            o.log10_parameters[known],
            np.ascontiguousarray(self.threshold[:, known]),
            np.ascontiguousarray(self.above[:, known]),
            np.searchsorted(known, self.first[self.kept_cells]),
        )

    def _with_shares(self) -> "ThresholdRegimes":
        """Sum shares and the bespoke transition out."""
        mass = np.exp(self.cells.log_mass)
        before = np.cumsum(mass[0, 0]) - mass[0, 0]
        ordered = np.sum(before * mass[1, 1] + mass[0, 1])
        found = _in_threads(
            lambda mine: shares.log_weights(*self._of_shares(mine), self.kept_cells),
            len(self.capacity),
        )
        return replace(self, log_bespoke=np.concatenate(found, axis=1) - np.log(ordered))

    def _of_shares(self, nodes: Any) -> tuple:
        """What :mod:`shares` takes."""
        prior = self.prior
        n_above = np.ascontiguousarray(self._n_above.T[nodes])
        return n_above, self.first, self.cells.log_mass, prior.share_before, prior.share_after

    def _hopeful(self) -> "ThresholdRegimes":
        """Leave out cells and thresholds that are hopeless at :attr:`mode`."""
        log_weight = self._log_weight(self.mode)
        near = log_weight > log_weight.max() - _HOPELESS
        return self._only(np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0)))

    def _with_parameters(self) -> "ThresholdRegimes":
        """Integrate lines of parameters out by Laplace's approximation."""
        x, p, threshold, above, first = self._of_parameters
        mean, sd = self.prior.line
        parts = _in_threads(
            lambda h: truncated.scan(x, p, threshold[h], above[h], first, mean[1:], sd[1:]),
            len(threshold),
        )
        late, line, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        early = [
            truncated.quadrature(mean[DIY].copy(), *self._systems(DIY, g, 0), _NODES, _LOG_WEIGHTS)
            for g in range(len(first))
        ]
        return replace(self, early=np.array(early), late=late, line=line, slope=slope)

    def _refined(self) -> "ThresholdRegimes":
        """Integrate them by quadrature, where they are probable."""
        probability = self.probability(self.mode)
        order = np.argsort(probability, axis=None)
        n_without = np.searchsorted(np.cumsum(probability.ravel()[order]), _REFINED)
        pairs = [divmod(int(pair), len(self.capacity)) for pair in order[n_without:]]
        wanted = {}  # cells between which no system lies on this side have the same evidence
        for g, h in pairs:
            for k in (CLOUD, BESPOKE):
                n_members = len(self._systems(k, g, h)[0])
                wanted.setdefault((k, h, n_members), []).append(g)
        late, slope = self.late.copy(), self.slope.copy()

        def refine(item: tuple) -> None:
            (k, h, _), rows = item
            at = self.line[h, k - 1, rows[0]].copy()
            x, p, edge, side, *prior = self._systems(k, rows[0], h)
            late[h, k - 1, rows] = truncated.quadrature(
                at, x, p, edge, side, *prior, _NODES, _LOG_WEIGHTS
            )
            slope[h, k - 1, rows] = truncated.edge_slope(at, x, edge, side)

        with ThreadPoolExecutor() as pool:
            list(pool.map(refine, wanted.items()))
        return replace(self, late=late, slope=slope)

    def _systems(self, k: int, g: int, h: int) -> tuple:
        """What :mod:`truncated` takes of one regime's systems, given cell and threshold."""
        x, p, threshold, above, first = self._of_parameters
        if k == DIY:
            chosen, side = np.arange(first[g]), 0.0
        else:
            chosen = first[g] + np.flatnonzero(above[h, first[g] :] == (k == BESPOKE))
            side = 1.0 if k == CLOUD else -1.0
        mean, sd = self.prior.line
        return x[chosen], p[chosen], threshold[h, chosen], side, mean[k], sd[k]

    # Undisclosed parameters

    def _with_undisclosed(self) -> "ThresholdRegimes":
        """Set what stands for undisclosed parameters to their posterior.

        Each group of thresholds gets that at its own mode: at the mode of all, the groups there
        would be favoured.
        """
        regimes = self
        for _ in range(3 if len(self.unknown) else 0):
            cells = np.arange(len(self.kept_cells))
            best = regimes._log_weight(regimes.mode).max(axis=0)
            parts = []
            for q in range(self.undisclosed.group.max() + 1):
                mine = np.flatnonzero(self.undisclosed.group == q)
                part = regimes._only(cells, mine)
                probable = best[mine].max() > best.max() - _HOPELESS
                parts.append(part._imputed(part.mode if probable else regimes.mode))
            late = (np.concatenate(each) for each in list(zip(*parts, strict=True))[2:5])
            h = int(np.argmax(best))
            early = regimes._only(cells, np.array([h]))._imputed(regimes.mode)[:2]
            undisclosed = Undisclosed(*early, *late, self.undisclosed.group)
            regimes = replace(regimes, undisclosed=undisclosed)._with_shares()
        return regimes

    def _imputed(self, at: RegimeHyperparameters) -> Undisclosed:
        """Posterior of undisclosed parameters and regimes at one point and its best threshold.

        Shares of regimes are those that make the bound the largest: each follows from expected log
        densities (Bishop 2006, Pattern Recognition and Machine Learning, section 10.2).
        """
        o, unknown = self.observations, self.unknown
        x, mean = o.year[unknown] - REFERENCE_YEAR, self._expected[:, unknown]
        log_weight, _, late, *_ = coexistence.weigh(*at, *self._arguments)
        g, h = divmod(int(np.argmax(log_weight)), len(self.capacity))
        diy = self.prior.line[0][DIY].copy()
        truncated.laplace(diy, *self._systems(DIY, g, h), np.zeros((3, 3)))
        excess = np.empty((2, len(unknown)))
        spread, log_density = np.empty_like(excess), np.empty_like(excess)
        for k, side in ((CLOUD, 1.0), (BESPOKE, -1.0)):
            middle, variance = _moments(
                *self.line[h, k - 1, g], x, self.threshold[h, unknown], side
            )
            excess[k - 1], spread[k - 1] = middle - mean[k], variance
            line, covariance = _line(late[h, g, k - 1], self.prior.level_sd[k], at.growth_sd)
            flop = self.prior.level_mean[k] + line[0] + (at.growth_mean + line[1]) * x
            flop += at.elasticity * excess[k - 1] + at.offset[o.domain[unknown]]
            total = at.sigma[k] ** 2 + o.variance[unknown] + at.elasticity**2 * variance
            of_line = covariance[0, 0] + 2 * x * covariance[0, 1] + x * x * covariance[1, 1]
            log_density[k - 1] = _log_normal(o.log10_flop[unknown], flop, total)
            log_density[k - 1] -= 0.5 * of_line / total
        odds = log_density[1] - log_density[0] + self._expected_log_odds(g, h)
        return Undisclosed(
            diy[0] + diy[1] * x - mean[DIY],
            np.full(len(unknown), np.exp(2 * diy[2])),
            excess[None],
            spread[None],
            np.exp(-np.logaddexp(0, -odds))[None],
            np.zeros(len(self.capacity), dtype=int),
        )

    def _expected_log_odds(self, row: int, node: int) -> np.ndarray:
        """Of the share of bespoke systems at the date of each undisclosed one, shape (U,)."""
        weight = self._log_bespoke(row, node)
        weight = np.exp(weight - logsumexp(weight))
        begin, change = self.first[self.kept_cells[row]], self.first[self.kept_cells[row] :]
        posterior = self._share_posterior(begin, change, node)
        before, after = (digamma(a) - digamma(b) for a, b in posterior)
        return np.where(change <= self.unknown[:, None], after, before) @ weight

    def _share_posterior(self, begin, change, node) -> tuple[tuple, tuple]:
        """Beta posterior of the share before and after a change among systems from ``begin``."""
        n, n_above = self.observations.n, self._n_above
        before = n_above[change, node] - n_above[begin, node], change - begin
        after = n_above[n, node] - n_above[change, node], n - change
        (a, b), (c, d) = self.prior.share_before, self.prior.share_after
        return (
            (a + before[0], b + before[1] - before[0]),
            (c + after[0], d + after[1] - after[0]),
        )

    # Draws

    def draw(self, at: RegimeHyperparameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw what was integrated out from its conditional distribution.

        The drift is even within its cell; the capacity varies within its own as the log density
        does to first order.

        Parameters
        ----------
        at : RegimeHyperparameters
            S draws: each member with a leading dimension S.
        rng : numpy.random.Generator

        Returns
        -------
        dict of ndarray
            ``transition_year`` (S, 2) [decimal year]; ``capacity`` [log10 parameters in 2020],
            ``drift`` [log10 parameters a year] (S,); ``level`` [log10 FLOP in 2010] and
            ``growth`` [OOM/year] of training compute in each regime (S, 3), and
            ``level_given_parameters``, ``growth_given_parameters``, those of systems with the
            parameters that the prior expects; ``parameters_level``, ``parameters_growth``,
            ``parameters_sd`` (S, 3); ``share_before`` and ``share_after`` of bespoke systems before
            and after the bespoke transition (S,); ``regime`` of each system (S, n); and
            ``log_weight`` (S,), what makes the draws exact where parameters are undisclosed.
        """
        n, m = len(at.growth_mean), _COMPLETIONS if len(self.unknown) else 1
        many = at._make(np.repeat(member, m, axis=0) for member in at)
        drawn = self._complete(many, self._cells_and_lines(at, m, rng), rng)
        log_weight = drawn["log_weight"].reshape(n, m)
        weight = np.cumsum(np.exp(log_weight - log_weight.max(axis=1, keepdims=True)), axis=1)
        passed = weight < rng.random((n, 1)) * weight[:, -1:]
        chosen = m * np.arange(n) + passed.sum(axis=1)
        drawn = {name: values[chosen] for name, values in drawn.items()}
        drawn["log_weight"] = logsumexp(log_weight, axis=1) - np.log(m)
        drawn["share_before"], drawn["share_after"] = drawn.pop("share").T
        return drawn | self._lines_of_compute(at, drawn)

    def _cells_and_lines(
        self, at: RegimeHyperparameters, m: int, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """What :func:`coexistence.draw` draws, ``m`` times for each draw, one after the other."""
        n = len(at.growth_mean)
        uniform, normal = rng.random((n, m)), rng.standard_normal((n, m, 3, 2))
        parts = _in_threads(
            lambda mine: coexistence.draw(
                *(np.ascontiguousarray(member[mine]) for member in at),
                *self._arguments,
                uniform[mine],
                normal[mine],
            ),
            n,
        )
        each = (np.concatenate(part) for part in zip(*parts, strict=True))
        return [values.reshape(n * m, *values.shape[2:]) for values in each]

    def _complete(
        self, at: RegimeHyperparameters, found: list[np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the rest, given cells, thresholds and lines of FLOP of each draw."""
        n, o = len(at.growth_mean), self.observations
        row, node, level, growth = found
        cell = np.stack([self.kept_cells[row], self.kept_cells[row]], axis=1)
        m = _CANDIDATES if len(self.unknown) else 1
        line = np.empty((n, m, 3, 3))
        pairs, of_draw = np.unique(row * len(self.capacity) + node, return_inverse=True)
        for place, pair in enumerate(pairs):
            mine = np.flatnonzero(of_draw == place)
            g, h = divmod(int(pair), len(self.capacity))
            weight = self._log_bespoke(g, h)
            cell[mine, 1] += _pick(weight, len(mine), rng)
            for k in range(3):
                line[mine, :, k] = self._draw_lines(k, g, h, (len(mine), m), rng)
        begin, change = self.first[cell].T
        share = self._share_posterior(begin, change, node)
        drawn = {
            "transition_year": self.cells.draw(cell, rng),
            "capacity": self.capacity[node] + self._within_cell(row, node, rng),
            "drift": self.drift[node] + self.drift_step * (rng.random(n) - 0.5),
            "level_given_parameters": level,
            "growth_given_parameters": growth,
            "share": np.stack([rng.beta(*each) for each in share], axis=1),
        }
        late = np.arange(o.n) >= begin[:, None]
        regime = np.where(late, np.where(self.above[node], BESPOKE, CLOUD), DIY)
        drawn["regime"] = regime.astype(np.int8)
        chosen, log_mean = np.zeros(n, dtype=int), np.zeros(n)
        if m > 1:
            unknown = self.unknown
            chosen, log_mean, bespoke = self._choose(at, drawn, line, begin, change, rng)
            picked = np.where(rng.random(bespoke.shape) < bespoke, BESPOKE, CLOUD)
            drawn["regime"][:, unknown] = np.where(late[:, unknown], picked, DIY)
            log_mean -= self._bound(at, drawn, node, late[:, unknown], unknown >= change[:, None])
        drawn["log_weight"] = log_mean
        line = line[np.arange(n), chosen]
        drawn["parameters_level"], drawn["parameters_growth"] = line[:, :, 0], line[:, :, 1]
        drawn["parameters_sd"] = np.exp(line[:, :, 2])
        return drawn

    def draw_prior(
        self, at: RegimeHyperparameters, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw as :meth:`draw` does, as if there were no systems."""
        n, prior = len(at.growth_mean), self.prior
        date = np.empty((n, 2))
        todo = np.arange(n)
        while todo.size:
            uniform = rng.random((2, todo.size))
            for k, density in enumerate(self.cells.priors):
                date[todo, k] = density.ppf(uniform[k])
            todo = todo[date[todo, 1] <= date[todo, 0]]
        mean, sd = prior.line
        line = mean + sd * rng.standard_normal((n, 3, 3))
        z = rng.standard_normal((2, n, 3))
        drawn = {
            "transition_year": date,
            "capacity": prior.capacity.ppf(rng.random(n)),
            "drift": prior.drift.ppf(rng.random(n)),
            "level_given_parameters": prior.level_mean + np.array(prior.level_sd) * z[0],
            "growth_given_parameters": at.growth_mean[:, None] + at.growth_sd[:, None] * z[1],
            "parameters_level": line[:, :, 0],
            "parameters_growth": line[:, :, 1],
            "parameters_sd": np.exp(line[:, :, 2]),
            "share": np.stack(
                [rng.beta(*each, n) for each in (prior.share_before, prior.share_after)], axis=1
            ),
        }
        drawn["share_before"], drawn["share_after"] = drawn.pop("share").T
        return drawn | self._lines_of_compute(at, drawn)

    def simulate(
        self, at: RegimeHyperparameters, drawn: dict[str, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Systems on the dates, domains and errors of the observations.

        Parameters
        ----------
        at : RegimeHyperparameters
            S draws.
        drawn : dict of ndarray
            What :meth:`draw_prior` or :meth:`draw` returned for them.
        rng : numpy.random.Generator

        Returns
        -------
        regime : ndarray of int, shape (S, n)
        log10_parameters, log10_flop : ndarray, shape (S, n)
            All disclosed, with errors of FLOP of the variance of the observations; where that is
            unknown, without.
        """
        o, (cloud, bespoke) = self.observations, drawn["transition_year"].T[:, :, None]
        year, x = era_year(o.year), o.year - REFERENCE_YEAR
        share = np.where(
            year >= bespoke, drawn["share_after"][:, None], drawn["share_before"][:, None]
        )
        above = rng.random(share.shape) < share
        regime = np.where(year >= cloud, np.where(above, BESPOKE, CLOUD), DIY)
        level, growth, sigma, a, b, sd = (
            np.take_along_axis(each, regime, axis=1) for each in _lines(at, drawn)
        )
        edge = drawn["capacity"][:, None] + drawn["drift"][:, None] * (o.year - DRIFT_YEAR)
        side = np.where(regime == DIY, 0.0, np.where(regime == CLOUD, 1.0, -1.0))
        parameters = _draw_truncated(a + b * x, sd, edge, side, rng)
        mean = level + growth * x + at.offset[:, o.domain]
        mean += at.elasticity[:, None] * (parameters - self._expected[regime, np.arange(o.n)])
        noise = np.sqrt(sigma**2 + np.nan_to_num(o.variance))
        return regime, parameters, mean + noise * rng.standard_normal(mean.shape)

    def systems(
        self,
        observations: Observations,
        at: RegimeHyperparameters,
        drawn: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> SystemDraws:
        """What draws say of each system; undisclosed parameters are integrated out.

        Parameters
        ----------
        observations : Observations
            Those of the likelihood.
        at : RegimeHyperparameters
            S draws.
        drawn : dict of ndarray
            What :meth:`draw` returned for them.
        rng : numpy.random.Generator
        """
        o, seen = observations, self.with_flop
        x, era = o.year[seen] - REFERENCE_YEAR, drawn["regime"][:, seen]
        level, growth, sigma, a, b, sd = (
            np.take_along_axis(each, era, axis=1) for each in _lines(at, drawn)
        )
        expected = self._expected[era, seen]
        side = np.where(era == DIY, 0.0, np.where(era == CLOUD, 1.0, -1.0))
        edge = drawn["capacity"][:, None] + drawn["drift"][:, None] * (o.year[seen] - DRIFT_YEAR)
        mu, slope = a + b * x, at.elasticity[:, None]
        known = np.isfinite(o.log10_parameters[seen])
        parameters = np.where(known, o.log10_parameters[seen], 0.0)
        parameters = np.where(known, parameters, _draw_truncated(mu, sd, edge, side, rng))
        line = level + growth * x + at.offset[:, o.domain[seen]] - slope * expected
        noise = sigma**2 + o.variance[seen]
        found = SystemDraws.of(
            drawn["regime"], o.log10_flop[seen], line + slope * parameters, noise, rng
        )
        for i in np.flatnonzero(~known):
            found.log_likelihood[:, i] = undisclosed.log_densities(
                o.log10_flop[seen[i]], (line + slope * mu)[:, i], at.elasticity, noise[:, i],
                mu[:, i], sd[:, i], edge[:, i], side[:, i],
            )  # fmt: skip
        return found

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered, of capacity and drift."""
        prior = self.prior
        return {
            "transition_year": self.cells.log_density(drawn["transition_year"]),
            "capacity": np.log(prior.capacity.pdf(drawn["capacity"])),
            "drift": np.log(prior.drift.pdf(drawn["drift"])),
        }

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """How much of the posterior lies at the ends of what capacity and drift may be.

        Yields
        ------
        name, element, end, share, prior share
            Of draws in the outermost cell or node, and of the prior.
        """
        prior, drift = self.prior.capacity, draws["drift"]
        low, high = float(prior.ppf(_TAIL)) + 0.1, float(prior.isf(_TAIL)) - 0.1
        capacity = draws["capacity"]
        yield "capacity", None, low, float(np.mean(capacity < low)), float(prior.cdf(low))
        yield "capacity", None, high, float(np.mean(capacity > high)), float(prior.sf(high))
        for node, mass in zip(self.drifts[[0, -1]], self.drift_mass[[0, -1]], strict=True):
            at_node = float(np.mean(np.abs(drift - node) <= self.drift_step / 2))
            yield "drift", None, float(node), at_node, float(mass)

    def _draw_lines(
        self, k: int, g: int, h: int, shape: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        """Lines of a regime's parameters, resampled from many candidates, shape (*shape, 3)."""
        at = self.prior.line[0][k].copy() if k == DIY else self.line[h, k - 1, g].copy()
        m = 150 + 5 * shape[0]
        normal, chi_squared = rng.standard_normal((m, 3)), rng.chisquare(_DOF, m)
        point, log_weight = truncated.candidates(
            at, *self._systems(k, g, h), normal, chi_squared, _DOF
        )
        return point[_pick(log_weight, shape, rng)]

    def _within_cell(
        self, row: np.ndarray, node: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Distance of the capacity from the middle of its cell, shape (S,)."""
        width = self.width[node]
        steep = self.slope[node, :, row].sum(axis=1) * width
        steep = np.where(np.abs(steep) > 1e-6, steep, 1e-6)
        # Inverse of the distribution function of a density exp(steep x) between -1/2 and 1/2
        u, top = rng.random(len(row)), np.abs(steep) / 2
        inside = np.log((1 - u) * np.exp(-steep / 2 - top) + u * np.exp(steep / 2 - top)) + top
        return width * inside / steep

    def _choose(
        self,
        at: RegimeHyperparameters,
        drawn: dict,
        lines: np.ndarray,
        begin: np.ndarray,
        change: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, ...]:
        """See :func:`undisclosed.choose`."""
        o, unknown = self.observations, self.unknown
        of_draws = (
            drawn["level_given_parameters"],
            drawn["growth_given_parameters"],
            at.elasticity,
            at.sigma,
            at.offset,
            drawn["share"],
            np.stack([drawn["capacity"], drawn["drift"]], axis=1),
            np.searchsorted(unknown, begin),
            np.searchsorted(unknown, change),
            lines,
            rng.random(len(begin)),
        )
        of_systems = (
            o.year[unknown] - REFERENCE_YEAR,
            o.year[unknown] - DRIFT_YEAR,
            o.log10_flop[unknown],
            o.variance[unknown],
            o.domain[unknown],
            np.ascontiguousarray(self._expected[:, unknown]),
        )
        parts = _in_threads(
            lambda mine: undisclosed.choose(*(each[mine] for each in of_draws), *of_systems),
            len(begin),
        )
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _bound(
        self,
        at: RegimeHyperparameters,
        drawn: dict,
        node: np.ndarray,
        late: np.ndarray,
        passed: np.ndarray,
    ) -> np.ndarray:
        """What the sampler took as log density of all undisclosed systems, shape (S,)."""
        o, unknown, given = self.observations, self.unknown, self.undisclosed
        flop, group = o.log10_flop[unknown], given.group[node]
        q = given.above[group]
        share = np.where(passed, drawn["share"][:, [1]], drawn["share"][:, [0]])
        bound = -xlogy(q, q) - xlogy(1 - q, 1 - q)
        slope = at.elasticity[:, None]
        for k, weight, prior in ((CLOUD, 1 - q, 1 - share), (BESPOKE, q, share)):
            mean = self._compute(at, drawn, k, given.late_excess[group, k - 1])
            total = at.sigma[:, [k]] ** 2 + o.variance[unknown]
            total = total + slope**2 * given.late_spread[group, k - 1]
            bound += weight * (np.log(prior) + _log_normal(flop, mean, total))
        mean = self._compute(at, drawn, DIY, given.excess)
        total = at.sigma[:, [DIY]] ** 2 + o.variance[unknown] + slope**2 * given.spread
        return np.where(late, bound, _log_normal(flop, mean, total)).sum(axis=1)

    def _compute(
        self, at: RegimeHyperparameters, drawn: dict, k: int, excess: np.ndarray
    ) -> np.ndarray:
        """Mean log10 FLOP of systems without known parameters, if of regime ``k``, (S, U)."""
        o, unknown = self.observations, self.unknown
        mean = drawn["level_given_parameters"][:, [k]]
        mean = mean + drawn["growth_given_parameters"][:, [k]] * (o.year[unknown] - REFERENCE_YEAR)
        return mean + at.elasticity[:, None] * excess + at.offset[:, o.domain[unknown]]

    def _lines_of_compute(
        self, at: RegimeHyperparameters, drawn: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Level and growth of training compute itself, shape (S, 3).

        Parameters grow too, and the mean of what is cut at a capacity does not grow evenly: this
        is the line through the mean log10 FLOP at both ends of a regime, from its transition to
        the last system.
        """
        last, date = float(self.observations.year[-1]), drawn["transition_year"]
        level, growth = np.empty((len(date), 3)), np.empty((len(date), 3))
        expected = self.prior.line[0]
        for k, side in ((DIY, 0.0), (CLOUD, 1.0), (BESPOKE, -1.0)):
            start = (
                np.full(len(date), last - 1) if k == DIY else np.minimum(date[:, k - 1], last - 1)
            )
            ends = []
            for year in (start, np.full(len(date), last)):
                x = year - REFERENCE_YEAR
                middle, _ = _moments(
                    drawn["parameters_level"][:, k],
                    drawn["parameters_growth"][:, k],
                    np.log(drawn["parameters_sd"][:, k]),
                    x,
                    drawn["capacity"] + drawn["drift"] * (year - DRIFT_YEAR),
                    side,
                )
                flop = drawn["level_given_parameters"][:, k]
                flop = flop + drawn["growth_given_parameters"][:, k] * x
                excess = middle - expected[k, 0] - expected[k, 1] * x
                ends.append(flop + at.elasticity * excess)
            growth[:, k] = (ends[1] - ends[0]) / (last - start)
            level[:, k] = ends[1] - growth[:, k] * (last - REFERENCE_YEAR)
        return {"level": level, "growth": growth}


def _lines(at: RegimeHyperparameters, drawn: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Level, growth and scatter of FLOP and of parameters in each regime, each (S, 3)."""
    flop = drawn["level_given_parameters"], drawn["growth_given_parameters"], at.sigma
    names = ("parameters_level", "parameters_growth", "parameters_sd")
    return *flop, *(drawn[name] for name in names)


def _capacities(
    observations: Observations, prior: Density, drift: float, widest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, width and prior mass of the cells of the capacity, given its drift."""
    position = observations.log10_parameters - drift * (observations.year - DRIFT_YEAR)
    low, high = float(prior.ppf(_TAIL)), float(prior.isf(_TAIL))
    cut = [low]
    for edge in np.append(np.unique(position[(position > low) & (position < high)]), high):
        if edge - cut[-1] >= _FINEST:
            parts = int(np.ceil((edge - cut[-1]) / widest - 1e-9))
            cut += list(np.linspace(cut[-1], edge, parts + 1)[1:])
    edges = np.array([*cut[:-1], high])
    cdf, sf = prior.cdf(edges), prior.sf(edges)
    mass = np.where(cdf[1:] < 0.5, np.diff(cdf), -np.diff(sf))
    kept = mass > 0
    return ((edges[1:] + edges[:-1]) / 2)[kept], np.diff(edges)[kept], mass[kept] / mass.sum()


def _line(sums: np.ndarray, level_sd: float, growth_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean, as deviations from the prior's, and covariance of level and growth."""
    _, mean, (a, b, c) = line_posterior(np.append(sums[:3], 0.0), sums[3:6], level_sd, growth_sd)
    scale = np.array([level_sd, growth_sd])
    factor = scale[:, None] * np.array([[a, 0.0], [b, c]])
    return scale * mean, factor @ factor.T


def _moments(level, growth, log_sd, x, edge, side):
    """Mean and variance of log10 parameters on their own side of an edge."""
    mu, sd = level + growth * x, np.exp(log_sd)
    if side == 0:
        return mu, np.broadcast_to(sd**2, np.shape(mu))
    u = side * (edge - mu) / sd
    ratio = np.exp(-0.5 * u * u - 0.5 * truncated.LOG_2_PI - log_ndtr(u))
    return mu - side * sd * ratio, sd**2 * np.maximum(1 - ratio * (u + ratio), 1e-3)


def _draw_truncated(mu, sd, edge, side, rng: np.random.Generator) -> np.ndarray:
    """Draw log10 parameters on their own side of an edge; see :mod:`truncated`."""
    u = rng.random(mu.shape)
    log_p = np.where(side == 0, 0.0, log_ndtr(side * (edge - mu) / sd))
    return mu + np.where(side < 0, -1.0, 1.0) * sd * ndtri_exp(np.log(u) + log_p)


def _log_normal(value, mean, variance):
    return -0.5 * ((value - mean) ** 2 / variance + np.log(variance) + truncated.LOG_2_PI)


def _log_sinhc(half: np.ndarray) -> np.ndarray:
    """Log of the mean of ``exp(x)`` over ``(-half, half)``."""
    size = np.maximum(np.abs(half), 1e-9)
    return size + np.log(-np.expm1(-2 * size) / (2 * size))


def _in_threads(work: Callable[[np.ndarray], Any], n: int) -> list:
    """Results of parts of ``n`` pieces of work, in order; kernels release the lock."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, np.array_split(np.arange(n), min(n, 8))))


def _most_probable(probability: np.ndarray, without: float) -> np.ndarray:
    """Positions that are left when the least probable are left out."""
    order = np.argsort(probability)
    dropped = np.searchsorted(np.cumsum(probability[order]), without)
    return np.sort(order[dropped:])


def _pick(log_weight: np.ndarray, shape: Any, rng: np.random.Generator) -> np.ndarray:
    """Draw positions in proportion to their weights."""
    cumulative = np.cumsum(np.exp(log_weight - log_weight.max()))
    return np.searchsorted(cumulative, rng.random(shape) * cumulative[-1], side="right")
