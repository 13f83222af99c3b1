"""Regimes that coexist, from systems to the collapsed likelihood and its gradient.

The model is that of :mod:`bayes_compute.changepoint.regimes`. Each system's terms are added up
over the regime that a cell of the cloud transition and a threshold put it in; a regime's line
is integrated out as in :mod:`bayes_compute.changepoint.eras`.
"""

import math

import numba as nb
import numpy as np

DIY, CLOUD, BESPOKE = range(3)
N_SUMS = 7  # N, S1, S2, R0, R1, Q, and what does not depend on the line


@nb.njit(cache=True, nogil=True)
def log_normal_cdf(z):
    """Log of the standard normal distribution function, and its derivative."""
    if z < -30:  # asymptotic series of Mills' ratio, Abramowitz & Stegun 26.2.12
        a = 1 / (z * z)
        series = 1 - a * (1 - a * (3 - a * (15 - a * (105 - a * 945))))
        log_p = math.log(series / -z) - 0.5 * z * z - 0.5 * math.log(2 * math.pi)
        return log_p, -z / series
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    if z > 0:
        q = 0.5 * math.erfc(z / math.sqrt(2.0))
        return math.log1p(-q), density / (1 - q)
    p = 0.5 * math.erfc(-z / math.sqrt(2.0))
    return math.log(p), density / p


@nb.njit(cache=True, error_model="numpy", nogil=True)
def system_terms(
    growth_mean, elasticity, sigma, offset, parameters, x, y, p, variance, domain, level_mean
):
    """What each system adds to the sums of each regime, shape (3, n, 7).

    ``parameters`` has rows level, growth and sd of the three lines of parameters.
    """
    n = len(x)
    terms = np.empty((3, n, N_SUMS))
    for k in range(3):
        for i in range(n):
            w = 1 / (sigma[k] ** 2 + variance[i])
            e = p[i] - parameters[0, k] - parameters[1, k] * x[i]
            r = y[i] - level_mean[k] - growth_mean * x[i] - elasticity * e - offset[domain[i]]
            u = e / parameters[2, k]
            t = terms[k, i]
            t[0], t[1], t[2] = w, w * x[i], w * x[i] * x[i]
            t[3], t[4], t[5] = w * r, w * x[i] * r, w * r * r
            t[6] = 0.5 * math.log(w) - 0.5 * u * u - math.log(parameters[2, k])
            t[6] -= math.log(2 * math.pi)
    return terms


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
def truncation(threshold, above, parameters, x, begin):
    """Log of the probability on a system's own side of each threshold, and how it changes.

    Returns
    -------
    log_probability : ndarray, shape (H, n)
    in_mean, in_sd : ndarray, shape (H, n)
        Derivatives in the mean and the sd of log10 parameters.
    """
    log_probability, in_mean = np.zeros(threshold.shape), np.zeros(threshold.shape)
    in_sd = np.zeros(threshold.shape)
    for h in range(len(threshold)):
        for i in range(begin, len(x)):
            k, sign = (BESPOKE, -1.0) if above[h, i] else (CLOUD, 1.0)
            sd = parameters[2, k]
            z = (threshold[h, i] - parameters[0, k] - parameters[1, k] * x[i]) / sd
            log_probability[h, i], slope = log_normal_cdf(sign * z)
            in_mean[h, i], in_sd[h, i] = -sign * slope / sd, -sign * slope * z / sd
    return log_probability, in_mean, in_sd


@nb.njit(cache=True, error_model="numpy", nogil=True)
def late_sums(terms, log_probability, above, first):
    """Sums over cloud and bespoke systems after each cell, given a threshold, shape (G, 2, 7)."""
    out, late, i = np.empty((len(first), 2, N_SUMS)), np.zeros((2, N_SUMS)), len(above) - 1
    for g in range(len(first) - 1, -1, -1):
        while i >= first[g]:
            k = 1 if above[i] else 0
            late[k] += terms[1 + k, i]
            late[k, 6] -= log_probability[i]
            i -= 1
        out[g] = late
    return out


@nb.njit(cache=True, error_model="numpy", nogil=True)
def log_weights(terms, log_probability, above, first, constant, level_sd, growth_sd):
    """Log weight of each cell of the cloud transition and each threshold, shape (G, H)."""
    n_cells, n_thresholds = constant.shape
    out = constant.copy()
    s, i = np.zeros(N_SUMS), 0
    for g in range(n_cells):
        while i < first[g]:
            s += terms[DIY, i]
            i += 1
        out[g] += line_evidence(s, level_sd[DIY], growth_sd)
    for h in range(n_thresholds):
        late = late_sums(terms, log_probability[h], above[h], first)
        for g in range(n_cells):
            out[g, h] += line_evidence(late[g, 0], level_sd[CLOUD], growth_sd)
            out[g, h] += line_evidence(late[g, 1], level_sd[BESPOKE], growth_sd)
    return out


@nb.njit(cache=True, error_model="numpy", nogil=True)
def evaluate(
    growth_mean, growth_sd, elasticity, sigma, offset, parameters,
    x, y, p, variance, domain, threshold, above, first, constant, level_mean, level_sd,
):  # fmt: skip
    """Log marginal likelihood, its gradient, and the weights of cells and thresholds.

    Parameters
    ----------
    growth_mean, growth_sd, elasticity : float
    sigma : ndarray, shape (3,)
    offset : ndarray, shape (D,)
    parameters : ndarray, shape (3, 3)
        Level, growth and sd of log10 parameters (rows) in each regime (columns).
    x, y, p, variance, domain : ndarray, shape (n,)
        In the order of dates.
    threshold : ndarray, shape (H, n)
        Capacity at the date of each system.
    above : ndarray of bool, shape (H, n)
        Whether the system's parameters exceed it.
    first : ndarray of int, shape (G,)
        Number of systems before each cell of the cloud transition, ascending.
    constant : ndarray, shape (G, H)
        Log prior weight of cell and threshold, and of shares and bespoke transition given both.
    level_mean, level_sd : ndarray, shape (3,)

    Returns
    -------
    value : float
    gradient : ndarray, shape (15 + D,)
        In the hyperparameters, in their order.
    probability : ndarray, shape (G, H)
        Posterior probability of each cell and threshold.
    """
    n, (n_cells, n_thresholds) = len(x), constant.shape
    terms = system_terms(
        growth_mean, elasticity, sigma, offset, parameters, x, y, p, variance, domain, level_mean
    )
    log_probability, in_mean, in_sd = truncation(threshold, above, parameters, x, first[0])
    probability = log_weights(terms, log_probability, above, first, constant, level_sd, growth_sd)
    top = np.max(probability)
    probability = np.exp(probability - top)
    total = np.sum(probability)
    value = top + math.log(total)
    probability /= total

    in_terms, in_growth_sd = np.zeros((3, n, N_SUMS)), 0.0
    in_parameters = np.zeros((3, 3))
    # DIY: what follows a cell is not in its sums
    s, slope, i = np.zeros(N_SUMS), np.zeros((n_cells, N_SUMS)), 0
    for g in range(n_cells):
        while i < first[g]:
            s += terms[DIY, i]
            i += 1
        weight = np.sum(probability[g])
        in_growth_sd += add_slope(s, level_sd[DIY], growth_sd, weight, slope[g])
    running = np.zeros(N_SUMS)
    for g in range(n_cells - 1, -1, -1):
        running += slope[g]
        for i in range(first[g - 1] if g > 0 else 0, first[g]):
            in_terms[DIY, i] = running
    for h in range(n_thresholds):
        late = late_sums(terms, log_probability[h], above[h], first)
        slopes = np.zeros((n_cells, 2, N_SUMS))
        for g in range(n_cells):
            for k in range(2):
                in_growth_sd += add_slope(
                    late[g, k], level_sd[1 + k], growth_sd, probability[g, h], slopes[g, k]
                )
        both = np.zeros((2, N_SUMS))
        for g in range(n_cells):
            both += slopes[g]
            for i in range(first[g], first[g + 1] if g < n_cells - 1 else n):
                k = 1 if above[h, i] else 0
                in_terms[1 + k, i] += both[k]
                x_mean = both[k, 6] * in_mean[h, i]
                in_parameters[0, 1 + k] -= x_mean
                in_parameters[1, 1 + k] -= x_mean * x[i]
                in_parameters[2, 1 + k] -= both[k, 6] * in_sd[h, i]

    gradient = np.zeros(15 + len(offset))
    gradient[1] = in_growth_sd
    in_sigma, in_offset = gradient[3:6], gradient[6 : 6 + len(offset)]
    for k in range(3):
        sd = parameters[2, k]
        for i in range(n):
            t, d = terms[k, i], in_terms[k, i]
            w = t[0]
            r = t[3] / w
            e = p[i] - parameters[0, k] - parameters[1, k] * x[i]
            in_w = d[0] + x[i] * (d[1] + x[i] * d[2]) + r * (d[3] + x[i] * d[4] + r * d[5])
            in_w += 0.5 * d[6] / w
            in_r = w * (d[3] + x[i] * d[4] + 2 * r * d[5])
            in_sigma[k] -= 2 * sigma[k] * w * w * in_w
            gradient[0] -= x[i] * in_r
            gradient[2] -= e * in_r
            in_offset[domain[i]] -= in_r
            in_mu = elasticity * in_r + d[6] * e / (sd * sd)
            in_parameters[0, k] += in_mu
            in_parameters[1, k] += x[i] * in_mu
            in_parameters[2, k] += d[6] * (e * e / (sd * sd) - 1) / sd
    gradient[6 + len(offset) :] = in_parameters.ravel()
    return value, gradient, probability


@nb.njit(cache=True, nogil=True)
def log_likelihood(
    growth_mean, growth_sd, elasticity, sigma, offset,
    parameters_level, parameters_growth, parameters_sd,
    x, y, p, variance, domain, threshold, above, first, constant, level_mean, level_sd,
):  # fmt: skip
    """Log marginal likelihood and its gradient; arguments as of :func:`evaluate`."""
    parameters = np.empty((3, 3))
    parameters[0], parameters[1] = parameters_level, parameters_growth
    parameters[2] = parameters_sd
    value, gradient, _ = evaluate(
        growth_mean, growth_sd, elasticity, sigma, offset, parameters,
        x, y, p, variance, domain, threshold, above, first, constant, level_mean, level_sd,
    )  # fmt: skip
    return value, gradient
