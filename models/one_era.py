"""One era of training compute: growth at one rate throughout, the null model.

A system published at ``year`` has

    log10 FLOP ~ Normal(level + growth (year - 2010) + offset[domain], sqrt(sigma^2 + variance))

where ``variance`` is what is known of the error of that FLOP figure. It is ``three_eras`` without
transitions, with the same priors, so that the two can be compared.
"""

import pymc as pm

from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.models.three_eras import ERA_PRIOR, assemble
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
    return CollapsedRegression.of(observations, (), ERA_PRIOR)


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
    return assemble(regression(observations), observations.domains)


def main() -> None:
    """Fit the systems known to the seed of this project, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("one_era", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
