"""What draws of a fit say of each system."""

from typing import NamedTuple

import numpy as np


class SystemDraws(NamedTuple):
    """What each draw says of each system, (S, n).

    ``era`` is its era or regime, from 0. Of systems with training compute only: ``log_likelihood``
    of log10 FLOP, and ``replicate``, drawn anew.
    """

    era: np.ndarray
    log_likelihood: np.ndarray
    replicate: np.ndarray

    @classmethod
    def of(
        cls,
        era: np.ndarray,
        log10_flop: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
        rng: np.random.Generator,
    ) -> "SystemDraws":
        """Of systems that are normal with a mean and a variance, each (S, n)."""
        z = (log10_flop - mean) / np.sqrt(variance)
        log_likelihood = -0.5 * (z * z + np.log(2 * np.pi * variance))
        return cls(era, log_likelihood, mean + np.sqrt(variance) * rng.standard_normal(mean.shape))
