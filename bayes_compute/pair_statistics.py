"""Statistics of what bespoke and cloud systems differ in, over pairs and over ranks.

Regimes are known by their probabilities alone. Every statistic is a function of resamples, so that
a bootstrap of it is one call.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

FEWEST = 5
"""Expected number of cloud, and of bespoke, systems below which nothing is said."""

APART_YEARS = 1.0
"""Systems of one date are those published at most so far apart."""

_NOTHING_LEFT = 1e-9  # of the cube of the number of systems: ranks that others give away

PAIRS, WITHIN = "pairs", "pairs within a year"
GIVEN_DATE, GIVEN_SIZE = "rank correlation given date", "rank correlation given date and parameters"


@dataclass(frozen=True)
class Group:
    """Systems for which something is known, n of them, and their regimes.

    ``weight`` (n, n) is the probability that the one is bespoke and the other cloud.
    """

    value: np.ndarray
    year: np.ndarray
    log10_parameters: np.ndarray
    p_cloud: np.ndarray
    p_bespoke: np.ndarray
    weight: np.ndarray

    @property
    def n(self) -> int:
        """How many."""
        return len(self.value)

    @property
    def few(self) -> bool:
        """Whether either regime has too few systems."""
        return bool(min(self.p_cloud.sum(), self.p_bespoke.sum()) < FEWEST)

    def typical(self, regime: str, is_share: bool) -> float:
        """Share, or median of numbers, in one regime."""
        weight = self.p_cloud if regime == "cloud" else self.p_bespoke
        if not weight.sum():
            return np.nan
        if is_share:
            return float(weight @ self.value / weight.sum())
        order = np.argsort(self.value)
        half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
        return float(self.value[order[min(half, self.n - 1)]])


Statistic = Callable[[np.ndarray], np.ndarray]
"""From resamples (r, n), how often each system is in them, to r values."""


def over_pairs(group: Group, kernel: Callable, apart: float = np.inf) -> Statistic:
    """Mean of a kernel over pairs of a bespoke and a cloud system."""
    difference = group.value[:, None] - group.value
    weight = group.weight * (np.abs(group.year[:, None] - group.year) <= apart)
    product = weight * kernel(difference)

    def mean(counts: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            above = np.sum((counts @ product) * counts, axis=1)
            return above / np.sum((counts @ weight) * counts, axis=1)

    return mean


def partial(group: Group, *given: np.ndarray) -> Statistic:
    """Rank correlation of the value with the probability of bespoke, given other things.

    The probability counts as it is: where it is near 0 or 1, ranks would be of its Monte Carlo
    error.
    """
    variables = np.array([group.value, group.p_bespoke, *given])

    def correlation(counts: np.ndarray) -> np.ndarray:
        drawn = np.array([np.repeat(np.arange(group.n), each) for each in counts.astype(int)])
        ranks = rankdata(variables[:, drawn], axis=-1)
        ranks[1] = group.n * group.p_bespoke[drawn]
        ranks -= ranks.mean(axis=-1, keepdims=True)
        moments = np.einsum("irn,jrn->rij", ranks, ranks)
        of_given = np.linalg.pinv(moments[:, 2:, 2:], hermitian=True)
        left = moments[:, :2, :2] - moments[:, :2, 2:] @ of_given @ moments[:, 2:, :2]
        size = left[:, [0, 1], [0, 1]]
        size[size < _NOTHING_LEFT * group.n**3] = np.nan
        return left[:, 0, 1] / np.sqrt(size.prod(axis=1))

    return correlation


def more(difference: np.ndarray) -> np.ndarray:
    """1 where the bespoke system has more, 0.5 for a tie."""
    return (np.sign(difference) + 1) / 2


NUMBERS: dict[str, Callable[[Group], Statistic]] = {
    PAIRS: lambda g: over_pairs(g, more),
    WITHIN: lambda g: over_pairs(g, more, APART_YEARS),
    GIVEN_DATE: lambda g: partial(g, g.year),
    GIVEN_SIZE: lambda g: partial(g, g.year, g.log10_parameters),
}


SHARES: dict[str, Callable[[Group], Statistic]] = {
    PAIRS: lambda g: over_pairs(g, lambda difference: difference),
    WITHIN: lambda g: over_pairs(g, lambda difference: difference, APART_YEARS),
}
