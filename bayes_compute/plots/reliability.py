"""The work of a run against the number of its accelerators: the wall."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.ceilings.failures import goodput
from bayes_compute.ceilings.reliability import recovery_share
from bayes_compute.plots.bands import band, opened
from bayes_compute.plots.canvas import COLOURS, legend_above, styled


@styled()
def reliability(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Accelerators' worth of useful work against accelerators, and what runs report.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of ``reliability``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, posterior, prob, as_of = opened(dt, ax)
    accelerators = np.logspace(2.5, 7, 181)
    useful = accelerators * (1 - recovery_share(posterior, accelerators))
    ax.plot(accelerators, accelerators, color="0.5", linestyle=(0, (4, 2)), linewidth=1)
    ax.text(2e6, 2.6e6, "no failures", color="0.4", ha="right")
    band(ax, accelerators, useful, prob, COLOURS[0], "useful work")
    middle = np.median(useful, axis=0)
    top = int(middle.argmax())
    ax.plot(accelerators[top], middle[top], "v", color=COLOURS[1], markersize=7)
    ax.annotate(
        f"more than {float(f'{accelerators[top]:.1g}'):,.0f}\ndo less (in the median)",
        (accelerators[top], middle[top]),
        xytext=(0, -12),
        textcoords="offset points",
        ha="center",
        va="top",
        color=COLOURS[1],
    )
    reported = goodput(as_of)
    ax.scatter(
        reported["accelerators"],
        reported["accelerators"] * reported["share"],
        color="0.1",
        s=18,
        zorder=3,
        label="reported by runs: not fitted",
    )
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(accelerators[0], accelerators[-1]),
        ylim=(accelerators[0] / 2, accelerators[-1]),
        xlabel="Accelerators of the run",
        ylabel="Useful work (accelerators that never fail)",
    )
    legend_above(ax, "", ncols=2)
    return ax
