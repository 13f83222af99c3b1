"""What figures read off a fit: its eras, its transitions, what it says of systems."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from bayes_compute.era_probability import era_probability
from bayes_compute.rounding import ends_text, median_text
from bayes_compute.wording import prior_mark


def eras_of(dt: xr.DataTree) -> list[str]:
    """Names of the eras or regimes."""
    return [str(era) for era in dt["posterior"]["era"].to_numpy()]


def transitions_of(dt: xr.DataTree) -> Iterator[tuple[int, str, np.ndarray]]:
    """Number from 0, name and draws of each transition; none for a model without any."""
    if "transition_year" in dt["posterior"]:
        dates = dt["posterior"]["transition_year"]
        for k, name in enumerate(dates["transition"].to_numpy()):
            yield k, str(name), dates.sel(transition=name).to_numpy()


def coexist(dt: xr.DataTree) -> bool:
    """Whether eras coexist once they have begun: then transitions bear their names."""
    names = [name for _, name, _ in transitions_of(dt)]
    return bool(names) and names == eras_of(dt)[1:]


def systems_of(dt: xr.DataTree, known: str) -> xr.Dataset:
    """Systems of which something is known, with their most probable era and its probability."""
    probability = era_probability(dt)
    found = dt["constant_data"].dataset.assign(
        modal=probability.argmax("era"), certain=probability.max("era")
    )
    return found.isel(system=np.isfinite(found[known].to_numpy()))


def colours_text(dt: xr.DataTree) -> str:
    """What the colours of systems mean; nothing where there is one era."""
    if len(eras_of(dt)) == 1:
        return ""
    kind = "regime" if coexist(dt) else "era"
    return f"Systems: most probable {kind}, fainter where less certain\n"


def thinned(dt: xr.DataTree) -> xr.Dataset:
    """Draws along one dimension ``s``, some thousands at most."""
    draws = dt["posterior"].dataset.stack(s=("chain", "draw"))
    return draws.isel(s=slice(None, None, 1 + draws.sizes["s"] // 5000))


def eras_at(dt: xr.DataTree, draws: xr.Dataset, date: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each era holds at each date in each draw, and whether to show it there.

    Eras follow each other. Of regimes that coexist, the first transition ends the first, and each
    starts one that stays.

    Returns
    -------
    holds : ndarray of bool, shape (eras, draws, dates)
    shown : ndarray of bool, shape (eras, dates)
    """
    eras, begun = eras_of(dt), np.zeros((0, draws.sizes["s"], len(date)), bool)
    if "transition_year" in draws:
        begun = draws["transition_year"].transpose("transition", "s").to_numpy()[..., None] <= date
    if coexist(dt):
        holds = np.concatenate([~begun[:1], begun])
        return holds, holds.mean(axis=1) >= 0.5
    number = begun.sum(axis=0)
    holds = np.stack([number == k for k in range(len(eras))])
    most = holds.mean(axis=1).argmax(axis=0)
    return holds, np.stack([most == k for k in range(len(eras))])


def quantiles(dt: xr.DataTree, values: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Median and ends of the interval over the draws that hold, of values (draws, dates)."""
    prob = float(dt.attrs["interval_prob"])
    if not holds.size:
        return np.empty((3, holds.shape[1]))
    at = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    return np.nanquantile(np.where(holds, values, np.nan), at, axis=0)


def trends_of(
    dt: xr.DataTree, date: np.ndarray
) -> Iterator[tuple[int, str, np.ndarray, np.ndarray]]:
    """Line of each era (the average domain) at those of the dates where it is shown.

    Yields
    ------
    k, name : int, str
        Of the era.
    at : ndarray, shape (n,)
    line : ndarray, shape (3, n)
        Median and ends of the interval over the draws in which the era holds.
    """
    draws = thinned(dt)
    holds, shown = eras_at(dt, draws, date)
    for k, era in enumerate(eras_of(dt)):
        level, growth = (draws[v].isel(era=k).to_numpy()[:, None] for v in ("level", "growth"))
        at = date[shown[k]]
        trend = level + growth * (at - float(dt.attrs["reference_year"]))
        yield k, era, at, quantiles(dt, trend, holds[k][:, shown[k]])


def histogram(draws: np.ndarray, width: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Edges [years] and heights of a histogram of all but the outermost draws."""
    low, high = np.quantile(draws, [0.001, 0.999])
    edges = np.arange(np.floor(low / width) * width, high + 1.5 * width, width)
    return edges, np.histogram(draws, edges)[0] / draws.size / width


def level_text(dt: xr.DataTree) -> str:
    """Probability of the intervals."""
    return f"{100 * float(dt.attrs['interval_prob']):.10g} %"


def quoted(row: dict, unit: str = "") -> str:
    """A median with the ends of its interval, whose kind and level the figure's legend states."""
    mark = f"; {mark}" if (mark := prior_mark(row)) else ""
    return f"{median_text(row)}{unit} ({ends_text(row)}{mark})"
