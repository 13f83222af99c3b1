"""Systems with training compute whose parameters are undisclosed: the exact density of each.

Given everything else, the parameters of such a system are integrated out in closed form (a
truncated normal times a normal density of FLOP), and after the cloud transition its regime is
summed out. See :mod:`bayes_compute.changepoint.imputation` for what the sampler takes.
"""

import math

import numpy as np

from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.normal_cdf import LOG_2_PI, log_normal_cdf


@kernel
def log_density(flop, mean, slope, noise, mu, sd, edge, side):
    """Log density of one system's FLOP in one regime, its parameters integrated out.

    Parameters
    ----------
    flop, mean : float
        Log10 FLOP, and its mean where log10 parameters are ``mu``.
    slope, noise : float
        Elasticity of FLOP on parameters, and variance of FLOP given parameters.
    mu, sd, edge, side : float
        Log10 parameters are normal, truncated to their own side of the edge: 1 below it, -1
        above it, 0 for no edge.
    """
    total = noise + slope * slope * sd * sd
    z = flop - mean
    value = -0.5 * (z * z / total + LOG_2_PI + math.log(total))
    if side != 0:
        middle = mu + slope * sd * sd * z / total
        given = side * (edge - middle) / (sd * math.sqrt(noise / total))
        alone = side * (edge - mu) / sd
        value += log_normal_cdf(given)[0] - log_normal_cdf(alone)[0]
    return value


@kernel
def choose(
    level, growth, elasticity, sigma, offset, share, capacity, n_early, n_before, lines, uniform,
    x, since, flop, variance, domain, expected,
):  # fmt: skip
    """Choose among candidates for the lines of parameters, by how well they explain FLOP.

    Parameters
    ----------
    level, growth, sigma : ndarray, shape (S, 3)
    elasticity : ndarray, shape (S,)
    offset : ndarray, shape (S, D)
    share : ndarray, shape (S, 2)
        Of bespoke systems before and after the bespoke transition.
    capacity : ndarray, shape (S, 2)
        And its drift.
    n_early, n_before : ndarray of int, shape (S,)
        Number of systems before the cloud and before the bespoke transition.
    lines : ndarray, shape (S, M, 3, 3)
        Candidates: a row a regime; level, growth and log sd.
    uniform : ndarray, shape (S,)
    x, since, flop, variance, domain : ndarray, shape (U,)
        ``since`` in years since the capacity is read.
    expected : ndarray, shape (3, U)

    Returns
    -------
    chosen : ndarray of int, shape (S,)
    log_mean : ndarray, shape (S,)
        Log of the mean over candidates of the density of all.
    bespoke : ndarray, shape (S, U)
        Probability of being bespoke given the chosen one; 0 before the cloud transition.
    """
    n_draws, n_candidates = lines.shape[:2]
    chosen, log_mean = np.empty(n_draws, np.int64), np.empty(n_draws)
    bespoke, total = np.zeros((n_draws, len(x))), np.empty(n_candidates)
    odds = np.empty((n_candidates, len(x)))  # log odds of being bespoke
    log_share, of_regime = np.empty((2, 2)), np.empty(3)
    for s in range(n_draws):
        log_share[:, 0], log_share[:, 1] = np.log1p(-share[s]), np.log(share[s])
        for c in range(n_candidates):
            sd = np.exp(lines[s, c, :, 2])
            total[c] = 0.0
            for u in range(len(x)):
                late = u >= n_early[s]
                for k in range(1 if late else 0, 3 if late else 1):
                    mu = lines[s, c, k, 0] + lines[s, c, k, 1] * x[u]
                    mean = level[s, k] + growth[s, k] * x[u] + offset[s, domain[u]]
                    mean += elasticity[s] * (mu - expected[k, u])
                    edge = capacity[s, 0] + capacity[s, 1] * since[u]
                    of_regime[k] = log_density(
                        flop[u], mean, elasticity[s], sigma[s, k] ** 2 + variance[u],
                        mu, sd[k], edge, 0.0 if k == 0 else 3.0 - 2.0 * k,
                    )  # fmt: skip
                if late:
                    after = 1 if u >= n_before[s] else 0
                    cloud = of_regime[1] + log_share[after, 0]
                    odds[c, u] = of_regime[2] + log_share[after, 1] - cloud
                    total[c] += cloud + max(odds[c, u], 0.0)
                    total[c] += math.log1p(math.exp(-abs(odds[c, u])))
                else:
                    total[c] += of_regime[0]
        top = np.max(total)
        cumulative = np.cumsum(np.exp(total - top))
        log_mean[s] = top + math.log(cumulative[-1] / n_candidates)
        chosen[s] = np.searchsorted(cumulative, uniform[s] * cumulative[-1], side="right")
        for u in range(n_early[s], len(x)):
            bespoke[s, u] = 1 / (1 + math.exp(-odds[chosen[s], u]))
    return chosen, log_mean, bespoke


@kernel
def log_densities(flop, mean, slope, noise, mu, sd, edge, side):
    """:func:`log_density` of one system in each of S draws; all but ``flop`` are (S,)."""
    found = np.empty(len(mean))
    for s in range(len(mean)):
        found[s] = log_density(flop, mean[s], slope[s], noise[s], mu[s], sd[s], edge[s], side[s])
    return found
