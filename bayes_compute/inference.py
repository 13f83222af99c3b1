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

from bayes_compute.changepoint.hyperparameters import hyperparameters
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.draws import resampled, taken
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.gate import diagnose, left_out
from bayes_compute.groups import in_all_units, per_system, with_drawn
from bayes_compute.provenance import UNITS, prior_text, provenance

if TYPE_CHECKING:  # slow to import
    from bayes_compute.sampling import CompiledDensity


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
        tree.attrs |= provenance(model, observations.source, sampler, prob, module.UNITS)
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
    number, pareto_k = resampled(drawn.pop("log_weight", None), (chains, draws), rng)
    kept = number.ravel()
    at = at._make(member[kept] for member in at)
    drawn = in_all_units({name: values[kept] for name, values in drawn.items()})
    systems = likelihood.systems(observations, at, drawn, rng)
    drawn.pop("regime", None)
    log_prior = likelihood.log_prior(drawn)
    coords = {"era": list(module.ERAS), "transition": list(module.TRANSITIONS)}
    sampled = sampled.assign_coords(domain=list(observations.domains))
    posterior = with_drawn(taken(sampled, number), drawn, coords)
    before = prior_draws(pm_model, seed).assign_coords(domain=list(observations.domains))
    prior = likelihood.draw_prior(hyperparameters(before, likelihood.Point), rng)
    tree = xr.DataTree.from_dict(
        {
            "prior": with_drawn(before, in_all_units(prior), coords),
            "posterior": posterior,
            "log_prior": with_drawn(posterior, log_prior, coords)[[*log_prior]],
            "sample_stats": sample_stats,
            **per_system(systems, observations, posterior),
        }
    )
    tree.attrs = provenance(model, observations.source, sampler, prob, UNITS) | {
        "priors": json.dumps(prior_text(pm_model, likelihood, coords["transition"])),
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
