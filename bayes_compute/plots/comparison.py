"""Models side by side."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bayes_compute.escaping import escape
from bayes_compute.plots.canvas import COLOURS, MARKERS, axes_or_new, legend_above, styled


@styled()
def comparison(record: dict[str, Any], ax: Axes | None = None) -> Axes:
    """How much worse than the best each model foretells compute, and its log evidence.

    Parameters
    ----------
    record : dict
        What ``bayes_compute.compare(...).record`` holds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, models = axes_or_new(ax), record["models"]
    kinds = list(dict.fromkeys(row["evidence_of"] for row in models))
    place = np.arange(len(models))[::-1]
    for k, kind in enumerate(kinds):
        alike = [i for i, row in enumerate(models) if row["evidence_of"] == kind]
        difference = np.array([models[i]["elpd_diff"] for i in alike])
        error = np.array([models[i]["dse"] for i in alike])
        shown = {"color": COLOURS[k], "fmt": MARKERS[k], "markersize": 5}
        ax.errorbar(difference, place[alike], xerr=2 * error, elinewidth=0.8, capsize=2, **shown)
        ax.errorbar(
            difference, place[alike], xerr=error, elinewidth=2.5, label=f"models of {kind}", **shown
        )
    beside = {"x": 1.02, "transform": ax.get_yaxis_transform(), "va": "center"}
    for row, y in zip(models, place, strict=True):
        colour = COLOURS[kinds.index(row["evidence_of"])]
        ax.text(y=y, s=f"{row['log_evidence']:.1f}", color=colour, **beside)
    ax.text(y=len(models) - 0.4, s="log evidence", **beside)
    ax.axvline(0, color="0.6", linewidth=0.7, zorder=0)
    names = [f"{row['name']}\nweight {row['weight']:.2f}" for row in models]
    ax.set_yticks(place, names)
    ax.set_ylim(-0.6, len(models) - 0.4)
    ax.set_xlabel("Expected log density of systems left out, less that of the best; 1 and 2 SE")
    table = escape(record["data"]["name"], "text").replace("$", r"\$")  # not mathematics
    title = f"{table}, as of {record['data']['as_of']}; evidence: within a colour only"
    legend_above(ax, title, ncols=1)
    return ax
