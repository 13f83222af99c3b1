"""Training compute against publication date."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from bayes_compute.plots.axes import compute_axis, time_axis
from bayes_compute.plots.canvas import COLOURS, MARKERS, axes_or_new, scatter, styled
from bayes_compute.plots.fitted import (
    colours_text,
    histogram,
    level_text,
    quoted,
    systems_of,
    transitions_of,
    trends_of,
)
from bayes_compute.summaries import summary

_RIDGE = 0.11  # height of a date's density, as a share of the axes


@styled()
def compute_over_time(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Training compute against publication date, with the eras' trends and their dates.

    Systems are coloured by their most probable era, fainter where that is less certain. Each
    era's line (the average domain) is drawn where the era is the most probable one, from the
    draws in which it holds there; of regimes that coexist, each where it has probably begun and
    not ended. The densities of the transition dates stand on the time axis. The sparse early
    decades are squeezed to the left of the marked break.

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
    rows = summary(dt).to_dict("index")
    systems = systems_of(dt, "log10_flop")
    year, log10_flop = systems["year"].to_numpy(), systems["log10_flop"].to_numpy()
    date = np.linspace(year.min(), year.max(), 600)

    cut = time_axis(ax, year, rows)
    low, height = log10_flop.min(), max(np.ptp(log10_flop), 1.0)
    ax.set_ylim(low - 0.2 * height, low + 1.05 * height)
    for k, era, at, (line, lower, upper) in trends_of(dt, date):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        scatter(ax, systems.isel(system=systems["modal"] == k), "log10_flop", k)
        name = f"era {era}" if era.isdigit() else era
        label = f"{name}: ×{quoted(rows[f'growth_factor[{era}]'], '/year')}"
        early, late = at <= cut, at >= cut
        ax.plot(at[early], line[early], ":", color=colour, linewidth=1, zorder=4)
        ax.fill_between(
            at[late], lower[late], upper[late], color=colour, alpha=0.25, linewidth=0, zorder=3
        )
        ax.plot(
            at[late],
            line[late],
            color=colour,
            marker=marker,
            markersize=4,
            markevery=[],
            label=label,
            linewidth=2,
            zorder=4,
            path_effects=[withStroke(linewidth=3.5, foreground="white")],
        )
    _dates_on_axis(dt, ax, rows)
    compute_axis(ax)
    ax.legend(
        loc="upper left",
        title=colours_text(dt) + f"Lines: median and {level_text(dt)} band of the average domain\n"
        f"Dates and growth: median and {level_text(dt)} equal-tailed interval",
        alignment="left",
    )
    return ax


def _dates_on_axis(dt: xr.DataTree, ax: Axes, rows: dict) -> None:
    """Density, median and interval of each transition date along the bottom of the axes."""
    across = ax.get_xaxis_transform()
    middle, _ = (ax.transAxes + ax.transData.inverted()).transform((0.5, 0))
    transitions = list(transitions_of(dt))
    for k, name, draws in transitions:
        row, colour = rows[f"transition_year[{name}]"], COLOURS[(k + 1) % len(COLOURS)]
        edges, density = histogram(draws)
        ridge = density / density.max() * _RIDGE
        ax.stairs(ridge, edges, fill=True, color=colour, alpha=0.6, transform=across, linewidth=0)
        ends, shown = [row["lower"], row["upper"]], {"transform": across, "clip_on": False}
        ax.plot(ends, [0, 0], color=colour, linewidth=4, solid_capstyle="butt", **shown)
        ax.plot(row["median"], 0, "k|", markersize=9, **shown)
        # Labels of later dates stand lower, so that neighbours do not meet.
        height = _RIDGE + 0.015 + 0.05 * (len(transitions) - 1 - k)
        # Long labels grow towards the middle, so that they stay inside.
        at, side = (row["upper"], "right") if row["median"] > middle else (row["lower"], "left")
        ax.text(at, height, f"{name}: {quoted(row)}", transform=across, ha=side, color=colour)
