"""Leave-one-out cross-validation: how well a fit foretells the compute of each system.

What is left out is all that is known of a system; what is foretold is its log10 FLOP, given its
date and domain, with its own regime and parameters summed and integrated out. So models of compute
alone and models of compute and parameters are scored on one quantity. Draws are weighed by one over
the density of the whole system (PSIS-LOO: Vehtari, Gelman & Gabry 2017,
doi:10.1007/s11222-016-9696-4). Where the weights' Pareto k is too high for that, the model is
fitted again without the system, which is exact.
"""

import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayes_compute.errors import InputError, NotConverged
from bayes_compute.inference import fit
from bayes_compute.observations import Observations
from bayes_compute.pointwise import flop_density, whole_density


def leave_one_out(dt: xr.DataTree) -> tuple[Any, int]:
    """Expected log density of log10 FLOP of systems left out.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems.

    Returns
    -------
    elpd : arviz_stats.ELPDData
        Pointwise. ``pareto_k`` of systems that a fit without them has scored is 0; systems of
        which such a fit fails its diagnostics keep what the weights say.
    refitted : int
        Number of systems that fits without them have scored.
    """
    from arviz_stats.base.array import array_stats
    from arviz_stats.utils import ELPDDataLOO

    every = Observations.from_fit(dt)
    systems = every.with_compute
    log_density, whole = flop_density(dt, systems), whole_density(dt)
    log_weight, pareto_k = np.empty_like(whole), np.empty(systems.n)
    for i in range(systems.n):
        log_weight[:, i], pareto_k[i] = array_stats.psislw(whole[:, i])
    log_weight -= np.logaddexp.reduce(log_weight)
    score: Any = logsumexp(log_weight + log_density, axis=0)
    good_k, refitted = min(1 - 1 / np.log10(len(whole)), 0.7), 0
    for i in np.flatnonzero(pareto_k > good_k):
        exact = _without(dt, every, systems.system[i])
        if exact is not None:
            score[i], pareto_k[i], refitted = exact, 0.0, refitted + 1
    within: Any = logsumexp(log_density, axis=0) - np.log(len(log_density))
    coords = {"system": list(systems.system)}
    elpd = ELPDDataLOO(
        elpd=float(score.sum()),
        se=float(np.sqrt(systems.n * np.var(score))),
        p=float((within - score).sum()),
        n_samples=len(whole),
        n_data_points=systems.n,
        scale="log",
        warning=bool((pareto_k > good_k).any()),
        good_k=good_k,
        elpd_i=xr.DataArray(score, coords, ["system"]),
        pareto_k=xr.DataArray(pareto_k, coords, ["system"]),
    )
    return elpd, refitted


def _without(dt: xr.DataTree, systems: Observations, name: str) -> float | None:
    """Score of a system by a fit without it, if there is one to quote."""
    sampler = json.loads(dt.attrs["sampler"])
    settings = {key: sampler[key] for key in ("draws", "tune", "chains", "seed")}
    out = np.array([each == name for each in systems.system])
    try:
        rest = fit(
            dt.attrs["model"],
            systems.subset(~out),
            flat_dates=bool(dt.attrs["flat_dates"]),
            progress=False,
            **settings,
        )
        log_density = flop_density(rest, systems.subset(out))[:, 0]
    except (NotConverged, InputError):  # or of a domain of its own
        return None
    return float(logsumexp(log_density) - np.log(len(log_density)))
