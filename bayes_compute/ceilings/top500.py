"""The largest machine there is: its rate so far, and in years to come.

Two readings of "the largest machine" are kept apart: the first of TOP500, converted from LINPACK
in 64 bits to the peak rate in 16, and the largest cluster of accelerators on record. The equations
stand in :mod:`bayes_compute.models.top500`, data in :mod:`bayes_compute.ceilings.machines`; here is
what follows from draws.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.assumptions import Assumption, draw_each
from bayes_compute.ceilings.machines import Capacity
from bayes_compute.draws import arrays
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations

HYPOTHESES = ("top500", "ai_clusters")
RATIO_YEAR, PEAK_SHARE_YEAR = 2018.0, 2010.0
LIST_STEP = 0.5  # years between lists
TRIAL_RUN = 100 * 86400 * 0.4  # seconds at peak rate: 100 days at 40 % utilisation

ASSUMPTIONS = {
    "machine_lag": Assumption(
        1.0, 2.0, "year",
        "From release of an accelerator to the first list with a machine of it: V100 2017-06 and "
        "Summit 2018-06, MI250X 2021-11 and Frontier 2022-06, MI300A 2023 and El Capitan 2024-11",
    ),
    "era_length": Assumption(
        20.0, 2.5, "year",
        "Years for which growth on TOP500 stays what it is, on average: one transition is certain "
        "in 33 years of lists, two in 8 to 50 if they occur at a constant rate",
    ),
    "cluster_error": Assumption(
        1.0, 1.5, "1",
        "Rate of the largest cluster over what the table has: numbers of accelerators are often "
        "reports, rounded (data/README.md), and secret clusters are missing",
    ),
}  # fmt: skip


def top500(
    posterior: xr.Dataset,
    year: np.ndarray,
    capacity: Capacity,
    hypothesis: str = "top500",
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Peak rate in 16 bits of the largest machine there is.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws of the model.
    year : (n,) array
        Decimal years, in any order.
    capacity : Capacity
        What the model was fitted to.
    hypothesis : {"top500", "ai_clusters"}
        Whose largest machine is meant.
    assumptions : mapping of str to Assumption
    seed : int
        Of what lies beyond the data.

    Returns
    -------
    ndarray, shape (S, n)
        log10 FLOP/s, dense, never falling along time in any draw.

    Raises
    ------
    InputError
        If there is no such hypothesis, or no machine of its kind is on record in a year.
    """
    year = np.asarray(year, float)
    if hypothesis not in HYPOTHESES:
        raise InputError(f"hypothesis: got {hypothesis!r}; expected one of {', '.join(HYPOTHESES)}")
    listed = hypothesis == "top500"
    starts = capacity.list_year if listed else capacity.record_year
    if not len(starts) or year.min() < starts[0]:
        first = f"{starts[0]:.1f}" if len(starts) else "after the data end"
        raise InputError(f"year: got {year.min():.1f}; expected years from the first, {first}, on")
    rng = np.random.default_rng(seed)
    p = arrays(posterior)
    made = draw_each(assumptions, len(p["walk_sd"]), rng)
    if listed:
        return _first_of_list(p, year, capacity, made, rng)
    return _largest_cluster(p, year, capacity, made, rng)


def exceeded(
    posterior: xr.Dataset, systems: pd.DataFrame, capacity: Capacity, hypothesis: str, seed: int = 1
) -> pd.DataFrame:
    """Hold realised training runs against the largest machine, used for 100 days at 40 %.

    Parameters
    ----------
    posterior : xarray.Dataset
    systems : pandas.DataFrame
        What :func:`bayes_compute.load_systems` returned.
    capacity : Capacity
    hypothesis : str
    seed : int

    Returns
    -------
    pandas.DataFrame
        Index ``system``, each larger than all before and published while there were machines on
        record: ``year``, ``log10_flop``, ``ceiling`` (median, log10 FLOP) and ``probability`` that
        the run exceeds the ceiling, both uncertain.
    """
    seen = Observations.from_systems(systems).with_compute
    starts = capacity.list_year if hypothesis == "top500" else capacity.record_year
    best = np.maximum.accumulate(np.append(-np.inf, seen.log10_flop))
    record = (np.diff(best) > 0) & (seen.year >= starts[0])
    year, value, sd = seen.year[record], seen.log10_flop[record], np.sqrt(seen.variance[record])
    limit = top500(posterior, year, capacity, hypothesis, seed=seed) + np.log10(TRIAL_RUN)
    run = value + sd * np.random.default_rng([seed, 1]).standard_normal(limit.shape)
    columns = {
        "year": year,
        "log10_flop": value,
        "ceiling": np.median(limit, axis=0),
        "probability": (run > limit).mean(axis=0),
    }
    names = [name for name, kept in zip(seen.system, record, strict=True) if kept]
    return pd.DataFrame(columns, pd.Index(names, name="system"))


def _first_of_list(p, year, capacity, made, rng) -> np.ndarray:
    """Convert the first systems so far, and walk on from the last list."""
    n, n_lists, entered = len(p["walk_sd"]), len(capacity.list_year), capacity.entered
    steps = max(0, int(np.ceil((year.max() - capacity.list_year[-1]) / LIST_STEP)))
    dates = capacity.list_year[-1] + LIST_STEP * np.arange(1, steps + 1)
    changes = capacity.list_year[-1] + made["era_length"] * rng.standard_exponential(n)
    later = p["growth_mean"] + p["growth_sd"] * rng.standard_normal(n)
    growth = np.where(dates < changes[:, None], p["growth"][:, -1:], later[:, None])
    noise = p["walk_sd"][:, None] * np.sqrt(LIST_STEP) * rng.standard_normal((n, steps))
    total = capacity.log10_sum[-1] + np.cumsum(LIST_STEP * growth + noise, axis=1)
    share = np.empty((n, steps))
    at = np.full(n, capacity.log10_first[-1] - capacity.log10_sum[-1])
    kept = np.exp(-LIST_STEP / p["share_memory"])
    for k in range(steps):
        scatter = p["share_sd"] * np.sqrt(1 - kept**2) * rng.standard_normal(n)
        at = p["share_level"] + kept * (at - p["share_level"]) + scatter
        share[:, k] = at
    rmax = total + np.minimum(share, 0.0)  # no part exceeds the whole
    logit = p["peak_share_level"] + p["peak_share_sd"] * rng.standard_normal(n)
    logit = logit[:, None] + p["peak_share_growth"][:, None] * (dates - PEAK_SHARE_YEAR)
    peak = rmax + np.log1p(np.exp(-logit)) / np.log(10)
    peak = np.concatenate([np.tile(capacity.log10_first_peak, (n, 1)), peak], axis=1)
    highest = np.maximum(np.maximum.accumulate(rmax, axis=1), capacity.log10_first.max())
    before = np.concatenate([np.full((n, 1), capacity.log10_first.max()), highest[:, :-1]], axis=1)
    new = np.concatenate([np.tile(entered, (n, 1)), rmax > before[:, :steps]], axis=1)
    # Which vendor makes the next machine is not known: one more like those in the table.
    other = p["vendor_sd"] * rng.standard_normal(n)
    other = (other + p["ratio_sd"] * rng.standard_t(p["ratio_tail"]))[:, None]
    of_year = np.append(capacity.list_year, dates) - made["machine_lag"][:, None] - RATIO_YEAR
    ratio = p["ratio_level"][:, None] + p["ratio_growth"][:, None] * of_year + other
    rate = np.where(new, peak + np.maximum(ratio, 0.0), -np.inf)  # 64 bits do for 16
    latest = np.searchsorted(np.append(capacity.list_year, dates), year, side="right") - 1
    return np.maximum.accumulate(rate, axis=1)[:, np.minimum(latest, n_lists + steps - 1)]


def _largest_cluster(p, year, capacity, made, rng) -> np.ndarray:
    """Take records as they were; later ones come at their rate, each with its rise."""
    until = capacity.clusters_until
    ahead = np.unique(np.maximum(year, until))
    events = rng.poisson(p["record_rate"][:, None] * np.diff(ahead, prepend=until))
    rise = p["record_rise"][:, None] * rng.standard_gamma(events)
    latest = np.searchsorted(capacity.record_year, year, side="right") - 1
    beyond = np.cumsum(rise, axis=1)[:, np.searchsorted(ahead, np.maximum(year, until))]
    return capacity.log10_record[latest] + beyond + np.log10(made["cluster_error"])[:, None]
