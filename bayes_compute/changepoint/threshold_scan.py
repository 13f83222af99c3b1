"""Evidence of parameters after each cell of dates and on either side of each threshold.

Laplace's approximation of :mod:`bayes_compute.changepoint.truncated`, whose modes are carried from
cell to cell; ``side``, ``mean`` and ``sd`` are as there.
"""

import numpy as np

from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.truncated import (
    add_curvature,
    cholesky,
    edge_slope,
    laplace,
    log_det,
    solve,
)


@kernel
def members(above, wanted, start):
    """Systems from ``start`` on which are on the wanted side, latest first."""
    found = np.empty(len(above) - start, np.int64)
    m = 0
    for i in range(len(above) - 1, start - 1, -1):
        if above[i] == wanted:
            found[m] = i
            m += 1
    return found[:m]


@kernel
def scan(x, p, threshold, above, first, mean, sd):
    """Laplace's log evidence of parameters after each cell and on either side of each threshold.

    The mode is sought anew where an eighth of the systems are new since it was, or it moves; the
    first on a side from the first of the threshold before.

    Parameters
    ----------
    x, p : ndarray, shape (n,)
        In the order of dates.
    threshold, above : ndarray, shape (H, n)
    first : ndarray of int, shape (G,)
        Number of systems before each cell, ascending.
    mean, sd : ndarray, shape (2, 3)
        Prior of the line below and above the threshold.

    Returns
    -------
    evidence : ndarray, shape (H, 2, G)
    line : ndarray, shape (H, 2, G, 3)
        Modes.
    slope : ndarray, shape (H, 2, G)
        :func:`edge_slope` at the modes.
    """
    n_thresholds, n_cells = len(threshold), len(first)
    evidence = np.empty((n_thresholds, 2, n_cells))
    line = np.empty((n_thresholds, 2, n_cells, 3))
    slope = np.empty((n_thresholds, 2, n_cells))
    factor, hessian = np.zeros((3, 3)), np.empty((3, 3))
    gradient, step, first_mode = np.empty(3), np.empty(3), mean.copy()
    for h in range(n_thresholds):
        for k in range(2):
            side = 1.0 - 2.0 * k
            chosen = members(above[h], k == 1, first[0])
            xs, ps, edge = x[chosen], p[chosen], threshold[h][chosen]
            at, m, solved = mean[k].copy(), 0, 0
            value = laplace(at, xs[:0], ps[:0], edge[:0], side, mean[k], sd[k], factor)
            in_edge = 0.0
            for g in range(n_cells - 1, -1, -1):
                before = m
                while m < len(chosen) and chosen[m] >= first[g]:
                    m += 1
                near = solved >= 20 and 8 * (m - solved) <= solved
                if m > before and near:
                    # Few are new: to second order about the old mode, whose gradient is zero
                    gradient[:] = 0.0
                    for j in range(3):
                        for i in range(j + 1):
                            hessian[j, i] = 0.0
                            for c in range(i + 1):
                                hessian[j, i] += factor[j, c] * factor[i, c]
                    added = xs[before:m], ps[before:m], edge[before:m]
                    new = value + log_det(factor)
                    new += add_curvature(at, *added, side, gradient, hessian)
                    near = cholesky(hessian, factor)
                    if near:
                        decrement = solve(factor, gradient, step)
                        near = decrement < 0.1
                        value = new + 0.5 * decrement - log_det(factor)
                        in_edge += edge_slope(at, xs[before:m], edge[before:m], side)[0]
                        if decrement < 1.0:  # otherwise it may lead astray
                            at += step
                if m > before and not near:
                    if solved == 0:
                        at[:] = first_mode[k]
                    value = laplace(at, xs[:m], ps[:m], edge[:m], side, mean[k], sd[k], factor)
                    in_edge = edge_slope(at, xs[:m], edge[:m], side)[0]
                    if solved == 0:
                        first_mode[k] = at
                    solved = m
                evidence[h, k, g], slope[h, k, g], line[h, k, g] = value, in_edge, at
    return evidence, line, slope
