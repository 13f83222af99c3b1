"""Records on record, the record to come, and the ceilings above it."""

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bayes_compute.errors import InputError
from bayes_compute.observations import decimal_year
from bayes_compute.plots.axes import compute_axis
from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.plots.fitted import level_text

_SHOWN = 12.0  # years before the projection
_ABOVE = 4.0  # OOM: ceilings farther above do not matter
# Of each ceiling its colour and dashes: told apart in grey too
_CEILINGS = {
    "hardware": ("largest machine", COLOURS[1], (0, (5, 1))),
    "money": ("money", COLOURS[2], (0, (2, 1))),
    "reliability": ("failures", COLOURS[3], (0, (3, 1, 1, 1))),
    "run_length": ("longest useful run", COLOURS[4], (0, (7, 2))),
    "power": ("power", "0.35", (0, (2, 2))),
}


@styled()
def projection(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Fan of the record to come, with what each ceiling alone allows.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.project` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no projection.
    """
    if "projection" not in dt.children:
        raise InputError(
            "plots.projection: got a fit without a projection; expected what bc.project returned; "
            "project it first"
        )
    ax = axes_or_new(ax)
    records, systems = dt["records"].dataset, dt["constant_data"].dataset
    prob, until = float(dt.attrs["interval_prob"]), ~records["since"].to_numpy()
    held, at = records["log10_flop"].to_numpy(), records["year"].to_numpy()
    now = _years([json.loads(dt.attrs["data"])["as_of"]])[0]
    present = held[until][-1]
    draws = dt["projection"]["record"].transpose("sample", "date").to_numpy()
    year = np.append(now, _years(dt["projection"]["date"]))
    draws = np.column_stack([np.full(len(draws), present), draws])
    shown = systems["year"] > now - _SHOWN
    ax.plot(
        systems["year"][shown], systems["log10_flop"][shown], ".", color="0.75", markersize=3,
        zorder=1, label="systems",
    )  # fmt: skip
    for inner, alpha in ((prob, 0.15), (0.5, 0.25)):
        low, high = np.quantile(draws, [(1 - inner) / 2, (1 + inner) / 2], axis=0)
        ax.fill_between(year, low, high, color=COLOURS[0], alpha=alpha, linewidth=0, zorder=2)
    middle = np.median(draws, axis=0)
    ax.plot(year, middle, color=COLOURS[0], linewidth=2, zorder=4, label="record to come")
    steps = np.append(at[until], now), np.append(held[until], present)
    ax.step(*steps, where="post", color="k", linewidth=1.5, label="record")
    if not until.all():
        steps = np.append(now, at[~until]), np.append(present, held[~until])
        ax.step(
            *steps, where="post", color="k", marker="o", markersize=3, linewidth=1,
            linestyle=(0, (4, 2)), zorder=5, label="record since",
        )  # fmt: skip
    for name, (label, colour, dashes) in _CEILINGS.items():
        allowed = np.median(dt["ceilings"][name].transpose("sample", "date"), axis=0)
        if np.isfinite(allowed).all():
            ax.plot(year[1:], allowed, color=colour, linestyle=dashes, linewidth=1.2, label=label)
    ax.axvline(now, color="0.6", linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    ax.set_xlim(now - _SHOWN, year[-1])
    low = float(systems["log10_flop"].where(shown).min())
    ax.set_ylim(low - 0.5, min(ax.get_ylim()[1], np.quantile(draws[:, -1], 0.95) + _ABOVE))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Publication date")
    compute_axis(ax)
    revised = ", revised data" if dt["projection"].attrs["revised_data"] else ""
    title = (
        f"Bands: 50 % and {level_text(dt)}. Dashed: medians of what each ceiling alone allows. "
        f"Line: as of {dt['projection'].attrs['as_of']}{revised}"
    )
    legend_above(ax, title, ncols=5)
    return ax


def _years(dates: Any) -> np.ndarray:
    return decimal_year(pd.to_datetime(np.asarray(dates)))
