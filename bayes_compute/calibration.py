"""Simulation-based calibration: does a fit find what was simulated, as often as it says?

Parameters are drawn from a model's prior, systems simulated from them on the design of real ones
(dates, domains, errors, what is undisclosed), and the model fitted to these. Among independent
draws of its posterior the true value of each quantity has every rank with the same chance (Talts
et al. 2018, arXiv:1804.06788). Beside the parameters the log likelihood is ranked, which finds a
posterior that ignores data (Modrák et al. 2023, doi:10.1214/23-BA1404).

Given the data, the truth does not know what a sampler does. So ranks of those fits that pass the
gate are uniform too, if their draws are right, though hard data are refused more often than others.
A fit that is refused with few draws is repeated with those of :func:`bayes_compute.fit`, then with
twice as many; of those that are still refused ranks are kept apart.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute import executor
from bayes_compute.changepoint.hyperparameters import hyperparameters
from bayes_compute.errors import InputError
from bayes_compute.gate import diagnose, in_words
from bayes_compute.groups import with_drawn
from bayes_compute.observations import Observations
from bayes_compute.posterior import draw_posterior, eras, script, seen_by
from bayes_compute.provenance import versions
from bayes_compute.ranks import N_RANKS
from bayes_compute.summaries import quantities

SETTINGS: tuple[dict[str, Any], ...] = (
    {"draws": 400, "tune": 300, "chains": 4},
    {"draws": 1000, "tune": 500, "chains": 4},  # what `fit` does
    {"draws": 2000, "tune": 1000, "chains": 4},  # what a refused `fit` is told to try
)
"""Of the sampler: those of the first that the gate lets pass."""


def calibrate(
    model: str,
    observations: Observations,
    store: str | os.PathLike[str],
    *,
    replications: int = 100,
    seed: int = 1,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Simulate from a model's prior and fit, many times.

    Parameters
    ----------
    model : str
        Name of a model of systems in eras.
    observations : Observations
        The design.
    store : path
        Folder of finished fits, which are not done again.
    replications : int
        The first of more are those of fewer.
    seed : int
        Of the simulations and the fits.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.5:8786"``. By default workers are
        started here; a script then starts its work under ``if __name__ == "__main__":``.
    workers : int, optional
        How many to start here; by default one a core.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        Dims ``replication`` and ``quantity``: ``rank`` of the truth, ``truth``, and ``mean`` and
        ``sd`` of the posterior; and of each replication ``refused``, why the gate refuses it, or
        "", its number of ``draws``, the share of systems ``placed`` in the right era, and the
        ``seconds`` that it took. Replications that failed are left out; attrs say why, and what was
        done.

    Raises
    ------
    InputError
        If the model is not of systems in eras, or as :func:`bayes_compute.executor.run`.
    Unfinished
        If the scheduler is lost.
    """
    module = script(model)
    if not hasattr(module, "regression"):
        raise InputError(
            f"model: got {model!r}; expected a model of systems in eras, such as three_eras; "
            "others have no simulator"
        )
    outcomes = executor.run(
        replicate,
        simulations(model, observations, replications, seed),
        Path(store),
        scheduler=scheduler,
        workers=workers,
        compiles=True,
        progress=progress,
    )
    done = {
        "model": model,
        "seed": seed,
        "replications": replications,
        "data": json.dumps(seen_by(module, observations).source),
        "settings": json.dumps(SETTINGS),
        "versions": json.dumps(versions()),
    }
    return ranks_of(outcomes).assign_attrs(done)


def simulations(
    model: str, observations: Observations, n: int, seed: int
) -> dict[str, tuple[str, Observations, dict[str, float], np.ndarray, int]]:
    """Draw parameters from the prior, and systems given these, for :func:`replicate`.

    Parameters
    ----------
    model : str
    observations : Observations
        The design.
    n, seed : int

    Returns
    -------
    dict of str to tuple
        Model, simulated systems, the truth of each quantity, the era or regime of each system,
        and the seed of the fit.
    """
    from bayes_compute.sampling import prior_draws  # slow to import

    module = script(model)
    observations = seen_by(module, observations)
    likelihood = module.regression(observations)
    before = prior_draws(module.build(observations), seed, n)
    before = before.assign_coords(domain=list(observations.domains))
    every = hyperparameters(before, likelihood.Point)
    hidden_flop = np.isnan(observations.log10_flop)
    hidden_parameters = np.isnan(observations.log10_parameters)
    drawn, systems, eras_of, log_likelihood, seeds = [], [], [], [], []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        at = every._make(member[i : i + 1] for member in every)
        drawn.append(likelihood.draw_prior(at, rng))
        era, log10_parameters, log10_flop = likelihood.simulate(observations, at, drawn[i], rng)
        new = replace(
            observations,
            log10_flop=np.where(hidden_flop, np.nan, log10_flop[0]),
            log10_parameters=np.where(hidden_parameters, np.nan, log10_parameters[0]),
        )
        systems.append(new)
        eras_of.append(era[0])
        found = likelihood.systems(new, at, drawn[i] | {"regime": era}, rng)
        log_likelihood.append(found.log_likelihood.sum())
        seeds.append(int(rng.integers(2**31)))
    together = {name: np.concatenate([each[name] for each in drawn]) for name in drawn[0]}
    truth = {k: v[0] for k, v in quantities(with_drawn(before, together, eras(module))).items()}
    truth["log_likelihood"] = np.array(log_likelihood)
    return {
        f"{model}-{i:04}": (
            model,
            systems[i],
            {name: float(values[i]) for name, values in truth.items()},
            eras_of[i],
            seeds[i],
        )
        for i in range(n)
    }


def replicate(
    model: str,
    observations: Observations,
    truth: dict[str, float],
    era: np.ndarray,
    seed: int,
) -> dict:
    """Fit simulated systems, and rank the truth among draws of the posterior.

    Parameters
    ----------
    model : str
    observations : Observations
    truth : dict of str to float
    era : ndarray of int, shape (n,)
    seed : int
        All as :func:`simulations` returns them.

    Returns
    -------
    dict
        ``truth``, and by quantity ``rank``, ``mean`` and ``sd``; ``refused``, why the gate refuses
        the fit, or ""; ``draws``, how many it has; and ``placed``, the share of systems whose most
        probable era or regime is the right one.
    """
    for settings in SETTINGS:
        found = draw_posterior(model, observations, **settings, seed=seed)
        fit = {"posterior": found.draws, "sample_stats": found.sample_stats}
        failures = diagnose(xr.DataTree.from_dict(fit), found.likelihood, found.left)["failures"]
        if not failures:
            break
    size = len(found.at[0])
    some = ((np.arange(N_RANKS - 1) + 0.5) * size / (N_RANKS - 1)).astype(int)
    at = found.at._make(member[some] for member in found.at)
    drawn = {name: values[some] for name, values in found.drawn.items()}
    systems = found.likelihood.systems(found.observations, at, drawn, found.rng)
    draws = {name: values.ravel()[some] for name, values in quantities(found.draws).items()}
    draws["log_likelihood"] = systems.log_likelihood.sum(axis=1)
    modal = [np.bincount(of_system).argmax() for of_system in systems.era.T]
    return {
        "truth": truth,
        "rank": {name: int((draws[name] < truth[name]).sum()) for name in truth},
        "mean": {name: float(draws[name].mean()) for name in truth},
        "sd": {name: float(draws[name].std(ddof=1)) for name in truth},
        "refused": in_words(failures) if failures else "",
        "draws": size,
        "placed": float(np.mean(modal == era)),
    }


def ranks_of(outcomes: Mapping[str, executor.Outcome]) -> xr.Dataset:
    """Put outcomes of :func:`replicate` together; what never varies is no quantity."""
    done = {name: outcome for name, outcome in outcomes.items() if outcome.result}
    failed = {
        name: f"{outcome.failure}: {outcome.reason}"
        for name, outcome in outcomes.items()
        if outcome.failure
    }
    if not done:
        raise InputError(
            f"calibrate: got {len(failed)} fits that all failed, the first of them with "
            f"{next(iter(failed.values()))}; expected some that do not; see what that is"
        )
    results = [outcome.result or {} for outcome in done.values()]
    found = {
        what: pd.DataFrame([result[what] for result in results], index=pd.Index(done))
        for what in ("rank", "truth", "mean", "sd")
    }
    varied = np.ptp(found["truth"].to_numpy(), axis=0) > 0
    tables = {
        what: (("replication", "quantity"), table.loc[:, varied].to_numpy())
        for what, table in found.items()
    }
    one_each = {
        what: ("replication", [result[what] for result in results])
        for what in ("refused", "draws", "placed")
    }
    one_each["seconds"] = ("replication", [outcome.seconds for outcome in done.values()])
    names = {"replication": list(done), "quantity": list(found["truth"].columns[varied])}
    return xr.Dataset(tables | one_each, names, {"failed": json.dumps(failed)})
