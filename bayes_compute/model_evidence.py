"""Log evidence of a fitted model: what its priors made of the data that it was given.

Of models of training compute alone it is the density of log10 FLOP, of models of regimes that of
log10 FLOP and log10 parameters, so that it is compared within a kind only. Dates, lines and regimes
are integrated out of the density that was sampled, and bridge sampling
(:mod:`bayes_compute.bridge`) integrates the rest.

Where parameters are undisclosed, regimes are sampled on a bound that each draw's weight makes exact
(:mod:`bayes_compute.changepoint.imputation`): the evidence is that of the bound times the mean
weight. Draws of the fit have these weights in them already, which changes the mean by their
variance; half of it is counted as error.
"""

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayes_compute import bridge
from bayes_compute.changepoint.hyperparameters import hyperparameters
from bayes_compute.observations import Observations
from bayes_compute.posterior import density, script
from bayes_compute.sampling import unconstrained

_WEIGHED = 1000  # draws, at most, that the mean weight is taken over


def model_evidence(dt: xr.DataTree, seed: int = 1) -> bridge.Evidence:
    """Log evidence of a fit's model, and its standard error.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned for a model of systems.
    seed : int
        Of the draws that bridge.
    """
    name, rng = dt.attrs["model"], np.random.default_rng(seed)
    module, observations = script(name), Observations.from_fit(dt)
    flat_dates, posterior = bool(dt.attrs["flat_dates"]), dt["posterior"].to_dataset()
    model = module.build(observations, flat_dates=flat_dates)
    likelihood = module.regression(observations, flat_dates)
    at = hyperparameters(posterior, likelihood.Point)
    likelihood = likelihood.focused(likelihood.DRAWN_WITHOUT, at)
    compiled, data = density(name, observations, flat_dates), likelihood.data
    found = bridge.log_evidence(
        lambda points: compiled.log_density(points, data), unconstrained(model, posterior), rng
    )
    every = -(-len(at[0]) // _WEIGHED)
    drawn = likelihood.draw(at._make(member[::every] for member in at), rng)
    log_weight = drawn.get("log_weight", np.zeros(1))
    more = logsumexp(log_weight) - np.log(len(log_weight))
    return bridge.Evidence(
        float(found.log + more), float(np.hypot(found.error, np.var(log_weight) / 2))
    )
