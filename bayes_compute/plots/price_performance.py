"""What a dollar buys, against the date of the price."""

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from bayes_compute.ceilings.price_performance import (
    ASSUMPTIONS,
    at_release,
    log10_seconds_of_use,
)
from bayes_compute.ceilings.prices import MARKETS, MATRIX_YEAR, PricePerformance, observe
from bayes_compute.plots.canvas import COLOURS, MARKERS, axes_or_new, legend_above, styled
from bayes_compute.plots.fitted import level_text


@styled()
def price_performance(
    dt: xr.DataTree, ax: Axes | None = None, data: PricePerformance | None = None
) -> Axes:
    """FLOP per dollar of accelerators against the date of the price.

    Lines are a data center's accelerator on the day of its release; prices of one product that
    hyperscalers list are joined, so that it shows how long they stand.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of ``price_performance``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.
    data : PricePerformance, optional
        What was fitted; by default the shipped tables as of the day of the fit.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    if data is None:
        source = json.loads(dt.attrs["data"])
        data = observe(source["tables"][0]["as_of"], source["transition"])
    posterior = dt["posterior"].to_dataset()
    tail = (1 - float(dt.attrs["interval_prob"])) / 2
    seconds = log10_seconds_of_use({name: a.median for name, a in ASSUMPTIONS.items()})
    i, date = data.product, data.release[data.product] + data.age
    for k, market in enumerate(MARKETS):
        shift = seconds if k == 0 else 0.0
        mine = data.market[i] == k
        style = {"marker": MARKERS[k], "s": 12, "linewidths": 0.5, "zorder": 2}
        for hollow in (False, True):
            which = mine & (data.desktop[i] == hollow)
            face = (
                {"facecolors": "none", "edgecolors": COLOURS[k]}
                if hollow
                else {"color": COLOURS[k]}
            )
            ax.scatter(
                date[which], data.log10_per_dollar[which] + shift, alpha=0.5, **face, **style
            )
        if k == 2:
            for product in np.unique(i[mine]):
                here = i == product
                order = np.argsort(date[here])
                across = date[here][order], data.log10_per_dollar[here][order]
                ax.plot(*across, color=COLOURS[k], linewidth=0.5, alpha=0.6, zorder=1)
        if not mine.any():
            continue
        released = data.release[data.market == k]
        for start, end in ((released.min(), MATRIX_YEAR), (MATRIX_YEAR, released.max())):
            if start >= end:
                continue
            at = np.linspace(start, end - 1e-6, 60)
            line = at_release(posterior, at, data, market) + shift
            lower, middle, upper = np.quantile(line, [tail, 0.5, 1 - tail], axis=0)
            ax.fill_between(at, lower, upper, color=COLOURS[k], alpha=0.2, linewidth=0, zorder=3)
            ax.plot(at, middle, color=COLOURS[k], linewidth=1.8, zorder=4)
        doubling = np.log10(2) / posterior["growth"].sel(market=market, era="after").to_numpy()
        low, median, high = np.quantile(doubling, [tail, 0.5, 1 - tail])
        label = f"{market}: doubles in {median:.1f} years ({low:.1f} to {high:.1f})"
        ax.plot([], [], color=COLOURS[k], marker=MARKERS[k], markersize=4, label=label)
    ax.axvline(MATRIX_YEAR, color="0.5", linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
    step = 10 ** float(posterior["matrix"].median())
    where = {"transform": ax.get_xaxis_transform(), "ha": "right", "va": "top", "color": "0.35"}
    ax.text(MATRIX_YEAR - 0.15, 0.98, f"matrix units:\n×{step:.0f} at the same price", **where)
    ax.xaxis.set_major_locator(MultipleLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:.0f}"))
    ax.set_xlabel("Date of the price")
    ax.set_ylabel("Peak FLOP per US dollar, 16 bits or best")
    ax.yaxis.set_major_locator(MultipleLocator(1))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda t, _: f"$10^{{{t:.0f}}}$"))
    years = ASSUMPTIONS["lifetime"].median
    title = (
        f"Lines: a data center's accelerator on its release, median and {level_text(dt)} interval; "
        f"hollow: desktops\nBought ones are written off over {years:.0f} years with network and "
        f"energy. Doubling: from {data.transition:.0f} on, at like precision"
    )
    legend_above(ax, title, ncols=1)
    return ax
