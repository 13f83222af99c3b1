"""Sufficient statistics: one pass over the systems, then the number of systems drops out."""

import numpy as np

REFERENCE_YEAR = 2010.0
"""Where ``level`` is read [decimal year]; ``x`` is the year less this."""

CAPACITY_YEAR = 2020.0
"""Where the ``capacity`` that parts regimes is read [decimal year]."""

MAX_VARIANCE_CLASSES = 8


def cumulative_sums(
    date: np.ndarray,
    year: np.ndarray,
    log10_flop: np.ndarray,
    variance_class: np.ndarray,
    domain: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """Sums over all systems before each distinct date, by variance class and domain.

    Parameters
    ----------
    date : ndarray, shape (n,)
        What a transition date is compared with [decimal year].
    year, log10_flop : ndarray, shape (n,)
        Publication date [decimal year] and training compute [log10 FLOP].
    variance_class, domain : ndarray of int, shape (n,)
    shape : (int, int)
        Number of classes C and of domains D.

    Returns
    -------
    ndarray, shape (P + 1, C, D, 6)
        ``n, sum x, sum x^2, sum y, sum x y, sum y^2`` over systems of the first ``p`` of the P
        distinct dates; the sums of a segment are a difference of two entries.
    """
    distinct, group = np.unique(date, return_inverse=True)
    x, y = year - REFERENCE_YEAR, log10_flop
    powers = np.stack([np.ones_like(x), x, x * x, y, x * y, y * y], axis=-1)
    sums = np.zeros((len(distinct) + 1, *shape, 6))
    np.add.at(sums, (group + 1, variance_class, domain), powers)
    return np.cumsum(sums, axis=0)


def quantise(variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge known variances into at most eight classes, each at its members' mean.

    Neighbours on the scale of standard deviations are merged first, weighted by how many
    systems they hold (Ward's criterion), so common values keep a class of their own.

    Returns
    -------
    value : ndarray, shape (C,)
        Variance of each class, ascending [log10 FLOP squared].
    index : ndarray of int, shape (n,)
        Class of each system.
    """
    distinct, inverse, count = np.unique(variance, return_inverse=True, return_counts=True)
    member, sd, weight = np.arange(len(distinct)), np.sqrt(distinct), count.astype(float)
    while len(sd) > MAX_VARIANCE_CLASSES:
        cost = np.diff(sd) ** 2 * weight[:-1] * weight[1:] / (weight[:-1] + weight[1:])
        i = int(np.argmin(cost))
        sd[i] = np.average(sd[i : i + 2], weights=weight[i : i + 2])
        weight[i] += weight[i + 1]
        sd, weight = np.delete(sd, i + 1), np.delete(weight, i + 1)
        member[member > i] -= 1
    index = member[inverse]
    return np.bincount(index, weights=variance) / np.bincount(index), index
