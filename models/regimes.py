"""DIY, cloud and bespoke computing as regimes that coexist, told apart by parameters and date.

Jones (2022) read three ways of getting compute from the data: DIY; cloud, from about 2008; and
bespoke, told apart by a gap in parameter counts. Here that gap is a parameter. A system is DIY
before the cloud transition. After it, it is bespoke if it has more parameters than shared hardware
can hold, the ``capacity``, which may drift, and cloud otherwise; so both kinds coexist. The bespoke
transition is where the share of bespoke systems changes. In regime ``k``

    log10 parameters ~ Normal about a line in time, truncated at the capacity,
    log10 FLOP ~ Normal(level[k] + growth[k] (year - 2010)
                        + elasticity (log10 parameters - those expected) + offset[domain],
                        sqrt(sigma[k]^2 + variance)),

with growth partially pooled over regimes and offsets over domains. Both dates, capacity, drift,
shares and all lines are integrated out and drawn back. ``growth`` and ``level`` that are reported
are those of FLOP itself, with the growth of parameters in it.

Every system speaks. Where training compute is undisclosed, parameters still inform capacity and
shares; where parameters are undisclosed, as for most of the largest systems, they are integrated
out and the regime is summed out.

References
----------
Jones, D. (2022). Growth in FLOPS used to train ML models. The Shape of Code.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pymc as pm
from scipy import stats

from bayes_compute.changepoint.date_priors import around, flat
from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.changepoint.regime_prior import RegimePrior
from bayes_compute.changepoint.regimes import ThresholdRegimes
from bayes_compute.observations import Observations

ERAS = ("DIY", "cloud", "bespoke")
TRANSITIONS = ("cloud", "bespoke")
USES_UNDISCLOSED = True  # systems without training compute too

PARAMETERS: dict[str, Any] = {  # log10 parameters
    "parameters_level": (5.5, 7.0, 10.0),  # in 2010, within a factor of 10 (sd) either way ...
    "parameters_level_sd": 1.0,
    "parameters_growth": (0.15, 0.15),  # a year: 1.4x, 0.8x to 2.5x (90 %)
    "parameters_sd": (1.0, 0.4),  # systems of a regime differ by a factor of 10, of 3 to 90 (90 %)
    # Memory of the largest shared machine, eight accelerators of one cloud instance, grew from
    # 192 GB (2016) to 1,128 GB (2024): 1.25x a year; 1.0x to 1.5x (90 %)
    "drift": stats.norm(0.1, 0.05),
}
# 16 bytes a parameter in training: 256 GB, eight accelerators of 2018 to 2020, hold 1.6e10; a few
# such machines 4e10, within a factor of 5 (sd) either way
CAPACITY: Any = stats.norm(10.6, 0.7)
ANY_CAPACITY: Any = stats.uniform(7, 6)

STATED = RegimePrior(
    level_mean=(14.0, 18.0, 21.0),  # log10 FLOP in 2010: a computer; a server; a cluster ...
    level_sd=(2.0, 2.0, 2.0),  # ... within a factor of 100 either way
    capacity=CAPACITY,
    **PARAMETERS,
)
FLAT = RegimePrior(
    level_mean=(18.0, 18.0, 18.0),
    level_sd=(3.0, 3.0, 3.0),
    capacity=ANY_CAPACITY,
    **PARAMETERS | {"parameters_level": (8.0, 8.0, 8.0), "parameters_level_sd": 2.0},
)


def dates(year: np.ndarray, flat_dates: bool) -> tuple[Any, Any]:
    """Priors of the cloud and of the bespoke transition, given when systems were published."""
    if flat_dates:
        return flat(1985, year), flat(1985, year)
    return (
        around(2008, 2, year),  # the first public cloud opened in 2006
        # Clusters built for single models were announced from 2016 on; it may be still to come
        around(2018, 2, year, to_come=True),
    )


def pooled_growth(**sampled: Any) -> tuple[Any, Any]:
    """Mean and sd of growth over regimes, in the model at hand; how the mean is sampled."""
    # OOM/year: 2.5x a year, 0.8x to 8x (90 %)
    growth_mean = pm.Normal("growth_mean", 0.4, 0.3, **sampled)
    # OOM/year: regimes differ by a factor of 1.6 a year, of 1.2 to 4 (90 %)
    return growth_mean, pm.LogNormal("growth_sd", np.log(0.2), 0.7)


def about_lines() -> tuple[Any, Any, Any]:
    """Elasticity, scatter and offsets of FLOP about the line of a regime, in the model at hand."""
    # Ten times the parameters take 4 times the compute, 0.9 to 18 times (90 %)
    elasticity = pm.Normal("elasticity", 0.6, 0.4)
    # log10 FLOP: systems of one regime, date and size differ by a factor of 10, of 3 to 200
    sigma = pm.LogNormal("sigma", 0.0, 0.5, dims="era")
    # log10 FLOP: domains differ by a factor of 5, of 2 to 70 (90 %)
    offset_sd = pm.LogNormal("offset_sd", np.log(0.7), 0.6)
    return elasticity, sigma, pm.ZeroSumNormal("offset", offset_sd, dims="domain")


@lru_cache(maxsize=2)  # takes seconds, and both build and fit want it
def regression(observations: Observations, flat_dates: bool = False) -> ThresholdRegimes:
    """Collapse the likelihood, with the priors of what is integrated out.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Replace the priors of both dates by flat ones, from 1985 to the last system, that of the
        capacity by one that is flat from 7 to 13, and those of levels by one for all regimes.
    """
    prior = FLAT if flat_dates else STATED
    return ThresholdRegimes.of(observations, dates(observations.year, flat_dates), prior)


def build(observations: Observations, flat_dates: bool = False) -> pm.Model:
    """Assemble the model of the hyperparameters; see the module's docstring.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        As of :func:`regression`.

    Returns
    -------
    pm.Model
        Its free variables are what the closed form leaves.
    """
    return assembled(regression(observations, flat_dates), observations)


def assembled(likelihood: ThresholdRegimes, observations: Observations) -> pm.Model:
    """Put hyperparameters before a likelihood of regimes."""
    likelihood = likelihood.focused(likelihood.SAMPLED_WITHOUT)
    coords = {"era": ERAS, "domain": observations.domains}
    with pm.Model(coords=coords) as model:
        at = (*pooled_growth(), *about_lines())
        pm.Potential("systems", collapsed_log_likelihood(likelihood, *at))
    return model


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("regimes", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
