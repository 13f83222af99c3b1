"""Draws from the posterior: NUTS for what the closed form leaves, the rest drawn back exactly."""

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from bayes_compute.changepoint.hyperparameters import hyperparameters, log_likelihoods
from bayes_compute.draws import resampled, smoothed, taken
from bayes_compute.errors import InputError
from bayes_compute.gate import GATE, left_out
from bayes_compute.groups import in_all_units, with_drawn
from bayes_compute.observations import FEWEST_SYSTEMS, Observations

if TYPE_CHECKING:  # slow to import
    from bayes_compute.sampling import CompiledDensity

TARGET_ACCEPT, _CAUTIOUS = 0.8, 0.99  # acceptance that the sampler's steps are adapted to
_LEAST = 1e-3  # probability of what is left out that is not lowered further


class Posterior(NamedTuple):
    """Draws of a model of systems in eras, S of them, chain by chain.

    Attributes
    ----------
    observations : Observations
        What the model sees of those that it was given.
    likelihood
        What the model's ``regression`` gives.
    at
        Draws of its ``Point``, each member (S, ...).
    drawn : dict of ndarray
        What was integrated out, (S, ...), the regime of each system included where there is one.
    draws : xarray.Dataset
        All of these but the regimes, and growth in all units, labelled.
    sample_stats : xarray.Dataset
    left : dict of float
        ``sampled_without``, the sd over draws of the log likelihood that was left out with
        improbable eras while sampling; ``drawn_without``, the probability of histories that
        cannot be drawn; and ``pareto_k`` of weighted draws.
    rng : numpy.random.Generator
        For what follows from the draws.
    """

    observations: Observations
    likelihood: Any
    at: Any
    drawn: dict[str, np.ndarray]
    draws: xr.Dataset
    sample_stats: xr.Dataset
    left: dict[str, float]
    rng: np.random.Generator


def draw_posterior(
    model: str,
    observations: Observations,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    flat_dates: bool = False,
    progress: bool = False,
) -> Posterior:
    """Draw from the posterior of a model of systems in eras.

    Improbable eras take most of the time, so the sampler leaves many out. Draws are then resampled
    by how much more likely they are with all but the most improbable. Where too many draws diverge,
    as they may if systems are few, they are sampled once more with smaller steps.

    Parameters
    ----------
    model : str
    observations : Observations
    draws, tune, chains, seed : int
    flat_dates, progress : bool
        All as :func:`bayes_compute.fit` takes them.
    """
    module = script(model)
    observations = seen_by(module, observations)
    compiled = density(model, observations, flat_dates)
    likelihood = module.regression(observations, flat_dates)
    shape = (chains, draws)
    without, known = likelihood.SAMPLED_WITHOUT, None
    target_accept = TARGET_ACCEPT
    while True:
        to_sample = likelihood.focused(without, known)
        sampled, sample_stats = compiled.sample(
            to_sample.data,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=min(chains, os.process_cpu_count() or 1),
            seed=seed,
            progress=progress,
            target_accept=target_accept,
        )
        diverging = float(sample_stats["diverging"].mean())
        if diverging > GATE["divergences"] and target_accept < _CAUTIOUS:
            target_accept = _CAUTIOUS
            continue
        rng = np.random.default_rng([seed, chains, draws])
        at = hyperparameters(sampled, likelihood.Point)
        to_draw = likelihood.focused(likelihood.DRAWN_WITHOUT, at)
        drawn = to_draw.draw(at, rng)
        missed = np.zeros(chains * draws)
        if without:
            missed = drawn.pop("log_likelihood") - log_likelihoods(to_sample, at)
        sampled_without = float(np.std(missed))
        tail = smoothed(missed)[1].get("pareto_k", 0.0)
        mended = sampled_without <= GATE["sampled_without"] and tail <= GATE["pareto_k"]
        if mended or without < _LEAST:
            break
        # What was left out turns out to matter: draws show eras that the mode does not.
        without /= 10
        known = at._make(member[resampled(missed, shape, rng)[0].ravel()] for member in at)
    log_weight = missed + drawn.pop("log_weight", 0.0)
    number, pareto_k = resampled(log_weight, shape, rng)
    kept = number.ravel()
    at = at._make(member[kept] for member in at)
    drawn_without = left_out(likelihood, to_draw, at)
    drawn = {name: values[kept] for name, values in drawn.items()}
    sampled = sampled.assign_coords(domain=list(observations.domains))
    of_eras = {name: values for name, values in drawn.items() if name != "regime"}
    return Posterior(
        observations,
        likelihood,
        at,
        drawn,
        with_drawn(taken(sampled, number), in_all_units(of_eras), eras(module)),
        sample_stats,
        {"sampled_without": sampled_without, "drawn_without": drawn_without, **pareto_k},
        rng,
    )


def script(name: str) -> ModuleType:
    """Import a script of ``models``; an InputError if there is none of that name."""
    from bayes_compute import models

    home = f"{models.__name__}.{name}"
    try:
        if not name.isidentifier():
            raise ModuleNotFoundError(name=home)
        return import_module(home)
    except ModuleNotFoundError as error:
        if error.name != home:
            raise
        raise InputError(
            f"model: got {name!r}; expected one of those that `bayes-compute models` lists"
        ) from None


def seen_by(module: ModuleType, observations: Observations) -> Observations:
    """Systems that a model takes: those with training compute, unless it says otherwise.

    Parameters
    ----------
    module : module
        A script of ``models``.
    observations : Observations

    Raises
    ------
    InputError
        If the model tells regimes apart by parameters, and too few systems have any.
    """
    if not getattr(module, "USES_UNDISCLOSED", False):
        return observations.with_compute
    n = np.count_nonzero(np.isfinite(observations.log10_parameters))
    if n < FEWEST_SYSTEMS:
        raise InputError(
            f"systems: got {n} of {observations.n} with parameters; expected at least "
            f"{FEWEST_SYSTEMS}, since regimes are told apart by them; use a model of compute "
            "alone, such as three_eras"
        )
    return observations


def eras(module: ModuleType) -> dict[str, list[str]]:
    """Labels of a model's eras and transitions."""
    return {"era": list(module.ERAS), "transition": list(module.TRANSITIONS)}


_DENSITIES: dict[tuple[str, int], "CompiledDensity"] = {}


def density(model: str, observations: Observations, flat_dates: bool = False) -> "CompiledDensity":
    """Compile a model once in a process; other data are swapped in, which takes no time."""
    from bayes_compute.sampling import CompiledDensity

    key = (model, len(observations.domains))
    if key not in _DENSITIES:
        pm_model = script(model).build(observations, flat_dates=flat_dates)
        _DENSITIES[key] = CompiledDensity(pm_model)
    return _DENSITIES[key]
