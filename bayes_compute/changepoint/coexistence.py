"""Training compute of regimes that coexist: the collapsed likelihood and its gradient.

The model is that of :mod:`bayes_compute.changepoint.regimes`. Each system's terms are added up
over the regime that a cell of the cloud transition and a threshold put it in; a regime's line
is integrated out as in :mod:`bayes_compute.changepoint.eras`.

Thresholds stand in an order in which few systems change sides from one to the next, and sums are
carried along: the cost goes with the number of these changes, not of systems times thresholds.

Arguments of :func:`weigh` and :func:`draw` are explained at :func:`log_likelihood`.
"""

import math

import numpy as np

from bayes_compute.changepoint.eras import line_posterior
from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.normal_cdf import LOG_2_PI

DIY, CLOUD, BESPOKE = range(3)
N_SUMS = 7  # N, S1, S2, R0, R1, Q, and what does not depend on the line
N_SLOPES = 6  # those in the last two sums are one but for a factor


@kernel
def set_terms(
    terms, growth_mean, elasticity, sigma, offset, x, y, variance, domain, excess, spread,
    level_mean,
):  # fmt: skip
    """Set what each system adds to the sums of one regime, shape (n, 7)."""
    for i in range(len(x)):
        w = 1 / (sigma * sigma + variance[i] + elasticity * elasticity * spread[i])
        r = y[i] - level_mean - growth_mean * x[i] - elasticity * excess[i] - offset[domain[i]]
        t = terms[i]
        t[0], t[1], t[2] = w, w * x[i], w * x[i] * x[i]
        t[3], t[4], t[5] = w * r, w * x[i] * r, w * r * r
        t[6] = 0.5 * (math.log(w) - LOG_2_PI)


@kernel
def add_gradient(
    slope, share, terms, level_sd, growth_sd, x, excess, spread, sigma, elasticity, k, domain,
    gradient,
):  # fmt: skip
    """Add what a system adds to the gradient, given slopes from :func:`add_slopes`.

    That in ``growth_sd`` is shared out among systems: it meets N, S1, S2, R0 and R1 as factors of
    S1, S2 and R1, so that its slope is theirs times these sums.
    """
    w = terms[0]
    r = terms[3] / w
    in_w = -0.5 * level_sd**2 * slope[0]
    in_w += x * growth_sd * (level_sd * slope[1] - 0.5 * x * growth_sd * slope[2])
    in_w += r * (level_sd * slope[3] + x * growth_sd * slope[4] - 0.5 * r * slope[5])
    in_w += 0.5 * slope[5] / w
    in_w *= share * w * w
    in_r = share * w * (level_sd * slope[3] + x * growth_sd * slope[4] - r * slope[5])
    gradient[0] -= x * in_r
    gradient[1] += share * w * x * (level_sd * slope[1] - growth_sd * x * slope[2] + r * slope[4])
    gradient[2] -= excess * in_r + 2 * elasticity * spread * in_w
    gradient[3 + k] -= 2 * sigma * in_w
    gradient[6 + domain] -= in_r


@kernel
def add(total, share, terms):
    """Add a share of some terms to a total, without an array in between."""
    for j in range(len(total)):
        total[j] += share * terms[j]


@kernel
def add_each(total, share, slope):
    """Add a share of slopes to those of each cell; array expressions take seconds to compile."""
    for k in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            add(total[k, j], share, slope[k, j])


@kernel
def add_evidence(sums, more, level_sd, growth_sd, value, det):
    """Add the log evidence of regimes in each cell, their lines integrated out.

    Parameters
    ----------
    sums, more : ndarray, shape (K, 7, G)
        Together the sums over the systems of each regime.
    level_sd : ndarray, shape (K,)
    growth_sd : float
    value, det : ndarray, shape (G,)
        Evidence plus half the log of a determinant is added to the first, and determinants are
        multiplied into the second, of which whoever calls takes one logarithm: they are slow.
    """
    for k in range(len(sums)):
        sd = level_sd[k]
        for g in range(len(value)):
            a = 1 + sd**2 * (sums[k, 0, g] + more[k, 0, g])
            b = 1 + growth_sd**2 * (sums[k, 2, g] + more[k, 2, g])
            c = sd * growth_sd * (sums[k, 1, g] + more[k, 1, g])
            u, v = sd * (sums[k, 3, g] + more[k, 3, g]), growth_sd * (sums[k, 4, g] + more[k, 4, g])
            d = a * b - c * c
            misfit = sums[k, 5, g] + more[k, 5, g] - (b * u * u - 2 * c * u * v + a * v * v) / d
            det[g] *= d
            value[g] += sums[k, 6, g] + more[k, 6, g] - 0.5 * misfit


@kernel
def add_slopes(sums, more, level_sd, growth_sd, weight, slope):
    """Add the slopes of weighted log evidence in the sums of each cell.

    Parameters
    ----------
    sums, more, level_sd, growth_sd
        As :func:`add_evidence` takes them.
    weight : ndarray, shape (G,)
    slope : ndarray, shape (K, 6, G)
        In N, S1, S2, R0, R1 and what does not depend on the line, but for the factors
        -level_sd^2 / 2, level_sd growth_sd, -growth_sd^2 / 2, level_sd, growth_sd and 1, which
        :func:`add_gradient` knows; that in Q is -1/2 times the last.
    """
    for k in range(len(sums)):
        sd = level_sd[k]
        for g in range(len(weight)):
            p = weight[g]
            a = 1 + sd**2 * (sums[k, 0, g] + more[k, 0, g])
            b = 1 + growth_sd**2 * (sums[k, 2, g] + more[k, 2, g])
            c = sd * growth_sd * (sums[k, 1, g] + more[k, 1, g])
            u, v = sd * (sums[k, 3, g] + more[k, 3, g]), growth_sd * (sums[k, 4, g] + more[k, 4, g])
            scale = 1 / (a * b - c * c)
            mu, nu = (b * u - c * v) * scale, (a * v - c * u) * scale
            slope[k, 0, g] += p * (b * scale + mu * mu)
            slope[k, 1, g] += p * (c * scale - mu * nu)
            slope[k, 2, g] += p * (a * scale + nu * nu)
            slope[k, 3, g] += p * mu
            slope[k, 4, g] += p * nu
            slope[k, 5, g] += p


@kernel
def change_sides(sums, terms, change, begin, end, share):
    """Have systems change sides in the sums of cloud and bespoke ones; or back, with share -1."""
    for c in range(begin, end):
        i, k = change[c, 0], change[c, 1]
        for j in range(N_SUMS):
            here, there = share * terms[1 + k, i, j], share * terms[2 - k, i, j]
            for g in range(change[c, 2]):
                sums[k, j, g] += here
                sums[1 - k, j, g] -= there


@kernel
def add_cells(total, slope, n, share):
    """Add a share of the slopes in the sums of the first ``n`` cells to a total."""
    for j in range(len(total)):
        added = 0.0
        for g in range(n):
            added += slope[j, g]
        total[j] += share * added


@kernel
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
    early : ndarray, shape (1, 7, G)
        Sums over the systems before each cell.
    late : ndarray, shape (2, 7, G)
        Sums over cloud and bespoke systems after it, of those with known parameters, at the last
        threshold.
    of_group : ndarray, shape (Q, 2, 7, G)
        Of the others, in each group of thresholds.
    terms : ndarray, shape (3, n, 7)
        From :func:`set_terms`, for each regime; set where a system may be of it.
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
        set_terms(
            terms[k, mine], growth_mean, elasticity, sigma[k], offset, x[mine], y[mine],
            variance[mine], domain[mine], excess[k, mine], none, level_mean[k],
        )  # fmt: skip
    x_u, y_u = x[undisclosed], y[undisclosed]
    variance_u, domain_u = variance[undisclosed], domain[undisclosed]
    n_before = np.searchsorted(undisclosed, first)
    early, s, i = np.empty((1, N_SUMS, n_cells)), np.zeros(N_SUMS), 0
    early_terms = np.empty((n_cells, n_undisclosed, N_SUMS))
    for g in range(n_cells):
        while i < first[g]:
            if side[i] >= 0:
                add(s, 1.0, terms[DIY, i])
            i += 1
        for j in range(N_SUMS):
            early[0, j, g] = s[j]
        m = n_before[g]
        set_terms(
            early_terms[g], growth_mean, elasticity, sigma[DIY], offset, x_u[:m], y_u[:m],
            variance_u[:m], domain_u[:m], early_excess[g], early_spread[g], level_mean[DIY],
        )  # fmt: skip
        for u in range(m):
            add(early[0, :, g], 1.0, early_terms[g, u])
    late = np.empty((2, N_SUMS, n_cells))  # at the first threshold
    i, both = n - 1, np.zeros((2, N_SUMS))
    for g in range(n_cells - 1, -1, -1):
        while i >= first[g]:
            if side[i] >= 0:
                add(both[side[i]], 1.0, terms[1 + side[i], i])
            i -= 1
        for j in range(N_SUMS):
            late[0, j, g], late[1, j, g] = both[0, j], both[1, j]
    late_terms = np.empty((n_groups, 2, n_undisclosed, N_SUMS))
    of_group = np.empty((n_groups, 2, N_SUMS, n_cells))
    for q in range(n_groups):
        for k in range(2):
            set_terms(
                late_terms[q, k], growth_mean, elasticity, sigma[1 + k], offset, x_u, y_u,
                variance_u, domain_u, late_excess[q, k], late_spread[q, k], level_mean[1 + k],
            )  # fmt: skip
            s[:], u = 0.0, n_undisclosed
            for g in range(n_cells - 1, -1, -1):
                while u > n_before[g]:
                    u -= 1
                    share = late_above[q, u] if k == 1 else 1 - late_above[q, u]
                    add(s, share, late_terms[q, k, u])
                for j in range(N_SUMS):
                    of_group[q, k, j, g] = s[j]

    alone, det = np.zeros(n_cells), np.ones(n_cells)
    add_evidence(early, np.zeros_like(early), level_sd[:1], growth_sd, alone, det)
    alone -= 0.5 * np.log(det)
    log_weight, value, late_sd = np.empty(constant.shape), np.empty(n_cells), level_sd[1:]
    for h in range(n_thresholds):
        change_sides(late, terms, change, start[h], start[h + 1], 1.0)
        value[:], det[:] = alone, 1.0
        add_evidence(late, of_group[group[h]], late_sd, growth_sd, value, det)
        for g in range(n_cells):
            log_weight[g, h] = constant[g, h] + value[g] - 0.5 * math.log(det[g])
    return log_weight, early, late, of_group, terms, early_terms, late_terms


@kernel
def sums_of(k, cell, threshold, early, late, of_group, terms, change, start, group):
    """Sums over a regime's systems, given cell and threshold, from what :func:`weigh` returns."""
    if k == DIY:
        return early[0, :, cell].copy()
    total = late[k - 1, :, cell] + of_group[group[threshold], k - 1, :, cell]
    for c in range(start[threshold + 1], len(change)):
        i, now, n = change[c]
        if cell < n:  # it is on the other side as yet
            add(total, -1.0 if now == k - 1 else 1.0, terms[k, i])
    return total


@kernel
def log_likelihood(
    growth_mean, growth_sd, elasticity, sigma, offset,
    x, y, variance, domain, excess, first, side, change, start,
    undisclosed, early_excess, early_spread, group, late_excess, late_spread, late_above,
    constant, level_mean, level_sd,
):  # fmt: skip
    """Log marginal likelihood and its gradient.

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
    """
    log_weight, early, late, of_group, terms, early_terms, late_terms = weigh(
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
    weight, slope = np.empty(n_cells), np.zeros((1, N_SLOPES, n_cells))
    for g in range(n_cells):
        weight[g] = np.sum(probability[g])
    add_slopes(early, np.zeros_like(early), level_sd[:1], growth_sd, weight, slope)
    s, i = np.zeros(N_SLOPES), first[-1] - 1
    for g in range(n_cells - 1, -1, -1):
        here = slope[0, :, g].copy()
        add(s, 1.0, here)
        while i >= (first[g - 1] if g > 0 else 0):
            if side[i] >= 0:
                add_gradient(
                    s, 1.0, terms[DIY, i], level_sd[DIY], growth_sd, x[i], excess[DIY, i], 0.0,
                    sigma[DIY], elasticity, DIY, domain[i], gradient,
                )  # fmt: skip
            i -= 1
        for u in range(np.searchsorted(undisclosed, first[g])):
            i_u = undisclosed[u]
            add_gradient(
                here, 1.0, early_terms[g, u], level_sd[DIY], growth_sd, x[i_u],
                early_excess[g, u], early_spread[g, u],
                sigma[DIY], elasticity, DIY, domain[i_u], gradient,
            )  # fmt: skip
    # Slopes in each cell, added up over this threshold and the later ones; sides change back
    later = np.zeros((2, N_SLOPES, n_cells))
    in_group = np.zeros((n_groups, 2, N_SLOPES, n_cells))
    in_late, late_sd = np.zeros((2, n, N_SLOPES)), level_sd[1:]
    for h in range(n_thresholds - 1, -1, -1):
        q = group[h]
        if h == n_thresholds - 1 or q != group[h + 1]:
            add_each(in_group[q], -1.0, later)
        for g in range(n_cells):
            weight[g] = probability[g, h]
        add_slopes(late, of_group[q], late_sd, growth_sd, weight, later)
        for c in range(start[h], start[h + 1]):
            i, k, m = change[c]
            add_cells(in_late[k, i], later[k], m, 1.0)
            add_cells(in_late[1 - k, i], later[1 - k], m, -1.0)
        change_sides(late, terms, change, start[h], start[h + 1], -1.0)
        if h == 0 or q != group[h - 1]:
            add_each(in_group[q], 1.0, later)
    both, g = np.zeros((2, N_SLOPES)), 0
    for i in range(first[0], n):
        while g < n_cells and first[g] <= i:
            add(both[0], 1.0, later[0, :, g])
            add(both[1], 1.0, later[1, :, g])
            g += 1
        if side[i] >= 0:
            add(in_late[side[i], i], 1.0, both[side[i]])
            for k in range(2):
                if in_late[k, i, -1] != 0.0:  # probability of being there
                    add_gradient(
                        in_late[k, i], 1.0, terms[1 + k, i], late_sd[k], growth_sd, x[i],
                        excess[1 + k, i], 0.0, sigma[1 + k], elasticity, 1 + k, domain[i], gradient,
                    )  # fmt: skip
    for q in range(n_groups):
        for k in range(2):
            s[:], g = 0.0, 0
            for u in range(n_undisclosed):
                i = undisclosed[u]
                while g < n_cells and first[g] <= i:
                    add(s, 1.0, in_group[q, k, :, g])
                    g += 1
                share = late_above[q, u] if k == 1 else 1 - late_above[q, u]
                add_gradient(
                    s, share, late_terms[q, k, u], late_sd[k], growth_sd, x[i],
                    late_excess[q, k, u], late_spread[q, k, u],
                    sigma[1 + k], elasticity, 1 + k, domain[i], gradient,
                )  # fmt: skip
    return top + math.log(total), gradient


@kernel
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
        log_weight, early, late, of_group, terms, _, _ = weigh(
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
                sums = sums_of(k, g, h, early, late, of_group, terms, change, start, group)
                _, mean, factor = line_posterior(
                    np.append(sums[:3], 0.0), sums[3:6], level_sd[k], growth_sd[s]
                )
                z, t = normal[s, m, k]
                level[s, m, k] = level_mean[k] + level_sd[k] * (mean[0] + factor[0] * z)
                slope = mean[1] + factor[1] * z + factor[2] * t
                growth[s, m, k] = growth_mean[s] + growth_sd[s] * slope
    return cell, threshold, level, growth, value
