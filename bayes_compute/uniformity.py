"""Are ranks uniform? An exact test, with the band that it draws about their distribution.

Of n ranks, each one of 0 to m - 1 with the same chance, the number below j is binomial, and these
numbers form a Markov chain in j. The test takes the least probable of them all; the band at a
probability holds all of them at once with that probability (Säilynoja, Bürkner & Vehtari 2022,
doi:10.1007/s11222-022-10090-6), so that the test rejects what leaves the band.
"""

import numpy as np
from scipy import stats
from scipy.special import gammaln


def p_value(rank: np.ndarray, m: int) -> float:
    """Probability that uniform ranks are as unevenly distributed as these.

    Parameters
    ----------
    rank : ndarray of int, shape (n,)
        Each from 0 to m - 1.
    m : int
    """
    n, below = len(rank), np.cumsum(np.bincount(rank, minlength=m))[:-1]
    z = np.arange(1, m) / m
    tail = np.minimum(stats.binom.cdf(below, n, z), stats.binom.sf(below - 1, n, z))
    return max(0.0, 1 - chance_within(*_pointwise(tail.min(), n, m), n))  # rounding aside


def band(n: int, m: int, prob: float) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most of n uniform ranks that lie below each of 1 to m - 1, all at once.

    Parameters
    ----------
    n, m : int
    prob : float
        Of the band; it is the narrowest that has so much.

    Returns
    -------
    fewest, most : ndarray of int, shape (m - 1,)
    """
    low, high = np.log((1 - prob) / (2 * m)), np.log(0.5)  # of the tail; Bonferroni's is too wide
    for _ in range(40):
        middle = (low + high) / 2
        enough = chance_within(*_pointwise(np.exp(middle), n, m), n) >= prob
        low, high = (middle, high) if enough else (low, middle)
    return _pointwise(np.exp(low), n, m)


def chance_within(fewest: np.ndarray, most: np.ndarray, n: int) -> float:
    """Probability that of n uniform ranks so many lie below each of 1 to m - 1, all at once.

    Parameters
    ----------
    fewest, most : ndarray of int, shape (m - 1,)
    n : int
    """
    m, log_factorial = len(fewest) + 1, gammaln(np.arange(n + 1) + 1.0)
    count, chance = np.zeros(1, dtype=int), np.ones(1)
    for j, (least, greatest) in enumerate(zip(fewest, most, strict=True), start=1):
        p = 1 / (m - j + 1)  # of a rank that is not below j - 1 to be below j
        more = np.arange(least, greatest + 1)
        rise, rest = more[:, None] - count, n - more[:, None]
        log_step = log_factorial[n - count] - log_factorial[rest]
        log_step = log_step - log_factorial[np.maximum(rise, 0)]
        log_step += rise * np.log(p) + rest * np.log1p(-p)
        count, chance = more, np.where(rise >= 0, np.exp(log_step), 0.0) @ chance
    return float(chance.sum())


def _pointwise(tail: float, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most ranks below each of 1 to m - 1 whose tails both have more probability."""
    z, tail = np.arange(1, m) / m, tail * (1 + 1e-9)  # equal ones differ by rounding
    fewest, most = stats.binom.ppf(tail, n, z), stats.binom.isf(tail, n, z)
    # quantiles have at least so much probability, the same included
    fewest = fewest + (stats.binom.cdf(fewest, n, z) <= tail)
    most = most - (stats.binom.sf(most - 1, n, z) <= tail)
    return fewest.astype(int), most.astype(int)
