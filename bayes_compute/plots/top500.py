"""The largest machine by year, under both hypotheses."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from bayes_compute.ceilings import top500 as ceiling
from bayes_compute.ceilings.machines import observe
from bayes_compute.plots.bands import opened
from bayes_compute.plots.canvas import COLOURS, legend_above, styled
from bayes_compute.plots.fitted import level_text

_AHEAD = 8  # years beyond the last list


@styled()
def top500(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Rate of the largest machine: TOP500 as measured and in 16 bits, and AI clusters.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of the model of this name to the shipped tables; they are read again, as of the
        fit's date, for the points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, posterior, prob, as_of = opened(dt, ax)
    capacity = observe(as_of)
    last = capacity.list_year[-1]
    ax.step(capacity.list_year, capacity.log10_sum, "-", where="post", color="0.7", linewidth=1)
    ax.step(capacity.list_year, capacity.log10_first, "-", where="post", color="0.3", linewidth=1)
    for values, name, colour, near, shift, side in (
        (capacity.log10_sum, "all 500, Rmax in 64 bits", "0.5", 2006.0, (-4, 8), "right"),
        (capacity.log10_first, "first, Rmax in 64 bits", "0.3", 1995.0, (6, -10), "left"),
    ):
        at = min(np.searchsorted(capacity.list_year, near), len(values) - 1)
        label: dict = {"textcoords": "offset points", "color": colour, "ha": side}
        ax.annotate(name, (capacity.list_year[at], values[at]), shift, **label)
    date = posterior["transition_year"].to_numpy()
    ends = np.quantile(date, [(1 - prob) / 2, (1 + prob) / 2])
    ax.axvspan(*ends, color="0.9", linewidth=0, zorder=0)
    slow = posterior["growth"].median(("chain", "draw")).to_numpy()
    text = f"growth of the sum:\n×{10 ** slow[0]:.2f}/year before,\n×{10 ** slow[1]:.2f}/year after"
    ax.annotate(
        text, (ends[0] - 0.2, 0.03), xycoords=("data", "axes fraction"), ha="right", va="bottom"
    )
    for hypothesis, name, first, colour, marker in (
        ("top500", "first of TOP500, peak in 16 bits", 2008.0, COLOURS[0], "o"),
        ("ai_clusters", "largest AI cluster, peak in 16 bits", None, COLOURS[1], "^"),
    ):
        if first is None:
            if not len(capacity.record_year):
                continue
            ax.plot(capacity.record_year, capacity.log10_record, marker, color=colour, markersize=4)
            first = capacity.record_year[0]
        year = np.arange(first, last + _AHEAD, 0.125)
        drawn = ceiling.top500(posterior, year, capacity, hypothesis)
        tails = [0.5, (1 - prob) / 2, (1 + prob) / 2]
        line, lower, upper = np.quantile(drawn, tails, axis=0)
        ax.fill_between(year, lower, upper, color=colour, alpha=0.2, linewidth=0)
        ax.plot(year, line, color=colour, linewidth=2, marker=marker, markevery=[], label=name)
    ax.axvline(last, color="0.6", linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    ax.set_xlim(capacity.list_year[0] - 1, last + _AHEAD)
    ax.set_xlabel("Year")
    ax.set_ylabel("Rate of the largest machine (FLOP/s)")
    ax.yaxis.set_major_locator(MultipleLocator(3))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda t, _: f"$10^{{{t:.0f}}}$"))
    title = (
        f"Lines: median and {level_text(dt)} band. Grey band: when growth slowed. Dotted: last list"
    )
    legend_above(ax, title, ncols=2)
    return ax
