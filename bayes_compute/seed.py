"""What the post that set the question read from the data by eye, beside what is inferred.

Jones, D. (2022). Growth in FLOPS used to train ML models. The Shape of Code, 2022-03-13.
"""

import json
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.era_probability import era_probability
from bayes_compute.summaries import summary
from bayes_compute.wording import percent

TABLE = "systems-2022-03"
COUNTS = {"DIY": 18, "cloud": 74, "bespoke": 14}
CLOUD_LAUNCHED, CLOUD_JUMP = 2006, 2008  # when the first opened; where the data seem to jump
GAP = (10.23, 11.14)  # log10 parameters below the widest gap, and of the second system above it
_CERTAIN = 0.9


def applies(dt: xr.DataTree) -> bool:
    """Whether a fit is of the post's regimes and of its table, with published figures."""
    eras = [str(era) for era in dt["posterior"]["era"].to_numpy()]
    data = json.loads(dt.attrs["data"])
    same_systems = data["name"] == TABLE and "evidence" not in data
    return same_systems and eras == list(COUNTS) and "capacity" in dt["posterior"]


def comparison(dt: xr.DataTree) -> dict[str, Any]:
    """Compare the post's counts, date and gap with a fit of regimes to its table.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit for which :func:`applies` holds.

    Returns
    -------
    dict
        ``counts``: for each regime that of the ``post``, and ours, ``modal`` and ``expected``, over
        systems whose compute and parameters are known; ``cloud``: the interval of the date, and
        the probability of the ``launch`` year or earlier and of the year of the ``jump``, give or
        take one; ``gap``: the probability that the capacity in 2020 lies in the gap that the post
        saw; ``borderline``: systems whose regime is less than 90 % certain, with the probability of
        each regime.
    """
    constant, posterior = dt["constant_data"].dataset, dt["posterior"].dataset
    known = np.isfinite(constant["log10_flop"] + constant["log10_parameters"])
    probability = era_probability(dt).isel(system=np.flatnonzero(known))
    modal = probability.argmax("era").to_numpy()
    date = posterior["transition_year"].sel(transition="cloud").to_numpy()
    row, capacity = summary(dt).loc["transition_year[cloud]"], posterior["capacity"]
    unsure = probability.isel(system=np.flatnonzero(probability.max("era") < _CERTAIN))
    year = constant["year"].sel(system=unsure["system"])
    return {
        "counts": {
            era: {
                "post": count,
                "modal": int((modal == k).sum()),
                "expected": float(probability.isel(era=k).sum()),
            }
            for k, (era, count) in enumerate(COUNTS.items())
        },
        "cloud": {
            "median": row["median"],
            "lower": row["lower"],
            "upper": row["upper"],
            "by_launch": float((date < CLOUD_LAUNCHED + 1).mean()),
            "around_jump": float((abs(date - CLOUD_JUMP) < 1).mean()),
        },
        "gap": float(((capacity > GAP[0]) & (capacity < GAP[1])).mean()),
        "borderline": [
            {"system": str(name), "year": float(when)}
            | {str(era): float(p) for era, p in zip(unsure["era"].values, of_system, strict=True)}
            for name, when, of_system in zip(
                unsure["system"].values, year.values, unsure.values, strict=True
            )
        ],
    }


def describe(found: dict[str, Any]) -> str:
    """The comparison in words."""
    lines = ["Beside the post of 2022 (systems with known compute and parameters):"]
    for era, n in found["counts"].items():
        lines.append(
            f"  {era}: {n['post']} in the post; {n['modal']} most probably, "
            f"{n['expected']:.1f} expected"
        )
    cloud = found["cloud"]
    lines += [
        f'  cloud "around {CLOUD_JUMP}", launched in {CLOUD_LAUNCHED}: {cloud["median"]:.1f} '
        f"({cloud['lower']:.1f} to {cloud['upper']:.1f}); within a year of {CLOUD_JUMP} with "
        f"probability {cloud['around_jump']:.2f}, before {CLOUD_LAUNCHED + 1} with "
        f"{cloud['by_launch']:.2f}",
        f"  capacity in the gap in parameter counts (10^{GAP[0]:g} to 10^{GAP[1]:g}, which is "
        f"above it in one system): probability {found['gap']:.2f}",
    ]
    names = ", ".join(
        f"{row['system']} ({max(COUNTS, key=lambda era, row=row: row[era])} "
        f"{max(row[era] for era in COUNTS):.2f})"
        for row in found["borderline"]
    )
    lines.append(f"  borderline (less than {percent(_CERTAIN)} certain): {names or 'none'}")
    return "\n".join(lines)
