"""What every figure is drawn with: its size, colours and legend, and systems as points."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

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


@contextmanager
def styled() -> Iterator[None]:
    """Draw in :data:`STYLE`, and leave matplotlib interactive if the figure made it so.

    A notebook does when the first figure is opened. ``rc_context`` alone would take that back, and
    no figure would be shown.
    """
    with mpl.rc_context(STYLE):
        yield
        interactive = mpl.is_interactive()
    mpl.interactive(interactive)


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=SIZE, layout="constrained")[1]
    return ax


def empty(ax: Axes, reason: str) -> Axes:
    """Say why there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, reason, ha="center", transform=ax.transAxes)
    return ax


def legend_above(ax: Axes, title: str, ncols: int) -> None:
    """Place the legend above the axes, where nothing drawn can cross it."""
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "ncols": ncols}
    ax.legend(title=title, alignment="left", fontsize=8, title_fontsize=8, **where)


def opacity(certain: np.ndarray, least: float, most: float) -> np.ndarray:
    """Opacity of systems by the probability of where they most probably belong."""
    return least + (most - least) * certain**2


def scatter(ax: Axes, systems: xr.Dataset, y: str, era: int, hollow: bool = False) -> None:
    """Draw systems of one era, fainter where that is less certain."""
    least, most = (0.2, 0.8) if hollow else (0.1, 0.55)
    colour = to_rgb(COLOURS[era % len(COLOURS)])
    alpha = opacity(systems["certain"].to_numpy(), least, most)
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
