"""Lengths of training runs by year, and the length that is overtaken by a later start."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.ceilings.run_length import GROUPS, largest_runs, longest_useful, observe
from bayes_compute.plots.bands import ahead, band, opened
from bayes_compute.plots.canvas import COLOURS, MARKERS, legend_above, styled

_TICKS = {24: "1 day", 168: "1 week", 730.5: "1 month", 2191.5: "3 months", 8766: "1 year"}


@styled()
def run_length(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Lengths of runs, the trend of the largest, and the longest that is useful.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of ``run_length``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, posterior, prob, as_of = opened(dt, ax)
    data = observe(as_of)
    year = ahead(ax, data.year, {np.log10(hours): name for hours, name in _TICKS.items()})
    rest = data.group > 0
    ax.scatter(
        data.year[rest], data.log10_hours[rest], s=8, color="0.75", label="other notable systems"
    )
    ax.scatter(
        data.year[~rest],
        data.log10_hours[~rest],
        s=20,
        color=COLOURS[0],
        marker=MARKERS[0],
        zorder=3,
        label=f"{GROUPS[0]} models",
    )
    typical = largest_runs(posterior, year)
    band(ax, year, typical, prob, COLOURS[0], "their trend")
    limit = longest_useful(len(typical))
    band(
        ax,
        year[[0, -1]],
        np.repeat(limit[:, None], 2, axis=1),
        prob,
        COLOURS[1],
        "a longer run is overtaken (assumed)",
    )
    ax.set(xlabel="Publication date", ylabel="Length of the training run", ylim=(0.8, 4.6))
    legend_above(ax, "", ncols=2)
    return ax
