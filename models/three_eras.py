"""Three eras of training compute, split by date alone, each with its own level and growth.

Training compute grows exponentially, and now and then the way of getting it changes. With two
transition dates, a system published at ``year`` in era ``e`` has

    log10 FLOP ~ Normal(level[e] + growth[e] (year - 2010) + offset[domain],
                        sqrt(sigma[e]^2 + variance))

where ``variance`` is what is known of the error of that FLOP figure. Growth is partially pooled
over eras, and offsets over domains. Eras are numbered: which way of getting compute they stand
for is not told by dates alone.

Level and growth are independent a priori in 2010, in the middle of the systems. Another year of
reference would say something else of lines there, and move dates a little.

Transition dates, levels, growth and scatter are integrated out, so the sampler moves in the
smooth rest only; they are drawn back exactly afterwards.

References
----------
Jones, D. (2022). Growth in FLOPS used to train ML models. The Shape of Code.
Sevilla, J. et al. (2022). Compute trends across three eras of machine learning.
arXiv:2202.05924.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pymc as pm

from bayes_compute.changepoint.date_priors import around, flat
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.observations import Observations

ERAS = ("1", "2", "3")
TRANSITIONS = ("1→2", "2→3")

ERA_PRIOR = EraPrior(
    level_mean=16.0,  # log10 FLOP of a system in 2010: a graphics card for some hours ...
    level_sd=3.0,  # ... within a factor of 1,000 either way; the same for every era
    sigma_median=1.2,  # log10 FLOP: systems of one time differ by a factor of 16 ...
    log_sigma_sd=0.5,  # ... of 3 to 500 (90 %)
)


def date_priors(year: np.ndarray, flat_dates: bool) -> tuple[Any, Any]:
    """Priors of both transitions, given when systems were published."""
    if flat_dates:
        return flat(1985, year), flat(1985, year)
    return (
        around(2008, 5, year),  # cloud computing opened in 2006; deep learning took off by 2012
        around(2018, 4, year),  # large-scale systems stand apart from about 2015 on
    )


@lru_cache(maxsize=2)  # its mode takes a while, and both build and fit want it
def regression(observations: Observations, flat_dates: bool = False) -> CollapsedRegression:
    """Sum the systems up, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Replace both date priors by a flat one, from 1985 to the last system.
    """
    observations = observations.with_compute
    dates = date_priors(observations.year, flat_dates)
    return CollapsedRegression.of(observations, dates, ERA_PRIOR)


def build(observations: Observations, flat_dates: bool = False) -> pm.Model:
    """Assemble the model of the hyperparameters; see the module's docstring.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Replace both date priors by a flat one, from 1985 to the last system.

    Returns
    -------
    pm.Model
        Its free variables are what the closed form leaves.
    """
    return assembled(regression(observations, flat_dates), observations.with_compute)


def assembled(likelihood: CollapsedRegression, observations: Observations) -> pm.Model:
    """Put hyperparameters before a likelihood of eras."""
    likelihood = likelihood.focused(likelihood.SAMPLED_WITHOUT)
    with pm.Model(coords={"domain": observations.domains}) as model:
        pm.Potential("systems", collapsed_log_likelihood(likelihood, *pooled()))
    return model


def pooled() -> tuple[Any, Any, Any]:
    """Mean and sd of growth over eras, and offsets of domains, in the model at hand."""
    # OOM/year: 2.5x a year, 0.8x to 8x (90 %)
    growth_mean = pm.Normal("growth_mean", 0.4, 0.3)
    # OOM/year: eras differ by a factor of 1.6 a year, of 1.2 to 4 (90 %)
    growth_sd = pm.LogNormal("growth_sd", np.log(0.2), 0.7)
    # log10 FLOP: domains differ by a factor of 5, of 2 to 70 (90 %)
    offset_sd = pm.LogNormal("offset_sd", np.log(0.7), 0.6)
    return growth_mean, growth_sd, pm.ZeroSumNormal("offset", offset_sd, dims="domain")


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("three_eras", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
