"""Power of the largest training runs and sites, and the rate of computing that it feeds.

A site of power P feeds P / (PUE × overhead) W of accelerators: PUE is the power of the site over
that of its computers, overhead that of the computers over their accelerators' thermal design power
(TDP). These compute at their rate per watt times that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student_t

from bayes_compute.assumptions import Assumption, draw_each
from bayes_compute.ceilings.provenance import source_of
from bayes_compute.draws import flat
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.observations import decimal_year
from bayes_compute.systems import load_systems

SYSTEMS = "systems-2025-08"
SERIES = ("run", "site")
TOP = 3  # the largest of each year
WINDOW = 7  # years that count
REFERENCE_YEAR = 2022.0
EFFICIENCY_YEAR = 2020.0
NU = 4.0  # degrees of freedom of what power scatters by
# States of data centers after this day are forecasts, some before it too: the table does not say
LAST_OBSERVED = "2025-12-31"
FIRST_MATRIX = 2017.0  # before it accelerators had no units for matrices in 16 bits

ASSUMPTIONS = {
    "pue": Assumption(
        1.2, 1.15, "1",
        "Power of the site over that of its computers: 1.1 in the mean of the largest operators "
        "(their environmental reports), 1.13 to 1.4 for 90 % of states in the table data-centers "
        "at full load",
    ),
    "server_overhead": Assumption(
        1.5, 1.25, "1",
        "Power of computers over the TDP of accelerators: 10.2 kW at most for 8 H100 of 700 W "
        "(DGX H100 data sheet) is 1.8; on average less, and less in denser racks",
    ),
    "deployment_lag": Assumption(
        1.5, 1.7, "year",
        "Age of the accelerators of a site when it begins: those of the largest clusters were "
        "announced 1 to 2.5 years before (tables ai-clusters and accelerators)",
    ),
    "site_limit": Assumption(
        5e9, 2.5, "W",
        "One campus of 1 to 5 GW was judged feasible by 2030 (Epoch AI 2024, Can AI scaling "
        "continue through 2030?), and the largest that are planned have 5 GW (table ai-clusters); "
        "several may serve one run: 2 to 12.5 GW",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Power:
    """Power by year, and FLOP per watt of accelerators.

    Attributes
    ----------
    name : tuple of str, length (n,)
    year : ndarray, shape (n,)
    log10_w : ndarray, shape (n,)
        log10 W.
    series : ndarray of int, shape (n,)
        Place in :data:`SERIES`.
    rank : ndarray of int, shape (n,)
        0 for the largest of its calendar year and series, 1 for the next, ...
    planned_year, planned_log10_w : ndarray
        Of planned sites that would be larger than any planned for an earlier day; not fitted.
    accelerator : tuple of str, length (m,)
    release_year : ndarray, shape (m,)
    log10_flop_s, log10_flop_j : ndarray, shape (m,)
        log10 of the peak dense rate in 16 bits [FLOP/s], and of that over the TDP [FLOP/J].
    source : dict
    """

    name: tuple[str, ...]
    year: np.ndarray
    log10_w: np.ndarray
    series: np.ndarray
    rank: np.ndarray
    planned_year: np.ndarray
    planned_log10_w: np.ndarray
    accelerator: tuple[str, ...]
    release_year: np.ndarray
    log10_flop_s: np.ndarray
    log10_flop_j: np.ndarray
    source: dict[str, Any]


def observe(as_of: str | None = None) -> Power:
    """Collect power and FLOP per watt.

    Parameters
    ----------
    as_of : str, optional
        Only systems published, sites in operation and accelerators released by then.

    Raises
    ------
    InputError
        If no power, or no accelerator with matrix units, is on record by then.
    """
    systems: Any = load_systems(SYSTEMS, as_of, "all")
    names = ("ai-clusters", "data-centers", "accelerators")
    tables: Any = [load_facts(name, as_of) for name in names]
    clusters, centers, accelerators = tables
    exists = (clusters["status"] != "Planned") & (clusters["certainty"] != "Unlikely")
    seen = centers["date"] <= LAST_OBSERVED
    run = _rows(systems, "system", "publication_date", systems["training_power_w"], 0)
    site = pd.concat(
        [
            _rows(
                clusters[exists], "cluster", "first_operational_date",
                1e6 * clusters["power_mw"], 1,
            ),
            _rows(centers[seen], "data_center", "date", 1e6 * centers["power_mw"], 1),
        ]
    )  # fmt: skip
    every: Any = pd.concat([_largest(run), _largest(site)])
    end = decimal_year(pd.Series(pd.to_datetime([as_of or LAST_OBSERVED])))[0]
    every = every[every["year"] > end - WINDOW]
    chips = _accelerators(
        accelerators, {*systems["training_hardware"], *clusters.loc[exists, "accelerator"]}
    )
    if every.empty or chips.empty:
        raise InputError(
            f"power: got {len(every)} figures of power and {len(chips)} accelerators by {as_of}; "
            "expected some of both; give a later date: matrix units begin in 2017"
        )
    ahead: Any = _largest(
        _rows(centers[~seen], "data_center", "date", 1e6 * centers["power_mw"], 1)
    )
    ahead = ahead[ahead["w"] > ahead["w"].cummax().shift(fill_value=0.0)]
    sources = (systems.attrs["source"], clusters.attrs, centers.attrs, accelerators.attrs)
    return Power(
        tuple(every["name"]),
        every["year"].to_numpy(),
        np.log10(every["w"].to_numpy()),
        every["series"].to_numpy(),
        every["rank"].to_numpy(),
        ahead["year"].to_numpy(),
        np.log10(ahead["w"].to_numpy()),
        tuple(chips["hardware"]),
        decimal_year(chips["release_date"]),
        np.log10(chips["flop_s"].to_numpy()),
        np.log10(chips["flop_s"].to_numpy() / chips["tdp_w"].to_numpy()),
        source_of(len(every) + len(chips), *sources) | {"as_of": as_of},
    )


def _rows(table: Any, name: str, date: str, w: Any, series: int) -> pd.DataFrame:
    table = table.assign(w=w).loc[lambda t: (t["w"] > 0) & t[date].notna()]
    return pd.DataFrame(
        {"name": table[name], "year": decimal_year(table[date]), "w": table["w"], "series": series}
    )


def _largest(rows: Any) -> pd.DataFrame:
    """Largest of each calendar year, each name once a year, largest first."""
    rows = rows.assign(calendar=np.floor(rows["year"])).sort_values("w", ascending=False)
    # Phases of a site are its states: what stands before "Phase" is its name
    site = (
        rows["name"]
        .str.split(" Phase")
        .str[0]
        .where(~rows["name"].str.startswith("Anonymized"), rows["name"] + rows["w"].astype(str))
    )
    rows = rows[~rows.assign(site=site).duplicated(["calendar", "site"])]
    rows = rows.assign(rank=rows.groupby("calendar").cumcount())
    return rows[rows["rank"] < TOP].sort_values("year", ignore_index=True)


def _accelerators(table: Any, used: set) -> pd.DataFrame:
    """Those in training use with a rate of matrix units in 16 bits."""
    flop_s = table[["tensor_fp16_flop_s", "fp16_flop_s"]].max(axis=1)
    matrix = table["tensor_fp16_flop_s"].notna() | (flop_s > 3 * table["fp32_flop_s"])
    keep = table["hardware"].isin(list(used)) & matrix & (table["tdp_w"] > 0)
    keep &= table["release_date"] >= f"{FIRST_MATRIX:.0f}-01-01"
    return table.assign(flop_s=flop_s)[keep]


def largest_site(posterior: xr.Dataset, year: np.ndarray, series: str = "site") -> np.ndarray:
    """Trend of the power of the year's largest site, or largest run.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``power``.
    year : ndarray, shape (n,)
    series : {"site", "run"}

    Returns
    -------
    ndarray, shape (S, n)
        log10 W.
    """
    of_series = posterior.sel(series=series)
    level, growth = (flat(of_series, name)[:, None] for name in ("level", "growth"))
    return level + growth * (np.asarray(year) - REFERENCE_YEAR)


def _drawn(n: int, assumptions: Mapping[str, Assumption], seed: int) -> tuple[Any, dict]:
    """Draws of assumptions, (n, 1) each, the same for all that follows from one seed."""
    rng = np.random.default_rng([seed, 4])
    return rng, {name: values[:, None] for name, values in draw_each(assumptions, n, rng).items()}


def accelerator(
    posterior: xr.Dataset,
    year: np.ndarray,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Rate of one accelerator of a site that begins in a year, never falling.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``power``.
    year : ndarray, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 FLOP/s, the peak dense rate in 16 bits.
    """
    names = ("rate", "rate_growth", "rate_sd")
    level, growth, sd = (flat(posterior, name)[:, None] for name in names)
    _, drawn = _drawn(len(level), assumptions, seed)
    release = np.asarray(year) - drawn["deployment_lag"]
    trend = level + np.maximum(growth, 0) * (release - EFFICIENCY_YEAR)
    return trend + sd * np.random.default_rng([seed, 5]).standard_normal(level.shape)


def power(
    posterior: xr.Dataset,
    year: np.ndarray,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
    beyond: Any = 0.0,
) -> np.ndarray:
    """Rate that the power of the largest site feeds, never falling.

    Each draw has the trends of power, up to the limit of a site, and of FLOP per watt, with one
    deviation of the largest site from its trend and one of its accelerators from theirs.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``power``.
    year : ndarray, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int
    beyond : float or ndarray, shape (S, n)
        How far power is beyond its trend [log10].

    Returns
    -------
    ndarray, shape (S, n)
        log10 FLOP/s, the peak dense rate in 16 bits.
    """
    of_site = posterior.sel(series="site")
    site = {name: flat(of_site, name)[:, None] for name in ("level", "growth", "sigma")}
    names = ("efficiency", "efficiency_growth", "efficiency_sd")
    efficiency, growth, sd = (flat(posterior, name)[:, None] for name in names)
    n = len(efficiency)
    rng, drawn = _drawn(n, assumptions, seed)
    off_trend = site["sigma"] * student_t.rvs(NU, size=(n, 1), random_state=rng)
    years = np.asarray(year) - REFERENCE_YEAR
    watt = site["level"] + np.maximum(site["growth"], 0) * years + off_trend
    watt = np.maximum.accumulate(watt + beyond, axis=1)
    watt = np.minimum(watt, np.log10(drawn["site_limit"]))
    age = REFERENCE_YEAR - drawn["deployment_lag"] - EFFICIENCY_YEAR
    per_watt = efficiency + np.maximum(growth, 0) * (years + age)
    per_watt = per_watt + sd * rng.standard_normal((n, 1))
    return watt + per_watt - np.log10(drawn["pue"] * drawn["server_overhead"])
