"""What readings of training compute are worth."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy.special import erf

from bayes_compute.plots.canvas import COLOURS, axes_or_new, legend_above, styled
from bayes_compute.plots.fitted import level_text
from bayes_compute.wording import percent

_FACTORS = (1, 3, 10, 30, 100, 300, 1000, 10000)


@styled()
def reading_errors(dt: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Factor within which half, and 90 %, of the readings of each kind agree with the others.

    An error that all readings of a system share is not seen. Gross errors are counted, biases
    that are known are not: published figures by class of
    confidence; six operations a parameter and token by domain, where no figure was worked out
    from them; accelerators times hours, by utilisation as expected of year and family.

    Parameters
    ----------
    dt : xarray.DataTree
        ``fit("calibration", ...)``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of 7 by 4.5 inches by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax)
    draws = dt["posterior"].dataset
    tail = (1 - float(dt.attrs["interval_prob"])) / 2
    rows = list(_errors(draws))
    for place, (_, sd, gross) in enumerate(reversed(rows)):
        for share, colour, marker in ((0.5, COLOURS[0], "o"), (0.9, COLOURS[1], "s")):
            within = _within(share, sd, gross, draws["gross_sd"].to_numpy())
            low, middle, high = np.quantile(within, [tail, 0.5, 1 - tail])
            label = f"{percent(share)} of readings" if place == 0 else None
            ax.plot([low, high], [place, place], color=colour, linewidth=1.5)
            ax.plot(middle, place, marker, color=colour, markersize=5, label=label)
    ax.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, None)
    ticks = [factor for factor in _FACTORS if np.log10(factor) < ax.get_xlim()[1]]
    ax.set_xticks(np.log10(ticks), [f"×{factor:,}" for factor in ticks])
    ax.set_xlabel("Agree with other readings within a factor of")
    ax.grid(axis="x", color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    legend_above(ax, f"Median and {level_text(dt)} equal-tailed interval", 2)
    return ax


def _errors(draws: xr.Dataset):
    """Name, sd and share of gross errors of each kind of reading."""
    for label in draws["confidence"].to_numpy():
        of_class = draws.sel(confidence=label)
        name = "without a class" if label == "none" else label.lower()
        yield f"published, {name}", of_class["figure_sd"], of_class["figure_gross"]
    yield "accelerators × hours", draws["utilization_sd"], draws["hardware_gross"]
    for label in draws["domain"].to_numpy():
        counted = "language" if label == "Language" else "other"
        gross = draws["operations_gross"].sel(counted=counted)
        yield f"operations, {label.lower()}", draws["operations_sd"].sel(domain=label), gross


def _within(share: float, sd, gross, gross_sd: np.ndarray) -> np.ndarray:
    """Half-width [log10] that holds a share of errors, fine and gross; by bisection."""
    sd, gross = np.asarray(sd), np.asarray(gross)
    rare = np.hypot(sd, gross_sd)
    low, high = np.zeros_like(sd), 5 * rare
    for _ in range(60):
        middle = (low + high) / 2
        inside = (1 - gross) * erf(middle / sd / np.sqrt(2))
        inside += gross * erf(middle / rare / np.sqrt(2))
        low, high = np.where(inside < share, middle, low), np.where(inside < share, high, middle)
    return (low + high) / 2
