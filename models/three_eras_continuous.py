"""Three eras of training compute whose lines meet: growth changes at transitions, compute does not.

The alternative to ``three_eras``, where compute may jump from one era to the next. With transition
dates ``t[1]`` and ``t[2]``, a system published at ``year`` in era ``e`` has

    log10 FLOP ~ Normal(level[e] + growth[e] (year - 2010) + offset[domain],
                        sqrt(sigma[e]^2 + variance)),
    level[e + 1] + growth[e + 1] (t[e] - 2010) = level[e] + growth[e] (t[e] - 2010),

so that one level is free. Other priors are those of ``three_eras``. Dates and lines are summed and
integrated out, dates to the quarter of a year, and drawn back; scatters are sampled, since lines
that hang together leave no era to itself.
"""

from functools import lru_cache

import numpy as np
import pymc as pm

from bayes_compute.changepoint.continuous import ContinuousRegression
from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations

ERAS, TRANSITIONS = three_eras.ERAS, three_eras.TRANSITIONS


@lru_cache(maxsize=2)  # both build and fit want it
def regression(observations: Observations, flat_dates: bool = False) -> ContinuousRegression:
    """Sum the systems up, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Replace both date priors by a flat one, from 1985 to the last system.
    """
    observations = observations.with_compute
    dates = three_eras.date_priors(observations.year, flat_dates)
    return ContinuousRegression.of(observations, dates, three_eras.ERA_PRIOR, widest=1 / 4)


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
    likelihood, prior = regression(observations, flat_dates), three_eras.ERA_PRIOR
    coords = {"era": ERAS, "domain": observations.with_compute.domains}
    with pm.Model(coords=coords) as model:
        growth_mean, growth_sd, offset = three_eras.pooled()
        # log10 FLOP: systems of one time differ by a factor of 16, of 3 to 500 (90 %)
        sigma = pm.LogNormal("sigma", np.log(prior.sigma_median), prior.log_sigma_sd, dims="era")
        log_likelihood = collapsed_log_likelihood(likelihood, growth_mean, growth_sd, sigma, offset)
        pm.Potential("systems", log_likelihood)
    return model


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("three_eras_continuous", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
