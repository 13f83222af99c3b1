"""One era of training compute: growth at one rate throughout, the null model.

A system published at ``year`` has

    log10 FLOP ~ Normal(level + growth (year - 2010) + offset[domain], sqrt(sigma^2 + variance))

where ``variance`` is what is known of the error of that FLOP figure. It is ``three_eras`` without
transitions, with the same priors, so that the two can be compared; but one era cannot tell by how
much eras differ in growth, so that spread is held at its prior median.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from bayes_compute.models.three_eras import ERA_PRIOR  # pyright: ignore[reportMissingImports]

from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.observations import Observations

ERAS = ("1",)
TRANSITIONS = ()


def regression(observations: Observations, flat_dates: bool = False) -> CollapsedRegression:
    """Sum the systems up, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: there is no date.
    """
    return CollapsedRegression.of(observations.with_compute, (), ERA_PRIOR)


def build(observations: Observations, flat_dates: bool = False) -> pm.Model:
    """Assemble the model of the hyperparameters; see the module's docstring.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: there is no date.

    Returns
    -------
    pm.Model
        Its free variables are what the closed form leaves.
    """
    observations = observations.with_compute
    with pm.Model(coords={"domain": observations.domains}) as model:
        # OOM/year: 2.5x a year, 0.8x to 8x (90 %)
        growth_mean = pm.Normal("growth_mean", 0.4, 0.3)
        growth_sd = pm.Deterministic("growth_sd", pt.constant(0.2))
        # log10 FLOP: domains differ by a factor of 5, of 2 to 70 (90 %)
        offset_sd = pm.LogNormal("offset_sd", np.log(0.7), 0.6)
        offset = pm.ZeroSumNormal("offset", offset_sd, dims="domain")
        pm.Potential(
            "systems",
            collapsed_log_likelihood(regression(observations), growth_mean, growth_sd, offset),
        )
    return model


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("one_era", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
