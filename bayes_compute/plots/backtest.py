"""What each dated table said of the record to come, and the record that came."""

from matplotlib.axes import Axes

from bayes_compute.plots.axes import compute_axis
from bayes_compute.plots.canvas import COLOURS, MARKERS, axes_or_new, legend_above, styled

_SHADES = (*COLOURS, "0.35")
_PEER, _APART, _BESIDE = "random walk", 0.14, 0.05  # of the room of a date


@styled()
def backtest(record: dict, ax: Axes | None = None) -> Axes:
    """Intervals of the record that dated tables gave, beside those of a random walk.

    Parameters
    ----------
    record : dict
        What :func:`bayes_compute.backtesting.scores.backtest` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    tables = [v for v in record["vintages"].values() if "scores" in v]
    rows = [
        (k, row) for k, v in enumerate(tables) for row in v["scores"] if row["target"] == "record"
    ]
    dates = sorted({row["date"] for _, row in rows})
    for k, table in enumerate(tables):
        marker = MARKERS[k % len(MARKERS)] if k < len(MARKERS) else "*"
        ax.plot([], [], marker, color=_SHADES[k % len(_SHADES)], label=f"from {table['as_of']}")
        for own, row in rows:
            if own == k and row["forecast"] in ("projection", _PEER):
                peer, q = row["forecast"] == _PEER, row["quantiles"]
                x = dates.index(row["date"]) + (k - (len(tables) - 1) / 2) * _APART
                x += _BESIDE if peer else 0
                colour = "0.7" if peer else _SHADES[k % len(_SHADES)]
                ax.plot([x, x], [q["0.05"], q["0.95"]], color=colour, linewidth=1)
                ax.plot([x, x], [q["0.25"], q["0.75"]], color=colour, linewidth=3)
                if not peer:
                    ax.plot(x, q["0.5"], marker, color=colour, markeredgecolor="w", markersize=6)
    for at, date in enumerate(dates):
        came = next(row["outcome"] for _, row in rows if row["date"] == date)
        label = "what came" if at == 0 else None
        ax.plot([at - 0.47, at + 0.47], [came, came], "k", linewidth=1.5, zorder=0, label=label)
    ax.plot([], [], color="0.7", linewidth=3, label=_PEER)
    ax.set_xticks(range(len(dates)), [f"by {date}" for date in dates])
    ax.tick_params(axis="x", length=0)
    compute_axis(ax)
    title = "The record by a day, projected from earlier tables: medians, 50 % and 90 % intervals"
    legend_above(ax, title, ncols=4)
    return ax
