"""Projections, draw by draw."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.assumptions import Assumption, assume, draw_each
from bayes_compute.ceilings import available as ceilings
from bayes_compute.ceilings.available import CEILINGS, Available, available
from bayes_compute.draws import arrays, shuffled
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations, decimal_year
from bayes_compute.projection import arrivals
from bayes_compute.projection.coming import BINDING, Coming
from bayes_compute.projection.demand import LATELY, eras_to_come
from bayes_compute.records import holders, random_walk, record
from bayes_compute.systems import day

ASSUMPTIONS: dict[str, Assumption] = arrivals.ASSUMPTIONS | ceilings.ASSUMPTIONS
HORIZON = 10  # years
FARTHEST = 30
PAST = 3  # years whose systems ceilings are held against
_CEILINGS_TABLE = "2025-08-31"  # vintage of the systems that ceilings are fitted to
_DRAWS = 4000  # more make nothing sharper that is quoted to two digits


def project(
    dt: xr.DataTree,
    horizon: int | None = None,
    *,
    as_of: str | None = None,
    assumptions: Iterable[str] | Mapping[str, float | str] = (),
    since: Observations | None = None,
    seed: int = 1,
    progress: bool = False,
) -> xr.DataTree:
    """Project typical, frontier and record training compute under ceilings.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems. It is extended in place.
    horizon : int, optional
        Last year, ten years ahead by default.
    as_of : str
        Use no data on ceilings from after that day ("YYYY-MM-DD"); that of the fit by default, and
        no later.
    assumptions : iterable of str, or mapping
        "NAME=MEDIAN" or "NAME=MEDIAN/FACTOR", of :data:`ASSUMPTIONS`.
    since : Observations
        What happened since, of a later table, to be shown beside the projection.
    seed : int
        Of what is drawn of the years to come.
    progress : bool
        Show progress bars of ceilings that have to be fitted first.

    Returns
    -------
    xarray.DataTree
        ``dt``, with the groups ``projection`` (the estimands and ``binding``, the place in
        demand, hardware, money, reliability, run_length, power of what set each; ``random_walk``,
        of the record's own increments, to compare), ``ceilings`` (what each alone allows a run on
        hardware of its own) and ``records`` (those on record until then, and since).

    Raises
    ------
    InputError
        If it is not a fit of systems, or an argument is out of range.
    NotConverged
        If a ceiling's fit fails its diagnostics.
    """
    observations = _observations(dt)
    source = observations.source
    until = day(as_of or source["as_of"]).isoformat()
    if until > source["as_of"]:
        raise InputError(
            f"as_of: got {until}; expected {source['as_of']}, the day of the fit, or earlier; fit "
            "a later table"
        )
    stated, dates = check(source["as_of"], horizon, assumptions)
    rng = np.random.default_rng([seed, 8])
    coming = systems_to_come(dt, dates, until, stated, rng, seed, progress)
    by_year = record(observations)
    found = coming.years(decimal_year(dates), by_year["log10_flop"].iloc[-1], rng)
    walk = None
    if len(by_year) > 2:
        walk = random_walk(by_year, len(dates), len(coming.rate), rng)
    dt["projection"] = _labelled(found, walk, dates, stated, coming.allowed, until, source)
    dt["ceilings"] = _each_ceiling(coming.allowed, dates)
    dt["records"] = _records(observations, since, coming.now)
    return dt


def systems_to_come(
    dt: xr.DataTree,
    dates: pd.DatetimeIndex,
    until: str,
    stated: dict[str, Assumption],
    rng: np.random.Generator,
    seed: int = 1,
    progress: bool = False,
) -> Coming:
    """Draw what systems to come are drawn from.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned.
    dates : pandas.DatetimeIndex
        Between which ceilings are on straight lines.
    until : str
        No data on ceilings from after that day are used ("YYYY-MM-DD").
    stated : dict of str to Assumption
        Of :data:`ASSUMPTIONS`, each.
    rng : numpy.random.Generator
    seed, progress
        As in :func:`project`.
    """
    observations = _observations(dt)
    source = observations.source
    now, vintage = decimal_year(
        pd.to_datetime([source["as_of"], source.get("vintage", source["as_of"])])
    )
    p = arrays(shuffled(dt["posterior"].dataset, _DRAWS, rng))
    n = len(p["growth_mean"])
    grid = np.concatenate([np.arange(-PAST, 1) + now, decimal_year(dates)])
    held = holders(observations)
    known = held.loc[held["year"] <= decimal_year(pd.to_datetime([until]))[0]]
    allowed = available(until, grid, n, stated, seed, progress).given(known, rng)
    assumed = draw_each({name: stated[name] for name in arrivals.ASSUMPTIONS}, n, rng)
    rate = arrivals.rate(observations, now, vintage, assumed, rng)
    eras = eras_to_come(p, float(observations.year[0]), now, rng)
    lately = np.isfinite(observations.log10_flop)
    lately &= observations.year > min(now - LATELY, observations.year[lately][-1] - 1)
    domains, lag = observations.domain[lately], assumed["reporting_lag"]
    expected = _expected_parameters(dt)
    return Coming(p, expected, eras, domains, allowed, rate, lag, now, vintage)


def check(
    as_of: str, horizon: int | None, assumptions: Iterable[str] | Mapping[str, float | str]
) -> tuple[dict[str, Assumption], pd.DatetimeIndex]:
    """Check the arguments of :func:`project`: better before a long fit than after it.

    Parameters
    ----------
    as_of : str
        Of the fit, "YYYY-MM-DD".
    horizon, assumptions
        Those of :func:`project`.

    Returns
    -------
    stated : dict of str to Assumption
    dates : pandas.DatetimeIndex
        Ends of the years until the horizon.

    Raises
    ------
    InputError
        If one is out of range.
    """
    today: Any = pd.Timestamp(as_of)
    first = today.year + (today.month == 12 and today.day == 31)
    last = today.year + HORIZON if horizon is None else horizon
    if not first <= last <= first + FARTHEST:
        raise InputError(
            f"horizon: got {last}; expected a year from {first} to {first + FARTHEST}; leave it "
            f"out for {today.year + HORIZON}"
        )
    ends = pd.to_datetime([f"{year}-12-31" for year in range(first, last + 1)])
    return assume(ASSUMPTIONS, assumptions), ends


def _observations(dt: xr.DataTree) -> Observations:
    if "constant_data" not in dt.children:
        raise InputError(
            f"project: got a fit of {dt.attrs.get('model', 'something else')}; expected one of "
            "systems, such as regimes; ceilings are fitted by project itself"
        )
    return Observations.from_fit(dt)


def _expected_parameters(dt: xr.DataTree) -> dict | None:
    """Of regimes, the lines of parameters about which those of FLOP are stated."""
    if "elasticity" not in dt["posterior"]:
        return None
    if "expected_parameters" not in dt.attrs:
        raise InputError(
            "project: got a fit of regimes without expected_parameters, of an earlier version; "
            "expected one of this version; fit again"
        )
    return json.loads(dt.attrs["expected_parameters"])


def _labelled(
    found: dict[str, list[np.ndarray]],
    walk: np.ndarray | None,
    dates: pd.DatetimeIndex,
    stated: dict[str, Assumption],
    allowed: Available,
    until: str,
    source: dict,
) -> xr.Dataset:
    dims = ("sample", "date")
    values: dict[str, Any] = {
        name: (dims, value, {"units": "log10 FLOP"}) for name, (value, _) in found.items()
    }
    binding = np.stack([by for _, by in found.values()]).astype(np.int8)
    if walk is not None:
        values["random_walk"] = (dims, walk, {"units": "log10 FLOP"})
    values["binding"] = (("estimand", *dims), binding, {"places_in": list(BINDING)})
    assumptions = {
        name: {"median": a.median, "factor": a.factor, "unit": a.unit, "reason": a.reason}
        for name, a in stated.items()
    }
    attrs = {
        "as_of": until,
        "revised_data": int(until < max(source.get("vintage", until), _CEILINGS_TABLE)),
        "assumptions": json.dumps(assumptions),
        "unknown": json.dumps(allowed.unknown),
    }
    return xr.Dataset(values, {"date": dates, "estimand": list(found)}, attrs)


def _each_ceiling(allowed: Available, dates: pd.DatetimeIndex) -> xr.Dataset:
    alone = {
        name: (("sample", "date"), allowed.alone(name)[:, -len(dates) :], {"units": "log10 FLOP"})
        for name in CEILINGS
    }
    return xr.Dataset(alone, {"date": dates})


def _records(observations: Observations, since: Observations | None, as_of: float) -> xr.Dataset:
    """Who set a record until a day, and since."""
    rows = holders(observations).assign(since=False)
    if since is not None:
        later = holders(since).assign(since=True)
        later = later[(later["year"] > as_of) & (later["log10_flop"] > rows["log10_flop"].max())]
        rows = pd.concat([rows, later])
    return xr.Dataset({str(name): ("record", rows[name].to_numpy()) for name in rows})
