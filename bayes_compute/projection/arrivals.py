"""How many systems a year come, and how many of the last years are still missing from the table.

A system enters the table some time after its publication, so that the last half year of any table
is thin. Of systems that will ever be entered, the share

    reported(age) = 1 − 2^(−age / reporting_lag)

is there when they are ``age`` years old on the day of the table, its vintage. With N systems of the
last years in the table, of which it has reported E years' worth, the rate is Gamma(N + 1/2, E).
"""

import numpy as np

from bayes_compute.assumptions import Assumption
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations

WINDOW = 2.0  # years that the rate is taken from: before, there were fewer
_MOST = 1e4  # systems a year: 4,000 draws of them take gigabytes
OLDEST = 4.0  # years: of older systems none is missing

ASSUMPTIONS = {
    "reporting_lag": Assumption(
        0.48, 1.3, "year",
        "Half of the systems are in Epoch AI's table 174 days after their publication (five "
        "vintages of it, 2022-11 to 2025-04); 1e-6 switches the lag off",
    ),
    "undisclosed": Assumption(
        1.0, 1.0, "1",
        "Systems that come over those whose training compute the table will state: 1 projects what "
        "the table will show; the largest laboratories disclose least, so more were trained",
    ),
}  # fmt: skip


def reported(age: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """Share of the systems of an age [years] that are in the table."""
    return -np.expm1(-np.log(2) * np.maximum(age, 0.0) / lag)


def rate(
    observations: Observations,
    as_of: float,
    vintage: float,
    assumed: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the rate at which systems with training compute come, shape (S,) [1/year].

    Parameters
    ----------
    observations : Observations
    as_of, vintage : float
        Up to when systems are taken, and the day of the table [decimal years].
    assumed : dict of ndarray of shape (S,)
        Draws of :data:`ASSUMPTIONS`.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        If so many would come that they cannot be drawn one by one.
    """
    year = observations.with_compute.year
    n = np.count_nonzero((year > as_of - WINDOW) & (year <= as_of))
    lag = assumed["reporting_lag"] / np.log(2)
    first, last = vintage - as_of, vintage - as_of + WINDOW  # ages
    exposure = WINDOW - lag * (np.exp(-first / lag) - np.exp(-last / lag))
    found = assumed["undisclosed"] * rng.gamma(n + 0.5, size=len(lag)) / exposure
    if found.max() > _MOST:
        raise InputError(
            f"systems to come: got {found.max():.3g} a year; expected at most {_MOST:g}; assume "
            "fewer undisclosed, or a shorter reporting_lag"
        )
    return found


def arrivals(
    rate: np.ndarray, start: float, end: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the systems that come between two dates.

    Parameters
    ----------
    rate : ndarray, shape (S,)
        [1/year]
    start, end : float
        Decimal years.
    rng : numpy.random.Generator

    Returns
    -------
    year : ndarray, shape (S, n)
        When each comes; n is the largest number in any draw.
    there : ndarray of bool, shape (S, n)
        Whether a draw has so many.
    """
    number = rng.poisson(rate * (end - start))
    n = max(1, int(number.max()))
    return rng.uniform(start, end, (len(rate), n)), np.arange(n) < number[:, None]
