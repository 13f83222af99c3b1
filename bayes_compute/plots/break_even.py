"""Where building becomes cheaper than the cloud, against what the largest developers compute."""

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from bayes_compute.assumptions import draw_each
from bayes_compute.ceilings import break_even as ceiling
from bayes_compute.ceilings.price_performance import frontier
from bayes_compute.draws import count
from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.plots.fitted import level_text

_YEARS = np.arange(2012.0, 2030.01, 0.25)


@styled()
def break_even(
    dt: xr.DataTree, ax: Axes | None = None, data: ceiling.BreakEven | None = None
) -> Axes:
    """Compute a year from which on building is cheaper, and that of the largest developers.

    Parameters
    ----------
    dt : xarray.DataTree
        A fit of ``break_even``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.
    data : BreakEven, optional
        What was fitted; by default the shipped tables as of the day of the fit.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    if data is None:
        source = json.loads(dt.attrs["data"])
        data = ceiling.observe(source["tables"][0]["as_of"], source["transition"])
    posterior = dt["posterior"].to_dataset()
    assumed = draw_each(ceiling.ASSUMPTIONS, count(posterior), np.random.default_rng(1))
    tail = (1 - float(dt.attrs["interval_prob"])) / 2
    at = [tail, 0.5, 1 - tail]
    largest = data.prices.entered & (data.prices.year >= _YEARS[0])
    runs = data.prices.year[largest], data.prices.log10_flop[largest]
    low, high = runs[1].min() - 0.5, runs[1].max() + 1.5
    for k, (market, name) in enumerate(
        (("hyperscaler list", "hyperscalers"), ("rental", "other clouds"))
    ):
        edge = ceiling.break_even(posterior, _YEARS, data, assumed, market)
        lower, middle, upper = np.quantile(edge, at, axis=0, method="inverted_cdf")
        colour = COLOURS[k + 1]
        if k == 0:  # the other reaches from here to infinity
            upper = np.minimum(upper, high + 1)
            ax.fill_between(_YEARS, lower, upper, color=colour, alpha=0.15, linewidth=0, zorder=1)
        never = np.isinf(edge[:, -1]).mean()
        never_text = f"(never, in {_YEARS[-1]:.0f}: {100 * never:.0f} %)"
        label = f"above: cheaper to build than to rent from {name} {never_text}"
        style = "-" if k == 0 else (0, (6, 2))
        shown = np.where(np.isfinite(middle), middle, np.nan)
        ax.plot(_YEARS, shown, color=colour, linewidth=2, linestyle=style, label=label, zorder=3)
    ax.scatter(*runs, s=8, color="0.6", linewidths=0, zorder=2, label="largest runs, one each")
    need = frontier(posterior, _YEARS, data.prices) + np.log10(assumed["experiments"])[:, None]
    lower, middle, upper = np.quantile(need, at, axis=0)
    ax.fill_between(_YEARS, lower, upper, color=COLOURS[0], alpha=0.25, linewidth=0, zorder=3)
    label = "what the largest developers compute a year"
    ax.plot(_YEARS, middle, color=COLOURS[0], linewidth=2, label=label, zorder=4)
    ax.set_xlim(_YEARS[0], _YEARS[-1])
    ax.set_ylim(low, high)
    ax.xaxis.set_major_locator(MultipleLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:.0f}"))
    ax.yaxis.set_major_locator(MultipleLocator(2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda t, _: f"$10^{{{t:.0f}}}$"))
    ax.set_xlabel("Date")
    ax.set_ylabel("Training compute (FLOP/year)")
    title = f"Medians; bands: {level_text(dt)} interval, for other clouds too wide to draw"
    legend_above(ax, title, ncols=1)
    return ax
