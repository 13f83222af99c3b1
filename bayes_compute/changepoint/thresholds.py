"""Thresholds between cloud and bespoke systems: nodes of a capacity and its drift.

A system published at ``year`` is above the threshold where its log10 parameters exceed
``capacity + drift (year - 2020)``. Given the drift, who is above does not depend on the capacity
between two systems next to each other on the scale of ``log10 parameters - drift (year - 2020)``:
those gaps are the cells of the capacity.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.regime_prior import RegimePrior
from bayes_compute.changepoint.statistics import CAPACITY_YEAR
from bayes_compute.observations import Observations

SIDE = np.array([0.0, 1.0, -1.0])
"""Where a regime's parameters lie: DIY anywhere, cloud below the threshold, bespoke above it."""

_TAIL = 1e-6  # prior probability of capacities beyond which none are looked at
_DRIFT_TAIL = 5e-4  # and of drifts
_ROUNDING = 1e-9  # log10 parameters, by which systems next to each other are one
_APART, _NARROWEST = 1.5, 0.01  # of drifts: in sds of their posterior; log10 parameters a year
_AGREED = 0.3  # probability by which every second drift and the others may differ ...
_CLOSEST = 0.002  # ... unless they are as close as this
_UNLIKELY = 1e-6  # of nodes between which no finer ones are looked for, beside the likeliest


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Nodes of the threshold, each in the middle of a cell of the capacity.

    Attributes
    ----------
    capacity, drift, width : ndarray, shape (H,)
        Nodes, and the widths of their cells.
    log_mass : ndarray, shape (H,)
        Their log prior probability.
    drifts : ndarray
        Nodes of the drift, ascending.
    drift_mass : ndarray
        Prior probability of each.
    widest : float
        No cell of the capacity is wider [log10 parameters].
    """

    capacity: np.ndarray
    drift: np.ndarray
    width: np.ndarray
    log_mass: np.ndarray
    drifts: np.ndarray
    drift_mass: np.ndarray
    widest: float

    @classmethod
    def of(
        cls, observations: Observations, prior: RegimePrior, widest: float, n_drifts: int
    ) -> "Thresholds":
        """Lay out nodes on so many drifts, evenly spaced over all but a thousandth of the prior.

        Parameters
        ----------
        observations : Observations
        prior : RegimePrior
        widest : float
            No cell of the capacity is wider [log10 parameters].
        n_drifts : int
        """
        drifts = _even(prior.drift, n_drifts)
        return cls._on(observations, prior, widest, drifts, np.ones(n_drifts, dtype=bool))

    def finer(
        self, observations: Observations, prior: RegimePrior, weight: np.ndarray
    ) -> "Thresholds | None":
        """Lay out nodes on closer drifts.

        The likelihood changes in steps, one for each system that a threshold crosses, so that
        drifts can be too far apart to see where it is high. They are close enough where every
        second one and the others alone put the capacity below any value with probabilities within
        0.3 of each other, and where they are 1.5 sds of their posterior apart, or closer.

        Parameters
        ----------
        observations, prior
            As in :meth:`of`.
        weight : ndarray, shape (H,)
            Posterior probability of the nodes. Finer ones lie between likely ones only: on drifts a
            step from them, at capacities that reach to the next cell of those on the drifts next
            to it.

        Returns
        -------
        Thresholds, or None if drifts are as close already
        """
        step, sd = self.drift_step, np.sqrt(weight @ (self.drift - weight @ self.drift) ** 2)
        parts = math.ceil(
            max(step / max(_APART * sd, _NARROWEST), self._disagreement(weight) / _AGREED)
        )
        if parts <= 1 or step <= _CLOSEST:
            return None
        likely = np.flatnonzero(weight > _UNLIKELY * weight.max())
        return self.only(likely)._between(observations, prior, parts)

    def _disagreement(self, weight: np.ndarray) -> float:
        """Largest difference of the probability of a capacity below any, between halves of drifts.

        Parameters
        ----------
        weight : ndarray, shape (H,)
        """
        order = np.argsort(self.capacity)
        second = np.searchsorted(self.drifts, self.drift[order] - self.drift_step / 2) % 2 == 1
        halves = [np.cumsum(weight[order] * half) for half in (second, ~second)]
        return float(np.abs(np.subtract(*(half / max(half[-1], 1e-300) for half in halves))).max())

    def _between(self, observations: Observations, prior: RegimePrior, parts: int) -> "Thresholds":
        """Lay out nodes between these, on drifts so many times as close."""
        lowest, highest = _even(prior.drift, 2)
        step, n = self.drift_step, round((highest - lowest) / self.drift_step) + 1
        drifts = _even(prior.drift, parts * (n - 1) + 1)
        near = np.abs(drifts[:, None] - np.unique(self.drift)).min(axis=1) < step
        found = self._on(observations, prior, self.widest, drifts, near)
        between = np.zeros(len(found.capacity), dtype=bool)
        for drift in found.drifts:
            next_to = self.capacity[np.abs(self.drift - drift) < step]
            low, high = next_to.min() - self.widest, next_to.max() + self.widest
            inside = (low <= found.capacity) & (found.capacity <= high)
            between |= (found.drift == drift) & inside
        return found.only(np.flatnonzero(between))

    @classmethod
    def _on(
        cls,
        observations: Observations,
        prior: RegimePrior,
        widest: float,
        drifts: np.ndarray,
        kept: np.ndarray,
    ) -> "Thresholds":
        """Nodes on some of these drifts, each of which stands for the prior around it."""
        edges = (drifts[1:] + drifts[:-1]) / 2
        drift_mass = np.diff(np.concatenate([[0.0], prior.drift.cdf(edges), [1.0]]))[kept]
        drifts = drifts[kept]
        parts = [_capacities(observations, prior.capacity, drift, widest) for drift in drifts]
        # Up and down in turn, so that few systems change sides from one to the next
        parts = [
            part if turn % 2 == 0 else tuple(each[::-1] for each in part)
            for turn, part in enumerate(parts)
        ]
        n_capacities = [len(part[0]) for part in parts]
        capacity, width, mass = (np.concatenate(part) for part in zip(*parts, strict=True))
        log_mass = np.log(mass * np.repeat(drift_mass, n_capacities))
        return cls(
            capacity,
            np.repeat(drifts, n_capacities),
            width,
            log_mass,
            drifts,
            drift_mass,
            widest,
        )

    def only(self, nodes: np.ndarray) -> "Thresholds":
        """Some of the nodes."""
        return replace(
            self,
            capacity=self.capacity[nodes],
            drift=self.drift[nodes],
            width=self.width[nodes],
            log_mass=self.log_mass[nodes],
        )

    @property
    def drift_step(self) -> float:
        """Distance between drifts [log10 parameters a year]."""
        return float(np.diff(self.drifts).min()) if len(self.drifts) > 1 else 0.0

    def at(self, year: np.ndarray) -> np.ndarray:
        """Log10 parameters at each date, shape (H, n)."""
        return self.capacity[:, None] + self.drift[:, None] * (year - CAPACITY_YEAR)

    def puts_above(self, observations: Observations) -> np.ndarray:
        """Whether a system's parameters are known to exceed each, shape (H, n)."""
        return observations.log10_parameters > self.at(observations.year)

    def log_mean(self, slope: np.ndarray) -> np.ndarray:
        """Log of the mean over each cell of what is one in the middle; its log has these slopes.

        Parameters
        ----------
        slope : ndarray, shape (..., H)
            In the capacity.
        """
        half = slope * self.width / 2
        size = np.maximum(np.abs(half), 1e-9)
        log_sinhc = size + np.log(-np.expm1(-2 * size) / (2 * size))
        return np.where(np.abs(half) > 1e-4, log_sinhc, half**2 / 6)

    def ends(
        self, prior: Density, capacity: np.ndarray, drift: np.ndarray
    ) -> Iterator[tuple[str, None, float, float, float]]:
        """Shares of draws within a cell of the ends of the capacity, and at the outermost drifts.

        See :meth:`bayes_compute.changepoint.regimes.ThresholdRegimes.grid_ends`; ``prior`` is that
        of the capacity.
        """
        low, high = float(prior.ppf(_TAIL)) + self.widest, float(prior.isf(_TAIL)) - self.widest
        yield "capacity", None, low, float(np.mean(capacity < low)), float(prior.cdf(low))
        yield "capacity", None, high, float(np.mean(capacity > high)), float(prior.sf(high))
        for node, mass in zip(self.drifts[[0, -1]], self.drift_mass[[0, -1]], strict=True):
            at_node = float(np.mean(np.abs(drift - node) <= self.drift_step / 2))
            yield "drift", None, float(node), at_node, float(mass)


def alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of the first of each kind of equal rows, ascending, and the kind of each row."""
    kinds: dict[bytes, int] = {}
    kind = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in rows])
    return np.unique(kind, return_index=True)[1], kind


def _even(prior: Density, n: int) -> np.ndarray:
    """Nodes of the drift, from one tail of its prior to the other; one is in their middle."""
    ends = float(prior.ppf(_DRIFT_TAIL)), float(prior.isf(_DRIFT_TAIL))
    return np.linspace(*ends, n) if n > 1 else np.array([np.mean(ends)])


def _capacities(
    observations: Observations, prior: Density, drift: float, widest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, width and prior mass of the cells of the capacity, given its drift."""
    position = observations.log10_parameters - drift * (observations.year - CAPACITY_YEAR)
    low, high = float(prior.ppf(_TAIL)), float(prior.isf(_TAIL))
    cut = [low]
    for edge in np.append(np.unique(position[(position > low) & (position < high)]), high):
        wide = edge - cut[-1]
        if wide > widest:
            parts = math.ceil(wide / widest - 1e-9)
            cut += list(np.linspace(cut[-1], edge, parts + 1)[1:])
        elif wide > _ROUNDING:
            cut.append(edge)
    edges = np.array([*cut[:-1], high])
    cdf, sf = prior.cdf(edges), prior.sf(edges)
    mass = np.where(cdf[1:] < 0.5, np.diff(cdf), -np.diff(sf))
    kept = mass > 0
    return ((edges[1:] + edges[:-1]) / 2)[kept], np.diff(edges)[kept], mass[kept] / mass.sum()
