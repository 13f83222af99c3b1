"""What a projection says: ``projection.json``, and in words."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.convergence import quantile_errors
from bayes_compute.errors import InputError
from bayes_compute.escaping import escape
from bayes_compute.keys import draws_hash, key
from bayes_compute.layout import tabulate
from bayes_compute.projection.coming import BINDING, ESTIMANDS, UNCHANGED
from bayes_compute.strict_json import plain
from bayes_compute.wording import binding, ends, kind, level, stated

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_YEARLY = ("record", "frontier", "typical")
_SAID = 5  # words are made for the first year, the last, and those that this divides


def projection_record(dt: xr.DataTree, prob: float | None = None) -> dict:
    """Give the numbers of a projection as they are written to ``projection.json``.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.project` returned.
    prob : float, optional
        Probability of the equal-tailed intervals; that of the fit by default.

    Returns
    -------
    dict
        ``model``, ``data``, ``as_of``, ``interval``, ``estimands`` (of each, at every year's end,
        a row as :func:`~bayes_compute.quoting.quote` takes it, log10 FLOP; of the draws with
        something new the share that each ceiling sets; and the share ``unchanged``),
        ``random_walk`` of the record's own increments to compare, ``record`` (who holds it),
        ``assumptions`` and ``unknown``.

    Raises
    ------
    InputError
        If there is no projection.
    """
    if "projection" not in dt.children:
        raise InputError(
            "projection: got a fit without one; expected what bc.project returned; call that first"
        )
    projected = dt["projection"].dataset
    prob = float(dt.attrs["interval_prob"]) if prob is None else prob
    held = dt["records"].dataset
    until = int(np.flatnonzero(~held["since"].to_numpy())[-1])
    digest = draws_hash(projected)
    return {
        "model": dt.attrs["model"],
        "data": json.loads(dt.attrs["data"]),
        "as_of": projected.attrs["as_of"],
        "revised_data": bool(projected.attrs["revised_data"]),
        "unit": "log10 FLOP",
        "projection_sha256": digest,
        "interval": {"kind": "eti", "prob": prob},
        "record": {
            "system": str(held["system"].to_numpy()[until]),
            "log10_flop": float(held["log10_flop"].to_numpy()[until]),
        },
        "estimands": {
            name: [
                row | shares
                for row, shares in zip(
                    _rows(dt, name, prob, digest),
                    _shares(projected["binding"].sel(estimand=name)),
                    strict=True,
                )
            ]
            for name in reversed(ESTIMANDS)
        },
        "random_walk": (
            _rows(dt, "random_walk", prob, digest) if "random_walk" in projected else []
        ),
        "assumptions": json.loads(projected.attrs["assumptions"]),
        "unknown": json.loads(projected.attrs["unknown"]),
    }


def _rows(dt: xr.DataTree, variable: str, prob: float, digest: str) -> list[dict]:
    draws = dt["projection"].dataset[variable].transpose("sample", "date")
    wanted = [(1 - prob) / 2, (1 + prob) / 2, *QUANTILES]
    found = np.quantile(draws, wanted, axis=0).T
    rows = []
    for date, of_date, values in zip(
        pd.DatetimeIndex(draws["date"]), draws.to_numpy().T, found, strict=True
    ):
        name = f"{variable}[{date.year}]"
        rows.append(
            {
                "name": name,
                "key": key(dt.attrs["model"], name, json.loads(dt.attrs["data"]), digest),
                "date": f"{date:%Y-%m-%d}",
                "unit": "log10 FLOP",
                "median": float(values[2 + QUANTILES.index(0.5)]),
                "lower": float(values[0]),
                "upper": float(values[1]),
                **plain(quantile_errors(of_date[None], prob)),
                "quantiles": {
                    f"{q:g}": float(v) for q, v in zip(QUANTILES, values[2:], strict=True)
                },
            }
        )
    return rows


def _shares(binding: xr.DataArray) -> list[dict]:
    """Of the draws with something new, the share that each ceiling sets; and those without."""
    found = []
    for row in binding.transpose("date", "sample").to_numpy():
        new = row[row != UNCHANGED]
        shares = (
            {name: float(np.mean(new == k)) for k, name in enumerate(BINDING)} if len(new) else {}
        )
        found.append({"binding": shares, "unchanged": 1 - len(new) / len(row)})
    return found


def describe(record: dict) -> str:
    """Say what a projection says, and what it rests on.

    Parameters
    ----------
    record : dict
        What :func:`projection_record` returned.
    """
    rows, now = record["estimands"]["record"], record["record"]
    percent = level(record)
    data = ", in revised data: tables of a later day" if record["revised_data"] else ""
    of_fit = record["data"]["as_of"]
    if record["as_of"] < of_fit:
        data = f"; ceilings as of {record['as_of']}{data}"
    lines = [
        f"As of {of_fit}{data}, the largest training run on record is "
        f"{escape(now['system'], 'text')}, 10^{now['log10_flop']:.1f} FLOP.",
    ]
    lines += [_sentence(row, percent) for row in said(rows)]
    frontier = record["estimands"]["frontier"][min(4, len(rows) - 1)]
    typical = record["estimands"]["typical"][min(4, len(rows) - 1)]
    lines += [
        f"Of the systems of {frontier['date'][:4]} the top 5 % are above {_interval(frontier)}, "
        f"and a typical one takes {_interval(typical)}.",
        f"Intervals are {percent} {kind(record)}. Systems as the table selects them; runs that are "
        "not in it may be larger. More than five years ahead, projections from 2015 to 2022 were "
        "hardly better than a random walk of the record, and too low.",
    ]
    lines += [f"Not known by then, so does not bind: {why}" for why in record["unknown"]]
    return "\n".join(lines)


def said(rows: list[dict]) -> list[dict]:
    """Those of the years of an estimand for which words are made."""
    return [row for row in rows if row in (rows[0], rows[-1]) or int(row["date"][:4]) % _SAID == 0]


def years_table(record: dict) -> str:
    """Every year of a projection, as a Markdown table of medians and intervals."""
    head = ("end of", "record", "top 5 % of the year's systems", "typical system")
    body = [
        (rows[0]["date"][:4], *map(_interval, rows))
        for rows in zip(*(record["estimands"][name] for name in _YEARLY), strict=True)
    ]
    return tabulate([head, *body], "markdown", "llll")


def assumptions_table(record: dict) -> str:
    """Every assumption of a projection, as a Markdown table."""
    lines = [
        "| assumption | median | within a factor of (90 %) | unit | why |",
        "|---|---|---|---|---|",
    ]
    for name, a in record["assumptions"].items():
        reason = a["reason"].replace("|", r"\|")
        lines.append(f"| `{name}` | {a['median']:g} | {a['factor']:g} | {a['unit']} | {reason} |")
    return "\n".join(lines)


def _sentence(row: dict, percent: str) -> str:
    text = f"By the end of {row['date'][:4]} it is likely {stated(row)} ({percent}: {ends(row)})"
    return f"{text}{binding(row)}."


def _interval(row: dict) -> str:
    return f"{stated(row)} ({ends(row)})"
