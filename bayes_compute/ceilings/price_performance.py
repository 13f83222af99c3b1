"""What a dollar buys, what the largest runs cost, and the ceiling that follows.

The model is in ``models/price_performance.py``, its data in :mod:`bayes_compute.ceilings.prices`;
here is what its draws say.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.assumptions import Assumption
from bayes_compute.ceilings.prices import (
    MARKETS,
    MATRIX_YEAR,
    START_YEAR,
    PricePerformance,
)
from bayes_compute.draws import flat
from bayes_compute.units import HOURS_PER_YEAR, SECONDS_PER_HOUR

REFERENCE_YEAR = 2020.0
ERAS = ("before", "after")
ASSUMPTIONS = {
    "lifetime": Assumption(
        4.0, 1.4, "year",
        "as in accounts of cloud companies for their servers: 3 years in 2020, 4 in 2021, 5 or 6 "
        "in 2023 (annual reports of Alphabet, Amazon, Meta, Microsoft)",
    ),
    "in_use": Assumption(
        0.8, 1.15, "1", "share of its life in which a machine works: the rest is idle or broken"
    ),
    "overhead": Assumption(
        1.35, 1.2, "1",
        "cost with network and energy over that of servers: Cottier et al. (2024) find 23-32 % "
        "for chips, 15-22 % for servers, 9-13 % for network, 2-6 % for energy",
    ),
    "fleet_age": Assumption(
        1.8, 1.3, "year",
        "from the release of its accelerator to the publication of a system: median of 75 of the "
        "largest systems in systems-2025-08 (quartiles 1.4 and 2.8)",
    ),
    "spending_limit": Assumption(
        1e11, 5.0, "USD",
        "the most that anybody pays for one run: 0.1 % of what the world produces in a year; the "
        "Apollo programme cost 2.54e10 USD of its day, 2.64e11 USD of 2019 (Dreier 2019, The Space "
        "Review)",
    ),
}  # fmt: skip


def bent(
    year: Any,
    transition: float,
    level: Any,
    before: Any,
    after: Any,
    reference: Any = REFERENCE_YEAR,
) -> Any:
    """Straight lines that meet at a transition; of arrays or of tensors.

    Parameters
    ----------
    year : array
        Decimal year.
    transition : float
        Where they meet [decimal year].
    level, before, after : float or array
        Value in the year of reference, and growth on each side [1/year].
    reference : float or array
        Decimal year.
    """

    def grown(t):
        early = (t - transition) * (1.0 * (t < transition))
        return after * (t - transition) + (before - after) * early

    return level + grown(year) - grown(reference)


def at_release(
    posterior: xr.Dataset, release: np.ndarray, data: PricePerformance, market: str
) -> np.ndarray:
    """Peak rate over price of a data center's accelerator on its release, shape (S, T) [log10].

    Parameters
    ----------
    posterior : xarray.Dataset
    release : ndarray, shape (T,) or (S, T)
        Decimal year.
    data : PricePerformance
        What was fitted; its ``transition`` counts.
    market : str
        One of :data:`MARKETS`: FLOP/s per USD in a server if bought, else FLOP per USD.
    """
    k = MARKETS.index(market)
    growth, level = flat(posterior, "growth")[:, k, :], flat(posterior, "level")[:, k, None]
    found = bent(release, data.transition, level, growth[:, :1], growth[:, 1:])
    found = found + flat(posterior, "matrix")[:, None] * (release >= MATRIX_YEAR)
    return found + (flat(posterior, "server")[:, None] if market == "purchase" else 0.0)


def flop_per_dollar(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: PricePerformance,
    assumed: Mapping[str, np.ndarray],
    market: str = "purchase",
) -> np.ndarray:
    """Peak FLOP that a dollar pays for in data centers, shape (S, T) [log10 FLOP/USD].

    Bought accelerators, new and in servers, are written off over their working life; rented ones
    are paid by the hour at their price by then.

    Parameters
    ----------
    posterior : xarray.Dataset
    year : ndarray, shape (T,)
        When the run ends [decimal year]; its accelerators were released ``fleet_age`` before.
    data : PricePerformance
    assumed : mapping of str to ndarray of shape (S,)
        Draws of :data:`ASSUMPTIONS`.
    market : str
    """
    age = assumed["fleet_age"][:, None]
    found = at_release(posterior, np.asarray(year) - age, data, market)
    if market == "purchase":
        return found + log10_seconds_of_use(assumed)[:, None]
    return found + flat(posterior, "ageing")[:, MARKETS.index(market), None] * age


def log10_seconds_of_use(assumed: Mapping[str, Any]) -> Any:
    """Seconds that a bought accelerator works for its price, network and energy paid [log10 s]."""
    years = assumed["lifetime"] * assumed["in_use"] / assumed["overhead"]
    return np.log10(years * HOURS_PER_YEAR * SECONDS_PER_HOUR)


def utilization(posterior: xr.Dataset, year: np.ndarray, data: PricePerformance) -> np.ndarray:
    """Share of the peak rate that the largest runs reach, shape (S, T) [log10], at most 1."""
    level, growth = flat(posterior, "utilization"), flat(posterior, "utilization_growth")
    return np.minimum(level[:, None] + growth[:, None] * (np.asarray(year) - REFERENCE_YEAR), 0.0)


def frontier(posterior: xr.Dataset, year: np.ndarray, data: PricePerformance) -> np.ndarray:
    """Training compute of a typical one of the largest runs, shape (S, T) [log10 FLOP]."""
    growth, level = flat(posterior, "frontier_growth"), flat(posterior, "frontier")[:, None]
    return bent(np.asarray(year), data.transition, level, growth[:, :1], growth[:, 1:])


def spending(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: PricePerformance,
    assumed: Mapping[str, np.ndarray],
    market: str = "purchase",
) -> np.ndarray:
    """Cost of a typical one of the largest runs, shape (S, T) [log10 USD].

    It is the line through them over FLOP per dollar and utilization at their date.
    """
    per_dollar = flop_per_dollar(posterior, year, data, assumed, market)
    return frontier(posterior, year, data) - per_dollar - utilization(posterior, year, data)


def spending_path(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: PricePerformance,
    assumed: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    market: str = "purchase",
) -> np.ndarray:
    """Cost of the largest run if spending goes on growing, shape (S, T) [log10 USD].

    It starts at the cost of the record at the end of the data, grows as the line of the largest
    runs has since the transition, and stops at ``spending_limit``.
    """
    last = float(data.year.max())
    record = record_at(posterior, np.array([last]), data, rng)
    ends = np.array([data.transition, last])
    line = spending(posterior, ends, data, assumed, market)
    growth = (line[:, 1:] - line[:, :1]) / (last - data.transition)
    now = record - flop_per_dollar(posterior, ends[1:], data, assumed, market)
    now = now - utilization(posterior, ends[1:], data)
    path = now + growth * (np.asarray(year) - last)
    return np.minimum(path, np.log10(assumed["spending_limit"])[:, None])


def price_performance(
    posterior: xr.Dataset,
    year: np.ndarray,
    log10_dollars: np.ndarray,
    data: PricePerformance,
    assumed: Mapping[str, np.ndarray],
    market: str = "purchase",
) -> np.ndarray:
    """Training compute that a path of spending buys, shape (S, T) [log10 FLOP].

    Parameters
    ----------
    posterior : xarray.Dataset
    year : ndarray, shape (T,)
        When the run ends [decimal year].
    log10_dollars : ndarray, shape (T,) or (S, T)
        Dollars for one run by then, such as :func:`spending_path`; more buys more.
    data, assumed, market
        As in :func:`flop_per_dollar`.
    """
    per_dollar = flop_per_dollar(posterior, year, data, assumed, market)
    return log10_dollars + per_dollar + utilization(posterior, year, data)


def record_at(
    posterior: xr.Dataset, year: np.ndarray, data: PricePerformance, rng: np.random.Generator
) -> np.ndarray:
    """Largest training compute published by each date, shape (S, T) [log10 FLOP].

    Each system's compute is drawn given its estimate, with the line and scatter of the largest
    runs as its prior, so that the largest estimate is not taken at its word.
    """
    line, sd = frontier(posterior, data.year, data), flat(posterior, "frontier_sd")[:, None]
    weight = sd**2 / (sd**2 + data.error**2)
    mean = np.where(data.entered, line + weight * (data.log10_flop - line), data.log10_flop)
    spread = np.where(data.entered, np.sqrt(weight) * data.error, data.error)
    drawn = mean + spread * rng.standard_normal(mean.shape)
    return np.stack(
        [drawn[:, data.year <= date].max(axis=1, initial=-np.inf) for date in year], axis=1
    )


def decomposition(
    posterior: xr.Dataset,
    data: PricePerformance,
    assumed: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    start: float = START_YEAR,
    end: float | None = None,
) -> dict[str, np.ndarray]:
    """Growth of the record, before and after the transition, as a sum [OOM/year].

    Returns
    -------
    dict of ndarray, shape (S, 2)
        ``record``, and what adds up to it exactly: ``price`` (FLOP per dollar of accelerators
        bought, at like precision), ``precision`` (matrix units in 16 bits), ``utilization``,
        ``run length`` and ``dollars per hour``, the rest: how much dearer a machine is used.
        Spending on a run grows by the last two.
    """
    ends = np.array([start, data.transition, float(data.year.max()) if end is None else end])
    span = np.diff(ends)
    release = ends - assumed["fleet_age"][:, None]
    growth = flat(posterior, "growth")[:, MARKETS.index("purchase"), :]
    hours = flat(posterior, "run_length_growth")
    grown = {
        "record": record_at(posterior, ends, data, rng),
        "price": bent(release, data.transition, 0.0, growth[:, :1], growth[:, 1:]),
        "precision": flat(posterior, "matrix")[:, None] * (release >= MATRIX_YEAR),
        "utilization": utilization(posterior, ends, data),
        "run length": bent(ends, data.transition, 0.0, hours[:, :1], hours[:, 1:]),
    }
    parts = {name: np.diff(values, axis=1) / span for name, values in grown.items()}
    rest = parts["record"] - sum(part for name, part in parts.items() if name != "record")
    return parts | {"dollars per hour": rest}
