"""Systems and trends as what plotly.js draws: text is inert, and dates are days."""

from typing import Any

import numpy as np
import xarray as xr
from markupsafe import escape as in_html
from matplotlib.colors import to_rgb

from bayes_compute.era_probability import era_probability
from bayes_compute.escaping import escape
from bayes_compute.observations import day_of
from bayes_compute.page.prose import powers
from bayes_compute.plots.axes import sparse_until
from bayes_compute.plots.canvas import COLOURS, opacity
from bayes_compute.plots.fitted import eras_of, quoted, transitions_of, trends_of

type Rows = dict[str, dict[str, Any]]

_SYMBOLS = ("circle", "triangle-up", "square", "diamond", "triangle-down")
_MARKERS = "●▲■◆▼"  # the same, in text
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#1a1a1a"}


def systems_of(dt: xr.DataTree) -> list[dict[str, Any]]:
    """Every system of a fit as plain values.

    Returns
    -------
    list of dict
        ``system`` (text without control characters), ``date`` (YYYY-MM-DD), ``log10_flop`` and
        ``log10_parameters`` (None where not known), and ``probability`` of each era, a list.
    """
    constant = dt["constant_data"].dataset
    probability = era_probability(dt).transpose("system", "era").to_numpy()
    columns = {
        "system": [escape(str(name), "text") for name in constant["system"].to_numpy()],
        "date": _days(constant["year"].to_numpy()),
        **{
            name: [value if np.isfinite(value) else None for value in constant[name].to_numpy()]
            for name in ("log10_flop", "log10_parameters")
        },
        "probability": probability.tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def legend(dt: xr.DataTree, rows: Rows) -> list[dict[str, str]]:
    """Of each era its ``name``, ``colour``, ``marker`` and ``growth`` with its interval."""
    return [
        {
            "name": f"era {era}" if era.isdigit() else era,
            "colour": COLOURS[k % len(COLOURS)],
            "marker": _MARKERS[k % len(_MARKERS)],
            "growth": "×" + quoted(rows[f"growth_factor[{era}]"], "/year"),
        }
        for k, era in enumerate(eras_of(dt))
    ]


def chart(dt: xr.DataTree, rows: Rows, systems: list[dict[str, Any]]) -> dict[str, Any]:
    """Training compute against publication date, for plotly.js.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems.
    rows : dict
        Rows of its summary, by name.
    systems : list of dict
        What :func:`systems_of` returned.

    Returns
    -------
    dict
        ``data`` and ``layout`` of plotly.js, and ``all``, the ranges of both axes with every system
        in it, the first ``since`` a year: the layout begins where they are no longer few. Each
        trace says in its ``meta`` of which era it is, and whether of systems.
    """
    year = dt["constant_data"]["year"].to_numpy()
    names = [each["name"] for each in legend(dt, rows)]
    seen = [row for row in systems if row["log10_flop"] is not None]
    traces = [
        _points(k, [row for row in seen if int(np.argmax(row["probability"])) == k], names)
        for k in range(len(names))
    ]
    for k, _, at, line in trends_of(dt, np.linspace(year.min(), year.max(), 200)):
        traces += _trend(k, at, line)
    start = max(year.min(), sparse_until(year, rows))
    log10_flop = dt["constant_data"]["log10_flop"].to_numpy()
    (days, powers_of_ten), every = (_ranges(year, log10_flop, t) for t in (start, year.min()))
    layout = {
        "font": _FONT,
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 70, "r": 8, "t": 32, "b": 44},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _axis("Publication date") | {"type": "date", "range": days},
        "yaxis": _axis("Training compute (FLOP)")
        | {"type": "log", "exponentformat": "power", "range": powers_of_ten},
        **_dates(dt, rows),
    }
    return {"data": traces, "layout": layout, "all": every, "since": int(year.min())}


def _ranges(year: np.ndarray, log10_flop: np.ndarray, start: float) -> tuple[list, list]:
    """Range of days, and of powers of ten, of systems from a start on."""
    low, high = np.nanmin(log10_flop[year >= start]), np.nanmax(log10_flop)
    margin = 0.02 * (year.max() - start)
    return _days([start - margin, year.max() + margin]), [float(low) - 2, float(high) + 1]


def _days(year: Any) -> list[str]:
    return day_of(year).astype(str).tolist()


def _axis(title: str) -> dict[str, Any]:
    lines = {"showline": True, "linecolor": "#555", "gridcolor": "#e6e6e6", "zeroline": False}
    return {"title": {"text": title}, "ticks": "outside", **lines}


def _trend(k: int, at: np.ndarray, line: np.ndarray) -> list[dict[str, Any]]:
    """The band of an era and the median on it, with a white edge to stand out from systems."""
    middle, low, high = 10.0**line
    colour, meta = COLOURS[k % len(COLOURS)], {"era": k, "systems": False}
    drawn = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "meta": meta}
    days = _days(at)
    return [
        drawn
        | {
            "x": days + days[::-1],
            "y": [*_short(high), *_short(low[::-1])],
            "fill": "toself",
            "fillcolor": _rgba(colour, 0.22),
            "line": {"width": 0},
        },
        drawn | {"x": days, "y": _short(middle), "line": {"color": "white", "width": 5}},
        drawn | {"x": days, "y": _short(middle), "line": {"color": colour, "width": 2.5}},
    ]


def _points(k: int, systems: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Systems of an era, fainter where that is less certain; what is said of each in text."""
    colour = COLOURS[k % len(COLOURS)]
    certain = np.array([row["probability"][k] for row in systems])
    said = [_lines(row, names) for row in systems]
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": {"era": k, "systems": True},
        "x": [row["date"] for row in systems],
        "y": _short(10.0 ** np.array([row["log10_flop"] for row in systems])),
        "text": [
            f"<b>{in_html(name)}</b><br>" + powers("<br>".join(map(str, map(in_html, rest))))
            for name, *rest in said
        ],
        "customdata": [" · ".join(lines) for lines in said],
        "hoverinfo": "text",
        "marker": {
            "symbol": _SYMBOLS[k % len(_SYMBOLS)],
            "size": 8,
            "color": colour,
            "opacity": np.round(opacity(certain, 0.2, 0.7), 2).tolist(),
        },
        "hoverlabel": {"bgcolor": "white", "bordercolor": colour, "font": _FONT},
    }


def _lines(row: dict[str, Any], names: list[str]) -> list[str]:
    """What is said of a system: its name, date, compute, and probability of each era."""
    lines = [row["system"], row["date"], f"10^{row['log10_flop']:.1f} FLOP"]
    if len(names) > 1:
        lines += [f"P({name}) = {p:.2f}" for name, p in zip(names, row["probability"], strict=True)]
    return lines


def _dates(dt: xr.DataTree, rows: Rows) -> dict[str, Any]:
    """Interval, median and name of each transition date, over the height of the chart."""
    shapes, notes, transitions = [], [], list(transitions_of(dt))
    for k, name, _ in transitions:
        row, colour = rows[f"transition_year[{name}]"], COLOURS[(k + 1) % len(COLOURS)]
        low, middle, high = _days([row["lower"], row["median"], row["upper"]])
        across = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
        shapes += [
            across
            | {"type": "rect", "x0": low, "x1": high, "line": {"width": 0}}
            | {"fillcolor": _rgba(colour, 0.15)},
            across
            | {"type": "line", "x0": middle, "x1": middle}
            | {"line": {"color": colour, "width": 1.5, "dash": "dot"}},
        ]
        said = f"{in_html(name)}: {quoted(row).partition(' ')[0]}"
        # Names of later dates stand lower, before their line, so that neighbours do not meet.
        at: dict[str, Any] = {"x": middle, "xanchor": "right", "yref": "paper", "yanchor": "bottom"}
        at["y"] = 0.06 * (len(transitions) - 1 - k)
        notes.append(at | {"text": said, "showarrow": False, "bgcolor": "rgba(255, 255, 255, 0.7)"})
    return {"shapes": shapes, "annotations": notes}


def _rgba(colour: str, alpha: float) -> str:
    return f"rgba({', '.join(f'{255 * part:.0f}' for part in to_rgb(colour))}, {alpha})"


def _short(values: np.ndarray) -> list[float]:
    """Four significant digits: a pixel shows no more."""
    return [float(f"{value:.4g}") for value in values]
