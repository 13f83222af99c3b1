"""The two axes that most figures share: publication date and training compute."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")  # of 10^0, 10^3, ...
_COUNTS = ("", "k", "M", "B", "T")  # of the same


def time_axis(ax: Axes, year: np.ndarray, rows: dict) -> float:
    """Set up the time axis and return where its squeezed part ends.

    The few systems of the early decades would take half of the width: they share an eighth of
    it, shaded, so that slopes are only compared where a year is as long as any other.
    """
    first, last = np.floor(year.min()), np.floor(year.max()) + 1
    cut = sparse_until(year, rows)
    squeeze = (cut - first) / ((last - cut) / 7)
    early: list[float] = []
    if squeeze < 1.5:
        cut, squeeze = first, 1.0
    else:
        ax.set_xscale(
            "function",
            functions=(
                lambda t: np.where(t < cut, cut + (t - cut) / squeeze, t),
                lambda u: np.where(u < cut, cut + (u - cut) * squeeze, u),
            ),
        )
        ax.axvspan(first - 10 * squeeze, cut, color="0.94", linewidth=0, zorder=0)
        ax.text(
            cut,
            0.015,
            f"years\nsqueezed {squeeze:.0f}× ",
            transform=ax.get_xaxis_transform(),
            ha="right",
            color="0.35",
            size=7,
        )
        early = [first]
    step = 5 if last - cut > 8 else 1
    ax.xaxis.set_major_locator(
        FixedLocator([*early, *np.arange(step * np.ceil(cut / step), last + 1, step)])
    )
    ax.xaxis.set_minor_locator(
        FixedLocator(np.arange(cut, last + 1).tolist()) if step > 1 else NullLocator()
    )
    ax.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:.0f}"))
    ax.set_xlim(first - 0.015 * squeeze * (last - cut), last)
    ax.set_xlabel("Publication date")
    return cut


def sparse_until(year: np.ndarray, rows: dict) -> float:
    """Year until which systems are few, and which no transition comes near."""
    starts = [row["lower"] for name, row in rows.items() if name.startswith("transition_year")]
    return float(5 * np.floor(min([np.quantile(year, 0.05), *(s - 15 for s in starts)]) / 5))


def compute_axis(ax: Axes) -> None:
    """Powers of ten of FLOP on the left, SI prefixes on the right, of an axis in log10 FLOP."""
    _powers_of_ten(ax, "Training compute (FLOP)", with_prefix)


def parameters_axis(ax: Axes) -> None:
    """Powers of ten on the left, k, M, B and T on the right, of an axis in log10 parameters."""
    _powers_of_ten(ax, "Number of parameters", in_words)
    ax.yaxis.set_minor_locator(MultipleLocator(1))


def _powers_of_ten(ax: Axes, label: str, name: Callable[[float], str]) -> None:
    low, high = ax.get_ylim()
    ticks = np.arange(max(0, 3 * np.ceil(low / 3)), high, 3).tolist()
    if len(ticks) < 3:
        ticks = np.arange(max(0, np.ceil(low)), high).tolist()
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda t, _: f"$10^{{{t:.0f}}}$"))
    ax.set_ylabel(label)
    right = ax.secondary_yaxis("right")
    right.yaxis.set_major_locator(FixedLocator(ticks))
    right.yaxis.set_major_formatter(FuncFormatter(lambda t, _: name(t)))
    right.spines["right"].set_visible(False)


def with_prefix(log10_flop: float) -> str:
    """Power of ten of FLOP with an SI prefix: 19 is ``10 EFLOP``."""
    return f"{_in_thousands(log10_flop, _PREFIXES)}FLOP"


def in_words(log10_parameters: float) -> str:
    """Power of ten of parameters as they are spoken of: 10 is ``10 B``."""
    return _in_thousands(log10_parameters, _COUNTS).strip()


def _in_thousands(log10: float, names: Sequence[str]) -> str:
    thousands = min(int(log10) // 3, len(names) - 1)
    return f"{10 ** (round(log10) - 3 * thousands)} {names[thousands]}"
