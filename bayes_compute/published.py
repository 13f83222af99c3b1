"""What changes when all evidence of training compute is weighed, and not published figures alone.

:mod:`bayes_compute.measurement` weighs it; here the two fits are set side by side.
"""

import json
from typing import Any

import xarray as xr

from bayes_compute.errors import NotConverged
from bayes_compute.escaping import escape
from bayes_compute.rounding import ROUNDED, ends_text, median_text
from bayes_compute.summaries import summary

VARIABLES = ("transition_year", "growth", "capacity")


def comparison(dt: xr.DataTree, published: xr.DataTree | NotConverged) -> dict[str, Any]:
    """Set each quantity beside what published figures alone say of it.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit to what :func:`bayes_compute.with_evidence` returned.
    published : DataTree or NotConverged
        The same with published figures, or why it may not be quoted.

    Returns
    -------
    dict
        ``systems`` with training compute in each; ``calibration``, the table that told what
        readings are worth, and ``too_few``, name and number of systems of the user's own, if that
        had too few to tell; ``reason`` if the second did not converge;
        ``quantities``: for each a row with ``evidence`` and ``published`` (median, lower, upper;
        null without a fit), ``moved``, the change of the median over half the width of the
        published interval, and ``wider``, the ratio of widths.
    """
    source = json.loads(dt.attrs["data"])["evidence"]["calibration"]
    found: dict[str, Any] = {
        "systems": {"evidence": _with_compute(dt)},
        "calibration": f"{source['name']} as of {source['as_of']}",
        "too_few": source.get("too_few"),
        "quantities": [],
    }
    table, other = summary(dt), None
    if isinstance(published, NotConverged):
        found["reason"] = str(published)
    else:
        found["systems"]["published"] = _with_compute(published)
        other = summary(published)
    for name, row in table.iterrows():
        if str(name).partition("[")[0] not in VARIABLES:
            continue
        cells = {"name": str(name), "evidence": row[[*ROUNDED]].to_dict(), "published": None}
        if other is not None:
            rival = other.loc[name]
            width = rival["upper"] - rival["lower"]
            cells |= {
                "published": rival[[*ROUNDED]].to_dict(),
                "moved": (row["median"] - rival["median"]) / (width / 2),
                "wider": (row["upper"] - row["lower"]) / width,
            }
        found["quantities"].append(cells)
    return found


def describe(found: dict[str, Any], prob: str) -> str:
    """A Markdown table of a comparison.

    Parameters
    ----------
    found : dict
        What :func:`comparison` returned.
    prob : str
        Probability of its intervals, such as ``"90 %"``.
    """
    n = found["systems"]
    lines = [
        f"| quantity | all evidence, {n['evidence']} systems | published figures, "
        f"{n.get('published', 'no')} systems | interval ({prob}) |",
        "|---|---|---|---|",
    ]
    for row in found["quantities"]:
        cells = [row["name"]]
        for key in ("evidence", "published"):
            part = row[key]
            cells.append(f"{median_text(part)} ({ends_text(part)})" if part else "–")
        change = ""
        if row["published"]:
            change = f"{row['wider']:.2f} times as wide, moved by {row['moved']:+.2f} of its half"
        lines.append("| " + " | ".join([*cells, change]) + " |")
    learned = f"What readings are worth was learned from {escape(found['calibration'], 'markdown')}"
    if found["too_few"]:
        too_few = escape(found["too_few"], "markdown")
        learned += f", for want of systems with two readings that can differ ({too_few})"
    lines += ["", f"{learned}."]
    if "reason" in found:
        reason = escape(found["reason"], "markdown")
        lines += ["", f"With published figures there is no answer to quote: {reason}"]
    return "\n".join(lines) + "\n"


def _with_compute(dt: xr.DataTree) -> int:
    return int(dt["constant_data"]["log10_flop"].notnull().sum())
