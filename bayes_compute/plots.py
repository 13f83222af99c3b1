"""Figures of a fit, for a paper: each takes the fit and, if wanted, the axes to draw on."""

import textwrap

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patheffects import withStroke

from bayes_compute import floor
from bayes_compute.axes import compute_axis, time_axis
from bayes_compute.quoting import LARGELY_PRIOR, ends_text, median_text
from bayes_compute.summaries import era_probability, floor_verdicts, summary

SIZE = (7.0, 4.5)
"""Width and height of a figure [inches]."""

STYLE: dict = {
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "bayes_compute",
    "savefig.dpi": 200,
}
# From Okabe & Ito's palette: told apart by colour-blind readers, and with the markers in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("o", "^", "s", "D", "v")
_RIDGE = 0.11  # height of a date's density, as a share of the axes


@mpl.rc_context(STYLE)
def compute_over_time(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Training compute against publication date, with the eras' trends and their dates.

    Systems are coloured by their most probable era, fainter where that is less certain. Each
    era's line (the average domain) is drawn where the era is the most probable one, from the
    draws in which it holds there. The densities of the transition dates stand on the time axis.
    The sparse early decades are squeezed to the left of the marked break.

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
    ax = _axes(ax)
    rows = summary(dt).to_dict("index")
    year = dt["constant_data"]["year"].to_numpy()
    log10_flop = dt["observed_data"]["log10_flop"].to_numpy()
    probability = era_probability(dt)
    eras = [str(era) for era in probability["era"].to_numpy()]
    modal = probability.argmax("era").to_numpy()
    certain = probability.max("era").to_numpy()

    cut = time_axis(ax, year, rows)
    low, height = log10_flop.min(), max(np.ptp(log10_flop), 1.0)
    ax.set_ylim(low - 0.2 * height, low + 1.05 * height)
    for k, era in enumerate(eras):
        colour, mine = COLOURS[k % len(COLOURS)], modal == k
        ax.scatter(
            year[mine],
            log10_flop[mine],
            s=10,
            marker=MARKERS[k % len(MARKERS)],
            c=[(*to_rgb(colour), 0.1 + 0.45 * p**2) for p in certain[mine]],
            linewidths=0,
            zorder=2,
        )
        label = f"era {era}: ×{_quoted(rows[f'growth_factor[{era}]'], '/year')}"
        date, line, lower, upper = _trend(dt, k, year)
        early, late = date <= cut, date >= cut
        ax.plot(date[early], line[early], ":", color=colour, linewidth=1, zorder=4)
        ax.fill_between(
            date[late], lower[late], upper[late], color=colour, alpha=0.25, linewidth=0, zorder=3
        )
        ax.plot(
            date[late],
            line[late],
            color=colour,
            marker=MARKERS[k % len(MARKERS)],
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
        title=f"Median line and {_level(dt)} band of the average domain;\n"
        f"dates and growth: median and {_level(dt)} equal-tailed interval",
        alignment="left",
    )
    return ax


@mpl.rc_context(STYLE)
def date_posterior(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Posterior density of each transition date against its prior density.

    Each date has a row, and a row a scale, of its own; the prior is on the scale of its row.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns. A fit without transitions gives axes that say so.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax)
    ax.set_xlabel("Date of transition")
    if "transition_year" not in dt["posterior"]:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "This model has no transitions", ha="center", transform=ax.transAxes)
        return ax
    rows = summary(dt).to_dict("index")
    transitions = list(_transitions(dt))
    for k, name, draws in transitions:
        prior = dt["prior"]["transition_year"].sel(transition=name).to_numpy()
        colour, foot = COLOURS[(k + 1) % len(COLOURS)], len(transitions) - 1 - k
        (edges, density), (prior_edges, prior_density) = _density(draws), _density(prior, 1.0)
        top = 1.2 * max(density.max(), prior_density.max())
        label = f"{name}: {_quoted(rows[f'transition_year[{name}]'])}"
        shown = {"baseline": foot, "color": colour}
        ax.stairs(foot + density / top, edges, fill=True, alpha=0.6, label=label, **shown)
        dashes = {"linestyle": (0, (4, 2)), "label": f"{name}: prior"}
        ax.stairs(foot + prior_density / top, prior_edges, **shown, **dashes)
        ax.axhline(foot, color="0.3", linewidth=0.5)
    names = [f"{name}\ndensity" for _, name, _ in transitions]
    ax.set_yticks([k + 0.4 for k in reversed(range(len(names)))], names)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(0, len(transitions) + 0.5)
    ax.legend(
        loc="upper left",
        title=f"Posterior: median and {_level(dt)} equal-tailed interval",
        alignment="left",
    )
    return ax


@mpl.rc_context(STYLE)
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
    ax = _axes(ax)
    year = dt["constant_data"]["year"].to_numpy()
    log10_flop = dt["observed_data"]["log10_flop"].to_numpy()
    table, verdicts = floor.selection_floor(year, log10_flop), floor_verdicts(dt)
    first = min([np.quantile(year, 0.1), *(v["date"] - 2 * floor.WINDOW_YEARS for v in verdicts)])
    table = table[(table["year"] >= first) & (table["n"] >= floor.SMALLEST_QUARTER)]
    shown = year >= first
    ax.scatter(year[shown], log10_flop[shown], s=5, color="0.75", linewidths=0, zorder=1)
    for column, colour, marker in (
        ("maximum", COLOURS[1], "^"),
        ("median", "0.35", "."),
        ("minimum", COLOURS[0], "v"),
    ):
        ax.plot(
            table["year"],
            table[column],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=0.9,
            label=f"{column} of a quarter with {floor.SMALLEST_QUARTER} systems or more",
        )
    for k, verdict in enumerate(verdicts):
        date, colour = verdict["date"], COLOURS[(k + 1) % len(COLOURS)]
        window = (date - floor.WINDOW_YEARS, date + floor.WINDOW_YEARS)
        ax.axvspan(*window, color=colour, alpha=0.1, linewidth=0, zorder=0)
        ax.axvline(date, color=colour, linewidth=1, linestyle=(0, (4, 2)), zorder=0)
    ax.set_xlabel("Publication date")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.08 * len(verdicts) * (high - low))
    compute_axis(ax)
    title = "\n".join(
        textwrap.fill(f"{v['transition']}, {v['date']:.1f}: {v['text']}", 90) for v in verdicts
    )
    ax.legend(loc="upper left", title=title or None, alignment="left")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=SIZE, layout="constrained")[1]
    return ax


def _level(dt: xr.DataTree) -> str:
    return f"{100 * float(dt.attrs['interval_prob']):.10g} %"


def _trend(dt: xr.DataTree, era: int, year: np.ndarray):
    """Dates where an era is the most probable one; median and interval of its line there."""
    draws = dt["posterior"].dataset.stack(s=("chain", "draw"))
    draws = draws.isel(s=slice(None, None, 1 + draws.sizes["s"] // 5000))
    level, growth = (draws[v].isel(era=era).to_numpy() for v in ("level", "growth"))
    date = np.linspace(year.min(), year.max(), 600)
    begun = np.zeros((len(level), len(date)), int)
    if "transition_year" in draws:
        for tau in draws["transition_year"].transpose("transition", "s").to_numpy():
            begun += tau[:, None] <= date
    holds = begun == era
    share = [(begun == k).mean(axis=0) for k in range(draws.sizes["era"])]
    here = np.argmax(share, axis=0) == era
    if not here.any():
        return date[here], date[here], date[here], date[here]
    line = level[:, None] + growth[:, None] * (date[here] - float(dt.attrs["reference_year"]))
    prob = float(dt.attrs["interval_prob"])
    quantiles = np.nanquantile(
        np.where(holds[:, here], line, np.nan), [0.5, (1 - prob) / 2, (1 + prob) / 2], axis=0
    )
    return date[here], *quantiles


def _density(draws: np.ndarray, width: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Edges [years] and heights of a histogram of all but the outermost draws."""
    low, high = np.quantile(draws, [0.001, 0.999])
    edges = np.arange(np.floor(low / width) * width, high + 1.5 * width, width)
    return edges, np.histogram(draws, edges)[0] / draws.size / width


def _dates_on_axis(dt: xr.DataTree, ax: Axes, rows: dict) -> None:
    """Density, median and interval of each transition date along the bottom of the axes."""
    across = ax.get_xaxis_transform()
    middle, _ = (ax.transAxes + ax.transData.inverted()).transform((0.5, 0))
    transitions = list(_transitions(dt))
    for k, name, draws in transitions:
        row, colour = rows[f"transition_year[{name}]"], COLOURS[(k + 1) % len(COLOURS)]
        edges, density = _density(draws)
        ridge = density / density.max() * _RIDGE
        ax.stairs(ridge, edges, fill=True, color=colour, alpha=0.6, transform=across, linewidth=0)
        ends, shown = [row["lower"], row["upper"]], {"transform": across, "clip_on": False}
        ax.plot(ends, [0, 0], color=colour, linewidth=4, solid_capstyle="butt", **shown)
        ax.plot(row["median"], 0, "k|", markersize=9, **shown)
        # Labels of later dates stand lower, so that neighbours do not meet.
        height = _RIDGE + 0.015 + 0.05 * (len(transitions) - 1 - k)
        # Long labels grow towards the middle, so that they stay inside.
        at, side = (row["upper"], "right") if row["median"] > middle else (row["lower"], "left")
        ax.text(at, height, f"{name}: {_quoted(row)}", transform=across, ha=side, color=colour)


def _transitions(dt: xr.DataTree):
    """Number from 0, name and draws of each transition; none for a model without any."""
    if "transition_year" in dt["posterior"]:
        dates = dt["posterior"]["transition_year"]
        for k, name in enumerate(dates["transition"].to_numpy()):
            yield k, str(name), dates.sel(transition=name).to_numpy()


def _quoted(row: dict, unit: str = "") -> str:
    """A median with the ends of its interval, whose kind and level the figure's legend states."""
    mark = f"; {LARGELY_PRIOR}" if row["largely_prior"] else ""
    return f"{median_text(row)}{unit} ({ends_text(row)}{mark})"
