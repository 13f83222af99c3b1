"""Lines of parameters in each regime, integrated out for each cell of dates and each threshold.

They do not meet training compute, so that this comes before anything is sampled: by Laplace's
approximation first, which tells what is probable, and there by quadrature.
"""

from dataclasses import dataclass, replace

import numpy as np

from bayes_compute.changepoint import threshold_scan, truncated
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.regime_prior import RegimePrior
from bayes_compute.changepoint.statistics import CAPACITY_YEAR, REFERENCE_YEAR
from bayes_compute.changepoint.threads import in_threads
from bayes_compute.changepoint.thresholds import SIDE, Thresholds
from bayes_compute.observations import Observations

_REFINED = 1e-2  # probability of all whose parameters are left to Laplace's approximation
_MANY = 40  # systems, whose posterior is so close to normal that fewer nodes do


@dataclass(frozen=True, eq=False)
class ParameterLines:
    """Systems whose parameters are known, and what they say with their lines integrated out.

    Attributes
    ----------
    x, p : ndarray, shape (n,)
        Years since the reference year, and log10 parameters, in the order of dates.
    threshold, above : ndarray, shape (H, n)
        Capacity at their dates, and whether they exceed it.
    first : ndarray of int, shape (G,)
        Number of them before each cell of the cloud transition.
    mean, sd : ndarray, shape (3, 3)
        Prior of level, growth and log sd of a line, a row a regime.
    early : ndarray, shape (G,)
        Log evidence of DIY systems.
    early_line : ndarray, shape (G, 3)
        Mode of their level, growth and log sd.
    late : ndarray, shape (H, 2, G)
        Log evidence of cloud and bespoke systems.
    line : ndarray, shape (H, 2, G, 3)
        Modes of their level, growth and log sd.
    slope : ndarray, shape (H, 2, G)
        Slope of the log evidence in the capacity, inside its cell.
    """

    x: np.ndarray
    p: np.ndarray
    threshold: np.ndarray
    above: np.ndarray
    first: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    early: np.ndarray
    early_line: np.ndarray
    late: np.ndarray
    line: np.ndarray
    slope: np.ndarray

    @classmethod
    def of(
        cls,
        observations: Observations,
        thresholds: Thresholds,
        n_before: np.ndarray,
        prior: RegimePrior,
    ) -> "ParameterLines":
        """Integrate by Laplace's approximation; by quadrature for DIY, which is done but once.

        Parameters
        ----------
        observations : Observations
        thresholds : Thresholds
        n_before : ndarray of int, shape (G,)
            Number of systems before each cell of the cloud transition.
        prior : RegimePrior
        """
        o, known = observations, np.flatnonzero(np.isfinite(observations.log10_parameters))
        x, p = o.year[known] - REFERENCE_YEAR, o.log10_parameters[known]
        threshold = thresholds.at(o.year[known])
        above, first = p > threshold, np.searchsorted(known, n_before)
        mean, sd = prior.line
        parts = in_threads(
            lambda h: threshold_scan.scan(x, p, threshold[h], above[h], first, mean[1:], sd[1:]),
            len(threshold),
        )
        late, line, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        early, early_line = np.empty(len(first)), np.tile(mean[DIY], (len(first), 1))
        found = cls(x, p, threshold, above, first, mean, sd, early, early_line, late, line, slope)
        for g in range(len(first)):
            early[g] = _quadrature(early_line[g], *found.systems(DIY, g, 0))
        return found

    def only(self, cells: np.ndarray, nodes: np.ndarray) -> "ParameterLines":
        """Some of the cells and thresholds."""
        return replace(
            self,
            threshold=self.threshold[nodes],
            above=self.above[nodes],
            first=self.first[cells],
            early=self.early[cells],
            early_line=self.early_line[cells],
            late=self.late[nodes][:, :, cells],
            line=self.line[nodes][:, :, cells],
            slope=self.slope[nodes][:, :, cells],
        )

    def n_systems(self, k: int) -> np.ndarray:
        """Number of one regime's systems, given cell and threshold, shape (G, H)."""
        if k == DIY:
            return np.broadcast_to(self.first[:, None], (len(self.first), len(self.above)))
        mine = self.above == (k == BESPOKE)
        from_each = np.zeros((len(mine), len(self.x) + 1), dtype=int)
        from_each[:, :-1] = np.cumsum(mine[:, ::-1], axis=1)[:, ::-1]
        return from_each[:, self.first].T

    def systems(self, k: int, g: int, h: int) -> tuple:
        """What :mod:`truncated` takes of one regime's systems, given cell and threshold."""
        if k == DIY:
            chosen = np.arange(self.first[g])
        else:
            chosen = self.first[g] + np.flatnonzero(
                self.above[h, self.first[g] :] == (k == BESPOKE)
            )
        edge = self.threshold[h, chosen]
        return self.x[chosen], self.p[chosen], edge, SIDE[k], self.mean[k], self.sd[k]

    def mode(self, k: int, g: int, h: int) -> np.ndarray:
        """Mode of a regime's line, shape (3,); a copy, to seek it more closely from."""
        return (self.early_line[g] if k == DIY else self.line[h, k - 1, g]).copy()

    @property
    def since(self) -> np.ndarray:
        """Years since the capacity is read, shape (n,)."""
        return self.x + (REFERENCE_YEAR - CAPACITY_YEAR)

    def slopes(self, row: np.ndarray, node: np.ndarray) -> np.ndarray:
        """Slopes of the log evidence in capacity and drift at pairs, shape (S, 2)."""
        pairs, pair = np.unique(np.stack([row, node], axis=1), axis=0, return_inverse=True)
        found = np.zeros((len(pairs), 2))
        for i, (g, h) in enumerate(pairs.tolist()):
            for k in (CLOUD, BESPOKE):
                x, _, edge, side, *_ = self.systems(k, g, h)
                level, growth = truncated.edge_slope(self.line[h, k - 1, g], x, edge, side)
                # The drift moves the edge about the year in which the capacity is read
                found[i] += level, growth + (REFERENCE_YEAR - CAPACITY_YEAR) * level
        return found[pair]

    def refined(self, probability: np.ndarray) -> "ParameterLines":
        """Integrate by quadrature where cells and thresholds are probable (G, H)."""
        order = np.argsort(probability, axis=None)
        n_without = np.searchsorted(np.cumsum(probability.ravel()[order]), _REFINED)
        pairs = [divmod(int(pair), probability.shape[1]) for pair in order[n_without:]]
        wanted = {}  # cells between which no system lies on this side have the same evidence
        for k in (CLOUD, BESPOKE):
            n_systems = self.n_systems(k)
            for g, h in pairs:
                wanted.setdefault((k, h, n_systems[g, h]), []).append(g)
        late, slope = self.late.copy(), self.slope.copy()

        items = list(wanted.items())

        def refine(part: np.ndarray) -> None:
            for i in part:
                (k, h, _), rows = items[i]
                at = self.mode(k, rows[0], h)
                x, p, edge, side, *prior = self.systems(k, rows[0], h)
                late[h, k - 1, rows] = _quadrature(at, x, p, edge, side, *prior)
                slope[h, k - 1, rows] = truncated.edge_slope(at, x, edge, side)[0]

        in_threads(refine, len(items))
        return replace(self, late=late, slope=slope)


def nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the standard normal distribution, and their log weights."""
    node, weight = np.polynomial.hermite_e.hermegauss(n)
    return node, np.log(weight / weight.sum())


_FEW_NODES, _NODES = nodes(5), nodes(7)


def _quadrature(at: np.ndarray, x: np.ndarray, *rest) -> float:
    """:func:`truncated.quadrature` with as many nodes as so many systems take."""
    return truncated.quadrature(at, x, *rest, *(_FEW_NODES if len(x) >= _MANY else _NODES))
