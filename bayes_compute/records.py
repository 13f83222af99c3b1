"""The record: the largest training compute of one system published by a date.

As it stands in one table on one day: a later table knows more systems, and other figures of the
same ones. Fine-tuned systems set no record: their figure often includes another system's.
"""

import numpy as np
import pandas as pd

from bayes_compute.errors import InputError
from bayes_compute.observations import known

_YEARS = 10  # whose increments the random walk draws from: before, growth was of another kind


def record(systems: pd.DataFrame, first: int = 2000) -> pd.DataFrame:
    """Find the record at the end of each year.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`bayes_compute.load_systems` returned.
    first : int
        First year. The last is that of the table's ``as_of``, on that day.

    Returns
    -------
    pandas.DataFrame
        Index ``date``; columns ``system``, who holds it, and ``log10_flop``.

    Raises
    ------
    InputError
        No system with training compute was published by the end of the first year.
    """
    kept = systems["publication_date"].notna() & systems["base_model"].isna()
    kept &= known(systems, "training_compute_flop")
    found = systems.loc[kept].sort_values("publication_date", kind="stable")
    last = pd.Timestamp(systems.attrs["source"]["as_of"])
    ends = [pd.Timestamp(year, 12, 31) for year in range(first, int(last.year))]
    rows = []
    for end in [*ends, last]:
        by_then = found.loc[found["publication_date"] <= end]
        if by_then.empty:
            raise InputError(
                f"record: got no system with training compute by {end:%Y-%m-%d}; expected at "
                "least one; choose a later first year"
            )
        holder = by_then.loc[by_then["training_compute_flop"].idxmax()]
        rows.append((end, holder["system"], np.log10(holder["training_compute_flop"])))
    return pd.DataFrame(rows, columns=["date", "system", "log10_flop"]).set_index("date")


def random_walk(
    by_year: pd.DataFrame, years: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Continue a record by the increments of its own last ten full years, drawn at random.

    Parameters
    ----------
    by_year : pandas.DataFrame
        What :func:`record` returned; the last row is where the walk starts.
    years : int
        How many to go on.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (draws, years)
        log10 FLOP after each year; never falling.
    """
    date = pd.DatetimeIndex(by_year.index)
    whole = by_year.loc[(date.month == 12) & (date.day == 31), "log10_flop"]
    increments = np.diff(whole.to_numpy())[-_YEARS:]
    steps = rng.choice(increments, size=(draws, years))
    return by_year["log10_flop"].iloc[-1] + np.cumsum(steps, axis=1)
