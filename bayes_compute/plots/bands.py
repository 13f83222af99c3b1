"""What figures of ceilings share: what they take from a fit, and bands of draws over dates."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from bayes_compute.plots.canvas import axes_or_new


def opened(dt: xr.DataTree, ax: Axes | None) -> tuple[Axes, xr.Dataset, float, str | None]:
    """Axes to draw a fit on, its posterior, the probability of intervals, the day of its data."""
    as_of = json.loads(dt.attrs["data"])["as_of"]
    return axes_or_new(ax), dt["posterior"].dataset, float(dt.attrs["interval_prob"]), as_of


def ahead(ax: Axes, seen: np.ndarray, ticks: Mapping[float, str]) -> np.ndarray:
    """Set axes up from the first date that was seen to five years after the last.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    seen : ndarray
        Decimal years.
    ticks : mapping of float to str
        Heights that are named.

    Returns
    -------
    ndarray
        Decimal years to draw curves at.
    """
    first, last = seen.min(), np.ceil(seen.max()) + 5
    ax.set_xlim(first - 0.2, last)
    ax.set_yticks([*ticks], [*ticks.values()])
    ax.yaxis.set_minor_locator(NullLocator())
    return np.linspace(first, last, 101)


def band(ax: Axes, x: Any, draws: np.ndarray, prob: float, colour: str, label: str) -> None:
    """Draw the median and the equal-tailed interval of draws, shape (S, len(x))."""
    low, middle, high = np.quantile(draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(x, middle, color=colour, linewidth=1.8, label=f"{label}, {100 * prob:.10g} %")
