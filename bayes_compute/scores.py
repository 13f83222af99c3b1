"""Scores of forecasts that are draws, against what happened."""

import numpy as np


def crps(draws: np.ndarray, outcome: np.ndarray | float) -> np.ndarray:
    """Continuous ranked probability score, in the unit of the draws; less is better.

    That of the empirical distribution of the draws: the mean distance to the outcome less half
    the mean distance between two draws (Gneiting & Raftery 2007, doi:10.1198/016214506000001437,
    equation 21).

    Parameters
    ----------
    draws : (S, ...) float array
    outcome : (...) float array
    """
    s = len(draws)
    ordered = np.sort(draws, axis=0)
    rank = np.arange(1, s + 1).reshape(-1, *[1] * (draws.ndim - 1))
    spread = 2 * np.sum((2 * rank - s - 1) * ordered, axis=0) / s**2
    return np.mean(np.abs(draws - outcome), axis=0) - spread / 2


def inside(draws: np.ndarray, outcome: np.ndarray | float, prob: float) -> np.ndarray:
    """Whether the central interval of a probability holds the outcome.

    Parameters
    ----------
    draws : (S, ...) float array
    outcome : (...) float array
    prob : float
    """
    low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return (low <= outcome) & (outcome <= high)
