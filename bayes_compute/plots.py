"""Figures of a fit, for a paper: each takes the fit and, if wanted, the axes to draw on."""

import textwrap

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patheffects import withStroke

from bayes_compute import floor
from bayes_compute.axes import compute_axis, parameters_axis, time_axis
from bayes_compute.changepoint.statistics import CAPACITY_YEAR
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
    ax = _axes(ax)
    rows = summary(dt).to_dict("index")
    systems = _systems(dt, "log10_flop")
    year, log10_flop = systems["year"].to_numpy(), systems["log10_flop"].to_numpy()
    date = np.linspace(year.min(), year.max(), 600)
    draws = _thinned(dt)
    holds, shown = _eras_at(dt, draws, date)

    cut = time_axis(ax, year, rows)
    low, height = log10_flop.min(), max(np.ptp(log10_flop), 1.0)
    ax.set_ylim(low - 0.2 * height, low + 1.05 * height)
    for k, era in enumerate(_eras(dt)):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        _scatter(ax, systems.isel(system=systems["modal"] == k), "log10_flop", k)
        name = f"era {era}" if era.isdigit() else era
        label = f"{name}: ×{_quoted(rows[f'growth_factor[{era}]'], '/year')}"
        level, growth = (draws[v].isel(era=k).to_numpy()[:, None] for v in ("level", "growth"))
        at = date[shown[k]]
        trend = level + growth * (at - float(dt.attrs["reference_year"]))
        line, lower, upper = _quantiles(dt, trend, holds[k][:, shown[k]])
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
        title=_colours_text(dt) + f"Lines: median and {_level(dt)} band of the average domain\n"
        f"Dates and growth: median and {_level(dt)} equal-tailed interval",
        alignment="left",
    )
    return ax


@mpl.rc_context(STYLE)
def parameter_gap(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Parameters against publication date, with the capacity that parts cloud from bespoke.

    Systems are coloured by their most probable regime, fainter where that is less certain, and
    hollow where training compute is undisclosed. The capacity, median and band, is drawn where
    the cloud transition has probably passed.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns. A model without capacity gives axes that say so.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(ax)
    if "capacity" not in dt["posterior"]:
        return _empty(ax, "This model has no capacity that parts regimes")
    rows = summary(dt).to_dict("index")
    systems = _systems(dt, "log10_parameters")
    year, log10_parameters = (systems[v].to_numpy() for v in ("year", "log10_parameters"))
    known = np.isfinite(systems["log10_flop"].to_numpy())
    date = np.linspace(year.min(), year.max(), 600)
    draws = _thinned(dt)
    holds, shown = _eras_at(dt, draws, date)
    at = date[shown[1]]
    capacity, drift = (draws[v].to_numpy()[:, None] for v in ("capacity", "drift"))
    capacity = capacity + drift * (at - CAPACITY_YEAR)
    line, lower, upper = _quantiles(dt, capacity, holds[1][:, shown[1]])

    time_axis(ax, year, rows)
    low, height = log10_parameters.min(), max(np.ptp(log10_parameters), 1.0)
    ax.set_ylim(low - 0.1 * height, low + 1.05 * height)
    for k, era in enumerate(_eras(dt)):
        mine = systems["modal"].to_numpy() == k
        _scatter(ax, systems.isel(system=mine & known), "log10_parameters", k)
        _scatter(ax, systems.isel(system=mine & ~known), "log10_parameters", k, hollow=True)
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        label = f"{era}: {(mine & known).sum()}"
        ax.plot([], [], color=colour, marker=marker, linestyle="", markersize=4, label=label)
    label = f"hollow, compute undisclosed: {(~known).sum()}"
    ax.plot([], [], "o", color="0.35", mfc="none", markersize=4, label=label)
    ax.fill_between(at, lower, upper, color="0.2", alpha=0.25, linewidth=0, zorder=3)
    white = [withStroke(linewidth=3.5, foreground="white")]
    ax.plot(at, line, color="black", linewidth=2, zorder=4, path_effects=white)
    if at.size:
        middle, high = (ax.transAxes + ax.transData.inverted()).transform((0.5, 0.8))
        # Left of the line if there is room: systems before it have fewer parameters.
        side, foot, shift = ("right", line[0], -5) if at[0] > middle else ("left", upper.max(), 0)
        ax.annotate(
            _capacity_text(rows["capacity"]),
            (at[0], foot),
            (shift, 0),
            textcoords="offset points",
            ha=side,
            va="bottom" if foot < high else "top",
        )
    parameters_axis(ax)
    title = (
        f"Capacity: median and {_level(dt)} equal-tailed interval\n{_colours_text(dt)}"
        "Counts: where both compute and parameters are known"
    )
    _legend_above(ax, title, ncols=len(_eras(dt)) + 1)
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
        return _empty(ax, "This model has no transitions")
    rows = summary(dt).to_dict("index")
    transitions = list(_transitions(dt))
    for k, name, draws in transitions:
        prior = dt["prior"]["transition_year"].sel(transition=name).to_numpy()
        colour, foot = COLOURS[(k + 1) % len(COLOURS)], len(transitions) - 1 - k
        # A date that is known to within months would fill one or two quarters.
        width = 0.25 if np.subtract(*np.quantile(draws, [0.75, 0.25])) >= 0.5 else 1 / 12
        (edges, density), (prior_edges, prior_density) = map(_density, (draws, prior), (width, 1.0))
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
    systems = _systems(dt, "log10_flop")
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
    _legend_above(ax, "\n".join(textwrap.fill(note, 108) for note in notes), ncols=3)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=SIZE, layout="constrained")[1]
    return ax


def _level(dt: xr.DataTree) -> str:
    return f"{100 * float(dt.attrs['interval_prob']):.10g} %"


def _legend_above(ax: Axes, title: str, ncols: int) -> None:
    """Place the legend above the axes, where nothing drawn can cross it."""
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "ncols": ncols}
    ax.legend(title=title, alignment="left", fontsize=8, title_fontsize=8, **where)


def _empty(ax: Axes, reason: str) -> Axes:
    ax.set_axis_off()
    ax.text(0.5, 0.5, reason, ha="center", transform=ax.transAxes)
    return ax


def _eras(dt: xr.DataTree) -> list[str]:
    return [str(era) for era in dt["posterior"]["era"].to_numpy()]


def _coexist(dt: xr.DataTree) -> bool:
    """Whether eras coexist once they have begun: then transitions bear their names."""
    names = [name for _, name, _ in _transitions(dt)]
    return bool(names) and names == _eras(dt)[1:]


def _systems(dt: xr.DataTree, known: str) -> xr.Dataset:
    """Systems of which something is known, with their most probable era and its probability."""
    probability = era_probability(dt)
    found = dt["constant_data"].dataset.assign(
        modal=probability.argmax("era"), certain=probability.max("era")
    )
    return found.isel(system=np.isfinite(found[known].to_numpy()))


def _scatter(ax: Axes, systems: xr.Dataset, y: str, era: int, hollow: bool = False) -> None:
    """Draw systems of one era, fainter where that is less certain."""
    least, most = (0.2, 0.8) if hollow else (0.1, 0.55)
    colour = to_rgb(COLOURS[era % len(COLOURS)])
    alpha = least + (most - least) * systems["certain"].to_numpy() ** 2
    ax.scatter(
        systems["year"],
        systems[y],
        s=10,
        marker=MARKERS[era % len(MARKERS)],
        facecolors="none" if hollow else [(*colour, a) for a in alpha],
        edgecolors=[(*colour, a) for a in alpha] if hollow else "none",
        linewidths=0.6 if hollow else 0,
        zorder=2,
    )


def _colours_text(dt: xr.DataTree) -> str:
    if len(_eras(dt)) == 1:
        return ""
    kind = "regime" if _coexist(dt) else "era"
    return f"Systems: most probable {kind}, fainter where less certain\n"


def _capacity_text(row: dict) -> str:
    ends = " to ".join(f"$10^{{{end}}}$" for end in ends_text(row).split(" to "))
    mark = f";\n{LARGELY_PRIOR}" if row["largely_prior"] else ""
    median = f"$10^{{{median_text(row)}}}$ parameters"
    return f"capacity in {CAPACITY_YEAR:.0f}:\n{median}\n({ends}{mark})"


def _thinned(dt: xr.DataTree) -> xr.Dataset:
    """Draws along one dimension ``s``, some thousands at most."""
    draws = dt["posterior"].dataset.stack(s=("chain", "draw"))
    return draws.isel(s=slice(None, None, 1 + draws.sizes["s"] // 5000))


def _eras_at(dt: xr.DataTree, draws: xr.Dataset, date: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each era holds at each date in each draw, and whether to show it there.

    Eras follow each other. Of regimes that coexist, the first transition ends the first, and each
    starts one that stays.

    Returns
    -------
    holds : ndarray of bool, shape (eras, draws, dates)
    shown : ndarray of bool, shape (eras, dates)
    """
    eras, begun = _eras(dt), np.zeros((0, draws.sizes["s"], len(date)), bool)
    if "transition_year" in draws:
        begun = draws["transition_year"].transpose("transition", "s").to_numpy()[..., None] <= date
    if _coexist(dt):
        holds = np.concatenate([~begun[:1], begun])
        return holds, holds.mean(axis=1) >= 0.5
    number = begun.sum(axis=0)
    holds = np.stack([number == k for k in range(len(eras))])
    most = holds.mean(axis=1).argmax(axis=0)
    return holds, np.stack([most == k for k in range(len(eras))])


def _quantiles(dt: xr.DataTree, values: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Median and ends of the interval over the draws that hold, of values (draws, dates)."""
    prob = float(dt.attrs["interval_prob"])
    if not holds.size:
        return np.empty((3, holds.shape[1]))
    at = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    return np.nanquantile(np.where(holds, values, np.nan), at, axis=0)


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
