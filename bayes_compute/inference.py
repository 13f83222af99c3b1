"""Fit a model: sample what the closed form leaves, draw the rest back exactly, and check it.

The sampler is nutpie's NUTS. A fit that fails :mod:`bayes_compute.gate` raises
:class:`~bayes_compute.errors.NotConverged`, and none of its numbers may be quoted.
"""

import json
import os
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayes_compute import __version__
from bayes_compute.changepoint.regression import (
    DRAWN_WITHOUT,
    SAMPLED_WITHOUT,
    CollapsedRegression,
    Hyperparameters,
    era_year,
)
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.gate import diagnose, left_out
from bayes_compute.observations import Observations
from bayes_compute.summaries import doubling_time, growth_factor

if TYPE_CHECKING:  # slow to import
    import pymc as pm

    from bayes_compute.sampling import CompiledDensity

UNITS = {
    "transition_year": "year",
    "growth": "OOM/year",
    "growth_factor": "×/year",
    "doubling_time": "months",
    "sigma": "log10 FLOP",
    "level": "log10 FLOP",
    "offset": "log10 FLOP",
    "growth_mean": "OOM/year",
    "growth_sd": "OOM/year",
    "offset_sd": "log10 FLOP",
}


def fit(
    model: str,
    observations: Observations,
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    seed: int = 1,
    prob: float = 0.9,
    flat_dates: bool = False,
    progress: bool = True,
) -> xr.DataTree:
    """Fit a model and check the fit.

    Parameters
    ----------
    model : str
        Name of a script of ``models``, such as ``"three_eras"``.
    observations : Observations
    draws, tune, chains : int
        Kept and discarded draws of each chain, and number of chains.
    seed : int
        Fixes every draw on one machine, whatever the number of cores; other compilers round
        otherwise, and then draws differ.
    prob : float
        Probability of the equal-tailed intervals that summaries of this fit quote.
    flat_dates : bool
        Replace the priors of transition dates by flat ones.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        Groups ``prior``, ``posterior``, ``posterior_predictive``, ``log_likelihood``,
        ``observed_data``, ``constant_data`` and ``sample_stats``; what was done stands in attrs.

    Raises
    ------
    NotConverged
        If the fit fails :data:`bayes_compute.gate.GATE`; the exception holds the diagnostics.
    InputError
        If there is no such model, or an argument is out of range.
    """
    from bayes_compute.sampling import prior_draws

    _check_arguments(draws, tune, chains, prob)
    module = _model(model)
    pm_model = module.build(observations, flat_dates=flat_dates)
    likelihood = module.regression(observations, flat_dates=flat_dates)
    to_sample, to_draw = map(likelihood.focused, (SAMPLED_WITHOUT, DRAWN_WITHOUT))
    hyper, sample_stats = _density(model, pm_model).sample(
        to_sample.data,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=min(chains, os.process_cpu_count() or 1),
        seed=seed,
        progress=progress,
    )
    rng = np.random.default_rng([seed, chains, draws])
    coords = {"era": list(module.ERAS), "transition": list(module.TRANSITIONS)}
    hyper = hyper.assign_coords(domain=list(observations.domains))
    posterior = _draw_back(to_draw.draw, hyper, coords, rng)
    prior = _draw_back(likelihood.draw_prior, prior_draws(pm_model, seed), coords, rng)
    tree = xr.DataTree.from_dict(
        {
            "prior": prior,
            "posterior": posterior,
            "sample_stats": sample_stats,
            **_per_system(posterior, observations, rng),
        }
    )
    tree.attrs = {
        "model": model,
        "data": json.dumps(observations.source),
        "interval_kind": "eti",
        "interval_prob": prob,
        "sampler": json.dumps(
            {
                "name": "nutpie",
                "version": version("nutpie"),
                "seed": seed,
                "chains": chains,
                "draws": draws,
                "tune": tune,
            }
        ),
        "versions": json.dumps(_versions()),
        "priors": json.dumps(_prior_text(pm_model, likelihood, coords["transition"])),
        "reference_year": REFERENCE_YEAR,
        "flat_dates": int(flat_dates),
        "units": json.dumps(UNITS),
    }
    without = left_out(likelihood, to_sample, to_draw, hyperparameters(hyper))
    diagnostics = diagnose(tree, likelihood, without)
    tree.attrs["diagnostics"] = json.dumps(diagnostics)
    tree.attrs["converged"] = int(not diagnostics["failures"])
    if diagnostics["failures"]:
        first, *more = diagnostics["failures"]
        others = f" (and {len(more)} more)" if more else ""
        raise NotConverged(
            f"{model}: {first['quantity']}: {first['what']} is {first['got']:.4g}, "
            f"expected {first['expected']}{others}; {first['remedy']}",
            diagnostics,
        )
    return tree


def _check_arguments(draws: int, tune: int, chains: int, prob: float) -> None:
    for name, got, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 2)):
        if got < least:
            raise InputError(
                f"{name}: got {got}; expected at least {least}; leave it at its default"
            )
    if not 0 < prob < 1:
        raise InputError(f"prob: got {prob:g}; expected a probability between 0 and 1, such as 0.9")


def _model(name: str) -> ModuleType:
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


_DENSITIES: dict[tuple[str, int], "CompiledDensity"] = {}


def _density(model: str, pm_model: Any) -> "CompiledDensity":
    """Compile a model once in a process; other data are swapped in, which takes no time."""
    from bayes_compute.sampling import CompiledDensity

    key = (model, len(pm_model.coords["domain"]))
    if key not in _DENSITIES:
        _DENSITIES[key] = CompiledDensity(pm_model)
    return _DENSITIES[key]


def hyperparameters(draws: xr.Dataset) -> Hyperparameters:
    """Draws of a fit along one leading dimension, chain by chain.

    Parameters
    ----------
    draws : xarray.Dataset
        With ``growth_mean``, ``growth_sd`` and ``offset``, each (chain, draw, ...).
    """
    return Hyperparameters(
        draws["growth_mean"].to_numpy().ravel(),
        draws["growth_sd"].to_numpy().ravel(),
        draws["offset"].to_numpy().reshape(-1, draws.sizes["domain"]),
    )


def _draw_back(
    draw: Callable[[Hyperparameters, np.random.Generator], dict[str, np.ndarray]],
    hyper: xr.Dataset,
    coords: dict[str, list[str]],
    rng: np.random.Generator,
) -> xr.Dataset:
    """Add what was integrated out, and growth in the units people think in."""
    shape = (hyper.sizes["chain"], hyper.sizes["draw"])
    drawn = draw(hyperparameters(hyper), rng)
    drawn["growth_factor"] = growth_factor(drawn["growth"])
    drawn["doubling_time"] = doubling_time(drawn["growth"])
    if not coords["transition"]:
        del drawn["transition_year"]
    found = hyper.assign_coords({name: labels for name, labels in coords.items() if labels})
    for name, values in drawn.items():
        dim = "transition" if name == "transition_year" else "era"
        found[name] = (("chain", "draw", dim), values.reshape(*shape, -1))
    return found


def _per_system(
    posterior: xr.Dataset, observations: Observations, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Each system's data, replicates and log likelihood given each draw."""
    system = {"system": list(observations.system)}
    assigned = era_year(observations.year)
    draws = posterior.stack(sample=("chain", "draw"))
    era = np.zeros((draws.sizes["sample"], observations.n), dtype=int)
    if "transition_year" in draws:
        for date in draws["transition_year"].transpose("transition", "sample").to_numpy():
            era += date[:, None] <= assigned

    def of_era(name: str) -> np.ndarray:
        return np.take_along_axis(draws[name].transpose("sample", "era").to_numpy(), era, axis=1)

    offset = draws["offset"].transpose("sample", "domain").to_numpy()[:, observations.domain]
    mean = of_era("level") + of_era("growth") * (observations.year - REFERENCE_YEAR) + offset
    variance = of_era("sigma") ** 2 + observations.variance
    z = (observations.log10_flop - mean) / np.sqrt(variance)
    log_likelihood = -0.5 * (z * z + np.log(2 * np.pi * variance))
    replicate = mean + np.sqrt(variance) * rng.standard_normal(mean.shape)
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], observations.n)
    dims = ("chain", "draw", "system")
    labels = {"chain": posterior["chain"], "draw": posterior["draw"], **system}

    def per_draw(values: np.ndarray) -> xr.Dataset:
        return xr.Dataset({"log10_flop": (dims, values.reshape(shape))}, labels)

    constant = {
        "year": observations.year,
        "era_year": assigned,
        "variance": observations.variance,
        "domain_index": observations.domain,
        "log10_parameters": observations.log10_parameters,
    }
    return {
        "posterior_predictive": per_draw(replicate),
        "log_likelihood": per_draw(log_likelihood),
        "observed_data": xr.Dataset({"log10_flop": ("system", observations.log10_flop)}, system),
        "constant_data": xr.Dataset({k: ("system", v) for k, v in constant.items()}, system),
    }


def _prior_text(
    pm_model: "pm.Model", likelihood: CollapsedRegression, transitions: list[str]
) -> dict[str, str]:
    """Every prior, in words."""
    era, text = likelihood.prior, {rv.name: rv.str_repr() for rv in pm_model.free_RVs}
    text["level"] = f"level ~ Normal({era.level_mean:g}, {era.level_sd:g}) in {REFERENCE_YEAR:g}"
    text["growth"] = "growth ~ Normal(growth_mean, growth_sd)"
    text["sigma"] = f"sigma ~ LogNormal(log {era.sigma_median:g}, {era.log_sigma_sd:g})"
    for name, prior in zip(transitions, likelihood.cells.priors, strict=True):
        low, middle, high = (float(prior.ppf(q)) for q in (0.05, 0.5, 0.95))
        text[f"transition_year[{name}]"] = (
            f"before dates are ordered: median {middle:.1f}, 90 % {low:.1f} to {high:.1f}"
        )
    return text


def _versions() -> dict[str, str]:
    names = ("pymc", "nutpie", "arviz", "numpy", "numba", "scipy", "xarray", "pandas")
    return {"bayes_compute": __version__, **{name: version(name) for name in names}}
