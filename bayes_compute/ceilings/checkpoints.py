"""Checkpoints: the work that failures leave, Daly's efficiency and its wall.

A job on N accelerators that fail at rate λ fails at rate Λ = N λ. It computes for a time t, stops
for δ to write a checkpoint, and after a failure takes R to restart and repeats what it lost. The
share of its time that is of use is (Daly 2006, doi:10.1016/j.future.2004.11.016)

    η = max over t of Λ t / [exp(Λ R) (exp(Λ (t + δ)) − 1)].

With x = Λ t the maximum is where (1 − x) exp(x) = exp(−Λ δ), thus x = 1 − w with
w = −W₀(−exp(−1 − Λ δ)), the principal branch of Lambert's function, and there

    η = w exp(−Λ R).

η depends on Λ alone, so N η(N) = Λ η(Λ)/λ has its maximum at the Λ, and the N = Λ/λ, where

    Λ (R + δ/(1 − w)) = 1,    Λ = (w − 1 − log w)/δ:

the wall. More accelerators than that do less work.
"""

from typing import Any

import numpy as np
from scipy.optimize import elementwise
from scipy.special import lambertw


def _useful_share(stops: np.ndarray) -> np.ndarray:
    """Give w = −W₀(−exp(−1 − Λ δ)) of Λ δ."""
    near = np.sqrt(-2 * np.expm1(-stops))  # a series where the branch point loses digits
    series = 1 - near + near**2 / 3 - 11 * near**3 / 72
    exact = -np.real(lambertw(-np.exp(-1 - stops)))
    return np.where(stops < 1e-6, series, exact)


def efficiency(failure_rate: Any, checkpoint_time: Any, restart_time: Any) -> np.ndarray:
    """Share of a job's time that is of use when checkpoints are written as often as is best.

    Parameters
    ----------
    failure_rate : array_like
        Of the whole job [1/h].
    checkpoint_time, restart_time : array_like
        [h]

    Returns
    -------
    ndarray
        Between 0 and 1, falling in each of the three.
    """
    rate, stop, restart = map(np.asarray, (failure_rate, checkpoint_time, restart_time))
    return _useful_share(rate * stop) * np.exp(-rate * restart)


def interval(failure_rate: Any, checkpoint_time: Any) -> np.ndarray:
    """Give the best time to compute between checkpoints [h]: (1 − w)/Λ."""
    rate = np.asarray(failure_rate)
    return (1 - _useful_share(rate * np.asarray(checkpoint_time))) / rate


def wall(rate: Any, checkpoint_time: Any, restart_time: Any) -> np.ndarray:
    """Number of accelerators that do the most work, more of them doing less.

    Parameters
    ----------
    rate : array_like
        Failures per accelerator-hour.
    checkpoint_time, restart_time : array_like
        [h]
    """
    rate, stop, restart = np.broadcast_arrays(
        *(np.asarray(v, dtype=float) for v in (rate, checkpoint_time, restart_time))
    )

    def excess(log_job_rate: np.ndarray, stop: np.ndarray, restart: np.ndarray) -> np.ndarray:
        job_rate = np.exp(log_job_rate)
        return np.log(job_rate * (restart + stop / (1 - _useful_share(job_rate * stop))))

    # Λ (R + δ) = 1 is above the root, and so is Λ R = 1; a millionth of that is far below it
    high = -np.log(restart + stop)
    found = elementwise.find_root(excess, (high - 20, high), args=(stop, restart))
    return np.exp(found.x) / rate
