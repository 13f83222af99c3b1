"""Fit a model: sample what the closed form leaves, draw the rest back exactly, and check it.

The sampler is nutpie's NUTS. A fit that fails :mod:`bayes_compute.gate` raises
:class:`~bayes_compute.errors.NotConverged`, and none of its numbers may be quoted.
"""

import json
import os
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.changepoint.hyperparameters import hyperparameters
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.gate import diagnose, in_words
from bayes_compute.groups import in_all_units, per_system, with_drawn
from bayes_compute.posterior import TARGET_ACCEPT, draw_posterior, eras, script
from bayes_compute.provenance import UNITS, prior_text, provenance

_MOST_KEPT = 1e8  # draws of systems: some 4 GB


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
        Replace the priors of transition dates by flat ones; of "regimes" that of the capacity too,
        and those of levels by one for all regimes that is wide.
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

    Examples
    --------
    >>> import bayes_compute as bc
    >>> observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    >>> dt = bc.fit("one_era", observations, seed=1, progress=False)
    >>> dict(dt["posterior"]["growth"].sizes)
    {'chain': 4, 'draw': 1000, 'era': 1}
    >>> round(float(dt["posterior"]["growth"].median()), 2)
    0.27
    """
    from bayes_compute.sampling import prior_draws

    _check_arguments(draws, tune, chains, seed, prob)
    module = script(model)
    sampler = {
        "name": "nutpie",
        "version": version("nutpie"),
        "seed": seed,
        "chains": chains,
        "draws": draws,
        "tune": tune,
    }
    if not hasattr(module, "regression"):
        accept = getattr(module, "TARGET_ACCEPT", TARGET_ACCEPT)
        tree = _sampled_whole(model, module.build(observations), sampler, progress, accept)
        tree.attrs |= provenance(model, observations.source, sampler, prob, module.UNITS)
        return _checked(tree, None, {})
    _check_size(draws, chains, observations.n)
    given = {name: sampler[name] for name in ("draws", "tune", "chains", "seed")}
    found = draw_posterior(model, observations, **given, flat_dates=flat_dates, progress=progress)
    observations, likelihood = found.observations, found.likelihood
    systems = likelihood.systems(observations, found.at, found.drawn, found.rng)
    coords = eras(module)
    log_prior = likelihood.log_prior(found.drawn)
    pm_model = module.build(observations, flat_dates=flat_dates)
    before = prior_draws(pm_model, seed).assign_coords(domain=list(observations.domains))
    prior = likelihood.draw_prior(hyperparameters(before, likelihood.Point), found.rng)
    tree = xr.DataTree.from_dict(
        {
            "prior": with_drawn(before, in_all_units(prior), coords),
            "posterior": found.draws,
            "log_prior": with_drawn(found.draws, log_prior, coords)[[*log_prior]],
            "sample_stats": found.sample_stats,
            **per_system(systems, observations, found.draws),
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
    return _checked(tree, likelihood, found.left)


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
        raise NotConverged(
            f"{tree.attrs['model']}: {in_words(diagnostics['failures'])}", diagnostics
        )
    return tree


def _check_arguments(draws: int, tune: int, chains: int, seed: int, prob: float) -> None:
    fewest = max(20, chains)  # what ArviZ takes draws by chain to be, not chains by draw
    for name, got, least, most in (
        ("chains", chains, 2, 100),
        ("draws", draws, fewest, 100_000),
        ("tune", tune, fewest, 100_000),
        ("seed", seed, 0, 2**64 - 1),
    ):
        if not least <= got <= most:
            raise InputError(
                f"{name}: got {got}; expected {least} to {most}; leave it at its default"
            )
    if not 0 < prob < 1:
        raise InputError(f"prob: got {prob:g}; expected a probability between 0 and 1, such as 0.9")


def _check_size(draws: int, chains: int, systems: int) -> None:
    """Refuse what would not fit into memory: what each draw says of each system is kept."""
    if draws * chains * systems > _MOST_KEPT:
        most = int(_MOST_KEPT / chains / systems)
        raise InputError(
            f"draws: got {chains} chains of {draws} for {systems} systems; expected at most "
            f"{most} draws, which take some 4 GB; ask for fewer draws"
        )
