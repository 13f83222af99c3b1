"""Jones's reading of the data: cloud from 2008, bespoke from 2020, by 1e11 parameters or more.

It is ``regimes`` with both dates and the capacity as the post of 2022 reads them, in place of
priors and without drift, so that the two can be compared.

References
----------
Jones, D. (2022). Growth in FLOPS used to train ML models. The Shape of Code.
"""

from dataclasses import replace
from functools import lru_cache

import pymc as pm
from scipy import stats

from bayes_compute.changepoint.date_priors import given
from bayes_compute.changepoint.regimes import ThresholdRegimes
from bayes_compute.models import regimes
from bayes_compute.observations import Observations

ERAS, TRANSITIONS = regimes.ERAS, regimes.TRANSITIONS
USES_UNDISCLOSED = True  # systems without training compute too

DATES = (2008.0, 2020.0)
PRIOR = replace(
    regimes.STATED,
    capacity=stats.uniform(10.989, 0.0105),  # log10 parameters: 1e11 are above it, 9.7e10 are not
    drift=stats.norm(0, 1e-4),  # log10 parameters a year: none
)


@lru_cache(maxsize=2)  # takes seconds, and both build and fit want it
def regression(observations: Observations, flat_dates: bool = False) -> ThresholdRegimes:
    """Collapse the likelihood, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: dates and capacity are given.
    """
    dates = [given(date) for date in DATES]
    return ThresholdRegimes.of(observations, dates, PRIOR, n_drifts=2)


def build(observations: Observations, flat_dates: bool = False) -> pm.Model:
    """Assemble the model of the hyperparameters.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Without effect: dates and capacity are given.

    Returns
    -------
    pm.Model
        Its free variables are what the closed form leaves.
    """
    return regimes.assembled(regression(observations), observations)


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("jones_regimes", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
