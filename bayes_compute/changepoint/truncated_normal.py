"""The normal distribution of log10 parameters, truncated to one side of an edge.

``side`` is 1 below the edge, -1 above it, and 0 for no edge, as in
:mod:`bayes_compute.changepoint.truncated`; arguments broadcast.
"""

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from bayes_compute.changepoint.normal_cdf import LOG_2_PI


def moments(mu, log_sd, edge, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance; ``mu`` and ``log_sd`` are those before the truncation."""
    sd = np.exp(log_sd)
    if side == 0:
        return mu, np.broadcast_to(sd**2, np.shape(mu))
    u = side * (edge - mu) / sd
    ratio = np.exp(-0.5 * u * u - 0.5 * LOG_2_PI - log_ndtr(u))
    return mu - side * sd * ratio, sd**2 * np.maximum(1 - ratio * (u + ratio), 1e-3)


def draw(mu, sd, edge, side, rng: np.random.Generator) -> np.ndarray:
    """Draw one of each, in the shape of ``mu``."""
    u = rng.random(mu.shape)
    log_p = np.where(side == 0, 0.0, log_ndtr(side * (edge - mu) / sd))
    return mu + np.where(side < 0, -1.0, 1.0) * sd * ndtri_exp(np.log(u) + log_p)
