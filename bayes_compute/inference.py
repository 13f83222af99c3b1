"""Fit a model: sample what the closed form leaves, draw the rest back exactly, and check it.

The sampler is nutpie's NUTS. A fit that fails :mod:`bayes_compute.gate` raises
:class:`~bayes_compute.errors.NotConverged`, and none of its numbers may be quoted.
"""

import json
import os
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayes_compute import __version__
from bayes_compute.changepoint.regression import (
    Hyperparameters,
    SystemDraws,
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
    "capacity": "log10 parameters",
    "drift": "log10 parameters/year",
    "elasticity": "log10 FLOP/log10 parameters",
    "level_given_parameters": "log10 FLOP",
    "growth_given_parameters": "OOM/year",
    "parameters_level": "log10 parameters",
    "parameters_growth": "log10 parameters/year",
    "parameters_sd": "log10 parameters",
    "share_before": "",
    "share_after": "",
    "share": "",
    "level_read": "log10 FLOP",
    "parameters_read": "log10 parameters",
    "parameters_gap": "log10 parameters",
    "growth_mean": "OOM/year",
    "growth_sd": "OOM/year",
    "offset_sd": "log10 FLOP",
}


def fit(
    model: str,
    observations: Any,
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
        Or whatever else the model's ``build`` takes, such as ``Readings``.
    draws, tune, chains : int
        Kept and discarded draws of each chain, and number of chains.
    seed : int
        Fixes every draw on one machine, whatever the number of cores, once kernels are compiled
        and cached; other compilers, and the run that compiles, round otherwise.
    prob : float
        Probability of the equal-tailed intervals that summaries of this fit quote.
    flat_dates : bool
        Replace the priors of transition dates by flat ones.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.DataTree
        Groups ``prior``, ``posterior``, ``membership`` (the era of each system in each draw),
        ``posterior_predictive``, ``log_likelihood``, ``log_prior`` (of dates and capacity),
        ``observed_data``, ``constant_data`` and ``sample_stats``; of models that are not of
        systems in eras, ``prior``, ``posterior`` and ``sample_stats``. What was done stands in
        attrs.

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
    sampler = {
        "name": "nutpie",
        "version": version("nutpie"),
        "seed": seed,
        "chains": chains,
        "draws": draws,
        "tune": tune,
    }
    if not hasattr(module, "regression"):
        accept = getattr(module, "TARGET_ACCEPT", 0.8)
        tree = _sampled_whole(model, module.build(observations), sampler, progress, accept)
        tree.attrs |= _provenance(model, observations.source, sampler, prob, module.UNITS)
        return _checked(tree, None, {})
    if not getattr(module, "USES_UNDISCLOSED", False):
        observations = observations.with_compute
    pm_model = module.build(observations, flat_dates=flat_dates)
    likelihood = module.regression(observations, flat_dates)  # as `build` does: cached
    to_sample = likelihood.focused(likelihood.SAMPLED_WITHOUT)
    sampled, sample_stats = _density(model, pm_model).sample(
        to_sample.data,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=min(chains, os.process_cpu_count() or 1),
        seed=seed,
        progress=progress,
    )
    rng = np.random.default_rng([seed, chains, draws])
    at = hyperparameters(sampled, likelihood.Point)
    to_draw = likelihood.focused(likelihood.DRAWN_WITHOUT, at)
    drawn = to_draw.draw(at, rng)
    kept, pareto_k = _resampled(drawn.pop("log_weight", None), (chains, draws), rng)
    at = at._make(member[kept] for member in at)
    drawn = _in_all_units({name: values[kept] for name, values in drawn.items()})
    systems = likelihood.systems(observations, at, drawn, rng)
    drawn.pop("regime", None)
    log_prior = likelihood.log_prior(drawn)
    coords = {"era": list(module.ERAS), "transition": list(module.TRANSITIONS)}
    sampled = sampled.assign_coords(domain=list(observations.domains))
    posterior = _with_drawn(_at(sampled, kept), drawn, coords)
    before = prior_draws(pm_model, seed).assign_coords(domain=list(observations.domains))
    prior = likelihood.draw_prior(hyperparameters(before, likelihood.Point), rng)
    tree = xr.DataTree.from_dict(
        {
            "prior": _with_drawn(before, _in_all_units(prior), coords),
            "posterior": posterior,
            "log_prior": _with_drawn(posterior, log_prior, coords)[[*log_prior]],
            "sample_stats": sample_stats,
            **_per_system(systems, observations, posterior),
        }
    )
    tree.attrs = _provenance(model, observations.source, sampler, prob, UNITS) | {
        "priors": json.dumps(_prior_text(pm_model, likelihood, coords["transition"])),
        "reference_year": REFERENCE_YEAR,
        "flat_dates": int(flat_dates),
    }
    if hasattr(likelihood.prior, "expected"):  # about which lines given parameters are stated
        level, after = likelihood.prior.expected(np.array([0.0, 1.0])).T
        expected = {"level": level.tolist(), "growth": (after - level).tolist()}
        tree.attrs["expected_parameters"] = json.dumps(expected)
    left = left_out(likelihood, to_sample, to_draw, at) | pareto_k
    return _checked(tree, likelihood, left)


def _sampled_whole(
    model: str, pm_model: Any, sampler: dict, progress: bool, target_accept: float
) -> xr.DataTree:
    """Sample every variable of a model; what it integrates out is not drawn back."""
    from bayes_compute.sampling import CompiledDensity, prior_draws

    names = ("draws", "tune", "chains", "seed")
    sampled, sample_stats = CompiledDensity(pm_model).sample(
        {},
        **{name: sampler[name] for name in names},
        cores=min(sampler["chains"], os.process_cpu_count() or 1),
        progress=progress,
        target_accept=target_accept,
    )
    before = prior_draws(pm_model, sampler["seed"])
    tree = xr.DataTree.from_dict(
        {"prior": before, "posterior": sampled, "sample_stats": sample_stats}
    )
    tree.attrs["priors"] = json.dumps({rv.name: rv.str_repr() for rv in pm_model.free_RVs})
    return tree


def _provenance(model: str, source: dict, sampler: dict, prob: float, units: dict) -> dict:
    return {
        "model": model,
        "data": json.dumps(source),
        "interval_kind": "eti",
        "interval_prob": prob,
        "sampler": json.dumps(sampler),
        "versions": json.dumps(_versions()),
        "units": json.dumps(units),
    }


def _checked(tree: xr.DataTree, likelihood: Any, left: dict[str, float]) -> xr.DataTree:
    """Hold a fit to the gate, and note what it found."""
    diagnostics = diagnose(tree, likelihood, left)
    tree.attrs["diagnostics"] = json.dumps(diagnostics)
    tree.attrs["converged"] = int(not diagnostics["failures"])
    if diagnostics["failures"]:
        first, *more = diagnostics["failures"]
        others = f" (and {len(more)} more)" if more else ""
        raise NotConverged(
            f"{tree.attrs['model']}: {first['quantity']}: {first['what']} is {first['got']:.4g}, "
            f"expected {first['expected']}{others}; {first['remedy']}",
            diagnostics,
        )
    return tree


def _check_arguments(draws: int, tune: int, chains: int, prob: float) -> None:
    for name, got, least in (("draws", draws, 20), ("tune", tune, 1), ("chains", chains, 2)):
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


def hyperparameters(draws: xr.Dataset, point: type = Hyperparameters) -> Any:
    """Draws of a fit along one leading dimension, chain by chain.

    Parameters
    ----------
    draws : xarray.Dataset
        With every member of the point, each (chain, draw, ...).
    point : type
        What the likelihood takes, such as ``CollapsedRegression.Point``.
    """
    members = (draws[name].to_numpy() for name in point._fields)
    return point(*(values.reshape(-1, *values.shape[2:]) for values in members))


def _resampled(
    log_weight: np.ndarray | None, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Resample draws in proportion to their weights, chain by chain.

    Weights are Pareto smoothed (Vehtari et al. 2024, arXiv:1507.02646); copies of a draw stay side
    by side, so that the effective sample size counts them as what they are.

    Returns
    -------
    kept : ndarray of int, shape (S,)
        Draws to take, in the order of chains.
    diagnostics : dict
        ``pareto_k``, where there are weights.
    """
    every = np.arange(shape[0] * shape[1])
    if log_weight is None or np.ptp(log_weight) == 0:
        return every, {}
    from arviz_stats.base.array import array_stats

    smoothed, pareto_k = array_stats.psislw(-log_weight)
    kept = []
    for mine, part in zip(every.reshape(shape), smoothed.reshape(shape), strict=True):
        cumulative = np.cumsum(np.exp(part - part.max()))
        even = (np.arange(len(mine)) + rng.random()) / len(mine)
        kept.append(mine[np.searchsorted(cumulative, even * cumulative[-1])])
    return np.concatenate(kept), {"pareto_k": float(pareto_k)}


def _at(sampled: xr.Dataset, kept: np.ndarray) -> xr.Dataset:
    """Some draws, numbered chain by chain, in place of all."""
    lead = (sampled.sizes["chain"], sampled.sizes["draw"])
    found = {}
    for name, values in sampled.data_vars.items():
        array = values.transpose("chain", "draw", ...).to_numpy()
        flat = array.reshape(-1, *array.shape[2:])[kept]
        found[name] = (
            values.transpose("chain", "draw", ...).dims,
            flat.reshape(*lead, *array.shape[2:]),
        )
    return xr.Dataset(found, sampled.coords)


def _in_all_units(drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add growth in the units people think in."""
    growth = drawn["growth"]
    return drawn | {"growth_factor": growth_factor(growth), "doubling_time": doubling_time(growth)}


def _with_drawn(
    sampled: xr.Dataset, drawn: dict[str, np.ndarray], coords: dict[str, list[str]]
) -> xr.Dataset:
    """Add what was integrated out."""
    lead = (sampled.sizes["chain"], sampled.sizes["draw"])
    if not coords["transition"]:
        drawn = {name: values for name, values in drawn.items() if name != "transition_year"}
    found = sampled.assign_coords({name: labels for name, labels in coords.items() if labels})
    for name, values in drawn.items():
        dims = () if values.ndim == 1 else ("transition" if name == "transition_year" else "era",)
        found[name] = (("chain", "draw", *dims), values.reshape(*lead, *values.shape[1:]))
    return found


def _per_system(
    draws: SystemDraws, observations: Observations, posterior: xr.Dataset
) -> dict[str, xr.Dataset]:
    """Each system's data, era, replicates and log likelihood given each draw."""
    seen = np.isfinite(observations.log10_flop)
    every = {"system": list(observations.system)}
    with_flop = {"system": [name for name, it in zip(*every.values(), seen, strict=True) if it]}
    dims = ("chain", "draw", "system")
    of_draw = {name: posterior[name] for name in dims[:2]}

    def per_draw(name: str, values: np.ndarray, system: dict) -> xr.Dataset:
        shape = (posterior.sizes["chain"], posterior.sizes["draw"], -1)
        return xr.Dataset({name: (dims, values.reshape(shape))}, of_draw | system)

    constant = {
        "year": observations.year,
        "variance": observations.variance,
        "domain_index": observations.domain,
        "log10_flop": observations.log10_flop,
        "log10_parameters": observations.log10_parameters,
    }
    observed = {"log10_flop": ("system", observations.log10_flop[seen])}
    return {
        "membership": per_draw("era", draws.era.astype(np.int8), every),
        "posterior_predictive": per_draw("log10_flop", draws.replicate, with_flop),
        "log_likelihood": per_draw("log10_flop", draws.log_likelihood, with_flop),
        "observed_data": xr.Dataset(observed, with_flop),
        "constant_data": xr.Dataset({k: ("system", v) for k, v in constant.items()}, every),
    }


def _prior_text(pm_model: "pm.Model", likelihood: Any, transitions: list[str]) -> dict[str, str]:
    """Every prior, in words."""
    text = {rv.name: rv.str_repr() for rv in pm_model.free_RVs} | likelihood.prior.describe()
    for name, prior in zip(transitions, likelihood.cells.priors, strict=True):
        low, middle, high = (float(prior.ppf(q)) for q in (0.05, 0.5, 0.95))
        text[f"transition_year[{name}]"] = (
            f"before dates are ordered: median {middle:.1f}, 90 % {low:.1f} to {high:.1f}"
        )
    return text


def _versions() -> dict[str, str]:
    names = ("pymc", "nutpie", "arviz", "numpy", "numba", "scipy", "xarray", "pandas")
    return {"bayes_compute": __version__, **{name: version(name) for name in names}}
