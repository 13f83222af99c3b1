"""Draws of what eras integrate out, from its exact conditional distribution, and of systems.

The model is that of :mod:`bayes_compute.changepoint.regression`.
"""

from typing import TYPE_CHECKING

import numpy as np

from bayes_compute.changepoint import collapse, recursion
from bayes_compute.changepoint.dates import era_year
from bayes_compute.changepoint.hyperparameters import Hyperparameters, checked
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.changepoint.system_draws import SystemDraws
from bayes_compute.observations import Observations

if TYPE_CHECKING:
    from bayes_compute.changepoint.regression import CollapsedRegression


def draw(
    regression: "CollapsedRegression", at: Hyperparameters, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw dates, levels, growth and scatter from their exact conditional distribution.

    Parameters
    ----------
    regression : CollapsedRegression
    at : Hyperparameters
        S draws: each member with a leading dimension S.
    rng : numpy.random.Generator

    Returns
    -------
    dict of ndarray
        ``transition_year`` (S, K) [decimal year]; ``level`` [log10 FLOP at the reference
        year], ``growth`` [OOM/year] and ``sigma`` [log10 FLOP], each (S, K + 1); and
        ``log_likelihood`` of each draw (S,).
    """
    n, n_transitions = len(at.offset), regression.n_transitions
    of_scatter = (regression.variance, regression.sigma, regression.log_sigma_prior)
    random = (
        rng.random((n, 2 * n_transitions)),
        rng.random((n, n_transitions + 1)),
        rng.standard_normal((n, n_transitions + 1, 2)),
    )
    cell, level, growth, sigma, value = collapse.draw_histories(
        *map(np.ascontiguousarray, checked(at)), *regression.arguments, *of_scatter, *random
    )
    date = regression.cells.draw(regression.kept_cells[cell], rng)
    lines = {"level": level, "growth": growth, "sigma": sigma}
    return {"transition_year": date, **lines, "log_likelihood": value}


def draw_prior(
    regression: "CollapsedRegression", at: Hyperparameters, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw as :func:`draw` does, as if there were no systems."""
    n, n_transitions, prior = len(at.offset), regression.n_transitions, regression.prior
    spans, rows = regression.every_era
    empty = np.zeros(len(spans))
    _, entered_rest, closed_rest = recursion.backward(spans, rows, empty, regression.log_mass)
    cell = np.array(
        [
            recursion.draw_cells(
                spans, rows, empty, regression.log_mass, entered_rest, closed_rest, uniform
            )
            for uniform in rng.random((n, 2 * n_transitions))
        ]
    )
    z = rng.standard_normal((3, n, n_transitions + 1))
    return {
        "transition_year": regression.cells.draw(cell, rng),
        "level": prior.level_mean + prior.level_sd * z[0],
        "growth": at.growth_mean[:, None] + at.growth_sd[:, None] * z[1],
        "sigma": prior.sigma_median * np.exp(prior.log_sigma_sd * z[2]),
    }


def systems(
    regression: "CollapsedRegression",
    observations: Observations,
    at: Hyperparameters,
    drawn: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> SystemDraws:
    """What draws say of each system.

    Parameters
    ----------
    regression : CollapsedRegression
    observations : Observations
        Those that were summed up.
    at : Hyperparameters
        S draws.
    drawn : dict of ndarray
        What :func:`draw` returned for them.
    rng : numpy.random.Generator
    """
    o, assigned = observations, era_year(observations.year)
    era = np.zeros((len(at.offset), o.n), dtype=int)
    for date in drawn["transition_year"].T:
        era += date[:, None] <= assigned
    level, growth, sigma = (
        np.take_along_axis(drawn[name], era, axis=1) for name in ("level", "growth", "sigma")
    )
    mean = level + growth * (o.year - REFERENCE_YEAR) + at.offset[:, o.domain]
    return SystemDraws.of(era, o.log10_flop, mean, sigma**2 + o.variance, rng)


def simulate(
    regression: "CollapsedRegression",
    observations: Observations,
    at: Hyperparameters,
    drawn: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Systems on the dates, domains and errors of the observations.

    Parameters are those of :func:`systems`, or what :func:`draw_prior` returned.

    Returns
    -------
    era : ndarray of int, shape (S, n)
    log10_parameters, log10_flop : ndarray, shape (S, n)
        The first are those of the observations, of which eras say nothing.
    """
    found = systems(regression, observations, at, drawn, rng)
    same = np.broadcast_to(observations.log10_parameters, found.replicate.shape)
    return found.era, same, found.replicate
