"""Regimes that coexist: what is sampled, and the priors of what is integrated out.

The model is that of :mod:`bayes_compute.changepoint.regimes`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.statistics import REFERENCE_YEAR


class RegimeHyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``growth_mean`` and ``growth_sd`` [OOM/year] and ``elasticity`` [log10 FLOP per log10
    parameter] scalar, ``sigma`` (3,) and ``offset`` (D,) [log10 FLOP]; for several draws each has
    a leading dimension S.
    """

    growth_mean: Any
    growth_sd: Any
    elasticity: Any
    sigma: Any
    offset: Any


@dataclass(frozen=True)
class RegimePrior:
    """Priors of what is integrated out; those of three are in the order DIY, cloud, bespoke.

    Attributes
    ----------
    level_mean, level_sd : tuple of 3 floats
        Normal prior of the level [log10 FLOP in 2010].
    parameters_level : tuple of 3 floats
        Mean of the normal prior of a regime's parameters [log10 parameters in 2010].
    parameters_level_sd : float
        Its standard deviation.
    parameters_growth : (float, float)
        Mean and sd of the normal prior of their growth [log10 parameters a year].
    parameters_sd : (float, float)
        Median, and sd of the natural logarithm, of the log-normal prior of their sd.
    capacity : Density
        Prior of the capacity in 2020 [log10 parameters].
    drift : Density
        Prior of its drift [log10 parameters a year].
    share_before, share_after : (float, float)
        Beta prior of the share of bespoke systems before and after the bespoke transition.
    """

    level_mean: tuple[float, float, float]
    level_sd: tuple[float, float, float]
    parameters_level: tuple[float, float, float]
    parameters_level_sd: float
    parameters_growth: tuple[float, float]
    parameters_sd: tuple[float, float]
    capacity: Density
    drift: Density
    share_before: tuple[float, float] = (0.5, 50.0)
    share_after: tuple[float, float] = (2.0, 4.0)

    def describe(self) -> dict[str, str]:
        """Each prior in words."""
        since, growth, scatter = (
            f"in {REFERENCE_YEAR:g}",
            self.parameters_growth,
            self.parameters_sd,
        )
        text = {
            "growth_given_parameters": "growth_given_parameters ~ Normal(growth_mean, growth_sd)",
            "parameters_growth": f"parameters_growth ~ Normal({growth[0]:g}, {growth[1]:g})",
            "parameters_sd": f"parameters_sd ~ LogNormal(log {scatter[0]:g}, {scatter[1]:g})",
            "share_before": f"share of bespoke systems before ~ Beta{self.share_before}",
            "share_after": f"share of bespoke systems after ~ Beta{self.share_after}",
        }
        for k, name in enumerate(("DIY", "cloud", "bespoke")):
            mean, sd = self.level_mean[k], self.level_sd[k]
            text[f"level_given_parameters[{name}]"] = f"Normal({mean:g}, {sd:g}) {since}"
            mean, sd = self.parameters_level[k], self.parameters_level_sd
            text[f"parameters_level[{name}]"] = f"Normal({mean:g}, {sd:g}) {since}"
        for name, prior in (("capacity", self.capacity), ("drift", self.drift)):
            low, middle, high = (float(prior.ppf(q)) for q in (0.05, 0.5, 0.95))
            text[name] = f"median {middle:.3g}, 90 % {low:.3g} to {high:.3g}"
        return text

    @property
    def line(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of level, growth and log sd of parameters, each (3, 3), a row a regime."""
        growth, median = self.parameters_growth, self.parameters_sd
        mean = [[level, growth[0], np.log(median[0])] for level in self.parameters_level]
        return np.array(mean), np.tile([self.parameters_level_sd, growth[1], median[1]], (3, 1))

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Log10 parameters in each regime, ``x`` years after the reference year, shape (3, n)."""
        mean, _ = self.line
        return mean[:, [0]] + mean[:, [1]] * x
