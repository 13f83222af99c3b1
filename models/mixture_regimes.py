"""DIY, cloud and bespoke computing as regimes whose members are latent, not decided by a threshold.

The alternative to :mod:`regimes <bayes_compute.models.regimes>`, to see what its threshold does.
Before the cloud transition a system is DIY; between the transitions it is cloud; from the bespoke
transition on it is bespoke with probability ``share`` and else cloud. In regime ``k``

    log10 parameters ~ Normal(parameters_level[k] + parameters_growth[k] (year - 2010),
                              parameters_sd[k]),
    log10 FLOP ~ Normal(level[k] + growth[k] (year - 2010)
                        + elasticity (log10 parameters - those expected) + offset[domain],
                        sqrt(sigma[k]^2 + variance)),

with growth partially pooled over regimes and offsets over domains. Both dates, the regime of every
system and undisclosed parameters are summed and integrated out, exactly, and the first two drawn
back. ``growth`` and ``level`` that are reported are those of FLOP itself, with the growth of
parameters in it; ``level_given_parameters`` and ``growth_given_parameters`` stand in the formula.

Nothing but its prior says which component of the mixture is bespoke, so the prior says that in 2025
bespoke systems have more parameters in the mean than cloud ones. Without it chains get stuck on the
modern table where labels are swapped: the narrow line of the largest language models is called
cloud and the rest bespoke, both transitions fall on nearly one date, and the lines of parameters
cross. The log density there is lower by 28, but nothing leads out. With the order one chain in
about 80 still stops at its edge, where the log density is lower by 60. The gate refuses that fit,
and another seed is the remedy.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform

from bayes_compute.changepoint.mixture import MixturePrior, MixtureRegimes
from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.models import regimes
from bayes_compute.observations import Observations

ERAS, TRANSITIONS = regimes.ERAS, regimes.TRANSITIONS
USES_UNDISCLOSED = True  # systems without training compute too
READ_YEAR = 2025.0  # where lines of cloud and bespoke systems are read and ordered


class InUnitsOf(Transform):
    """Sample a variable in a unit of its own.

    Chains start within one unit of the prior's middle: an order of magnitude a year either way
    would start lines far from all systems.

    Parameters
    ----------
    unit : float
    """

    name = "in_units_of"

    def __init__(self, unit: float):
        self.unit = unit

    def forward(self, value, *inputs):
        """From the variable to what is sampled."""
        return value / self.unit

    def backward(self, value, *inputs):
        """From what is sampled to the variable."""
        return value * self.unit

    def log_jac_det(self, value, *inputs):
        """Log of the slope of :meth:`backward`."""
        return pt.full_like(value, np.log(self.unit))


@lru_cache(maxsize=2)
def regression(observations: Observations, flat_dates: bool = False) -> MixtureRegimes:
    """Sum dates and regimes out of the likelihood.

    Parameters
    ----------
    observations : Observations
    flat_dates : bool
        Replace the priors of both dates by flat ones, from 1985 to the last system. Others stay:
        priors that are the same for all regimes would not say which is which.
    """
    stated, dates = regimes.STATED, regimes.dates(observations.year, flat_dates)
    prior = MixturePrior(stated.parameters_level, stated.parameters_growth[0])
    return MixtureRegimes.of(observations, dates, prior)


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
        Its free variables are what is neither summed nor integrated out. ``level_read`` and
        ``parameters_read`` are lines in 2010 for DIY and in 2025 for other systems: near most of
        the data, so that they vary less with growth.
    """
    likelihood = regression(observations, flat_dates)
    coords = {"era": ERAS, "domain": observations.domains, "not_bespoke": ERAS[:2]}
    later = READ_YEAR - REFERENCE_YEAR
    read = np.array([0.0, later, later])  # years after 2010
    level_mean, level_sd = np.array(regimes.STATED.level_mean), np.array(regimes.STATED.level_sd)
    size, size_sd = np.array(regimes.STATED.parameters_level), regimes.STATED.parameters_level_sd
    growth_unit: Any = InUnitsOf(0.2)
    with pm.Model(coords=coords) as model:
        growth_mean, growth_sd = regimes.pooled_growth(transform=growth_unit)
        growth = pm.Normal(
            "growth_given_parameters", growth_mean, growth_sd, dims="era", transform=growth_unit
        )
        # log10 FLOP in 2010: a computer; a server; a cluster; within a factor of 100 either way
        level_read = pm.Normal("level_read", level_mean + read * growth, level_sd, dims="era")
        level = pm.Deterministic("level_given_parameters", level_read - read * growth, dims="era")
        elasticity, sigma, offset = regimes.about_lines()
        # log10 parameters a year: 1.4x, 0.8x to 2.5x (90 %)
        size_growth = pm.Normal(
            "parameters_growth",
            *regimes.STATED.parameters_growth,
            dims="era",
            transform=growth_unit,
        )
        # log10 parameters in 2010: within a factor of 10 (sd) either way ...
        expected = size + read * size_growth
        size_read = pm.Normal("parameters_read", expected[:2], size_sd, dims="not_bespoke")
        # ... and bespoke systems' cut where they would have fewer in 2025 than cloud ones
        gap = pm.TruncatedNormal("parameters_gap", expected[2] - size_read[1], size_sd, lower=0.0)
        size_read = pt.stack([size_read[0], size_read[1], size_read[1] + gap])
        size_level = pm.Deterministic(
            "parameters_level", size_read - read * size_growth, dims="era"
        )
        # log10 parameters: systems of a regime differ by a factor of 10, of 3 to 90 (90 %)
        median, log_sd = regimes.STATED.parameters_sd
        size_scatter = pm.LogNormal("parameters_sd", np.log(median), log_sd, dims="era")
        # Of systems after the bespoke transition: 0.08 to 0.66 (90 %)
        share = pm.Beta("share", *regimes.STATED.share_after)
        lines = (level, growth, sigma, elasticity, offset)
        sizes = (size_level, size_growth, size_scatter)
        pm.Potential("systems", collapsed_log_likelihood(likelihood, *lines, *sizes, share))
    return model


def main() -> None:
    """Fit the systems that the post of 2022 saw, and print what follows."""
    from bayes_compute import fit, load_systems, summary

    observations = Observations.from_systems(load_systems("systems-2022-03"))
    print(summary(fit("mixture_regimes", observations)).round(3).to_string())


if __name__ == "__main__":
    main()
