"""Log evidence of a posterior that was sampled: bridge sampling.

The evidence ``z`` is what the unnormalised density ``f`` integrates to. With draws from ``f`` and
draws from a density ``g`` that is like it, the bridge of least error is where

    z = mean over g of f / (s1 f / z + s2 g)  /  mean over f of g / (s1 f / z + s2 g),

which is iterated (Meng & Wong 1996, Statistica Sinica 6, 831-860). The first half of every chain
says what ``f`` is like: it is shifted and scaled to zero mean and unit covariance and made
symmetric about it, so that ``g`` is standard normal (Meng & Schilling 2002,
doi:10.1198/106186002457; Gronau et al. 2017, doi:10.1016/j.jmp.2017.09.005). The second halves
bridge.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logsumexp


class Evidence(NamedTuple):
    """Log evidence and its standard error."""

    log: float
    error: float


def log_evidence(
    log_density: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    rng: np.random.Generator,
) -> Evidence:
    """Integrate a density that was sampled.

    Parameters
    ----------
    log_density : callable
        Unnormalised log density of points (m, n), shape (m,).
    points : ndarray, shape (chains, draws, n)
        What was sampled of it, unconstrained.
    rng : numpy.random.Generator

    Returns
    -------
    Evidence
        The error is that of Fruehwirth-Schnatter 2004, doi:10.1111/j.1368-423X.2004.00125.x: of
        independent draws from ``g``, and of draws from ``f`` as autocorrelated as they are.
    """
    half = points.shape[1] // 2
    first, second = points[:, :half], points[:, half : 2 * half]
    first = first.reshape(-1, points.shape[2])
    centre, factor = first.mean(axis=0), np.linalg.cholesky(np.atleast_2d(np.cov(first.T)))
    shape = second.shape[:2]
    standard = np.linalg.solve(factor, (second.reshape(-1, len(centre)) - centre).T).T
    normal = rng.standard_normal(standard.shape)

    def log_ratio(z: np.ndarray) -> np.ndarray:
        """Log of ``f``, made symmetric, over ``g``."""
        sides = [log_density(centre + sign * z @ factor.T) for sign in (1, -1)]
        log_f = np.logaddexp(*sides) - np.log(2) + np.log(np.diag(factor)).sum()
        return log_f + 0.5 * (z**2).sum(axis=1) + 0.5 * len(centre) * np.log(2 * np.pi)

    of_f, of_g = log_ratio(standard), log_ratio(normal)
    effective = _effective(of_f.reshape(shape))
    odds = np.log(effective / len(of_g))  # of f in the mixture of both
    log_z: Any = logsumexp(of_g) - np.log(len(of_g))
    for _ in range(1000):
        # f / (s1 f / z + s2 g) and g / (s1 f / z + s2 g), up to the same factor
        above: Any = logsumexp(of_g - np.logaddexp(odds + of_g - log_z, 0.0))
        below: Any = logsumexp(-np.logaddexp(odds + of_f - log_z, 0.0))
        before, log_z = log_z, above - below + np.log(len(of_f) / len(of_g))
        if abs(log_z - before) < 1e-10:
            break
    in_g = expit(odds + of_g - log_z)  # each is a function whose mean is the same under both
    in_f = expit(-odds - of_f + log_z)
    relative = np.var(in_g) / np.mean(in_g) ** 2 / len(in_g)
    relative += np.var(in_f) / np.mean(in_f) ** 2 / effective
    return Evidence(float(log_z), float(np.sqrt(relative)))


def _effective(draws: np.ndarray) -> float:
    """Effective sample size of draws (chains, draws), at most their number."""
    from arviz_stats.sampling_diagnostics import ess

    if np.ptp(draws) == 0:
        return float(draws.size)
    return min(float(np.asarray(ess(draws, method="mean"))), draws.size)
