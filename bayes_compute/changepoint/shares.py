"""The share of bespoke systems before and after the bespoke transition, both summed out.

Given a share, systems after the cloud transition are above the threshold or not independently of
each other. With a beta prior of the share only counts matter, and the date of the bespoke
transition is summed over its cells.
"""

import math

import numba as nb
import numpy as np

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


@nb.njit(cache=True, nogil=True)
def log_gamma(x):
    """Log of the gamma function of a positive number, to 1e-13: Stirling's series, x moved up."""
    shift = 1.0
    while x < 9.0:
        shift *= x
        x += 1.0
    a = 1 / (x * x)
    series = (1 / 12 - a * (1 / 360 - a * (1 / 1260 - a * (1 / 1680 - a / 1188)))) / x
    return (x - 0.5) * math.log(x) - x + HALF_LOG_2_PI + series - math.log(shift)


@nb.njit(cache=True, nogil=True)
def log_beta(a, b):
    """Log of the beta function."""
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


@nb.njit(cache=True, error_model="numpy", nogil=True)
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


@nb.njit(cache=True, error_model="numpy", nogil=True)
def log_before(n_above, begin, change, prior):
    """The same of the systems from ``begin`` to each change."""
    found = np.empty(len(change))
    for c in range(len(change)):
        if c > 0 and change[c] == change[c - 1]:
            found[c] = found[c - 1]
        else:
            high, all_ = n_above[change[c]] - n_above[begin], change[c] - begin
            found[c] = log_gamma(prior[0] + high) + log_gamma(prior[1] + all_ - high)
            found[c] -= log_gamma(prior[0] + prior[1] + all_)
    return found - log_beta(prior[0], prior[1])


@nb.njit(cache=True, error_model="numpy", nogil=True)
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


@nb.njit(cache=True, error_model="numpy", nogil=True)
def log_weights(n_above, first, log_mass, before, after, kept):
    """Log weight of cells of the cloud transition, that of the bespoke summed over, (G, H).

    As :func:`of_cell`, for thresholds ``n_above`` (H, n + 1), kept cells (G,) of the cloud
    transition, and the beta prior of the share after the bespoke one.
    """
    found = np.empty((len(kept), len(n_above)))
    for h in range(len(n_above)):
        later = log_after(n_above[h], first, after)
        for g in range(len(kept)):
            weight = of_cell(n_above[h], first, log_mass, before, later, kept[g])
            top = np.max(weight)
            found[g, h] = top + math.log(np.sum(np.exp(weight - top)))
    return found
