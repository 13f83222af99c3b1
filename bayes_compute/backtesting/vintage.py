"""Backtests in real time: what the table of a day says of what came, by what a later table knows.

For each dated table a model is fitted to what stood there, projected, and scored by what the later
table knows: for new systems (at their dates and domains), for the top 5 % of the systems of a year,
and for the record. Beside it stand peers of the same systems: ordinary least squares on log10 FLOP
since 2010, the model's own trend without ceilings, and for the record a random walk of its own
increments. Ceilings are fitted to the newest tables, cut by the dates of events.

A later table knows new systems, and other figures of old ones. The record is scored as the later
table has it, and as it would be had the old figures stayed.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import logsumexp

from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.inference import fit
from bayes_compute.observations import Observations, decimal_year
from bayes_compute.projection.coming import TOP, Coming
from bayes_compute.projection.demand import Eras
from bayes_compute.projection.projection import check, systems_to_come
from bayes_compute.records import holders, random_walk, record
from bayes_compute.scores import crps, inside
from bayes_compute.systems import load_systems

LEVELS = (0.5, 0.9)
_LINE_SINCE = 2010.0
_REVISED = 0.1  # OOM by which a figure has moved
_FEWEST = 10  # systems that have a top 5 %


def of_vintage(model: str, vintage: str, later: str, seed: int = 1) -> dict:
    """Fit one table, and score what it says by a later one.

    Parameters
    ----------
    model : str
    vintage, later : str
        Names of shipped tables.
    seed : int

    Returns
    -------
    dict
        ``as_of``, ``rows``, ``known`` (from :func:`known_since`), and ``scores``: a row for each
        forecast, target, and ``year`` or ``date``, with ``n`` outcomes, the means of ``crps``,
        ``log_score`` and ``place`` (the probability of less than the outcome, 1/2 without bias),
        and how many lie ``inside`` the central intervals of :data:`LEVELS`.

    Raises
    ------
    InputError
        If the later table is not later.
    NotConverged
        If the fit, or that of a ceiling, fails its diagnostics.
    """
    before, after = (Observations.from_systems(load_systems(name)) for name in (vintage, later))
    day, last = (pd.Timestamp(o.source["as_of"]) for o in (before, after))
    if not last > day:
        raise InputError(
            f"backtest: got {later} to score {vintage}; expected a later table; see bayes-compute "
            "data"
        )
    try:
        dt = fit(model, before, seed=seed, progress=False)
    except NotConverged:  # what a refused fit is told to try
        dt = fit(model, before, seed=seed, draws=2000, tune=1000, progress=False)
    rng = np.random.default_rng([seed, 9])
    ends = pd.DatetimeIndex(
        [*(pd.Timestamp(year, 12, 31) for year in range(int(day.year), int(last.year))), last]
    )
    ends = ends[ends > day]
    until = before.source["as_of"]
    coming = systems_to_come(dt, ends, until, check(until, None, ())[0], rng, seed)
    trend = replace(coming, allowed=coming.allowed.lifted())
    forecasts = {
        "projection": coming,
        "trend only": trend,
        "least squares": replace(trend, **_line(before, len(coming.rate), rng)),
    }
    by_year = record(before)
    walk = random_walk(by_year, len(ends), len(coming.rate), rng)
    rows = {"random walk": [_of_record(walk, before, after, ends)]}
    for name, forecast in forecasts.items():
        path = forecast.years(decimal_year(ends), by_year["log10_flop"].iloc[-1], rng)
        rows[name] = [
            _of_systems(forecast, before, after, rng),
            _of_frontier(forecast, after, ends, rng),
            _of_record(path["record"][0], before, after, ends),
        ]
    scores = [{"forecast": name} | row for name, each in rows.items() for row in chain(*each)]
    known = known_since(vintage, later)
    return {"as_of": until, "rows": before.n, "known": known, "scores": scores}


def known_since(vintage: str, later: str) -> dict:
    """Say what a later table knows of the days of an earlier one.

    Parameters
    ----------
    vintage, later : str
        Names of shipped tables.

    Returns
    -------
    dict
        ``systems`` with training compute that the later table has of the days until the earlier
        one: of these as many were ``known`` with compute, and ``revised`` since by more than a
        tenth of an OOM; in the table but ``not notable`` then; ``absent`` or without compute. Then
        ``gone``, which the later table has no more or leaves out, and who held the record, as
        known then (``record``) and later (``record_later``).
    """
    then, since = (
        Observations.from_systems(load_systems(name)).with_compute for name in (vintage, later)
    )
    since = since.subset(since.year <= decimal_year(pd.to_datetime([then.source["as_of"]]))[0])
    every = load_systems(vintage, selection="all").dropna(subset=["training_compute_flop"])
    figures = dict(zip(then.system, then.log10_flop, strict=True))
    later_figures = dict(zip(since.system, since.log10_flop, strict=True))
    both = figures.keys() & later_figures.keys()
    aside = {*every["system"]} & later_figures.keys() - both
    return {
        "systems": since.n,
        "known": len(both),
        "revised": int(sum(abs(figures[name] - later_figures[name]) > _REVISED for name in both)),
        "not notable": len(aside),
        "absent": since.n - len(both) - len(aside),
        "gone": len(figures.keys() - both),
        "record": _holder(then),
        "record_later": _holder(since),
    }


def _holder(observations: Observations) -> dict:
    last = holders(observations).iloc[-1]
    return {"system": last["system"], "log10_flop": float(last["log10_flop"])}


def _line(observations: Observations, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """A line by least squares with flat priors, as one era that does not end."""
    found = observations.with_compute
    found = found.subset(found.year >= _LINE_SINCE)
    x, y = found.year - REFERENCE_YEAR, found.log10_flop
    design = np.stack([np.ones_like(x), x], axis=1)
    line, (squares,), *_ = np.linalg.lstsq(design, y)
    sd = np.sqrt(squares / rng.chisquare(len(y) - 2, n))
    root = np.linalg.cholesky(np.linalg.inv(design.T @ design))
    drawn = line + sd[:, None] * (rng.standard_normal((n, 2)) @ root.T)
    sigma = np.sqrt(np.maximum(sd**2 - np.mean(found.variance), 0.0))  # of compute, not of figures
    p = {"level": drawn[:, :1], "growth": drawn[:, 1:], "sigma": sigma[:, None]}
    p["offset"] = np.zeros((n, len(observations.domains)))
    never = np.full((n, 1), 9999.0)  # decimal year
    return {"p": p, "expected": None, "eras": Eras(never, 0 * p["growth"])}


def _of_systems(
    coming: Coming, before: Observations, after: Observations, rng: np.random.Generator
) -> Iterator[dict]:
    """Scores of figures of new systems, by the year in which they were published.

    Before them those of the table's own last year, which it was fitted to: do these lie elsewhere
    in what it says already?
    """
    place = {name: k for k, name in enumerate(before.domains)}
    own = before.with_compute
    own = own.subset(own.year > coming.now - 1)
    kept = np.isfinite(after.log10_flop) & (after.year > coming.now)
    new = after.subset(kept & np.array([after.domains[d] in place for d in after.domain]))
    year = np.floor(new.year).astype(int)
    parts = [("systems", int(of), new.subset(year == of)) for of in np.unique(year)]
    if own.n:
        parts.insert(0, ("known systems", int(coming.now), own))
    for target, of, some in parts:
        domain = np.array([place[some.domains[d]] for d in some.domain])
        shape = (len(coming.rate), some.n)
        date, domain = (np.tile(each, (shape[0], 1)) for each in (some.year, domain))
        drawn, _ = coming.draw(date, rng, domain)
        figures = drawn + np.sqrt(some.variance) * rng.standard_normal(shape)
        scored = _score(figures, some.log10_flop, _bandwidth(figures))
        yield {"target": target, "year": of} | scored


def _of_frontier(
    coming: Coming, after: Observations, ends: pd.DatetimeIndex, rng: np.random.Generator
) -> Iterator[dict]:
    """Scores of the figure that the top 5 % of a year's systems exceed, of so many systems."""
    after = after.with_compute
    for end in ends:
        start, stop = decimal_year(pd.DatetimeIndex([pd.Timestamp(end.year, 1, 1), end]))
        mine = (after.year > max(start, coming.now)) & (after.year <= stop)
        if mine.sum() < _FEWEST:
            continue
        some = after.subset(mine)
        shape = (len(coming.rate), some.n)
        drawn, _ = coming.draw(np.tile(some.year, (shape[0], 1)), rng)
        figures = drawn + np.sqrt(some.variance) * rng.standard_normal(shape)
        top = np.quantile(figures, TOP, axis=1)[:, None]
        outcome = np.quantile(some.log10_flop, TOP, keepdims=True)
        yield _dated("frontier", end, top, outcome, _bandwidth(top))


def _of_record(
    path: np.ndarray, before: Observations, after: Observations, ends: pd.DatetimeIndex
) -> Iterator[dict]:
    """Scores of the record, as the later table has it, and had the old figures stayed."""
    day = decimal_year(pd.to_datetime([before.source["as_of"]]))[0]
    old = before.with_compute.log10_flop.max()
    held, new = holders(after), after.year > day
    for k, end in enumerate(ends):
        until = decimal_year(pd.DatetimeIndex([end]))[0]
        last = held[held["year"] <= until].iloc[-1]
        error, outcome = np.array([last["error"]]), np.array([last["log10_flop"]])
        yield _dated("record", end, path[:, [k]], outcome, error)
        come = after.log10_flop[new & (after.year <= until)]
        outcome = np.nanmax([*come, old], keepdims=True)
        yield _dated("record, old figures", end, path[:, [k]], outcome, error)


def _dated(
    target: str, end: pd.Timestamp, draws: np.ndarray, outcome: np.ndarray, width: np.ndarray
) -> dict:
    """Scores of one outcome by a day, with what was said and what happened."""
    quantiles = {f"{q:g}": float(np.quantile(draws, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    row = {"target": target, "date": f"{end:%Y-%m-%d}", "outcome": float(outcome[0])}
    return row | {"quantiles": quantiles} | _score(draws, outcome, width)


def _score(draws: np.ndarray, outcome: np.ndarray, width: np.ndarray) -> dict:
    """Scores of n forecasts, each S draws, (S, n); densities are of draws blurred by a width."""
    log_density = stats.norm.logpdf(outcome, draws, width)
    return {
        "n": len(outcome),
        "crps": float(crps(draws, outcome).mean()),
        "log_score": float((logsumexp(log_density, axis=0) - np.log(len(draws))).mean()),
        "place": float((draws < outcome).mean()),
        "inside": {f"{p:g}": int(inside(draws, outcome, p).sum()) for p in LEVELS},
    }


def _bandwidth(draws: np.ndarray) -> np.ndarray:
    """Silverman's width of a kernel for each column (1986, equation 3.31)."""
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    return 0.9 * np.minimum(draws.std(axis=0), (high - low) / 1.34) * len(draws) ** -0.2
