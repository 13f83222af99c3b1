"""Are projections right? From days in the past, against what then happened.

    uv run python benchmarks/projection.py backtest [MODEL [TABLE]]   # about 5 minutes
    uv run python benchmarks/projection.py ceilings           # do runs break the ceilings of then?
    uv run python benchmarks/projection.py time               # a projection after a fit

`backtest` fits the notable systems of systems-2025-08 (or those of another table) that were
published by each origin (revised data), projects the record to the ends of years, and scores it
with the record of all of systems-2025-08 by the continuous ranked probability score [OOM], beside
two peers: a random walk of the record's own increments, and the trend alone, a line through all
systems since 2010 with 30 systems a year. A fit that fails its diagnostics is scored too, and
marked: nobody would have been shown it.
"""

import sys
import time
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

import bayes_compute as bc
from bayes_compute import inference
from bayes_compute.observations import Observations, decimal_year
from bayes_compute.records import record
from bayes_compute.scores import crps, inside

TABLE = "systems-2025-08"
ORIGINS = ("2016-12-31", "2018-12-31", "2020-12-31", "2022-03-13")
BETWEEN = ("2015-12-31", "2017-12-31", "2019-12-31", "2021-12-31")
YEARS = 3


def systems(as_of: str | None = None, table: str = TABLE) -> Observations:
    """Systems published by a day, notable ones where the table has a flag."""
    return Observations.from_systems(bc.load_systems(table, as_of))


def fitted(model: str, observations: Observations):
    """A fit, and whether its diagnostics let it be quoted."""
    passed = []

    def look(tree, *rest):
        try:
            checked(tree, *rest)
            passed.append("")
        except bc.NotConverged as failure:
            passed.append(f"not to be quoted: {failure}")
        return tree

    checked = inference._checked
    with mock.patch.object(inference, "_checked", look):
        dt = bc.fit(model, observations, progress=False)
    return dt, passed[0]


def trend_alone(observations: Observations, ends: np.ndarray, rng) -> np.ndarray:
    """Record by years' ends from a line through systems since 2010, 30 a year, (4000, T)."""
    found = observations.subset(observations.year >= 2010).with_compute
    x, y = found.year - 2020, found.log10_flop
    design = np.stack([np.ones_like(x), x], axis=1)
    line, (squares,), *_ = np.linalg.lstsq(design, y)
    n = 4000
    sd = np.sqrt(squares / rng.chisquare(len(y) - 2, n))
    root = np.linalg.cholesky(np.linalg.inv(design.T @ design))
    lines = line + sd[:, None] * (rng.standard_normal((n, 2)) @ root.T)
    start = decimal_year(pd.to_datetime([observations.source["as_of"]]))[0]
    highest, found_at = np.full(n, y.max()), []
    for end in ends:
        year = rng.uniform(start, end, (n, max(1, round(30 * (end - start))))) - 2020
        drawn = lines[:, :1] + lines[:, 1:] * year + sd[:, None] * rng.standard_normal(year.shape)
        highest, start = np.maximum(highest, drawn.max(axis=1)), end
        found_at.append(highest)
    return np.stack(found_at, axis=1)


def backtest(model: str = "regimes", table: str = TABLE) -> None:
    """Score projections and both peers."""
    happened: Any = record(systems())["log10_flop"]
    scores = {}
    for origin in (*ORIGINS, *BETWEEN):
        observations = systems(origin, table)
        dt, failed = fitted(model, observations)
        bc.project(dt, happened.index[-1].year - 1)
        projected = dt["projection"].dataset
        dates = projected["date"].to_index()
        outcome = happened[dates].to_numpy()
        peers = {
            "projection": projected["record"].to_numpy(),
            "random walk": projected["random_walk"].to_numpy(),
            "trend alone": trend_alone(observations, decimal_year(dates), np.random.default_rng(1)),
        }
        for name, drawn in peers.items():
            low, middle, high = np.quantile(drawn, [0.05, 0.5, 0.95], axis=0)
            held, score = inside(drawn, outcome, 0.9), crps(drawn, outcome)
            scores[origin, name] = held, score
            for k, date in enumerate(dates):
                print(
                    f"{origin} {date.year} {name:12} {middle[k]:.2f} ({low[k]:.2f} to "
                    f"{high[k]:.2f}) happened {outcome[k]:.2f} {'in' if held[k] else 'OUT':3} "
                    f"CRPS {score[k]:.2f} {failed if name == 'projection' else ''}"
                )
    for label, origins, leads in (
        ("the four origins, 1 to 3 years", ORIGINS, slice(YEARS)),
        ("four between, 1 to 3 years", BETWEEN, slice(YEARS)),
        ("all eight, 4 and 5 years", ORIGINS + BETWEEN, slice(YEARS, YEARS + 2)),
        ("all eight, 6 years and more", ORIGINS + BETWEEN, slice(YEARS + 2, None)),
    ):
        pooled = {}
        for name in ("projection", "random walk", "trend alone"):
            held, score = (
                np.concatenate([scores[origin, name][k][leads] for origin in origins])
                for k in (0, 1)
            )
            pooled[name] = score.mean()
            print(
                f"{label}: {name}: CRPS {pooled[name]:.3f}, 90 % held {held.sum()} of {len(held)}"
            )
        print(
            f"{label}: {pooled['projection'] / pooled['random walk']:.2f} of the random walk, "
            f"{pooled['projection'] / pooled['trend alone']:.2f} of the trend alone"
        )


def ceilings() -> None:
    """Hold the largest runs of three years after each origin against each ceiling's 95 %."""
    everything = systems().with_compute
    for origin in (*ORIGINS, *BETWEEN):
        dt, _ = fitted("regimes", systems(origin))
        bc.project(dt, int(origin[:4]) + YEARS)
        start = decimal_year(pd.to_datetime([origin]))[0]
        for name, allowed in dt["ceilings"].dataset.items():
            ends = decimal_year(allowed["date"].to_index())
            high = np.quantile(allowed, 0.95, axis=0, method="lower")  # some have no bound yet
            later = (everything.year > start) & (everything.year <= ends[-1])
            above = later & (everything.log10_flop > np.interp(everything.year, ends, high))
            names = [
                f"{everything.system[i]} ({everything.log10_flop[i]:.2f})"
                for i in np.flatnonzero(above)
            ]
            print(f"{origin} {name:12} 95 % {high.round(2)}: {', '.join(names) or 'none above'}")


def timing() -> None:
    """Measure projections, the first of which may fit ceilings."""
    dt, _ = fitted("regimes", systems())
    for _ in range(4):
        start = time.perf_counter()
        bc.project(dt)
        print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    what = {"backtest": backtest, "ceilings": ceilings, "time": timing}
    what[sys.argv[1]](*sys.argv[2:])
