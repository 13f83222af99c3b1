"""The collapsed likelihood from end to end: sums to value and gradient, and exact draws.

Each function takes the hyperparameters, then what a
:class:`~bayes_compute.changepoint.regression.CollapsedRegression` holds as ``arguments``.
"""

import numpy as np

from bayes_compute.changepoint import eras, moments, recursion
from bayes_compute.changepoint.kernel import kernel


@kernel
def log_likelihood(
    growth_mean,
    growth_sd,
    offset,
    sums,
    fixed,
    weight,
    level_mean,
    level_sd,
    log_mass,
    spans,
    rows,
):
    """Log marginal likelihood and its gradient; see :class:`CollapsedRegression`.

    Parameters
    ----------
    growth_mean, growth_sd : float
    offset : ndarray, shape (D,)
    sums : ndarray, shape (C, D, 6, G + 2)
    fixed : ndarray, shape (4, M)
        As :func:`bayes_compute.changepoint.eras.era_evidence` takes it.
    weight : ndarray, shape (C, J)
        Of a system of each class, for each scatter.
    level_mean, level_sd : float
    log_mass : ndarray, shape (K, K, G)
    spans : ndarray of int, shape (P, 5)
    rows : ndarray of int, shape (G + 2,)

    Returns
    -------
    value : float
    gradient : ndarray, shape (2 + D,)
    """
    moment = moments.residual_moments(sums, level_mean, growth_mean, offset)
    residual = moments.residual_sums(moment, weight)
    evidence, share, line = eras.era_evidence(fixed, residual, spans, level_sd, growth_sd)
    total, entered_rest, closed_rest = recursion.backward(spans, rows, evidence, log_mass)
    of_span, _ = recursion.probabilities(
        spans, rows, evidence, log_mass, total, entered_rest, closed_rest
    )
    adjoint, in_growth_sd = eras.gradient(
        fixed, residual, spans, of_span, share, line, level_sd, growth_sd
    )
    in_growth_mean, in_offset = moments.chain_rule(
        adjoint, weight, sums, moment, level_mean, growth_mean, offset
    )
    gradient = np.empty(2 + len(offset))
    gradient[0], gradient[1], gradient[2:] = in_growth_mean, in_growth_sd, in_offset
    return total - 0.5 * np.log(2 * np.pi) * np.sum(sums[:, :, 0, -1]), gradient


@kernel
def probabilities(
    growth_mean,
    growth_sd,
    offset,
    sums,
    fixed,
    weight,
    level_mean,
    level_sd,
    log_mass,
    spans,
    rows,
):
    """Probabilities of spans (P,), cells (K, G) and scatters (M,) at one point."""
    moment = moments.residual_moments(sums, level_mean, growth_mean, offset)
    residual = moments.residual_sums(moment, weight)
    evidence, share, _ = eras.era_evidence(fixed, residual, spans, level_sd, growth_sd)
    rest = recursion.backward(spans, rows, evidence, log_mass)
    of_span, of_cell = recursion.probabilities(spans, rows, evidence, log_mass, *rest)
    return of_span, of_cell, share


@kernel
def draw_histories(
    growth_mean, growth_sd, offset,
    sums, fixed, weight, level_mean, level_sd, log_mass, spans, rows,
    variance, sigma, log_sigma_prior, for_cell, for_sigma, normal,
):  # fmt: skip
    """Draw cells, then each era's scatter and line, for S draws of the hyperparameters.

    Parameters
    ----------
    for_cell, for_sigma : ndarray, shape (S, 2 K) and (S, K + 1)
        Uniform random numbers on [0, 1).
    normal : ndarray, shape (S, K + 1, 2)
        Standard normal random numbers.

    Returns
    -------
    cell : ndarray of int, shape (S, K)
    level, growth, scatter : ndarray, shape (S, K + 1)
    value : ndarray, shape (S,)
        What :func:`log_likelihood` gives.
    """
    n_draws, n_eras, n_cells = len(growth_mean), normal.shape[1], sums.shape[-1] - 2
    cell = np.empty((n_draws, n_eras - 1), dtype=np.int64)
    level, growth = np.empty((n_draws, n_eras)), np.empty((n_draws, n_eras))
    scatter, value = np.empty((n_draws, n_eras)), np.empty(n_draws)
    log_density, log_sigma = np.empty(len(sigma)), np.log(sigma)
    all_weight = 1 / (sigma**2 + variance.reshape(-1, 1))
    constant = 0.5 * np.log(2 * np.pi) * np.sum(sums[:, :, 0, -1])
    for s in range(n_draws):
        moment = moments.residual_moments(sums, level_mean, growth_mean[s], offset[s])
        residual = moments.residual_sums(moment, weight)
        evidence, _, _ = eras.era_evidence(fixed, residual, spans, level_sd, growth_sd[s])
        value[s], entered_rest, closed_rest = recursion.backward(spans, rows, evidence, log_mass)
        cell[s] = recursion.draw_cells(
            spans, rows, evidence, log_mass, entered_rest, closed_rest, for_cell[s]
        )
        for era in range(n_eras):
            start = cell[s, era - 1] + 1 if era > 0 else 0
            stop = cell[s, era] + 1 if era < n_eras - 1 else n_cells + 1
            own = moment[:, :, stop : stop + 1] - moment[:, :, start : start + 1]
            own_fixed = moments.fixed_sums(own, all_weight)
            own_residual = moments.residual_sums(own, all_weight)
            for j in range(len(sigma)):
                log_density[j], _, _ = eras.line_posterior(
                    own_fixed[:, 0, j], own_residual[:, 0, j], level_sd, growth_sd[s]
                )
                log_density[j] += log_sigma_prior[j]
            scatter[s, era] = np.exp(_invert(log_sigma, log_density, for_sigma[s, era]))
            own_weight = (1 / (scatter[s, era] ** 2 + variance)).reshape(-1, 1)
            _, mean, factor = eras.line_posterior(
                moments.fixed_sums(own, own_weight)[:, 0, 0],
                moments.residual_sums(own, own_weight)[:, 0, 0],
                level_sd,
                growth_sd[s],
            )
            z, t = normal[s, era]
            level[s, era] = level_mean + level_sd * (mean[0] + factor[0] * z)
            growth[s, era] = growth_mean[s] + growth_sd[s] * (
                mean[1] + factor[1] * z + factor[2] * t
            )
    return cell, level, growth, scatter, value - constant


@kernel
def _invert(grid, log_density, uniform):
    """Draw from a density given on an even grid, cubic in its logarithm between the points."""
    n_fine = 8
    n, spacing = len(grid), (grid[1] - grid[0]) / n_fine
    top = np.max(log_density)
    cumulative = np.zeros((n - 1) * n_fine + 1)
    value = 0.0
    for i in range(n - 1):
        y0, y1 = log_density[i], log_density[i + 1]
        before = log_density[i - 1] if i > 0 else 2 * y0 - y1
        after = log_density[i + 2] if i < n - 2 else 2 * y1 - y0
        for m in range(n_fine):
            t = (m + 0.5) / n_fine
            a = -t * (t - 1) * (t - 2) / 6 * before + (t + 1) * (t - 1) * (t - 2) / 2 * y0
            a += -(t + 1) * t * (t - 2) / 2 * y1 + (t + 1) * t * (t - 1) / 6 * after
            value += np.exp(a - top)
            cumulative[i * n_fine + m + 1] = value
    target = uniform * value
    i = min(max(np.searchsorted(cumulative, target, side="right") - 1, 0), len(cumulative) - 2)
    part = (target - cumulative[i]) / (cumulative[i + 1] - cumulative[i])
    return grid[0] + spacing * (i + part)
