"""Draws of a curve as its median and an interval."""

import json
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes


def band(ax: Axes, x: Any, draws: np.ndarray, prob: float, colour: str, label: str) -> None:
    """Draw the median and the equal-tailed interval of draws, shape (S, len(x))."""
    low, middle, high = np.quantile(draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(x, middle, color=colour, linewidth=1.8, label=f"{label}, {100 * prob:.10g} %")


def as_of(dt: xr.DataTree) -> str | None:
    """Date of the data of a fit."""
    return json.loads(dt.attrs["data"])["as_of"]
