"""Backtests of all dated tables: run, pooled, and in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayes_compute import executor
from bayes_compute.backtesting.vintage import LEVELS, of_vintage
from bayes_compute.errors import InputError
from bayes_compute.escaping import escape
from bayes_compute.posterior import script
from bayes_compute.systems import shipped

FORECASTS = ("projection", "random walk", "trend only", "least squares")
_TARGETS = {
    "systems": "new systems, each at its date and domain",
    "known systems": "those of the table's own last year, which it was fitted to",
    "frontier": "what the top 5 % of a year's systems exceed",
    "record": "the record at years' ends",
    "record, old figures": "the record, had no old figure been revised",
}


def backtest(
    model: str,
    store: Path,
    *,
    seed: int = 1,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> dict:
    """Backtest a model on every dated table but the newest, which tells what happened.

    Parameters
    ----------
    model : str
        Name of a model of systems in eras.
    store : path
        Folder of finished tables, which are not done again.
    seed : int
    scheduler, workers, progress
        As :func:`bayes_compute.executor.run` takes them.

    Returns
    -------
    dict
        ``model``, ``seed``, ``later`` (the newest table), and ``vintages``: of each what
        :func:`.vintage.of_vintage` returned, or ``failure`` and ``reason``.

    Raises
    ------
    InputError
        If the model is not of systems in eras, or as :func:`bayes_compute.executor.run`.
    Unfinished
        If the scheduler is lost.
    """
    if not hasattr(script(model), "regression"):
        raise InputError(
            f"model: got {model!r}; expected a model of systems in eras, such as regimes; ceilings "
            "are held against what happened by benchmarks/projection.py"
        )
    *vintages, later = shipped()
    found = executor.run(
        of_vintage,
        {name: (model, name, later, seed) for name in vintages},
        store,
        scheduler=scheduler,
        workers=workers,
        progress=progress,
    )
    return {
        "model": model,
        "seed": seed,
        "later": later,
        "vintages": {
            name: outcome.result or {"failure": outcome.failure, "reason": outcome.reason}
            for name, outcome in found.items()
        },
    }


def scores(record: dict) -> pd.DataFrame:
    """Scores of every table, a row each.

    Parameters
    ----------
    record : dict
        What :func:`backtest` returned.

    Returns
    -------
    pandas.DataFrame
        Columns ``vintage``, ``forecast``, ``target``, ``year`` or ``date``, ``n``, ``crps`` [OOM],
        ``log_score`` [nats], ``place``, and ``inside_50`` and ``inside_90``, how many of n are
        inside.
    """
    rows = []
    for name, vintage in record["vintages"].items():
        for row in vintage.get("scores", []):
            within = {f"inside_{100 * p:.0f}": row["inside"][f"{p:g}"] for p in LEVELS}
            kept = {k: v for k, v in row.items() if k not in ("inside", "quantiles")}
            rows.append({"vintage": name} | kept | within)
    return pd.DataFrame(rows)


def pooled(table: pd.DataFrame, by: tuple[str, ...] = ("target", "forecast")) -> pd.DataFrame:
    """Scores pooled over outcomes.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`scores` returned.
    by : tuple of str
        Columns that are kept apart.
    """
    means = ["crps", "log_score", "place"]
    weighted = table.assign(**{name: table[name] * table["n"] for name in means})
    columns = ["n", *means, *(f"inside_{100 * p:.0f}" for p in LEVELS)]
    found: Any = weighted.groupby([*by], sort=False)[columns].sum()
    return found.assign(**{name: found[name] / found["n"] for name in means})


def describe(record: dict) -> str:
    """Say in Markdown what was found.

    Parameters
    ----------
    record : dict
        What :func:`backtest` returned.
    """
    table: Any = scores(record)
    lines = [
        f"# {record['model']}, backtested on dated tables",
        "",
        f"Fitted to each table as it stood, and scored by {record['later']}. CRPS in OOM, less is "
        "better; log scores in nats, more is better; `inside` counts outcomes in the central 50 % "
        "and 90 % intervals, beside the range that independent outcomes would have in 99 of 100 "
        "cases. `place` is the mean probability of less than what came, 0.5 without bias. "
        "Outcomes of one table, and of one target over tables, are not independent. "
        "Ceilings are fitted to the newest tables, cut by the dates of events.",
    ]
    for name, vintage in record["vintages"].items():
        if "failure" in vintage:
            lines += [
                "",
                f"**{name} failed**: {vintage['failure']}: {escape(vintage['reason'], 'markdown')}",
            ]
    if len(table):
        every = pooled(table)
        for target, words in _TARGETS.items():
            if target in every.index.get_level_values(0):
                lines += ["", f"## {target}: {words}", "", *_table(every.loc[target])]
        lines += ["", "## New systems by the year of their publication", "", *_by_year(table)]
        lines += ["", "## By table", "", *_by_vintage(table)]
        lines += ["", "## What the newest table knows of those days", "", *_known(record)]
    return "\n".join(lines) + "\n"


def _table(rows: pd.DataFrame) -> list[str]:
    lines = [
        "| forecast | CRPS | of the projection's | log score | place | inside 50 % | inside 90 % |",
        "|---|---|---|---|---|---|---|",
    ]
    own = rows["crps"].get("projection", np.nan)
    for name in FORECASTS:
        if name in rows.index:
            row = rows.loc[name]
            inside = " | ".join(_of(row[f"inside_{100 * p:.0f}"], row["n"], p) for p in LEVELS)
            lines.append(
                f"| {name} | {row['crps']:.3f} | {row['crps'] / own:.2f} | {row['log_score']:.2f} "
                f"| {row['place']:.2f} | {inside} |"
            )
    return lines


def _of(inside: float, n: float, prob: float) -> str:
    low, high = stats.binom.interval(0.99, int(n), prob)
    return f"{inside:.0f} of {n:.0f} ({low:.0f} to {high:.0f})"


def _by_year(table: pd.DataFrame) -> list[str]:
    """Whether what systems lie at, and how many are inside, changes with time."""
    of_systems = pooled(table, ("target", "year", "forecast")).loc["systems"]
    every: Any = of_systems.sort_index()
    lines = [
        "| year | forecast | CRPS | place | inside 50 % | inside 90 % |",
        "|---|---|---|---|---|---|",
    ]
    for row in every.reset_index().to_dict(orient="records"):
        inside = " | ".join(_of(row[f"inside_{100 * p:.0f}"], row["n"], p) for p in LEVELS)
        lines.append(
            f"| {row['year']:.0f} | {row['forecast']} | {row['crps']:.3f} | {row['place']:.2f} "
            f"| {inside} |"
        )
    return lines


def _by_vintage(table: pd.DataFrame) -> list[str]:
    """CRPS of each forecast, table and target; whether the projection is the best."""
    every = pooled(table, ("vintage", "target", "forecast"))["crps"].unstack()
    names = [name for name in FORECASTS if name in every]
    lines = [f"| table | target | {' | '.join(names)} | best |", "|---" * (len(names) + 3) + "|"]
    order = [(v, t) for v in table["vintage"].unique() for t in _TARGETS if (v, t) in every.index]
    for vintage, target in order:
        row = every.loc[(vintage, target), names]
        values = " | ".join("" if np.isnan(value) else f"{value:.3f}" for value in row)
        lines.append(f"| {vintage} | {target} | {values} | {row.idxmin()} |")
    return lines


def _known(record: dict) -> list[str]:
    lines = [
        "| table | systems with compute by that day | known then | revised since "
        "| not notable then | absent then | gone since | record then | record of that day, later |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, vintage in record["vintages"].items():
        if "known" in vintage:
            k = vintage["known"]
            counts = [
                k[c] for c in ("systems", "known", "revised", "not notable", "absent", "gone")
            ]
            held = [
                f"{escape(k[r]['system'], 'markdown')} 10^{k[r]['log10_flop']:.2f}"
                for r in ("record", "record_later")
            ]
            lines.append(f"| {' | '.join([name, *map(str, counts), *held])} |")
    return lines
