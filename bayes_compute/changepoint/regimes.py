"""Regimes that coexist, told apart by a capacity: the collapsed likelihood.

System ``i``, published at ``year``, with ``x = year - reference year``, ``p = log10 parameters``
and ``y = log10 FLOP``, is DIY before the cloud transition. After it, it is bespoke where ``p`` is
above what shared hardware can hold, ``capacity + drift (year - 2020)``, and cloud elsewhere:

    P(bespoke) = share, which changes at the bespoke transition,
    p ~ N(mu_k, parameters_sd_k^2),  mu_k = parameters_level_k + parameters_growth_k x,
        truncated at the capacity: above it in the cloud, below it for bespoke systems,
    y ~ N(level_k + growth_k x + elasticity (p - mu_k) + offset_domain, sigma_k^2 + variance_i),
    level_k ~ N(level_mean_k, level_sd_k^2),  growth_k ~ N(growth_mean, growth_sd^2).

Both dates, capacity, drift, shares, levels and growth are summed and integrated out. The regime
is decided by the parameters, so the density of one system integrates to one over ``p`` and ``y``
only if the truncation is normalised.

Systems are in the order of their dates: a date of the cloud transition is a number of systems
before it. A threshold is a node of capacity and drift; all systems are sorted by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.special import betaln, logsumexp

from bayes_compute.changepoint.coexistence import (
    BESPOKE,
    CLOUD,
    DIY,
    evaluate,
    log_likelihood,
    system_terms,
)
from bayes_compute.changepoint.dates import DateCells, Density
from bayes_compute.changepoint.eras import line_posterior
from bayes_compute.changepoint.regression import era_year
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.observations import Observations

DRIFT_YEAR = 2020.0  # where the capacity is read


class RegimeHyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``growth_mean`` and ``growth_sd`` [OOM/year] and ``elasticity`` [log10 FLOP per log10
    parameter] scalar, ``sigma`` (3,) and ``offset`` (D,) [log10 FLOP], and level (in 2010),
    growth (a year) and sd of log10 parameters, each (3,).
    """

    growth_mean: Any
    growth_sd: Any
    elasticity: Any
    sigma: Any
    offset: Any
    parameters_level: Any
    parameters_growth: Any
    parameters_sd: Any


@dataclass(frozen=True)
class RegimePrior:
    """Priors of what is integrated out.

    Attributes
    ----------
    level_mean, level_sd : tuple of 3 floats
        Normal prior of each regime's level [log10 FLOP in 2010].
    capacity : Density
        Prior of the capacity in 2020 [log10 parameters].
    drift : Density
        Prior of its drift [log10 parameters a year].
    share_before, share_after : (float, float)
        Beta prior of the share of bespoke systems before and after the bespoke transition.
    """

    level_mean: tuple[float, float, float]
    level_sd: tuple[float, float, float]
    capacity: Density
    drift: Density
    share_before: tuple[float, float] = (0.5, 50.0)
    share_after: tuple[float, float] = (2.0, 4.0)


@dataclass(frozen=True, eq=False)
class ThresholdRegimes:
    """The collapsed likelihood of one set of observations with known parameters.

    Attributes
    ----------
    observations : Observations
        All with ``log10_parameters``.
    cells : DateCells
        Of the cloud and the bespoke transition.
    prior : RegimePrior
    capacity, drift, width : ndarray, shape (H,)
        Nodes of the threshold, each in the middle of a cell of the capacity, and its width.
    log_threshold : ndarray, shape (H,)
        Their log prior probability.
    kept_cells : ndarray of int, shape (G,)
        Cells of the cloud transition that are summed over.
    """

    observations: Observations
    cells: DateCells
    prior: RegimePrior
    capacity: np.ndarray
    drift: np.ndarray
    width: np.ndarray
    log_threshold: np.ndarray
    kept_cells: np.ndarray

    @classmethod
    def of(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: RegimePrior,
        widest: float = 0.1,
        n_drifts: int = 9,
    ) -> "ThresholdRegimes":
        """Lay out cells of dates and nodes of the threshold.

        Between two systems next to each other on the scale of ``p - drift (year - 2020)`` the
        regimes do not depend on the capacity: those gaps are its cells, cut to ``widest``.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density
            Prior of the cloud and of the bespoke transition.
        prior : RegimePrior
        widest : float
            No cell of the capacity is wider [log10 parameters].
        n_drifts : int
            Number of drifts, each of the same prior probability.
        """
        known = np.isfinite(observations.log10_parameters)
        if not known.all():
            raise ValueError(f"got {(~known).sum()} systems without parameters; leave them out")
        cells = DateCells.between(era_year(observations.year), dates)
        capacity, drift, width, log_mass = [], [], [], []
        for each in prior.drift.ppf((np.arange(n_drifts) + 0.5) / n_drifts):
            position = observations.log10_parameters - each * (observations.year - DRIFT_YEAR)
            low, high = prior.capacity.ppf(1e-6), prior.capacity.isf(1e-6)
            inner = position[(position > low) & (position < high)]
            edges = DateCells.between(np.append(inner, [low, high]), (), None).edges[1:-1]
            parts = np.maximum(np.ceil(np.diff(edges) / widest - 1e-9).astype(int), 1)
            pieces = zip(edges[:-1], edges[1:], parts, strict=True)
            edges = np.unique(np.concatenate([np.linspace(a, b, m + 1) for a, b, m in pieces]))
            cdf, sf = prior.capacity.cdf(edges), prior.capacity.sf(edges)
            mass = np.where(cdf[1:] < 0.5, np.diff(cdf), -np.diff(sf))
            low, high, mass = (part[mass > 0] for part in (edges[:-1], edges[1:], mass))
            capacity.append((low + high) / 2)
            drift.append(np.full(len(low), each))
            width.append(high - low)
            log_mass.append(np.log(mass))
        log_threshold = np.concatenate(log_mass)
        return cls(
            observations,
            cells,
            prior,
            np.concatenate(capacity),
            np.concatenate(drift),
            np.concatenate(width),
            log_threshold - logsumexp(log_threshold),
            np.flatnonzero(cells.log_mass[0, 0] > np.log(1e-12)),
        )

    @cached_property
    def threshold(self) -> np.ndarray:
        """Capacity at the date of each system, shape (H, n)."""
        since = self.observations.year - DRIFT_YEAR
        return self.capacity[:, None] + self.drift[:, None] * since

    @cached_property
    def above(self) -> np.ndarray:
        """Whether a system's parameters exceed the capacity, shape (H, n)."""
        return self.observations.log10_parameters > self.threshold

    @cached_property
    def first(self) -> np.ndarray:
        """Number of systems before each cell, shape (all cells,)."""
        date = era_year(self.observations.year)
        each = np.searchsorted(date, np.unique(date))
        return np.append(each, len(date))[self.cells.position]

    def _log_bespoke(self, row: int, thresholds: Any = slice(None)) -> np.ndarray:
        """Log weight of cells of the bespoke transition, given that of the cloud's.

        Shares are integrated out, so that only counts matter.

        Returns
        -------
        ndarray, shape (cells from ``kept_cells[row]`` on, thresholds)
        """
        n, cell = self.observations.n, self.kept_cells[row]
        begin, change = self.first[cell], self.first[cell:]
        n_above = self._n_above[:, thresholds]
        above_before = n_above[change] - n_above[begin]
        above_after = n_above[n] - n_above[change]
        weight = self.cells.log_mass[1, 1, cell:, None] + self.cells.log_mass[0, 0, cell]
        weight[0] = self.cells.log_mass[0, 1, cell]
        for (a, b), above, all_ in (
            (self.prior.share_before, above_before, change - begin),
            (self.prior.share_after, above_after, n - change),
        ):
            weight = weight + betaln(a + above, b + all_[:, None] - above) - betaln(a, b)
        return weight

    @cached_property
    def _n_above(self) -> np.ndarray:
        """Number of the first systems above each threshold, shape (n + 1, H)."""
        return np.vstack([np.zeros(len(self.capacity)), np.cumsum(self.above.T, axis=0)])

    @cached_property
    def constant(self) -> np.ndarray:
        """Log weight of cell and threshold before FLOP and parameters are seen, shape (G, H)."""
        mass = np.exp(self.cells.log_mass)
        before = np.cumsum(mass[0, 0]) - mass[0, 0]
        ordered = np.sum(before * mass[1, 1] + mass[0, 1])
        rows = [logsumexp(self._log_bespoke(row), axis=0) for row in range(len(self.kept_cells))]
        return np.array(rows) - np.log(ordered) + self.log_threshold

    @property
    def data(self) -> dict[str, np.ndarray]:
        """What :func:`log_likelihood` takes after the hyperparameters, by name."""
        o = self.observations
        return {
            "x": o.year - REFERENCE_YEAR,
            "y": o.log10_flop,
            "p": o.log10_parameters,
            "variance": o.variance,
            "domain": o.domain,
            "threshold": self.threshold,
            "above": self.above,
            "first": self.first[self.kept_cells],
            "constant": self.constant,
            "level_mean": np.array(self.prior.level_mean),
            "level_sd": np.array(self.prior.level_sd),
        }

    def log_likelihood(self, at: RegimeHyperparameters) -> tuple[float, np.ndarray]:
        """Log marginal likelihood and its gradient, in the order of the hyperparameters."""
        return log_likelihood(*at, *self.data.values())

    def probability(self, at: RegimeHyperparameters) -> np.ndarray:
        """Posterior probability of cells of the cloud transition and thresholds, (G, H)."""
        return evaluate(*at[:5], np.stack(at[5:]), *self.data.values())[2]

    def focused(self, at: RegimeHyperparameters, without: float) -> "ThresholdRegimes":
        """Leave out cells and thresholds that are improbable at a point.

        Parameters
        ----------
        at : RegimeHyperparameters
        without : float
            Probability of all that is left out there, at most.
        """
        probability = self.probability(at)
        cells = _most_probable(probability.sum(axis=1), without / 2)
        nodes = _most_probable(probability.sum(axis=0), without / 2)
        return replace(
            self,
            kept_cells=self.kept_cells[cells],
            capacity=self.capacity[nodes],
            drift=self.drift[nodes],
            width=self.width[nodes],
            log_threshold=self.log_threshold[nodes],
        )

    def draw(self, at: RegimeHyperparameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw what was integrated out from its conditional distribution.

        Exact but for the capacity, which is even within its cell, and the drift, which is one of
        the nodes.

        Parameters
        ----------
        at : RegimeHyperparameters
            S draws: each member with a leading dimension S.
        rng : numpy.random.Generator

        Returns
        -------
        dict of ndarray
            ``transition_year`` (S, 2) [decimal year], ``capacity`` [log10 parameters in 2020]
            and ``drift`` [log10 parameters a year] (S,), ``level`` [log10 FLOP in 2010] and
            ``growth`` [OOM/year] (S, 3), ``regime`` of each system (S, n).
        """
        n, data, o = len(at.growth_mean), list(self.data.values()), self.observations
        cell, node = np.empty((n, 2), dtype=int), np.empty(n, dtype=int)
        level, growth = np.empty((n, 3)), np.empty((n, 3))
        regime = np.empty((n, o.n), dtype=int)
        for s, each in enumerate(zip(*at, strict=True)):
            probability = evaluate(*each[:5], np.stack(each[5:]), *data)[2]
            row, node[s] = divmod(_pick(probability.ravel(), rng), len(self.capacity))
            weight = self._log_bespoke(row, [node[s]])[:, 0]
            cell[s] = self.kept_cells[row]
            cell[s, 1] += _pick(np.exp(weight - weight.max()), rng)
            late = np.arange(o.n) >= self.first[cell[s, 0]]
            regime[s] = np.where(late, np.where(self.above[node[s]], BESPOKE, CLOUD), DIY)
            terms = system_terms(*each[:1], *each[2:5], np.stack(each[5:]), *data[:5], data[-2])
            for k in range(3):
                sums = terms[k, regime[s] == k].sum(axis=0)
                _, mean, factor = line_posterior(
                    np.append(sums[:3], 0.0), sums[3:6], self.prior.level_sd[k], each[1]
                )
                z, t = rng.standard_normal(2)
                level[s, k] = self.prior.level_sd[k] * (mean[0] + factor[0] * z)
                growth[s, k] = each[1] * (mean[1] + factor[1] * z + factor[2] * t)
        level += np.array(self.prior.level_mean)
        growth += at.growth_mean[:, None]
        within = rng.uniform(-0.5, 0.5, n) * self.width[node]
        return {
            "transition_year": self.cells.draw(cell, rng),
            "capacity": self.capacity[node] + within,
            "drift": self.drift[node],
            "level": level,
            "growth": growth,
            "regime": regime,
        }


def _most_probable(probability: np.ndarray, without: float) -> np.ndarray:
    """Positions that are left when the least probable are left out."""
    order = np.argsort(probability)
    dropped = np.searchsorted(np.cumsum(probability[order]), without)
    return np.sort(order[dropped:])


def _pick(weight: np.ndarray, rng: np.random.Generator) -> int:
    cumulative = np.cumsum(weight)
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
