"""Where transitions can fall: cells of dates and the prior mass of ordered dates in them.

Between two consecutive publication dates the likelihood of a jump does not depend on where a
transition falls, so those gaps are the cells, and summing over them is exact: no grid is
chosen. A system published at ``t`` belongs to the era after a transition when the transition
date is at most ``t``, so a cell is ``(t[i], t[i + 1]]``; the first and last are unbounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_compute.changepoint.date_priors import Density

_NODES = 12  # Gauss-Legendre nodes a panel
_TAIL = 1e-13  # prior mass beyond which an unbounded cell is cut for quadrature
_QUANTILES = 10.0 ** np.arange(-13, 0)  # of either tail, where cells are cut into panels


def era_year(year: np.ndarray, per_year: int | None = 12) -> np.ndarray:
    """Decimal years by which systems are assigned to eras.

    Parameters
    ----------
    year : ndarray
        Publication dates [decimal year].
    per_year : int, optional
        Systems count as published in the middle of one of so many equal parts of the year: 12
        resolves transitions to the month. ``None`` keeps every date apart.
    """
    return year if per_year is None else (np.floor(year * per_year) + 0.5) / per_year


@dataclass(frozen=True, eq=False)
class DateCells:
    """Cells of dates, and what the prior on ordered dates says of them.

    Parameters
    ----------
    edges : ndarray, shape (G + 1,)
        Cell ``c`` is ``(edges[c], edges[c + 1]]`` [decimal year].
    position : ndarray of int, shape (G,)
        Number of distinct publication dates before a transition in cell ``c``.
    priors : sequence of Density, length K
        Marginal density of each transition date before they are ordered; the joint prior is
        proportional to their product on ``tau_1 < ... < tau_K``.
    """

    edges: np.ndarray
    position: np.ndarray
    priors: tuple[Density, ...]

    @classmethod
    def between(
        cls, year: np.ndarray, priors: Sequence[Density], widest: float | None = None
    ) -> "DateCells":
        """Cut the time line at every publication date and at every end of a prior's support.

        Parameters
        ----------
        year : ndarray, shape (n,)
            Publication dates [decimal year].
        priors : sequence of Density
            One density a transition, earliest first.
        widest : float, optional
            Split cells that are wider than this [years]; a continuous trend needs it, since
            there the likelihood changes inside a gap.
        """
        dates = np.unique(year)
        ends = [end for prior in priors for end in prior.support() if np.isfinite(end)]
        inner = np.unique(np.concatenate([dates, ends]))
        if widest is not None:
            low = min([inner[0], *(float(prior.ppf(_TAIL)) for prior in priors)])
            high = max([inner[-1], *(float(prior.isf(_TAIL)) for prior in priors)])
            inner = np.unique([low, *inner, high])
            parts = np.ceil(np.diff(inner) / widest - 1e-9).astype(int)  # rounding must not split
            parts = np.maximum(parts, 1)
            pairs = zip(inner[:-1], inner[1:], parts, strict=True)
            inner = np.unique(np.concatenate([np.linspace(a, b, m + 1) for a, b, m in pairs]))
        edges = np.concatenate([[-np.inf], inner, [np.inf]])
        position = np.searchsorted(dates, edges[:-1], side="right")
        return cls(edges, position, tuple(priors))

    @property
    def n_cells(self) -> int:
        """Number of cells G."""
        return len(self.position)

    @cached_property
    def node(self) -> np.ndarray:
        """Middle of each cell, shape (G,) [decimal year]; unbounded cells are cut first."""
        low, high = self._finite_edges()
        return (low + high) / 2

    @cached_property
    def log_mass(self) -> np.ndarray:
        """Log prior mass of runs of transitions in one cell, shape (K, K, G).

        Entry ``[j, k, c]`` is the log of the integral of ``p_j(t_j) ... p_k(t_k)`` over
        ``t_j < ... < t_k``, all in cell ``c`` (0-based, both ends included). Ordered dates
        share a cell with the mass of their ordered part of it: half the square for two equal
        densities.
        """
        k_max, edges = len(self.priors), self.edges
        mass = np.zeros((k_max, k_max, self.n_cells))
        for k, prior in enumerate(self.priors):  # the mass of one date needs no quadrature
            below = prior.cdf(edges[1:]) - prior.cdf(edges[:-1])
            above = prior.sf(edges[:-1]) - prior.sf(edges[1:])
            mass[k, k] = np.where(prior.cdf(edges[1:]) < 0.5, below, above)
        if k_max > 1:
            cell, half, t, cumulate, weight = self._panels()
            density = [np.nan_to_num(prior.pdf(t)) * half[:, None] for prior in self.priors]
            for j in range(k_max):
                integrand = density[j]
                for k in range(j + 1, k_max):
                    before = _sum_before(integrand @ weight, cell)
                    integrand = density[k] * (integrand @ cumulate.T + before[:, None])
                    mass[j, k] = np.bincount(cell, integrand @ weight, self.n_cells)
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(mass, 0.0))

    @property
    def ordered_mass(self) -> float:
        """Prior probability that the first of two dates comes before the second."""
        mass = np.exp(self.log_mass)
        before = np.cumsum(mass[0, 0]) - mass[0, 0]
        return np.sum(before * mass[1, 1] + mass[0, 1])

    def n_before(self, year: np.ndarray) -> np.ndarray:
        """Number of systems before each cell, shape (G,), of those between whose dates they are.

        Parameters
        ----------
        year : ndarray, shape (n,)
            Publication dates, ascending [decimal year].
        """
        return np.append(np.searchsorted(year, np.unique(year)), len(year))[self.position]

    def log_density(self, date: np.ndarray) -> np.ndarray:
        """Log prior density of each date before they are ordered, shape of ``date`` (S, K)."""
        with np.errstate(divide="ignore"):
            found = [np.log(prior.pdf(date[:, k])) for k, prior in enumerate(self.priors)]
        return np.stack(found, axis=1)

    def draw(self, cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw dates from the prior within given cells, ordered where they share one.

        Parameters
        ----------
        cell : ndarray of int, shape (S, K)
            Cell of each transition, non-decreasing along the last axis.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (S, K)
            Dates [decimal year], increasing along the last axis.
        """
        date = np.full(cell.shape, np.nan)
        todo = np.arange(len(cell))
        while todo.size:  # rejection is exact: draw freely in the cells, keep what is ordered
            for k, prior in enumerate(self.priors):
                low, high = self.edges[cell[todo, k]], self.edges[cell[todo, k] + 1]
                u = rng.random(todo.size)
                below = prior.ppf(prior.cdf(low) + u * (prior.cdf(high) - prior.cdf(low)))
                above = prior.isf(prior.sf(high) + u * (prior.sf(low) - prior.sf(high)))
                inside = np.where(prior.cdf(high) < 0.5, below, above)
                date[todo, k] = np.clip(inside, np.nextafter(low, np.inf), high)
            todo = todo[np.any(np.diff(date[todo], axis=1) <= 0, axis=1)]
        return date

    def draw_prior(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ordered dates from the prior, shape (n, K)."""
        date, todo = np.empty((n, len(self.priors))), np.arange(n)
        while todo.size:
            uniform = rng.random((len(self.priors), todo.size))
            for k, prior in enumerate(self.priors):
                date[todo, k] = prior.ppf(uniform[k])
            todo = todo[np.any(np.diff(date[todo], axis=1) <= 0, axis=1)]
        return date

    def _panels(self) -> tuple[np.ndarray, ...]:
        """Parts of cells in which no prior changes much, for quadrature.

        Returns
        -------
        cell, half : ndarray, shape (N,)
            Cell of each panel, in order, and half its width.
        t : ndarray, shape (N, n)
            Gauss-Legendre nodes.
        cumulate, weight : ndarray, shape (n, n) and (n,)
            From :func:`_legendre`.
        """
        low, high = self._finite_edges()
        quantiles = [f(_QUANTILES) for prior in self.priors for f in (prior.ppf, prior.isf)]
        medians = [prior.ppf(0.5) for prior in self.priors]
        cuts = np.unique(np.concatenate([low, high, *quantiles, medians]))
        cuts = cuts[(cuts >= low[0]) & (cuts <= high[-1])]
        middle, half = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts) / 2
        unit, weight, cumulate = _legendre(_NODES)
        cell = np.clip(np.searchsorted(self.edges, middle) - 1, 0, self.n_cells - 1)
        return cell, half, middle[:, None] + half[:, None] * unit, cumulate, weight

    def _finite_edges(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.edges[:-1].copy(), self.edges[1:].copy()
        inner = self.edges[np.isfinite(self.edges)]
        low[0] = min([inner[0], *(float(prior.ppf(_TAIL)) for prior in self.priors)])
        high[-1] = max([inner[-1], *(float(prior.isf(_TAIL)) for prior in self.priors)])
        return low, high


def _sum_before(value: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sum of the earlier members of each one's group; groups stand together."""
    before = np.zeros_like(value)
    for i in range(1, len(value)):  # differences of a cumulative sum would cancel
        if group[i] == group[i - 1]:
            before[i] = before[i - 1] + value[i - 1]
    return before


def _legendre(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [-1, 1], and the matrix that integrates from -1."""
    node, weight = np.polynomial.legendre.leggauss(n)
    basis = np.polynomial.legendre.legvander(node, n - 1)
    to_coefficients = (basis * weight[:, None]).T * (np.arange(n) + 0.5)[:, None]
    antiderivative = np.array(
        [
            np.polynomial.legendre.legval(node, np.polynomial.legendre.legint(unit, lbnd=-1))
            for unit in np.eye(n)
        ]
    ).T
    return node, weight, antiderivative @ to_coefficients
