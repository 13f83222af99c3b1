"""Parameters against publication date."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from bayes_compute.changepoint.statistics import CAPACITY_YEAR
from bayes_compute.plots.axes import parameters_axis, time_axis
from bayes_compute.plots.canvas import (
    COLOURS,
    MARKERS,
    axes_or_new,
    empty,
    legend_above,
    scatter,
    styled,
)
from bayes_compute.plots.fitted import (
    colours_text,
    eras_at,
    eras_of,
    level_text,
    quantiles,
    systems_of,
    thinned,
)
from bayes_compute.rounding import ends_text, median_text
from bayes_compute.summaries import summary
from bayes_compute.wording import prior_mark


@styled()
def parameter_gap(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Parameters against publication date, with the capacity that parts cloud from bespoke.

    Systems are coloured by their most probable regime, fainter where that is less certain, and
    hollow where training compute is undisclosed. The capacity, median and band, is drawn where
    the cloud transition has probably passed.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns. A model without capacity gives axes that say so.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    if "capacity" not in dt["posterior"]:
        return empty(ax, "This model has no capacity that parts regimes")
    rows = summary(dt).to_dict("index")
    systems = systems_of(dt, "log10_parameters")
    year, log10_parameters = (systems[v].to_numpy() for v in ("year", "log10_parameters"))
    known = np.isfinite(systems["log10_flop"].to_numpy())
    date = np.linspace(year.min(), year.max(), 600)
    draws = thinned(dt)
    holds, shown = eras_at(dt, draws, date)
    at = date[shown[1]]
    capacity, drift = (draws[v].to_numpy()[:, None] for v in ("capacity", "drift"))
    capacity = capacity + drift * (at - CAPACITY_YEAR)
    line, lower, upper = quantiles(dt, capacity, holds[1][:, shown[1]])

    time_axis(ax, year, rows)
    low, height = log10_parameters.min(), max(np.ptp(log10_parameters), 1.0)
    ax.set_ylim(low - 0.1 * height, low + 1.05 * height)
    for k, era in enumerate(eras_of(dt)):
        mine = systems["modal"].to_numpy() == k
        scatter(ax, systems.isel(system=mine & known), "log10_parameters", k)
        scatter(ax, systems.isel(system=mine & ~known), "log10_parameters", k, hollow=True)
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        label = f"{era}: {(mine & known).sum()}"
        ax.plot([], [], color=colour, marker=marker, linestyle="", markersize=4, label=label)
    label = f"hollow, compute undisclosed: {(~known).sum()}"
    ax.plot([], [], "o", color="0.35", mfc="none", markersize=4, label=label)
    ax.fill_between(at, lower, upper, color="0.2", alpha=0.25, linewidth=0, zorder=3)
    white = [withStroke(linewidth=3.5, foreground="white")]
    ax.plot(at, line, color="black", linewidth=2, zorder=4, path_effects=white)
    if at.size:
        middle, high = (ax.transAxes + ax.transData.inverted()).transform((0.5, 0.8))
        # Left of the line if there is room: systems before it have fewer parameters.
        side, foot, shift = ("right", line[0], -5) if at[0] > middle else ("left", upper.max(), 0)
        ax.annotate(
            _capacity_text(rows["capacity"]),
            (at[0], foot),
            (shift, 0),
            textcoords="offset points",
            ha=side,
            va="bottom" if foot < high else "top",
        )
    parameters_axis(ax)
    title = (
        f"Capacity: median and {level_text(dt)} equal-tailed interval\n{colours_text(dt)}"
        "Counts: where both compute and parameters are known"
    )
    legend_above(ax, title, ncols=len(eras_of(dt)) + 1)
    return ax


def _capacity_text(row: dict) -> str:
    ends = " to ".join(f"$10^{{{end}}}$" for end in ends_text(row).split(" to "))
    mark = f";\n{mark}" if (mark := prior_mark(row)) else ""
    median = f"$10^{{{median_text(row)}}}$ parameters"
    return f"capacity in {CAPACITY_YEAR:.0f}:\n{median}\n({ends}{mark})"
