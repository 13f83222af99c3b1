"""Latent membership of regimes: the likelihood with dates and regimes summed out.

The model is that of :mod:`bayes_compute.changepoint.mixture`.

Given everything else systems are independent, so both dates sum out: the log density of all systems
is a sum of three cumulative sums, one a state, that are read where the transitions fall. The sum
over ordered pairs of cells takes one pass, and so does the posterior probability of each state of
each system, which makes the gradient exact.
"""

import math

import numpy as np

from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.normal_cdf import LOG_2_PI


@kernel
def densities(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected,
):  # fmt: skip
    """Log density of each system, if of each regime, and after the bespoke transition.

    Parameters
    ----------
    level, ..., share
        See :class:`bayes_compute.changepoint.mixture.MixtureHyperparameters`.
    x, p, y, variance : ndarray, shape (n,)
        Systems in the order of dates; NaN where parameters or compute are undisclosed.
    domain : ndarray of int, shape (n,)
    expected : ndarray, shape (3, n)
        Log10 parameters that the prior expects in each regime.

    Returns
    -------
    of_regime : ndarray, shape (3, n)
    late : ndarray, shape (n,)
        With cloud and bespoke summed out.
    bespoke : ndarray, shape (n,)
        Posterior probability of the bespoke regime after the bespoke transition.
    """
    n = len(x)
    of_regime, late, bespoke = np.zeros((3, n)), np.empty(n), np.empty(n)
    log_share, log_rest = math.log(share), math.log1p(-share)
    for i in range(n):
        for k in range(3):
            excess, more = parameters_level[k] + parameters_growth[k] * x[i] - expected[k, i], 0.0
            if math.isnan(p[i]):
                more = (elasticity * parameters_sd[k]) ** 2
            else:
                z = (p[i] - parameters_level[k] - parameters_growth[k] * x[i]) / parameters_sd[k]
                of_regime[k, i] -= 0.5 * (z * z + LOG_2_PI) + math.log(parameters_sd[k])
                excess = p[i] - expected[k, i]
            if not math.isnan(y[i]):
                total = sigma[k] ** 2 + variance[i] + more
                r = y[i] - level[k] - growth[k] * x[i] - elasticity * excess - offset[domain[i]]
                of_regime[k, i] -= 0.5 * (r * r / total + LOG_2_PI + math.log(total))
        cloud, other = log_rest + of_regime[CLOUD, i], log_share + of_regime[BESPOKE, i]
        late[i] = np.logaddexp(cloud, other)
        bespoke[i] = math.exp(other - late[i])
    return of_regime, late, bespoke


@kernel
def weigh(of_regime, late, first, log_cloud, log_bespoke, log_both):
    """Log weight of cells of both transitions, of which :func:`evaluate` says more.

    Returns
    -------
    before, after : ndarray, shape (G,)
        The log weight of cells ``i < j`` of the cloud and the bespoke transition is
        ``before[i] + after[j]``,
    same : ndarray, shape (G,)
        and that of both in one cell.
    """
    n, n_cells = len(late), len(first)
    # Cumulative log density of being cloud rather than DIY, and late rather than cloud
    rather, diy = np.zeros((2, n + 1)), 0.0
    for i in range(n):
        diy += of_regime[DIY, i]
        rather[0, i + 1] = rather[0, i] + of_regime[DIY, i] - of_regime[CLOUD, i]
        rather[1, i + 1] = rather[1, i] + of_regime[CLOUD, i] - late[i]
    before, after, same = np.empty(n_cells), np.empty(n_cells), np.empty(n_cells)
    total = np.sum(late)
    for g in range(n_cells):
        before[g] = log_cloud[g] + rather[0, first[g]]
        after[g] = log_bespoke[g] + rather[1, first[g]] + total
        same[g] = log_both[g] + rather[0, first[g]] + rather[1, first[g]] + total
    return before, after, same


@kernel
def evaluate(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected, first, log_cloud, log_bespoke, log_both,
):  # fmt: skip
    """Log likelihood with dates and regimes summed out, its gradient, and regimes' probabilities.

    Parameters
    ----------
    level, ..., expected
        As :func:`densities` takes them.
    first : ndarray of int, shape (G,)
        Number of systems before each cell of dates, ascending.
    log_cloud, log_bespoke, log_both : ndarray, shape (G,)
        Log prior mass of one or the other transition in each cell, and of both; pairs of cells,
        cloud transition first, add up to one.

    Returns
    -------
    value : float
    gradient : ndarray, shape (20 + D,)
        In the hyperparameters, in their order.
    probability : ndarray, shape (3, n)
        Posterior probability of each regime of each system.
    """
    of_regime, late, bespoke = densities(
        level, growth, sigma, elasticity, offset, parameters_level, parameters_growth,
        parameters_sd, share, x, p, y, variance, domain, expected,
    )  # fmt: skip
    before, after, same = weigh(of_regime, late, first, log_cloud, log_bespoke, log_both)
    n, n_cells, n_domains = len(x), len(first), len(offset)

    # Sums over the other transition, forward and backward
    sum_before, cloud_cell, bespoke_cell = -math.inf, np.empty(n_cells), np.empty(n_cells)
    for g in range(n_cells):
        bespoke_cell[g] = np.logaddexp(after[g] + sum_before, same[g])
        sum_before = np.logaddexp(sum_before, before[g])
    sum_after, value = -math.inf, -math.inf
    for g in range(n_cells - 1, -1, -1):
        cloud_cell[g] = np.logaddexp(before[g] + sum_after, same[g])
        sum_after = np.logaddexp(sum_after, after[g])
        value = np.logaddexp(value, cloud_cell[g])

    probability, gradient = np.empty((3, n)), np.zeros(20 + n_domains)
    begun = ended = 0.0  # probability that the cloud, and the bespoke, transition came before
    rest = 1.0 / share + 1.0 / (1.0 - share)
    g = 0
    for i in range(n):
        while g < n_cells and first[g] <= i:
            begun += math.exp(cloud_cell[g] - value)
            ended += math.exp(bespoke_cell[g] - value)
            g += 1
        probability[DIY, i] = max(0.0, 1.0 - begun)
        probability[BESPOKE, i] = ended * bespoke[i]
        probability[CLOUD, i] = max(0.0, begun - probability[BESPOKE, i])
        gradient[19 + n_domains] += ended * (bespoke[i] * rest - 1.0 / (1.0 - share))
        for k in range(3):
            weight = probability[k, i]
            mean, sd = parameters_level[k] + parameters_growth[k] * x[i], parameters_sd[k]
            known = not math.isnan(p[i])
            excess, more = mean - expected[k, i], (elasticity * sd) ** 2
            in_mean = in_sd = 0.0
            if known:
                z = (p[i] - mean) / sd
                in_mean, in_sd = weight * z / sd, weight * (z * z - 1.0) / sd
                excess, more = p[i] - expected[k, i], 0.0
            if not math.isnan(y[i]):
                total = sigma[k] ** 2 + variance[i] + more
                r = y[i] - level[k] - growth[k] * x[i] - elasticity * excess - offset[domain[i]]
                in_line = weight * r / total
                in_total = 0.5 * weight * (r * r / total - 1.0) / total
                gradient[k] += in_line
                gradient[3 + k] += x[i] * in_line
                gradient[6 + k] += 2.0 * sigma[k] * in_total
                gradient[9] += excess * in_line
                gradient[10 + domain[i]] += in_line
                if not known:
                    gradient[9] += 2.0 * elasticity * sd * sd * in_total
                    in_mean += elasticity * in_line
                    in_sd += 2.0 * elasticity * elasticity * sd * in_total
            gradient[10 + n_domains + k] += in_mean
            gradient[13 + n_domains + k] += x[i] * in_mean
            gradient[16 + n_domains + k] += in_sd
    return value, gradient, probability


@kernel
def log_likelihood(
    level, growth, sigma, elasticity, offset, parameters_level, parameters_growth, parameters_sd,
    share, x, p, y, variance, domain, expected, first, log_cloud, log_bespoke, log_both,
):  # fmt: skip
    """Log likelihood and its gradient."""
    value, gradient, _ = evaluate(
        level, growth, sigma, elasticity, offset, parameters_level, parameters_growth,
        parameters_sd, share, x, p, y, variance, domain, expected, first,
        log_cloud, log_bespoke, log_both,
    )  # fmt: skip
    return value, gradient


def draw_cells(before, after, same, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a cell of each transition, given their weights by :func:`weigh`.

    Each is the largest of log weights with Gumbel noise, in which none of them underflow.
    """
    earlier = np.logaddexp.accumulate(np.concatenate([[-np.inf], before[:-1]]))
    log_weight = np.logaddexp(after + earlier, same)
    bespoke = int(np.argmax(log_weight + rng.gumbel(size=len(log_weight))))
    given = np.append(before[:bespoke] + after[bespoke], same[bespoke])
    return int(np.argmax(given + rng.gumbel(size=len(given)))), bespoke
