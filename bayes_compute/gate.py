"""The gate: what a fit must show before any of its numbers may be quoted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.changepoint.continuous import ContinuousRegression
from bayes_compute.changepoint.hyperparameters import some_of
from bayes_compute.changepoint.mixture import MixtureRegimes
from bayes_compute.changepoint.regimes import ThresholdRegimes
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.convergence import convergence
from bayes_compute.summaries import quantities

type Likelihood = CollapsedRegression | ContinuousRegression | ThresholdRegimes | MixtureRegimes

GATE = {
    "r_hat": 1.01,  # Vehtari et al. 2021, doi:10.1214/20-BA1221
    "ess": 400,  # bulk and tail; the same source
    "divergences": 0.001,  # share of draws
    "edge": 0.05,  # share of draws that may lie in the outermost cell of dates
    "sampled_without": 0.5,  # sd of the log likelihood left out with improbable eras: of weights
    "drawn_without": 0.01,  # probability left out with improbable eras when dates are drawn
    "pareto_k": 0.7,  # of the weights of draws; Vehtari et al. 2024, arXiv:1507.02646
}
"""Worst values that a quotable fit may have."""
_LEFT_OUT_AT = 16  # draws: with every era one takes as long as several hundred without


def left_out(whole: Likelihood, drawn: Likelihood, at: Any) -> float:
    """Mean probability of the histories that cannot be drawn, improbable eras being left out.

    Parameters
    ----------
    whole, drawn : Likelihood
        With every era, and as dates are drawn back.
    at : draws of its ``Point``
        Posterior draws, each member with a leading dimension; every so many are taken.
    """
    some = some_of(at, _LEFT_OUT_AT)
    value = np.array([[part.log_likelihood(p)[0] for part in (whole, drawn)] for p in some])
    return float(np.mean(-np.expm1(value[:, 1] - value[:, 0])))


def diagnose(tree: xr.DataTree, likelihood: Likelihood | None, without: dict[str, float]) -> dict:
    """Hold a fit to :data:`GATE`.

    Parameters
    ----------
    tree : xarray.DataTree
        A fit with its ``posterior`` and ``sample_stats``.
    likelihood : Likelihood, optional
        What was sampled, with the cells of its dates.
    without : dict of float
        ``sampled_without``, ``drawn_without`` from :func:`left_out`, and ``pareto_k`` if draws
        were resampled.

    Returns
    -------
    dict
        Worst values, the gate, and ``failures``: quantity, what of it, got, expected, remedy.
    """
    draws = quantities(tree["posterior"].dataset)
    table = {name: convergence(values) for name, values in draws.items()}
    diverging = tree["sample_stats"]["diverging"].to_numpy()
    failures: list[dict] = []

    def hold(
        quantity: str, what: str, got: float, within: bool, expected: str, remedy: str
    ) -> None:
        if not within:
            row = {"quantity": quantity, "what": what, "got": got, "expected": expected}
            failures.append(row | {"remedy": remedy})

    longer = "try twice the --draws and --tune"
    for name, row in table.items():
        for what, limit in (("ess_bulk", GATE["ess"]), ("ess_tail", GATE["ess"])):
            hold(name, what, float(row[what]), row[what] >= limit, f"at least {limit}", longer)
        r_hat = row["r_hat"]
        hold(name, "r_hat", r_hat, r_hat <= GATE["r_hat"], f"at most {GATE['r_hat']}", longer)
    share, limit = float(diverging.mean()), GATE["divergences"]
    remedy = "the priors may fight the data: look at them with --flat-dates and without"
    hold("sampler", "share of divergences", share, share <= limit, f"at most {limit}", remedy)
    for what, got in without.items():
        hold("sampler", what, got, got <= GATE[what], f"at most {GATE[what]}",
             "try other seeds, and report these data")  # fmt: skip
    for name, edge, got, limit in _edges(tree, likelihood) if likelihood else ():
        remedy = f"the data want it beyond {edge}: take in more systems, or change its prior"
        hold(name, f"share of draws piled up at {edge}", got, got <= limit, f"at most {limit:.2g}",
             remedy)  # fmt: skip
    return {
        "worst_r_hat": max(row["r_hat"] for row in table.values()),
        "smallest_ess_bulk": min(row["ess_bulk"] for row in table.values()),
        "smallest_ess_tail": min(row["ess_tail"] for row in table.values()),
        "divergences": int(diverging.sum()),
        **without,
        "gate": GATE,
        "failures": failures,
    }


def in_words(failures: list[dict]) -> str:
    """One line of the failures that :func:`diagnose` found: the first, and how many more."""
    first, *more = failures
    others = f" (and {len(more)} more)" if more else ""
    return (
        f"{first['quantity']}: {first['what']} is {first['got']:.4g}, expected "
        f"{first['expected']}{others}; {first['remedy']}"
    )


def _edges(tree: xr.DataTree, likelihood: Likelihood) -> Iterator[tuple[str, str, float, float]]:
    """Share of draws in the outermost cell of each date, and at the ends of other grids."""
    cells, posterior = likelihood.cells, tree["posterior"].to_dataset()

    def most(prior: float) -> float:
        return max(GATE["edge"], 3 * prior)

    for k in range(len(cells.priors)):
        mass = np.exp(cells.log_mass[k, k])
        inside = np.flatnonzero(mass > 0)
        date = posterior["transition_year"].isel(transition=k)
        label = f"transition_year[{date['transition'].item()}]"
        first, last = cells.edges[inside[0] + 1], cells.edges[inside[-1]]
        yield label, f"{first:.1f}", float((date <= first).mean()), most(mass[inside[0]])
        if np.isfinite(cells.edges[inside[-1] + 1]):  # if not, it may be still to come
            yield label, f"{last:.1f}", float((date > last).mean()), most(mass[inside[-1]])
    draws = {str(name): values.to_numpy() for name, values in posterior.data_vars.items()}
    for name, element, end, share, prior in likelihood.grid_ends(draws):
        era = "" if element is None else f"[{posterior['era'].to_numpy()[element]}]"
        yield name + era, f"{end:.3g}", share, most(prior)
