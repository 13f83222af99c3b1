"""How long runs are, and how long one may be before a later start overtakes it.

What a fixed budget buys grows as exp(g t): accelerators do more for a dollar, and algorithms more
with a FLOP. A run that must be out by a day D and takes T years buys its hardware and settles its
algorithms at D − T, so that its progress is T exp(g (D − T)). That is largest at T = 1/g: a longer
run is overtaken by one that starts later and ends on the same day. Growth of spending is no part of
g, for a budget that grows can go to the longer run as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student_t

from bayes_compute.assumptions import Assumption, draw_each
from bayes_compute.draws import flat
from bayes_compute.errors import InputError
from bayes_compute.observations import decimal_year
from bayes_compute.systems import load_systems
from bayes_compute.units import HOURS_PER_YEAR

TABLE = "systems-2025-08"
GROUPS = ("largest language", "other language", "vision", "other")
LARGEST = 5  # among the five largest by training compute on the day of publication
WINDOW = 6  # years before the date of the data: lengthening is no constant of nature
REFERENCE_YEAR = 2022.0
NU = 4.0  # degrees of freedom of what runs scatter by: outliers are tolerated

ASSUMPTIONS = {
    "price_performance": Assumption(
        0.31, 1.3, "nats/year",
        "FLOP/s per dollar double in 2.1 years for accelerators used in machine learning and in "
        "2.5 for all (Hobbhahn & Besiroglu 2022, Epoch AI): 1.27 to 1.5 times a year",
    ),
    "algorithmic_progress": Assumption(
        1.04, 1.7, "nats/year",
        "Language models take half the compute for the same loss every 8 months, 5 to 14 (Ho et "
        "al. 2024, arXiv:2403.05812; that is the preprint's 95 % interval, and the version of "
        "NeurIPS 2024 gives 2 to 22 at 90 %): 1.8 to 5.9 times a year",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class RunLengths:
    """Lengths of training runs.

    Attributes
    ----------
    system : tuple of str, length (n,)
    year : ndarray, shape (n,)
        Of publication.
    log10_hours : ndarray, shape (n,)
        Wall-clock time.
    group : ndarray of int, shape (n,)
        Place in :data:`GROUPS`.
    source : dict
    """

    system: tuple[str, ...]
    year: np.ndarray
    log10_hours: np.ndarray
    group: np.ndarray
    source: dict[str, Any]


def observe(as_of: str | None = None) -> RunLengths:
    """Collect lengths of the runs of notable systems, fine-tunes excluded.

    Parameters
    ----------
    as_of : str, optional
        Only systems published by then, as the table of 2025-08 has them.

    Raises
    ------
    InputError
        If no length is on record by then.
    """
    systems = load_systems(TABLE, as_of, "notable")
    date, flop = pd.Series(systems["publication_date"]), pd.Series(systems["training_compute_flop"])
    year = decimal_year(date)
    domain = systems["domain"].fillna("")
    language = domain.str.contains("Language").to_numpy()
    size = np.where(language, flop, np.nan)
    group = np.select(
        [language & _among_largest(date, size), language, domain.str.contains("Vision")],
        [0, 1, 2],
        3,
    )
    until = systems.attrs["source"]["as_of"]
    recent = (date > f"{int(until[:4]) - WINDOW}{until[4:].replace('02-29', '02-28')}").to_numpy()
    used = (systems["training_time_hours"] > 0).to_numpy() & recent
    if not used.any():
        raise InputError(
            f"run_length: got no run length of the {WINDOW} years before {until}; expected "
            "some; give a later date"
        )
    found = systems[used]
    return RunLengths(
        tuple(found["system"]),
        year[used],
        np.log10(found["training_time_hours"].to_numpy(float)),
        group[used],
        systems.attrs["source"] | {"rows": len(found)},
    )


def _among_largest(date: pd.Series, size: np.ndarray) -> np.ndarray:
    """Whether fewer than LARGEST of those published by its day took more compute."""
    day = date.to_numpy()
    larger = (day[None, :] <= day[:, None]) & (size[None, :] > size[:, None])
    return (larger.sum(axis=1) < LARGEST) & np.isfinite(size)


def progress(length: Any, growth: Any, release: Any = 0.0) -> np.ndarray:
    """Progress by its release of a run on a fixed budget, up to a constant.

    Parameters
    ----------
    length : array_like
        [years]
    growth : array_like
        Of what a fixed budget buys [nats/year].
    release : array_like
        Day of release [years].
    """
    length = np.asarray(length, dtype=float)
    return length * np.exp(np.asarray(growth) * (np.asarray(release) - length))


def longest_useful(
    n: int, assumptions: Mapping[str, Assumption] = ASSUMPTIONS, seed: int = 1
) -> np.ndarray:
    """Draw the length above which a run is overtaken: 1/g.

    Parameters
    ----------
    n : int
        Number of draws.
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (n,)
        log10 hours.
    """
    drawn = draw_each(assumptions, n, np.random.default_rng([seed, 3]))
    growth = drawn["price_performance"] + drawn["algorithmic_progress"]
    return np.log10(HOURS_PER_YEAR / growth)


def largest_runs(posterior: xr.Dataset, year: np.ndarray, quantile: float = 0.5) -> np.ndarray:
    """Length of the largest language models' runs by year.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``run_length``.
    year : ndarray, shape (n,)
    quantile : float
        Of the runs of one year.

    Returns
    -------
    ndarray, shape (S, n)
        log10 hours.
    """
    largest, names = posterior.sel(group=GROUPS[0]), ("level", "growth", "sigma")
    level, growth, sigma = (flat(largest, name)[:, None] for name in names)
    years = np.asarray(year) - REFERENCE_YEAR
    return level + growth * years + sigma * student_t.ppf(quantile, NU)


def run_length(
    posterior: xr.Dataset,
    year: np.ndarray,
    quantile: float = 0.9,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Longest run to reckon with: as the largest runs are, and no longer than is useful.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``run_length``.
    year : ndarray, shape (n,)
    quantile : float
        Of the largest runs of a year: 0.9 is the length that one in ten exceeds.
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 hours.
    """
    trend = largest_runs(posterior, year, quantile)
    return np.minimum(trend, longest_useful(len(trend), assumptions, seed)[:, None])
