"""Systems that a fit draws anew beside those on record."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.observations import Observations
from bayes_compute.plots.axes import compute_axis
from bayes_compute.plots.bands import band
from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.predictive_checks import FAILS, checks, tail_in_words
from bayes_compute.predictive_checks import running_maximum as largest_by

_SHOWN = 15  # years of the running maximum


@styled()
def predictive_checks(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Every check: what is on record beside the interval of replicates, in sds of replicates.

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
    ax, prob = axes_or_new(ax), float(dt.attrs["interval_prob"])
    rows = checks(dt)
    place, labels = np.arange(len(rows))[::-1], []
    for check, y in zip(rows, place, strict=True):
        middle, sd = np.median(check.replicated), np.std(check.replicated) or 1.0
        for share, width in ((prob, 1.5), (0.5, 4.0)):
            ends = np.quantile(check.replicated, [(1 - share) / 2, (1 + share) / 2])
            ax.plot((ends - middle) / sd, [y, y], color="0.75", linewidth=width, zorder=1)
        fails = check.tail < FAILS
        ax.plot(
            (np.median(check.observed) - middle) / sd,
            y,
            marker="D" if fails else "o",
            color=COLOURS[1] if fails else COLOURS[0],
            markersize=4,
        )
        tail = tail_in_words(check.tail, 2)
        labels.append(f"{check.name}  {tail}{' fails' if fails else ''}")
    ax.set_yticks(place, labels, size=6.5)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_xlabel("Less the median of replicates, in sds of replicates")
    ax.set_title(
        f"Points: on record; bars: 50 % and {100 * prob:.10g} % of replicates;\n"
        "numbers: two-sided tail probability",
        size=8,
        loc="left",
    )
    return ax


@styled()
def running_maximum(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Largest system by each date: on record, and in replicates of the systems on record.

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
    ax, prob = axes_or_new(ax), float(dt.attrs["interval_prob"])
    systems = Observations.from_fit(dt).with_compute
    year = systems.year
    replicated = dt["posterior_predictive"]["log10_flop"].sel(system=list(systems.system))
    replicated = replicated.transpose("chain", "draw", "system").to_numpy().reshape(-1, len(year))
    dates = np.unique(year[year > year[-1] - _SHOWN])
    dates = np.append(dates[dates > year[0]], np.nextafter(year[-1], np.inf))
    band(ax, dates, largest_by(year, replicated, dates), prob, COLOURS[0], "replicates")
    record = largest_by(year, systems.log10_flop, dates)
    ax.step(dates, record, where="pre", color="0.1", linewidth=1.4, label="on record")
    ax.set_xlabel("Publication date")
    compute_axis(ax)
    legend_above(ax, "Largest training run by each date: median and interval", ncols=2)
    return ax
