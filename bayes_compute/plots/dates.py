"""Dates of transitions."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.plots.canvas import COLOURS, axes_or_new, empty, styled
from bayes_compute.plots.fitted import histogram, level_text, quoted, transitions_of
from bayes_compute.summaries import summary


@styled()
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
    ax = axes_or_new(ax)
    ax.set_xlabel("Date of transition")
    if "transition_year" not in dt["posterior"]:
        return empty(ax, "This model has no transitions")
    rows = summary(dt).to_dict("index")
    transitions = list(transitions_of(dt))
    for k, name, draws in transitions:
        prior = dt["prior"]["transition_year"].sel(transition=name).to_numpy()
        colour, foot = COLOURS[(k + 1) % len(COLOURS)], len(transitions) - 1 - k
        # A date that is known to within months would fill one or two quarters.
        width = 0.25 if np.subtract(*np.quantile(draws, [0.75, 0.25])) >= 0.5 else 1 / 12
        (edges, density), (prior_edges, prior_density) = map(
            histogram, (draws, prior), (width, 1.0)
        )
        top = 1.2 * max(density.max(), prior_density.max())
        label = f"{name}: {quoted(rows[f'transition_year[{name}]'])}"
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
        title=f"Posterior: median and {level_text(dt)} equal-tailed interval",
        alignment="left",
    )
    return ax
