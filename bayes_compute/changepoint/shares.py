"""The share of bespoke systems before and after the bespoke transition, both summed out.

Given a share, systems after the cloud transition are above the threshold or not independently of
each other. With a beta prior of the share only counts matter, and the date of the bespoke
transition is summed over its cells.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import digamma, logsumexp

from bayes_compute.changepoint.dates import DateCells
from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.regime_prior import RegimePrior
from bayes_compute.changepoint.threads import in_threads
from bayes_compute.changepoint.thresholds import alike

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
_CARRIED = 64  # systems in whose probabilities products of ratios neither overflow nor vanish


@kernel
def log_gamma(x):
    """Log of the gamma function of a positive number, to 1e-13: Stirling's series, x moved up."""
    shift = 1.0
    while x < 9.0:
        shift *= x
        x += 1.0
    a = 1 / (x * x)
    series = (1 / 12 - a * (1 / 360 - a * (1 / 1260 - a * (1 / 1680 - a / 1188)))) / x
    return (x - 0.5) * math.log(x) - x + HALF_LOG_2_PI + series - math.log(shift)


@kernel
def log_beta(a, b):
    """Log of the beta function."""
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


@kernel
def log_after(n_above, change, prior):
    """Log probability of who is above, of the systems after each change, shape (C,).

    Parameters
    ----------
    n_above : ndarray, shape (n + 1,)
        Number of the first systems above the threshold; systems that may be count in part.
    change : ndarray of int, shape (C,)
        Number of systems before each change.
    prior : (float, float)
        Beta prior of the share.
    """
    n, found = len(n_above) - 1, np.empty(len(change))
    for c in range(len(change)):
        if c > 0 and change[c] == change[c - 1]:
            found[c] = found[c - 1]
        else:
            high, all_ = n_above[n] - n_above[change[c]], n - change[c]
            found[c] = log_beta(prior[0] + high, prior[1] + all_ - high)
    return found - log_beta(prior[0], prior[1])


@kernel
def log_before(n_above, begin, change, prior):
    """The same of the systems from ``begin`` to each change."""
    found = np.empty(len(change))
    for c in range(len(change)):
        if c > 0 and change[c] == change[c - 1]:
            found[c] = found[c - 1]
        else:
            high, all_ = n_above[change[c]] - n_above[begin], change[c] - begin
            found[c] = log_beta(prior[0] + high, prior[1] + all_ - high)
    return found - log_beta(prior[0], prior[1])


@kernel
def of_cell(n_above, first, log_mass, before, after, cell):
    """Log weight of each cell of the bespoke transition, given that of the cloud's.

    Parameters
    ----------
    n_above : ndarray, shape (n + 1,)
    first : ndarray of int, shape (C,)
        Number of systems before each cell.
    log_mass : ndarray, shape (2, 2, C)
        From :attr:`bayes_compute.changepoint.dates.DateCells.log_mass`.
    before : (float, float)
        Beta prior of the share before the bespoke transition.
    after : ndarray, shape (C,)
        From :func:`log_after`.
    cell : int
        Of the cloud transition.

    Returns
    -------
    ndarray, shape (C - cell,)
    """
    weight = log_before(n_above, first[cell], first[cell:], before) + after[cell:]
    weight[0] += log_mass[0, 1, cell]
    weight[1:] += log_mass[1, 1, cell + 1 :] + log_mass[0, 0, cell]
    return weight


@kernel
def add_in_front(weight, n_above, begin, change, prior):
    """Multiply weights of changes by the probability of one system more, that at ``begin``.

    Given the others before the change, as of Polya's urn: no gamma function is needed.
    """
    above = n_above[begin + 1] - n_above[begin] > 0.5
    for c in range(len(change)):
        high, all_ = n_above[change[c]] - n_above[begin + 1], change[c] - begin - 1
        same = prior[0] + high if above else prior[1] + all_ - high
        weight[c] *= same / (prior[0] + prior[1] + all_)


@kernel
def log_weights(n_above, first, log_mass, before, after, kept):
    """Log weight of cells of the cloud transition, that of the bespoke summed over, (G, H).

    As :func:`of_cell`, for thresholds ``n_above`` (H, n + 1), kept cells (G,) of the cloud
    transition, and the beta prior of the share after the bespoke one.
    """
    found, weight = np.empty((len(kept), len(n_above))), np.empty(len(first))
    for h in range(len(n_above)):
        n, later = n_above[h], log_after(n_above[h], first, after)
        each = n[1:] - n[:-1]
        in_part = np.abs(each - np.rint(each)) > 1e-12
        exact, top, ahead = 0, 0.0, 0
        for g in range(len(kept) - 1, -1, -1):
            cell, begin = kept[g], first[kept[g]]
            anew = g == len(kept) - 1 or exact - begin > _CARRIED or in_part[begin:ahead].any()
            carried = len(first) if anew else kept[g + 1] + 1  # from this cell on
            for i in range(ahead - 1, begin - 1, -1):
                add_in_front(weight[carried:], n, i, first[carried:], before)
            new = slice(cell + 1, carried)
            log_weight = log_before(n, begin, first[new], before) + later[new] + log_mass[1, 1, new]
            in_cell = later[cell] + log_mass[0, 1, cell]  # both transitions are
            if anew:
                exact, top = begin, in_cell
                for value in log_weight:
                    top = max(top, value)
            weight[new] = np.exp(log_weight - top)
            total = np.exp(log_mass[0, 0, cell]) * np.sum(weight[cell + 1 :])
            found[g, h] = top + math.log(total + math.exp(in_cell - top))
            ahead = begin
    return found


@dataclass(frozen=True, eq=False)
class Shares:
    """Who is above each threshold, with shares and the bespoke transition summed out.

    Attributes
    ----------
    n_above : ndarray, shape (H, n + 1)
        Number of the first systems above each threshold.
    first : ndarray of int, shape (C,)
        Number of systems before each cell of dates.
    log_mass : ndarray, shape (2, 2, C)
        As :func:`of_cell` takes it.
    before, after : (float, float)
        Beta prior of the share before and after the bespoke transition.
    log_weight : ndarray, shape (G, H)
        Log weight of who is above, for kept cells of the cloud transition and each threshold.
    """

    n_above: np.ndarray
    first: np.ndarray
    log_mass: np.ndarray
    before: tuple[float, float]
    after: tuple[float, float]
    log_weight: np.ndarray

    @classmethod
    def of(
        cls,
        above: np.ndarray,
        first: np.ndarray,
        cells: DateCells,
        kept: np.ndarray,
        prior: RegimePrior,
    ) -> "Shares":
        """Sum up.

        Parameters
        ----------
        above : ndarray, shape (H, n)
            Whether systems are above each threshold, or how far they count as that, 0 to 1.
        first : ndarray of int, shape (C,)
        cells : DateCells
            Of the cloud and the bespoke transition.
        kept : ndarray of int, shape (G,)
            Cells of the cloud transition that are summed over.
        prior : RegimePrior
        """
        n_above = np.hstack([np.zeros((len(above), 1)), np.cumsum(above, axis=1)])
        fixed = first, cells.log_mass, prior.share_before, prior.share_after
        some, kind = alike(n_above)
        found = in_threads(lambda mine: log_weights(n_above[some[mine]], *fixed, kept), len(some))
        log_weight = np.concatenate(found, axis=1)[:, kind] - np.log(cells.ordered_mass)
        return cls(n_above, *fixed, log_weight)

    def only(self, cells: np.ndarray, nodes: np.ndarray) -> "Shares":
        """Some of the kept cells and thresholds."""
        log_weight = self.log_weight[np.ix_(cells, nodes)]
        return replace(self, n_above=self.n_above[nodes], log_weight=log_weight)

    def of_cell(self, cell: int, node: int) -> np.ndarray:
        """Log weight of cells of the bespoke transition from that of the cloud's on."""
        n_above = self.n_above[node]
        later = log_after(n_above, self.first, self.after)
        return of_cell(n_above, self.first, self.log_mass, self.before, later, cell)

    def posterior(self, begin, change, node) -> tuple[tuple, tuple]:
        """Beta posterior of the share before and after a change.

        Parameters
        ----------
        begin, change : int or ndarray of int
            Number of systems before the cloud and before the bespoke transition.
        node : int or ndarray of int
            Threshold.
        """
        n, n_above = self.n_above.shape[1] - 1, self.n_above
        before = n_above[node, change] - n_above[node, begin], change - begin
        after = n_above[node, n] - n_above[node, change], n - change
        (a, b), (c, d) = self.before, self.after
        return (
            (a + before[0], b + before[1] - before[0]),
            (c + after[0], d + after[1] - after[0]),
        )

    def expected_log_odds(self, cell: int, node: int, system: np.ndarray) -> np.ndarray:
        """Of the share of bespoke systems at the date of each of some systems, shape (U,)."""
        weight = self.of_cell(cell, node)
        weight = np.exp(weight - logsumexp(weight))
        change = self.first[cell:]
        posterior = self.posterior(self.first[cell], change, node)
        before, after = (digamma(a) - digamma(b) for a, b in posterior)
        return np.where(change <= system[:, None], after, before) @ weight
