"""The record: the largest training compute of one system published by a date.

As it stands in one table on one day: a later table knows more systems, and other figures of the
same ones. Fine-tuned systems set no record where they are left out of the observations, as they are
by default: their figure often includes another system's.
"""

from typing import Any

import numpy as np
import pandas as pd

from bayes_compute.errors import InputError
from bayes_compute.observations import Observations, decimal_year

_YEARS = 10  # whose increments the random walk draws from: before, growth was of another kind


def holders(observations: Observations) -> pd.DataFrame:
    """Find the systems that set a record when they were published.

    Parameters
    ----------
    observations : Observations

    Returns
    -------
    pandas.DataFrame
        Columns ``year`` (decimal), ``system``, ``log10_flop`` and ``error``, the sd of that
        figure, in the order of dates.

    Raises
    ------
    InputError
        No system has training compute.
    """
    found = observations.with_compute
    if not found.n:
        raise InputError(
            "record: got no system with training compute; expected at least one; use a larger table"
        )
    before = np.maximum.accumulate(np.append(-np.inf, found.log10_flop[:-1]))
    new = np.flatnonzero(found.log10_flop > before)
    system = [found.system[i] for i in new]
    columns = {"year": found.year[new], "system": system, "log10_flop": found.log10_flop[new]}
    return pd.DataFrame(columns | {"error": np.sqrt(found.variance[new])})


def record(observations: Observations, first: int = 2000) -> pd.DataFrame:
    """Find the record at the end of each year.

    Parameters
    ----------
    observations : Observations
    first : int
        First year to look at; those before the first system with training compute are left out.
        The last is that of the ``as_of`` of the observations, on that day.

    Returns
    -------
    pandas.DataFrame
        Index ``date``; columns ``system``, who holds it, and ``log10_flop``.

    Raises
    ------
    InputError
        No system has training compute.
    """
    held = holders(observations)
    last: Any = pd.Timestamp(observations.source["as_of"])
    ends = pd.DatetimeIndex([*(pd.Timestamp(y, 12, 31) for y in range(first, last.year)), last])
    at = np.searchsorted(held["year"], decimal_year(ends), side="right") - 1
    rows = held.iloc[at[at >= 0]][["system", "log10_flop"]]
    return rows.set_index(ends[at >= 0].rename("date"))


def random_walk(
    by_year: pd.DataFrame, years: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Continue a record by the increments of its own last ten full years, drawn at random.

    Parameters
    ----------
    by_year : pandas.DataFrame
        What :func:`record` returned. The walk starts at its last full year, and stands at its
        last row at least.
    years : int
        Ends of years to go on to.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (draws, years)
        log10 FLOP; never falling.

    Raises
    ------
    InputError
        There are no two full years on record.
    """
    date = pd.DatetimeIndex(by_year.index)
    whole = by_year.loc[(date.month == 12) & (date.day == 31), "log10_flop"]
    increments = np.diff(whole.to_numpy())[-_YEARS:]
    if not len(increments):
        raise InputError(
            f"random walk: got {len(whole)} full years of records; expected at least two; use a "
            "table that begins earlier"
        )
    steps = rng.choice(increments, size=(draws, years))
    walk = whole.iloc[-1] + np.cumsum(steps, axis=1)
    return np.maximum(walk, by_year["log10_flop"].iloc[-1])
