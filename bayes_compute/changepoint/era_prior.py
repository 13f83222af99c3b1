"""Prior of what eras that follow each other integrate out: their levels, growth and scatter.

The model is that of :mod:`bayes_compute.changepoint.regression`.
"""

from dataclasses import dataclass

import numpy as np

from bayes_compute.changepoint.statistics import REFERENCE_YEAR

_SPACING = 2.0  # of log sigma, in sds of the posterior that all systems give: error 1.4 % at most
_REACH = 4.5  # prior sds of log sigma that the grid covers


@dataclass(frozen=True)
class EraPrior:
    """Prior of an era's level and scatter, the same for every era.

    Attributes
    ----------
    level_mean, level_sd : float
        Normal prior of the level [log10 FLOP at the reference year].
    sigma_median : float
        Median of the log-normal prior of the scatter [log10 FLOP].
    log_sigma_sd : float
        Its sd on the scale of natural logarithms.
    """

    level_mean: float
    level_sd: float
    sigma_median: float
    log_sigma_sd: float

    def describe(self) -> dict[str, str]:
        """Each prior in words."""
        return {
            "level": f"level ~ Normal({self.level_mean:g}, {self.level_sd:g}) "
            f"in {REFERENCE_YEAR:g}",
            "growth": "growth ~ Normal(growth_mean, growth_sd)",
            "sigma": f"sigma ~ LogNormal(log {self.sigma_median:g}, {self.log_sigma_sd:g})",
        }

    def log_sigma(self, n_systems: int) -> np.ndarray:
        """Grid of log scatters, even, fine enough for so many systems, shape (J,)."""
        spacing = min(_SPACING / np.sqrt(2 * n_systems), self.log_sigma_sd / 2)
        steps = int(np.ceil(_REACH * self.log_sigma_sd / spacing))
        return np.log(self.sigma_median) + spacing * np.arange(-steps, steps + 1)
