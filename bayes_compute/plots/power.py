"""Power of the largest runs and sites by year, existing and planned."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.ceilings.power import ASSUMPTIONS, SERIES, largest_site, observe
from bayes_compute.plots.bands import ahead, band, opened
from bayes_compute.plots.canvas import COLOURS, MARKERS, legend_above, styled

_TICKS: dict[float, str] = {
    6: "1 MW",
    7: "10 MW",
    8: "100 MW",
    9: "1 GW",
    10: "10 GW",
    11: "100 GW",
}


@styled()
def power(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Trends of the largest run's and the largest site's power, with the limit of a site.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of ``power``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, posterior, prob, as_of = opened(dt, ax)
    data = observe(as_of)
    year = ahead(ax, data.year, _TICKS)
    for k, series in enumerate(SERIES):
        here = data.series == k
        first = here & (data.rank == 0)
        for shown, size, label in ((here, 2.5, None), (first, 5, f"largest {series} of a year")):
            ax.plot(
                data.year[shown],
                data.log10_w[shown],
                MARKERS[k],
                color=COLOURS[k],
                markersize=size,
                alpha=1.0 if label else 0.5,
                label=label,
            )
        band(ax, year, largest_site(posterior, year, series), prob, COLOURS[k], "its trend")
    if len(data.planned_year):
        ax.scatter(
            data.planned_year,
            data.planned_log10_w,
            s=30,
            marker=MARKERS[1],
            facecolors="none",
            edgecolors=COLOURS[1],
            label="planned site: not fitted",
        )
    limit = ASSUMPTIONS["site_limit"]
    low, high = np.log10(limit.median) + np.log10(limit.factor) * np.array([-1, 1])
    ax.axhspan(low, high, color="0.5", alpha=0.15, linewidth=0)
    ax.axhline(np.log10(limit.median), color="0.5", label="limit of one site (assumed)")
    ax.set(xlabel="Date", ylabel="Power", ylim=(5.3, 11))
    legend_above(ax, "", ncols=3)
    return ax
