"""Sevilla et al.'s eras of training compute: three, with the dates that they give.

They split the trend in 2010, when deep learning took off, and say that large-scale models stand
apart from September 2015 on. It is ``three_eras`` with these dates in place of priors, so that the
two can be compared. Eras follow each other here; in the paper regular systems go on beside
large-scale ones, which are picked out by their compute.

References
----------
Sevilla, J. et al. (2022). Compute trends across three eras of machine learning.
arXiv:2202.05924.
"""

import pymc as pm

from bayes_compute.changepoint.date_priors import given
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations

ERAS, TRANSITIONS = three_eras.ERAS, three_eras.TRANSITIONS
DATES = (2010.0, 2015 + 8 / 12)


def regression(observations: Observations, flat_dates: bool = False) -> CollapsedRegression:
    """Sum the systems up, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: dates are given.
    """
    dates = [given(date) for date in DATES]
    return CollapsedRegression.of(observations.with_compute, dates, three_eras.ERA_PRIOR)


def build(observations: Observations, flat_dates: bool = False) -> pm.Model:
    """Assemble the model of the hyperparameters.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: dates are given.

    Returns
    -------
    pm.Model
        Its free variables are what the closed form leaves.
    """
    return three_eras.assembled(regression(observations), observations.with_compute)


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("sevilla_eras", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
