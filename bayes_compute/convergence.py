"""How far the draws of one quantity can be trusted: R-hat, sample sizes, errors of quantiles."""

from collections.abc import Callable
from functools import lru_cache, wraps

import numpy as np

from bayes_compute.rounding import ENDS

TAILS = (0.05, 0.95)
"""Quantiles whose effective sample size is the tail ESS."""


def _remembered(statistics: Callable[..., dict[str, float]]) -> Callable[..., dict[str, float]]:
    """Remember what was found: the gate, tables and figures ask for the same draws."""

    @lru_cache(maxsize=256)
    def found(draws: bytes, shape: tuple[int, ...], *rest: float) -> dict[str, float]:
        return statistics(np.frombuffer(draws).reshape(shape), *rest)

    @wraps(statistics)
    def of(draws: np.ndarray, *rest: float) -> dict[str, float]:
        return found(np.asarray(draws, float).tobytes(), draws.shape, *rest).copy()

    return of


@_remembered
def convergence(draws: np.ndarray) -> dict[str, float]:
    """R-hat and effective sample sizes of the draws of one quantity, (chain, draw).

    Rank-normalised (Vehtari et al. 2021, doi:10.1214/20-BA1221).
    """
    from arviz_stats.sampling_diagnostics import ess

    return {
        "r_hat": _r_hat(draws),
        "ess_bulk": round(float(ess(draws, method="bulk"))),
        "ess_tail": round(float(ess(draws, method="tail", prob=TAILS))),
    }


def _r_hat(draws: np.ndarray) -> float:
    """Rank-normalised R-hat; 1 for a constant, infinite where chains are stuck apart."""
    from arviz_stats.sampling_diagnostics import rhat

    if np.ptp(draws) == 0:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = float(rhat(draws, method="rank"))
    return r_hat if np.isfinite(r_hat) else np.inf


@_remembered
def quantile_errors(draws: np.ndarray, prob: float) -> dict[str, float]:
    """Monte Carlo standard errors of the median and of the ends of an equal-tailed interval.

    Parameters
    ----------
    draws : ndarray, shape (chain, draw)
    prob : float
        Probability of the interval.

    Returns
    -------
    dict of float
        ``mcse_lower``, ``mcse_median``, ``mcse_upper``.
    """
    from arviz_stats.sampling_diagnostics import mcse

    quantiles = zip(ENDS, ((1 - prob) / 2, 0.5, (1 + prob) / 2), strict=True)
    return {f"mcse_{end}": float(mcse(draws, method="quantile", prob=q)) for end, q in quantiles}
