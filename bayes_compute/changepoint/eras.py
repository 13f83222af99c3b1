"""Evidence of one era: its level, growth and scatter integrated out, with gradients.

Given the scatter, an era is a Bayesian linear regression on a normal prior, so its level and
growth integrate out. In the sums of :mod:`bayes_compute.changepoint.moments`, each over the
era::

    P = [[1 / level_sd^2 + N, S1], [S1, 1 / growth_sd^2 + S2]],  R = (R0, R1)
    log m(sigma) = 1/2 sum log w - n/2 log 2 pi - log level_sd - log growth_sd
                   - 1/2 log |P| - 1/2 (Q - R' P^-1 R)

(Bishop 2006, Pattern Recognition and Machine Learning, section 3.5.) The prior sds are
multiplied into ``P``, so that nothing is singular as ``growth_sd`` goes to zero, and the term
``- n/2 log 2 pi``, the same for all dates, is left to the caller. The scatter is then integrated
on a grid of ``log sigma`` by the trapezoidal rule, whose error vanishes exponentially with the
spacing for such smooth, decaying integrands (Trefethen & Weideman 2014,
doi:10.1137/130932132). Integrating it matters: a late era of a few alike systems and one of
many unlike ones have different scatters, and a sampler of ``sigma`` does not cross between them.

The gradient follows from ``d log m / d P = -(P^-1 + mu mu') / 2`` and ``d log m / d R = mu`` with
``mu = P^-1 R``, weighted by the posterior probability of each start, stop and scatter.

Spans of eras are those of :mod:`bayes_compute.changepoint.recursion`.
"""

import numpy as np

from bayes_compute.changepoint.kernel import kernel

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # of ln 2
NEGLIGIBLE = 1e-9  # probability below which a span is left out of the gradient


@kernel
def exponentiate(x, factor, bits):
    """Replace ``x`` by ``exp(x) * factor``, for ``x`` from -700 to 0.

    The relative error is below 1e-14, and grows as rounding of ``x`` does: 3e-14 at -40.

    Cody-Waite reduction and a Taylor polynomial, free of branches so that it vectorises (three
    times as fast as calls of ``exp``); ``bits`` is integer scratch of the same length.
    """
    scale = bits.view(np.float64)
    for i in range(len(x)):
        t = max(x[i], -700.0)
        k = np.floor(t * _LOG2_E + 0.5)
        r = (t - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1 / 39916800 * r + 1 / 3628800
        p = p * r + 1 / 362880
        p = p * r + 1 / 40320
        p = p * r + 1 / 5040
        p = p * r + 1 / 720
        p = p * r + 1 / 120
        p = p * r + 1 / 24
        p = p * r + 1 / 6
        p = p * r + 0.5
        p = p * r + 1
        x[i] = (p * r + 1) * factor[i]
        bits[i] = (np.int64(np.int32(k)) + 1023) << 52  # the double 2^k
    for i in range(len(x)):
        x[i] *= scale[i]


@kernel
def era_evidence(fixed, residual, spans, level_sd, growth_sd):
    """Log evidence of eras, their scatter integrated out.

    Parameters
    ----------
    fixed : ndarray, shape (4, M)
        ``N``, ``S1``, ``S2``, and log prior plus half the sum of log weights, of each scatter of
        each span.
    residual : ndarray, shape (3, G + 2, J)
        From :func:`bayes_compute.changepoint.moments.residual_sums`.
    spans : ndarray of int, shape (P, 5)
    level_sd, growth_sd : float

    Returns
    -------
    evidence : ndarray, shape (P,)
    share : ndarray, shape (M,)
        Posterior probability of each scatter of each span.
    line : ndarray, shape (3, M)
        Posterior mean of level and growth, in prior sds, and ``1 / |P|``.
    """
    n_spans, size = len(spans), fixed.shape[1]
    evidence, share, factor = np.empty(n_spans), np.empty(size), np.empty(size)
    line = np.empty((3, size))
    mu, nu, scale = line
    for p in range(n_spans):  # short loops that gather; the long one after it vectorises
        # unsigned, so that no index is checked for counting from the end
        start, stop = np.uint64(spans[p, 0]), np.uint64(spans[p, 1] + 1)
        low, high, first = np.uint64(spans[p, 2]), np.uint64(spans[p, 3]), np.uint64(spans[p, 4])
        for j in range(low, high):
            m = first + (j - low)
            mu[m] = residual[0, stop, j] - residual[0, start, j]
            nu[m] = residual[1, stop, j] - residual[1, start, j]
            share[m] = residual[2, stop, j] - residual[2, start, j]
    n, x, xx, constant = fixed
    for m in range(size):
        a = 1 + level_sd * level_sd * n[m]
        b = 1 + growth_sd * growth_sd * xx[m]
        c = level_sd * growth_sd * x[m]
        u, v = level_sd * mu[m], growth_sd * nu[m]
        scale[m] = 1 / (a * b - c * c)
        mu[m], nu[m] = (b * u - c * v) * scale[m], (a * v - c * u) * scale[m]
        share[m] = constant[m] + 0.5 * (u * mu[m] + v * nu[m] - share[m])
        factor[m] = np.sqrt(scale[m])
    for p in range(n_spans):
        first = np.uint64(spans[p, 4])
        last, top = first + np.uint64(spans[p, 3] - spans[p, 2]), -np.inf
        for m in range(first, last):
            top = max(top, share[m])
        for m in range(first, last):
            share[m] -= top
        evidence[p] = top
    exponentiate(share, factor, np.empty(size, dtype=np.int64))
    for p in range(n_spans):
        first = np.uint64(spans[p, 4])
        last, total = first + np.uint64(spans[p, 3] - spans[p, 2]), 0.0
        for m in range(first, last):
            total += share[m]
        evidence[p] += np.log(total)
        inverse = 1 / total
        for m in range(first, last):
            share[m] *= inverse
    return evidence, share, line


@kernel
def gradient(fixed, residual, spans, of_span, share, line, level_sd, growth_sd):
    """Gradient of the log of the sum over all dates and scatters.

    Parameters
    ----------
    of_span : ndarray, shape (P,)
        From :func:`bayes_compute.changepoint.recursion.probabilities`.
    share, line : ndarray
        From :func:`era_evidence`, as are the others.

    Returns
    -------
    adjoint : ndarray, shape (3, G + 2, J)
        Gradient in ``residual``.
    in_growth_sd : float
        Gradient in ``growth_sd`` at fixed sums.
    """
    adjoint, slope = np.zeros(residual.shape), 0.0
    n, x, xx, _ = fixed
    mu, nu, scale = line
    for p in range(len(spans)):
        if of_span[p] < NEGLIGIBLE:
            continue
        start, stop = np.uint64(spans[p, 0]), np.uint64(spans[p, 1] + 1)
        low, high, first = np.uint64(spans[p, 2]), np.uint64(spans[p, 3]), np.uint64(spans[p, 4])
        for j in range(low, high):
            m = first + (j - low)
            w = of_span[p] * share[m]
            xr = residual[1, stop, j] - residual[1, start, j]
            in_c = level_sd * growth_sd * x[m] * scale[m] - mu[m] * nu[m]
            in_b = (1 + level_sd * level_sd * n[m]) * scale[m] + nu[m] * nu[m]
            slope += w * (nu[m] * xr + level_sd * x[m] * in_c - growth_sd * xx[m] * in_b)
            in_r, in_xr = level_sd * w * mu[m], growth_sd * w * nu[m]
            adjoint[0, stop, j] += in_r
            adjoint[0, start, j] -= in_r
            adjoint[1, stop, j] += in_xr
            adjoint[1, start, j] -= in_xr
            adjoint[2, stop, j] -= 0.5 * w
            adjoint[2, start, j] += 0.5 * w
    return adjoint, slope


@kernel
def line_posterior(fixed, residual, level_sd, growth_sd):
    """Posterior of an era's line, in units of the prior sds.

    Parameters
    ----------
    fixed, residual : ndarray, shape (4,) and (3,)
        Of the era.
    level_sd, growth_sd : float

    Returns
    -------
    log_evidence : float
    mean : (float, float)
        Of level and growth, as deviations from their prior means.
    factor : (float, float, float)
        Lower Cholesky factor of their covariance, row by row.
    """
    a = 1 + level_sd**2 * fixed[0]
    b = 1 + growth_sd**2 * fixed[2]
    c = level_sd * growth_sd * fixed[1]
    u, v = level_sd * residual[0], growth_sd * residual[1]
    det = a * b - c * c
    mean = ((b * u - c * v) / det, (a * v - c * u) / det)
    log_evidence = 0.5 * (fixed[3] - residual[2] - np.log(det) + mean[0] * u + mean[1] * v)
    root = np.sqrt(b / det)
    return log_evidence, mean, (root, -c / det / root, 1 / np.sqrt(b))
