"""Prior densities of the date of one transition."""

from typing import Any, Protocol

import numpy as np
from scipy import stats

from bayes_compute.errors import InputError

_LEAST_WITHIN = 0.01  # prior probability that a date falls among the systems; less is a mere tail


class Density(Protocol):
    """A continuous prior density of one date, such as a frozen ``scipy.stats`` distribution."""

    def pdf(self, x) -> np.ndarray: ...  # noqa: D102
    def cdf(self, x) -> np.ndarray: ...  # noqa: D102
    def sf(self, x) -> np.ndarray: ...  # noqa: D102
    def ppf(self, q) -> np.ndarray: ...  # noqa: D102
    def isf(self, q) -> np.ndarray: ...  # noqa: D102
    def support(self) -> tuple[float, float]: ...  # noqa: D102


def around(mean: float, sd: float, year: np.ndarray, to_come: bool = False) -> Any:
    """Normal density of a date, cut to the period in which systems were published.

    Parameters
    ----------
    mean, sd : float
        Calendar date and its standard deviation before the cut [decimal year, years].
    year : ndarray, shape (n,)
        Publication dates [decimal year].
    to_come : bool
        The date may lie after the last system: there is no cut.

    Raises
    ------
    InputError
        If the systems lie where the density has less than a hundredth of its mass.
    """
    low, high = float(np.min(year)), float(np.max(year))
    _check_period(low, high)
    end = np.inf if to_come else high
    if stats.norm.sf(low, mean, sd) - stats.norm.sf(end, mean, sd) < _LEAST_WITHIN:
        raise InputError(
            f"the systems date from {low:.1f} to {high:.1f}, but the prior puts a transition at "
            f"{mean:g} with a standard deviation of {sd:g} years; choose systems around that date"
            " or flat date priors"
        )
    return stats.truncnorm((low - mean) / sd, (end - mean) / sd, mean, sd)


def flat(low: float, year: np.ndarray) -> Any:
    """Uniform density of a date from ``low``, or the first system, to the last system."""
    start, end = max(low, float(np.min(year))), float(np.max(year))
    _check_period(start, end)
    return stats.uniform(start, end - start)


def given(date: float) -> Any:
    """Density of a date that a hypothesis gives: even over four days either way [decimal year].

    Systems are assigned to eras by the middle of their month, so that none is between where the
    date is the first of a month.
    """
    return stats.uniform(date - 0.01, 0.02)


def _check_period(start: float, end: float) -> None:
    if not end > start:
        raise InputError(
            f"every system dates from {end:.1f} or earlier, where no transition can be told; "
            f"add systems published after {start:.1f}"
        )
