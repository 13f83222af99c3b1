"""What the data say and what the priors say: stated priors beside flat ones, and power-scaling.

Power-scaling asks how fast a posterior moves as a prior is made a little stronger or weaker:
Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5.
"""

from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.errors import NotConverged
from bayes_compute.rounding import ROUNDED, ends_text, median_text
from bayes_compute.summaries import summary
from bayes_compute.wording import prior_mark

VARIABLES = ("transition_year", "growth", "capacity", "drift")
INFORMATIVE = 0.05
"""Power-scaling sensitivity above which a prior is informative; the same source."""


def prior_check(dt: xr.DataTree, flat: xr.DataTree | NotConverged | None) -> dict[str, Any]:
    """Set each quantity beside its prior and beside what flat priors give.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit with stated priors.
    flat : DataTree or NotConverged, optional
        The same with ``flat_dates``, or why it may not be quoted.

    Returns
    -------
    dict
        ``flat_converged`` and, if it did not, ``reason``; ``quantities``: for each a row with
        ``prior``, ``stated`` and ``flat`` (median, lower, upper; null without a flat fit),
        ``largely_prior``, ``outside_prior``, and ``power_scaling``, its sensitivity to the priors
        of dates and, where there is one, of the capacity.
    """
    found: dict[str, Any] = {"flat_converged": isinstance(flat, xr.DataTree), "quantities": []}
    if isinstance(flat, NotConverged):
        found["reason"] = str(flat)
    stated, before = summary(dt), _prior_summary(dt)
    other = summary(flat) if isinstance(flat, xr.DataTree) else None
    scaled = power_scaling(dt)
    for name, row in stated.iterrows():
        if str(name).partition("[")[0] not in VARIABLES:
            continue
        found["quantities"].append(
            {
                "name": str(name),
                "prior": before[str(name)] | {"unit": row["unit"]},
                "stated": row[[*ROUNDED]].to_dict(),
                "flat": None if other is None else other.loc[name, [*ROUNDED]].to_dict(),
                "largely_prior": row["largely_prior"],
                "outside_prior": row["outside_prior"],
                "power_scaling": {prior: values[str(name)] for prior, values in scaled.items()},
            }
        )
    return found


def power_scaling(dt: xr.DataTree) -> dict[str, dict[str, float]]:
    """Sensitivity of each quantity to the prior of each date and of the capacity.

    Returns
    -------
    dict
        For ``"dates"`` and ``"capacity"``, as far as they have priors, a number for each quantity;
        above 0.05 the prior is informative.
    """
    from arviz_stats.psense import psense

    found = {}
    names = [name for name in VARIABLES if name in dt["posterior"]]
    labelled = {name: _labels(dt["posterior"].dataset[name]) for name in names}
    for label, priors in (("dates", ["transition_year"]), ("capacity", ["capacity", "drift"])):
        if "log_prior" not in dt or priors[0] not in dt["log_prior"]:
            continue
        if all(np.ptp(dt["log_prior"].dataset[prior].to_numpy()) == 0 for prior in priors):
            every = (each for labels in labelled.values() for each in labels)
            found[label] = dict.fromkeys(every, 0.0)  # a flat prior has no power to scale
            continue
        values: Any = psense(dt, var_names=names, group="prior", group_var_names=priors)
        found[label] = {
            each: float(value)
            for name, labels in labelled.items()
            for each, value in zip(labels, values[name].to_numpy().ravel(), strict=True)
        }
    return found


def describe(check: dict[str, Any], prob: str) -> str:
    """A Markdown table of a check, with what is largely the prior's marked.

    Parameters
    ----------
    check : dict
        What :func:`prior_check` returned.
    prob : str
        Probability of its intervals, such as ``"90 %"``.
    """
    lines = [
        f"| quantity | prior | posterior | posterior under flat priors | ({prob} intervals) |",
        "|---|---|---|---|---|",
    ]
    for row in check["quantities"]:
        cells = [row["name"]]
        for key in ("prior", "stated", "flat"):
            part = row[key]
            cells.append(f"{median_text(part)} ({ends_text(part)})" if part else "–")
        marks = [mark] if (mark := prior_mark(row)) else []
        moved = [name for name, value in row["power_scaling"].items() if value > INFORMATIVE]
        if moved:
            marks.append(f"moves with the prior of {' and '.join(moved)}")
        lines.append("| " + " | ".join([*cells, "; ".join(marks)]) + " |")
    if "reason" in check:
        lines += ["", f"Under flat priors there is no answer to quote: {check['reason']}"]
    return "\n".join(lines) + "\n"


def _prior_summary(dt: xr.DataTree) -> dict[str, dict[str, float]]:
    prob = float(dt.attrs["interval_prob"])
    found = {}
    for variable in VARIABLES:
        if variable not in dt["prior"]:
            continue
        values = dt["prior"].dataset[variable].transpose("chain", "draw", ...)
        draws = values.to_numpy().reshape(values.sizes["chain"] * values.sizes["draw"], -1)
        for name, of_name in zip(_labels(values), draws.T, strict=True):
            ends = np.quantile(of_name, [0.5, (1 - prob) / 2, (1 + prob) / 2])
            found[name] = dict(zip(("median", "lower", "upper"), ends.tolist(), strict=True))
    return found


def _labels(values: xr.DataArray) -> list[str]:
    """Names of the elements of a variable of at most one dimension besides those of draws."""
    dims = [dim for dim in values.dims if dim not in ("chain", "draw")]
    if not dims:
        return [str(values.name)]
    return [f"{values.name}[{label}]" for label in values[dims[0]].to_numpy()]
