"""What ranks of simulation-based calibration say: a verdict, coverage and bias of each quantity."""

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from bayes_compute.escaping import escape
from bayes_compute.strict_json import plain
from bayes_compute.uniformity import p_value

N_RANKS = 100
"""Ranks are 0 to 99, of 99 draws; the gate asks for four times as many that are independent."""

LEVEL = 0.01
"""Chance that the verdict rejects any quantity of a model whose fits are right."""

_COVERED = (0.5, 0.8, 0.9)  # central intervals, each a whole number of ranks wide


def passed(ranks: xr.Dataset) -> xr.Dataset:
    """Replications whose fits pass the gate."""
    return ranks.isel(replication=(ranks["refused"] == "").to_numpy())


def verdict(ranks: xr.Dataset) -> pd.DataFrame:
    """Hold ranks against uniform ones, and posterior means against the truth.

    Parameters
    ----------
    ranks : xarray.Dataset
        What :func:`bayes_compute.calibrate` returned.

    Returns
    -------
    pandas.DataFrame
        Index ``quantity``. Of fits that pass the gate: ``p_value``; whether that is ``rejected`` at
        1 % of all quantities together (Bonferroni); the share of central intervals of 50, 80 and
        90 % that hold the truth, ``covered_50`` and so on; ``bias``, the mean of posterior mean
        minus truth, in sds of the prior, and ``bias_se``, its standard error; and ``contraction``,
        the share of the prior's variance that data take away. And ``p_value_all`` of all fits.
    """
    good, rows = passed(ranks), {}
    level = LEVEL / ranks.sizes["quantity"]
    for name in map(str, ranks["quantity"].to_numpy()):
        these, every = good.sel(quantity=name), ranks.sel(quantity=name)
        rank, prior_sd = these["rank"].to_numpy(), float(every["truth"].std(ddof=1))
        error = (these["mean"] - these["truth"]).to_numpy() / prior_sd
        p = p_value(rank, N_RANKS)
        rows[name] = {
            "p_value": p,
            "rejected": p < level,
            **{f"covered_{100 * prob:.0f}": np.mean(_holds(rank, prob)) for prob in _COVERED},
            "bias": error.mean(),
            "bias_se": stats.sem(error),
            "contraction": 1 - float((these["sd"] ** 2).mean()) / prior_sd**2,
            "p_value_all": p_value(every["rank"].to_numpy(), N_RANKS),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")


def _holds(rank: np.ndarray, prob: float) -> np.ndarray:
    """Whether the central interval of a probability holds the truth, by its rank."""
    outside = round((1 - prob) / 2 * N_RANKS)
    return (rank >= outside) & (rank < N_RANKS - outside)


def calibration_record(ranks: xr.Dataset) -> dict[str, Any]:
    """All that ranks say, as plain JSON values (``calibration.json``).

    Parameters
    ----------
    ranks : xarray.Dataset
        What :func:`bayes_compute.calibrate` returned.
    """
    table, refused = verdict(ranks), ranks["refused"].to_numpy()
    names = ranks["replication"].to_numpy()
    return plain(
        {
            "model": ranks.attrs["model"],
            "data": json.loads(ranks.attrs["data"]),
            "seed": ranks.attrs["seed"],
            "replications": ranks.attrs["replications"],
            "refused": {names[i]: refused[i] for i in np.flatnonzero(refused != "")},
            "failed": json.loads(ranks.attrs["failed"]),
            "placed": float(passed(ranks)["placed"].mean()),
            "settings": json.loads(ranks.attrs["settings"]),
            "versions": json.loads(ranks.attrs["versions"]),
            "level": LEVEL,
            "calibrated": not np.any(table["rejected"]),
            "quantities": table.reset_index().to_dict(orient="records"),
        }
    )


def describe(record: dict[str, Any]) -> str:
    """Markdown of what :func:`calibration_record` returned (``calibration.md``)."""
    rows, n = record["quantities"], record["replications"]
    n_refused, n_failed = len(record["refused"]), len(record["failed"])
    rejected = [row["quantity"] for row in rows if row["rejected"]]
    lines = [
        f"# Calibration of {record['model']}",
        "",
        f"{n} data sets simulated from its prior on the design of "
        f"{escape(record['data']['name'], 'markdown')} "
        f"({record['data']['rows']} systems), seed {record['seed']}. The gate refused {n_refused} "
        f"fits; {n_failed} failed. {100 * record['placed']:.1f} % of systems were placed in the "
        "right era.",
        "",
        f"Rejected at {100 * record['level']:g} % of all {len(rows)} quantities together: "
        f"{', '.join(rejected) or 'none'}.",
        "",
        "| quantity | p | p, refused fits too | 50 % held | 80 % held | 90 % held "
        "| bias [prior sd] | variance taken away |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        held = " | ".join(f"{100 * row[f'covered_{k}']:.1f} %" for k in (50, 80, 90))
        lines.append(
            f"| {row['quantity']} | {row['p_value']:.2g}{', rejected' * row['rejected']} "
            f"| {row['p_value_all']:.2g} | {held} | {row['bias']:+.3f} ± {row['bias_se']:.3f} "
            f"| {100 * row['contraction']:.0f} % |"
        )
    lines.append("")
    for outcome in ("refused", "failed"):
        for name, why in record[outcome].items():
            lines.append(f"- {outcome}, {name}: {escape(why, 'markdown')}")
    return "\n".join(lines).rstrip() + "\n"
