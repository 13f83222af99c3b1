"""The smallest compute that is entered, quarter by quarter: what selection does to dates."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute import floor
from bayes_compute.plots.axes import compute_axis
from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.plots.fitted import systems_of
from bayes_compute.summary_record import floor_verdicts


@styled()
def selection_floor(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Smallest, typical and largest compute entered per quarter, with the claimed dates.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    systems = systems_of(dt, "log10_flop")
    year, log10_flop = systems["year"].to_numpy(), systems["log10_flop"].to_numpy()
    table, verdicts = floor.selection_floor(year, log10_flop), floor_verdicts(dt)
    first = min([np.quantile(year, 0.1), *(v["date"] - 2 * floor.WINDOW_YEARS for v in verdicts)])
    table = table[(table["year"] >= first) & (table["n"] >= floor.SMALLEST_QUARTER)]
    shown = year >= first
    ax.scatter(year[shown], log10_flop[shown], s=5, color="0.75", linewidths=0, zorder=1)
    for column, colour, marker in (
        ("maximum", "0.1", "^"),
        ("median", "0.5", "."),
        ("minimum", COLOURS[0], "v"),
    ):
        ax.plot(
            table["year"],
            table[column],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=0.9,
            label=column,
        )
    ax.set_xlabel("Publication date")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.06 * len(verdicts) * (high - low))
    for k, verdict in enumerate(verdicts):
        date, colour = verdict["date"], COLOURS[(k + 1) % len(COLOURS)]
        window = (date - floor.WINDOW_YEARS, date + floor.WINDOW_YEARS)
        ax.axvspan(*window, color=colour, alpha=0.1, linewidth=0, zorder=0)
        # Names of later dates stand lower, so that neighbours do not meet.
        top = 0.94 - 0.055 * k
        ax.axvline(date, 0, top, color=colour, linewidth=1, linestyle=(0, (4, 2)), zorder=0)
        across = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        ax.text(date, top + 0.005, verdict["transition"], color=colour, **across)
    compute_axis(ax)
    notes = [f"{v['transition']}, {v['date']:.1f}: {v['text']}" for v in verdicts]
    if verdicts:
        notes.append(f"Shaded: the {floor.WINDOW_YEARS} years before and after, which are compared")
    notes.append(f"Compute in each quarter with {floor.SMALLEST_QUARTER} systems or more:")
    legend_above(ax, "\n".join(textwrap.fill(note, 108) for note in notes), ncols=3)
    return ax
