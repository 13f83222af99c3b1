"""Posterior predictive checks: do systems that a fit draws anew look like those that it saw?

Each check is a number that projections rest on, of the systems on record and of every replicate of
them. Its tail probability is twice the share of replicates on the rarer side of the record, so that
a fit that misses something has a small one; it is conservative, for the fit has seen the systems
(Gelman, Meng & Stern 1996, Statistica Sinica 6, 733-760).
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayes_compute.changepoint import truncated_normal
from bayes_compute.confidence import WITHIN_FACTOR, Z90
from bayes_compute.layout import tabulate
from bayes_compute.observations import Observations
from bayes_compute.pointwise import draws_of

FAILS = 0.05  # tail probability below which a check fails
TOP = 40  # parameter counts among which the largest gap is looked for
_YEARS = 2  # between dates by which the largest system is looked at, ...
_DATES = 5  # ... so many of them
_FEWEST = 5  # systems of a group


class Check(NamedTuple):
    """One number of the systems on record (S,), and of each replicate (S,).

    The first differs between draws where it depends on which system is of which era.
    """

    name: str
    unit: str
    observed: np.ndarray
    replicated: np.ndarray

    @property
    def tail(self) -> float:
        """Two-sided tail probability."""
        above = np.mean(self.replicated > self.observed)
        above += np.mean(self.replicated == self.observed) / 2
        return float(2 * min(above, 1 - above))


def running_maximum(year: np.ndarray, log10_flop: np.ndarray, dates: np.ndarray) -> np.ndarray:
    """Largest before each of some dates, shape (..., T), of systems (..., n)."""
    return np.stack([log10_flop[..., year < date].max(axis=-1) for date in dates], axis=-1)


def spread(member: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sd of members (S, n) about their own least-squares line, shape (S,); NaN of too few."""
    n = member.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = ((member * v).sum(axis=1) / n for v in (x, y))
        dx, dy = (member * (v - mean[:, None]) for v, mean in ((x, mean_x), (y, mean_y)))
        rest = (dy**2).sum(axis=1) - (dx * dy).sum(axis=1) ** 2 / (dx**2).sum(axis=1)
        found = np.sqrt(np.maximum(rest, 0) / (n - 2))
    return np.where(n >= _FEWEST, found, np.nan)


def largest_gap(log10_parameters: np.ndarray) -> np.ndarray:
    """Largest gap among the top 40 parameter counts of systems (..., n)."""
    return np.diff(np.sort(log10_parameters, axis=-1)[..., -TOP:], axis=-1).max(axis=-1)


def checks(dt: xr.DataTree) -> list[Check]:
    """Hold a fit to the systems that it saw.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems.

    Returns
    -------
    list of Check
        The running maximum; the spread of each era about its line; the largest gap among
        parameter counts, of models of parameters; mean and sd of standardised residuals, by domain
        and by how well figures are known.
    """
    every = Observations.from_fit(dt)
    systems = every.with_compute
    replicated = _draws(dt, "posterior_predictive", "log10_flop", systems)
    return [
        *_of_records(systems, replicated),
        *_of_eras(dt, systems, replicated),
        *_of_parameters(dt, every),
        *_of_residuals(systems, replicated),
    ]


def check_record(dt: xr.DataTree) -> list[dict[str, Any]]:
    """Checks as plain values: observed, the interval of replicates, tail probability, verdict."""
    prob = float(dt.attrs["interval_prob"])
    rows = []
    for check in checks(dt):
        lower, median, upper = np.quantile(
            check.replicated, [(1 - prob) / 2, 0.5, (1 + prob) / 2]
        ).tolist()
        rows.append(
            {"name": check.name, "unit": check.unit, "observed": float(np.median(check.observed))}
            | {"lower": lower, "median": median, "upper": upper, "tail": check.tail}
            | {"fails": check.tail < FAILS}
        )
    return rows


def describe(rows: list[dict[str, Any]], prob: str) -> str:
    """What fails, and a Markdown table of all checks.

    Parameters
    ----------
    rows : list of dict
        From :func:`check_record`.
    prob : str
        Probability of the intervals, such as ``"90 %"``.
    """
    return f"{verdict(rows)}\n\n{tabulated(rows, prob)}"


def tabulated(rows: list[dict[str, Any]], prob: str) -> str:
    """All checks as a Markdown table; parameters as :func:`describe` takes them."""
    head = ("check", "unit", "on record", f"replicates ({prob})", "tail probability", "")
    body = [
        (
            row["name"],
            row["unit"],
            f"{row['observed']:.2f}",
            f"{row['median']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})",
            tail_in_words(row["tail"], 3),
            "fails" if row["fails"] else "",
        )
        for row in rows
    ]
    return tabulate([head, *body], "markdown", "llrrrl")


def tail_in_words(tail: float, digits: int) -> str:
    """Tail probability to so many decimals: not zero, which no number of replicates can tell."""
    least = 10.0**-digits
    return f"{tail:.{digits}f}" if tail >= least else f"below {least:.{digits}f}"


def verdict(rows: list[dict[str, Any]]) -> str:
    """Which checks fail, in a sentence."""
    failed = [
        f"{row['name']} ({row['observed']:.2f} {row['unit']} on record, {row['lower']:.2f} to "
        f"{row['upper']:.2f} in replicates)".replace("  ", " ")
        for row in rows
        if row["fails"]
    ]
    said = f"{len(failed)} of {len(rows)} posterior predictive checks fail"
    return f"{said}: {'; '.join(failed)}." if failed else f"{said}."


def _of_records(systems: Observations, replicated: np.ndarray) -> Iterator[Check]:
    last = np.floor(systems.year[-1]) + 1
    ends = last - _YEARS * np.arange(_DATES)[::-1]
    ends = ends[ends > systems.year[0]]
    seen, drawn = (running_maximum(systems.year, y, ends) for y in (systems.log10_flop, replicated))
    for end, one, each in zip(ends, seen, drawn.T, strict=True):
        name = f"largest system by the end of {end - 1:.0f}" if end < last else "largest system"
        yield Check(name, "log10 FLOP", np.full(len(each), one), each)


def _of_eras(dt: xr.DataTree, systems: Observations, replicated: np.ndarray) -> Iterator[Check]:
    era = _draws(dt, "membership", "era", systems)
    for k, label in enumerate(dt["posterior"]["era"].to_numpy()):
        member = era == k
        pair = [spread(member, systems.year, y) for y in (systems.log10_flop, replicated)]
        there = np.isfinite(pair[0])
        if there.mean() > 0.5:
            name = f"spread of {f'era {label}' if str(label).isdigit() else label}"
            yield Check(name, "log10 FLOP", pair[0][there], pair[1][there])


def _of_parameters(dt: xr.DataTree, every: Observations) -> Iterator[Check]:
    if "parameters_sd" not in dt["posterior"]:
        return
    systems = every.subset(np.isfinite(every.log10_parameters))
    given = draws_of(dt, systems)
    rng = np.random.default_rng([json.loads(dt.attrs["sampler"])["seed"], 1])
    passed = np.cumsum(np.exp(given.log_chance), axis=0)[:-1] <= rng.random(given.edge.shape)
    regime = passed.sum(axis=0)
    mu, sd = (np.take_along_axis(v, regime[None], axis=0)[0] for v in (given.mu, given.sd))
    drawn = truncated_normal.draw(mu, sd, given.edge, given.side[regime], rng)
    gap, unit = largest_gap(systems.log10_parameters), "log10 parameters"
    yield Check(
        f"largest gap among the top {TOP} parameter counts",
        unit,
        np.full(len(drawn), gap),
        largest_gap(drawn),
    )


def _of_residuals(systems: Observations, replicated: np.ndarray) -> Iterator[Check]:
    mean, sd = replicated.mean(axis=0), replicated.std(axis=0)
    seen, drawn = ((y - mean) / sd for y in (systems.log10_flop, replicated))
    groups = {name: systems.domain == d for d, name in enumerate(systems.domains)}
    factor = 10 ** (Z90 * np.sqrt(systems.variance))
    ends = [1.0, *sorted(WITHIN_FACTOR.values()), np.inf]
    for low, high in pairwise(ends):
        name = f"known within ×{high:g}" if high < np.inf else f"known within more than ×{low:g}"
        groups[f"figures {name}"] = (factor > low + 0.01) & (factor <= high + 0.01)
    for name, member in groups.items():
        if member.sum() >= _FEWEST:
            for what, statistic in (("mean", np.mean), ("sd", np.std)):
                one, each = (statistic(z[..., member], axis=-1) for z in (seen, drawn))
                label = f"{what} of residuals, {name}"
                yield Check(label, "sd", np.full(len(each), one), each)


def _draws(dt: xr.DataTree, group: str, name: str, systems: Observations) -> np.ndarray:
    """Of each of some systems in each draw, shape (S, n)."""
    values = dt[group][name].sel(system=list(systems.system))
    return values.transpose("chain", "draw", "system").to_numpy().reshape(-1, systems.n)
