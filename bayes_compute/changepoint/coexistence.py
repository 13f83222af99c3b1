"""Training compute of regimes that coexist: the collapsed likelihood and its gradient.

The model is that of :mod:`bayes_compute.changepoint.regimes`. Each system's terms are added up
over the regime that a cell of the cloud transition and a threshold put it in; a regime's line
is integrated out as in :mod:`bayes_compute.changepoint.eras`.

Thresholds stand in an order in which few systems change sides from one to the next, and sums are
carried along: the cost goes with the number of these changes, not of systems times thresholds.

Every function takes the same arguments, those of :func:`evaluate`, where they are explained.
"""

import math

import numba as nb
import numpy as np

from bayes_compute.changepoint.eras import line_posterior
from bayes_compute.changepoint.normal_cdf import LOG_2_PI

DIY, CLOUD, BESPOKE = range(3)
N_SUMS = 7  # N, S1, S2, R0, R1, Q, and what does not depend on the line


@nb.njit(cache=True, error_model="numpy", nogil=True)
def terms_of(
    growth_mean, elasticity, sigma, offset, x, y, variance, domain, excess, spread, level_mean
):
    """What each system adds to the sums of one regime, shape (n, 7)."""
    terms = np.empty((len(x), N_SUMS))
    for i in range(len(x)):
        w = 1 / (sigma * sigma + variance[i] + elasticity * elasticity * spread[i])
        r = y[i] - level_mean - growth_mean * x[i] - elasticity * excess[i] - offset[domain[i]]
        t = terms[i]
        t[0], t[1], t[2] = w, w * x[i], w * x[i] * x[i]
        t[3], t[4], t[5] = w * r, w * x[i] * r, w * r * r
        t[6] = 0.5 * (math.log(w) - LOG_2_PI)
    return terms


@nb.njit(cache=True, error_model="numpy", nogil=True)
def add_gradient(slope, share, terms, x, excess, spread, sigma, elasticity, k, domain, gradient):
    """Add what a system adds to the gradient, given the slope of the value in its sums."""
    w = terms[0]
    r = terms[3] / w
    in_w = slope[0] + x * (slope[1] + x * slope[2])
    in_w += r * (slope[3] + x * slope[4] + r * slope[5]) + 0.5 * slope[6] / w
    in_w *= share * w * w
    in_r = share * w * (slope[3] + x * slope[4] + 2 * r * slope[5])
    gradient[0] -= x * in_r
    gradient[2] -= excess * in_r + 2 * elasticity * spread * in_w
    gradient[3 + k] -= 2 * sigma * in_w
    gradient[6 + domain] -= in_r


@nb.njit(cache=True, error_model="numpy", nogil=True)
def add(sums, share, terms):
    """Add a share of a system's terms to sums, without an array in between."""
    for j in range(N_SUMS):
        sums[j] += share * terms[j]


@nb.njit(cache=True, error_model="numpy", nogil=True)
def line_evidence(s, level_sd, growth_sd):
    """Log evidence of the systems summed up in ``s``, their line integrated out."""
    a, b = 1 + level_sd**2 * s[0], 1 + growth_sd**2 * s[2]
    c, u, v = level_sd * growth_sd * s[1], level_sd * s[3], growth_sd * s[4]
    det = a * b - c * c
    return s[6] - 0.5 * (math.log(det) + s[5] - (b * u * u - 2 * c * u * v + a * v * v) / det)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def add_slope(s, level_sd, growth_sd, weight, slope):
    """Add the weighted gradient of :func:`line_evidence` in ``s``; return it in ``growth_sd``."""
    a, b = 1 + level_sd**2 * s[0], 1 + growth_sd**2 * s[2]
    c, u, v = level_sd * growth_sd * s[1], level_sd * s[3], growth_sd * s[4]
    scale = 1 / (a * b - c * c)
    mu, nu = (b * u - c * v) * scale, (a * v - c * u) * scale
    in_b, in_c = a * scale + nu * nu, c * scale - mu * nu
    slope[0] -= 0.5 * weight * level_sd**2 * (b * scale + mu * mu)
    slope[1] += weight * level_sd * growth_sd * in_c
    slope[2] -= 0.5 * weight * growth_sd**2 * in_b
    slope[3] += weight * level_sd * mu
    slope[4] += weight * growth_sd * nu
    slope[5] -= 0.5 * weight
    slope[6] += weight
    return weight * (nu * s[4] + level_sd * s[1] * in_c - growth_sd * s[2] * in_b)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def weigh(
    growth_mean, growth_sd, elasticity, sigma, offset,
    x, y, variance, domain, excess, first, side, change, start,
    undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
    constant, level_mean, level_sd,
):  # fmt: skip
    """Log weight of each cell of the cloud transition and each threshold, and what it is made of.

    Returns
    -------
    log_weight : ndarray, shape (G, H)
    early : ndarray, shape (G, 7)
        Sums over the systems before each cell.
    late : ndarray, shape (H, G, 2, 7)
        Sums over cloud and bespoke systems after it.
    terms : ndarray, shape (3, n, 7)
        From :func:`terms_of`, for each regime; set where a system may be of it.
    early_terms : ndarray, shape (G, U, 7)
        The same of DIY systems whose parameters are undisclosed; not set of those after a cell.
    late_terms : ndarray, shape (Q, 2, U, 7)
        The same of cloud and bespoke systems.
    """
    n, (n_cells, n_thresholds) = len(x), constant.shape
    n_groups, n_undisclosed = late_above.shape
    terms, none = np.empty((3, n, N_SUMS)), np.zeros(n)
    for k in range(3):
        mine = slice(0, first[-1]) if k == DIY else slice(first[0], n)
        terms[k, mine] = terms_of(
            growth_mean, elasticity, sigma[k], offset, x[mine], y[mine], variance[mine],
            domain[mine], excess[k, mine], none, level_mean[k],
        )  # fmt: skip
    x_u, y_u = x[undisclosed], y[undisclosed]
    variance_u, domain_u = variance[undisclosed], domain[undisclosed]
    n_before = np.searchsorted(undisclosed, first)
    early_terms = np.empty((n_cells, n_undisclosed, N_SUMS))
    for g in range(n_cells):
        m = n_before[g]
        early_terms[g, :m] = terms_of(
            growth_mean, elasticity, sigma[DIY], offset, x_u[:m], y_u[:m], variance_u[:m],
            domain_u[:m], early_excess[g], early_spread[g], level_mean[DIY],
        )  # fmt: skip
    late_terms = np.empty((n_groups, 2, n_undisclosed, N_SUMS))
    of_group = np.zeros((n_groups, n_cells + 1, 2, N_SUMS))
    for q in range(n_groups):
        for k in range(2):
            late_terms[q, k] = terms_of(
                growth_mean, elasticity, sigma[1 + k], offset, x_u, y_u, variance_u, domain_u,
                late_excess[q, k], late_spread[q, k], level_mean[1 + k],
            )  # fmt: skip
            u = n_undisclosed
            for g in range(n_cells - 1, -1, -1):
                of_group[q, g, k] = of_group[q, g + 1, k]
                while u > n_before[g]:
                    u -= 1
                    share = late_above[q, u] if k == 1 else 1 - late_above[q, u]
                    add(of_group[q, g, k], share, late_terms[q, k, u])

    log_weight = constant.copy()
    early, s, i = np.empty((n_cells, N_SUMS)), np.zeros(N_SUMS), 0
    for g in range(n_cells):
        while i < first[g]:
            if side[i] >= 0:
                add(s, 1.0, terms[DIY, i])
            i += 1
        early[g] = s
        for u in range(n_before[g]):
            add(early[g], 1.0, early_terms[g, u])
        log_weight[g] += line_evidence(early[g], level_sd[DIY], growth_sd)
    now = np.zeros((n_cells, 2, N_SUMS))  # over disclosed systems
    i, both = n - 1, np.zeros((2, N_SUMS))
    for g in range(n_cells - 1, -1, -1):
        while i >= first[g]:
            if side[i] >= 0:
                add(both[side[i]], 1.0, terms[1 + side[i], i])
            i -= 1
        now[g] = both
    late = np.empty((n_thresholds, n_cells, 2, N_SUMS))
    for h in range(n_thresholds):
        for c in range(start[h], start[h + 1]):
            i, k = change[c, 0], change[c, 1]
            for g in range(change[c, 2]):
                add(now[g, k], 1.0, terms[1 + k, i])
                add(now[g, 1 - k], -1.0, terms[2 - k, i])
        for g in range(n_cells):
            for k in range(2):
                for j in range(N_SUMS):
                    late[h, g, k, j] = now[g, k, j] + of_group[group[h], g, k, j]
                log_weight[g, h] += line_evidence(late[h, g, k], level_sd[1 + k], growth_sd)
    return log_weight, early, late, terms, early_terms, late_terms


@nb.njit(cache=True, error_model="numpy", nogil=True)
def evaluate(
    growth_mean, growth_sd, elasticity, sigma, offset,
    x, y, variance, domain, excess, first, side, change, start,
    undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
    constant, level_mean, level_sd,
):  # fmt: skip
    """Log marginal likelihood, its gradient, and the weights of cells and thresholds.

    Parameters
    ----------
    growth_mean, growth_sd, elasticity : float
    sigma : ndarray, shape (3,)
    offset : ndarray, shape (D,)
    x, y, variance, domain : ndarray, shape (n,)
        Systems with training compute, in the order of dates.
    excess : ndarray, shape (3, n)
        Log10 parameters less those that are expected in each regime; 0 where undisclosed.
    first : ndarray of int, shape (G,)
        Number of systems before each cell of the cloud transition, ascending.
    side : ndarray of int, shape (n,)
        1 for systems above the first threshold, 0 for those below, -1 if undisclosed.
    change : ndarray of int, shape (C, 3)
        Systems that change sides, threshold by threshold: which, the new side, and the number of
        cells before it.
    start : ndarray of int, shape (H + 1,)
        First change at each threshold.
    undisclosed : ndarray of int, shape (U,)
        Which systems' parameters are undisclosed, ascending.
    early_excess, early_spread : ndarray, shape (G, U)
        Their excess and its variance before each cell of the cloud transition.
    group : ndarray of int, shape (H,)
        Which of Q accounts of these holds at each threshold:
    late_excess, late_spread : ndarray, shape (Q, 2, U)
        excess and variance after the cloud transition, if they are cloud and if bespoke, and
    late_above : ndarray, shape (Q, U)
        how far they count as bespoke, 0 to 1.
    constant : ndarray, shape (G, H)
        Log weight of cell and threshold without training compute.
    level_mean, level_sd : ndarray, shape (3,)

    Returns
    -------
    value : float
    gradient : ndarray, shape (6 + D,)
        In the hyperparameters, in their order.
    probability : ndarray, shape (G, H)
        Posterior probability of each cell and threshold.
    """
    log_weight, early, late, terms, early_terms, late_terms = weigh(
        growth_mean, growth_sd, elasticity, sigma, offset,
        x, y, variance, domain, excess, first, side, change, start,
        undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
        constant, level_mean, level_sd,
    )  # fmt: skip
    n, (n_cells, n_thresholds) = len(x), constant.shape
    n_groups, n_undisclosed = late_above.shape
    top = np.max(log_weight)
    probability = np.exp(log_weight - top)
    total = np.sum(probability)
    probability /= total

    # A system's terms are in the sums of the cells on its side
    gradient = np.zeros(6 + len(offset))
    slope = np.zeros((n_cells, N_SUMS))
    for g in range(n_cells):
        gradient[1] += add_slope(
            early[g], level_sd[DIY], growth_sd, np.sum(probability[g]), slope[g]
        )
    s, i = np.zeros(N_SUMS), first[-1] - 1
    for g in range(n_cells - 1, -1, -1):
        add(s, 1.0, slope[g])
        while i >= (first[g - 1] if g > 0 else 0):
            if side[i] >= 0:
                add_gradient(
                    s, 1.0, terms[DIY, i], x[i], excess[DIY, i], 0.0,
                    sigma[DIY], elasticity, DIY, domain[i], gradient,
                )  # fmt: skip
            i -= 1
        for u in range(np.searchsorted(undisclosed, first[g])):
            i_u = undisclosed[u]
            add_gradient(
                slope[g], 1.0, early_terms[g, u], x[i_u], early_excess[g, u], early_spread[g, u],
                sigma[DIY], elasticity, DIY, domain[i_u], gradient,
            )  # fmt: skip
    # Slopes of the first so many cells, added up over this threshold and the later ones
    later = np.zeros((n_cells + 1, 2, N_SUMS))
    of_group = np.zeros((n_groups, n_cells + 1, 2, N_SUMS))
    in_late, both = np.zeros((2, n, N_SUMS)), np.empty((2, N_SUMS))
    for h in range(n_thresholds - 1, -1, -1):
        both[:] = 0.0
        for g in range(n_cells):
            for k in range(2):
                gradient[1] += add_slope(
                    late[h, g, k], level_sd[1 + k], growth_sd, probability[g, h], both[k]
                )
                add(later[g + 1, k], 1.0, both[k])
                add(of_group[group[h], g + 1, k], 1.0, both[k])
        for c in range(start[h], start[h + 1]):
            i, k, g = change[c]
            add(in_late[k, i], 1.0, later[g, k])
            add(in_late[1 - k, i], -1.0, later[g, 1 - k])
    g = 1
    for i in range(first[0], n):
        while g < n_cells and first[g] <= i:
            g += 1
        if side[i] >= 0:
            add(in_late[side[i], i], 1.0, later[g, side[i]])
            for k in range(2):
                if in_late[k, i, -1] != 0.0:  # probability of being there
                    add_gradient(
                        in_late[k, i], 1.0, terms[1 + k, i], x[i], excess[1 + k, i], 0.0,
                        sigma[1 + k], elasticity, 1 + k, domain[i], gradient,
                    )  # fmt: skip
    for u in range(n_undisclosed):
        i, g = undisclosed[u], 0
        while g < n_cells and first[g] <= i:
            g += 1
        for q in range(n_groups):
            for k in range(2):
                share = late_above[q, u] if k == 1 else 1 - late_above[q, u]
                add_gradient(
                    of_group[q, g, k], share, late_terms[q, k, u], x[i],
                    late_excess[q, k, u], late_spread[q, k, u],
                    sigma[1 + k], elasticity, 1 + k, domain[i], gradient,
                )  # fmt: skip
    return top + math.log(total), gradient, probability


@nb.njit(cache=True, nogil=True)
def log_likelihood(
    growth_mean, growth_sd, elasticity, sigma, offset,
    x, y, variance, domain, excess, first, side, change, start,
    undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
    constant, level_mean, level_sd,
):  # fmt: skip
    """Log marginal likelihood and its gradient."""
    value, gradient, _ = evaluate(
        growth_mean, growth_sd, elasticity, sigma, offset,
        x, y, variance, domain, excess, first, side, change, start,
        undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
        constant, level_mean, level_sd,
    )  # fmt: skip
    return value, gradient


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw(
    growth_mean, growth_sd, elasticity, sigma, offset,
    x, y, variance, domain, excess, first, side, change, start,
    undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
    constant, level_mean, level_sd,
    uniform, normal,
):  # fmt: skip
    """Draw cell, threshold and lines, m times for each of S draws of the hyperparameters.

    Each of these has a leading dimension S; ``uniform`` (S, m) and ``normal`` (S, m, 3, 2).

    Returns
    -------
    cell, threshold : ndarray of int, shape (S, m)
    level, growth : ndarray, shape (S, m, 3)
    value : ndarray, shape (S,)
        What :func:`log_likelihood` gives.
    """
    n_thresholds, shape, value = constant.shape[1], uniform.shape, np.empty(len(uniform))
    cell, threshold = np.empty(shape, np.int64), np.empty(shape, np.int64)
    level, growth = np.empty((*shape, 3)), np.empty((*shape, 3))
    for s in range(shape[0]):
        log_weight, early, late, _, _, _ = weigh(
            growth_mean[s], growth_sd[s], elasticity[s], sigma[s], offset[s],
            x, y, variance, domain, excess, first, side, change, start,
            undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
            constant, level_mean, level_sd,
        )  # fmt: skip
        top = np.max(log_weight)
        cumulative = np.cumsum(np.exp(log_weight - top))
        value[s] = top + math.log(cumulative[-1])
        for m in range(shape[1]):
            picked = np.searchsorted(cumulative, uniform[s, m] * cumulative[-1], side="right")
            g, h = picked // n_thresholds, picked % n_thresholds
            cell[s, m], threshold[s, m] = g, h
            for k in range(3):
                sums = early[g] if k == DIY else late[h, g, k - 1]
                _, mean, factor = line_posterior(
                    np.append(sums[:3], 0.0), sums[3:6], level_sd[k], growth_sd[s]
                )
                z, t = normal[s, m, k]
                level[s, m, k] = level_mean[k] + level_sd[k] * (mean[0] + factor[0] * z)
                slope = mean[1] + factor[1] * z + factor[2] * t
                growth[s, m, k] = growth_mean[s] + growth_sd[s] * slope
    return cell, threshold, level, growth, value
