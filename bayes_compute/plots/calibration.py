"""Ranks of simulation-based calibration, with the band in which they lie if fits are right."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.ranks import LEVEL, N_RANKS, passed, verdict
from bayes_compute.uniformity import band
from bayes_compute.wording import percent


@styled()
def calibration(ranks: xr.Dataset, ax: Axes | None = None) -> Axes:
    """How far the distribution of each quantity's ranks is from the uniform one.

    Of fits that pass the gate. All curves lie in the band with 99 % probability if fits are right;
    those that leave it are drawn in colour and named.

    Parameters
    ----------
    ranks : xarray.Dataset
        What :func:`bayes_compute.calibrate` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, good, table = axes_or_new(ax), passed(ranks), verdict(ranks)
    n, share = good.sizes["replication"], np.arange(N_RANKS + 1) / N_RANKS
    inner = share[1:-1]
    fewest, most = band(n, N_RANKS, 1 - LEVEL / len(table))
    label = f"{percent(1 - LEVEL)} band of all together"
    edges = {"color": "0.88", "linewidth": 0, "label": label}
    ax.fill_between(inner, fewest / n - inner, most / n - inner, **edges)
    rejected = 0
    for name in table.sort_values("rejected").index:
        count = np.bincount(good["rank"].sel(quantity=name).astype(int), minlength=N_RANKS)
        beyond = np.concatenate([[0], np.cumsum(count)]) / n - share
        if table.loc[name, "rejected"]:
            colour, style = COLOURS[rejected % len(COLOURS)], ("-", "--", ":")[rejected // 5 % 3]
            ax.plot(share, beyond, style, color=colour, linewidth=1.4, label=name)
            rejected += 1
        else:
            ax.plot(share, beyond, color="0.35", linewidth=0.6, alpha=0.6)
    ax.plot([], [], color="0.35", linewidth=0.6, label=f"{len(table) - rejected} within it")
    ax.axhline(0, color="0.2", linewidth=0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Rank of the truth among draws, as a share of them")
    ax.set_ylabel("Share of ranks below, over the uniform share")
    legend_above(ax, f"{ranks.attrs['model']}, {n} simulated data sets", 4)
    return ax
