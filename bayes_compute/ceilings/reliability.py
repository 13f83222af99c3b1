"""How much work one run can get before failures undo what more accelerators add.

The rate of failures is a fit's of ``models/reliability.py``; what it leaves of a run is worked out
in :mod:`bayes_compute.ceilings.checkpoints`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.assumptions import Assumption, draw_each
from bayes_compute.ceilings.checkpoints import efficiency, wall
from bayes_compute.draws import flat
from bayes_compute.units import SECONDS_PER_HOUR

ASSUMPTIONS = {
    "checkpoint_time": Assumption(
        1 / 60, 5.0, "h",
        "A job stands still for seconds where states go to the host's memory first (MegaScale, "
        "arXiv:2402.15627), and for minutes where they go straight to storage: 12 s to 5 min",
    ),
    "restart_time": Assumption(
        5 / 60, 4.0, "h",
        "Llama 3 lost less than 10 % of its time in 466 interruptions of 54 days, at most 17 min "
        "each with what was repeated (arXiv:2407.21783); OLMo Hybrid took 4 min in the median and "
        "39 in the mean (table reliability): 75 s to 20 min",
    ),
}  # fmt: skip


def new_rate(posterior: xr.Dataset, seed: int = 1) -> np.ndarray:
    """Draw the failures per accelerator-hour of one run of months on a system not yet seen.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``reliability``.
    seed : int

    Returns
    -------
    ndarray, shape (S,)
    """
    rng = np.random.default_rng([seed, 1])
    names = ("typical_rate", "system_sd", "time_cv")
    rate, between, over_time = (flat(posterior, name) for name in names)
    system = np.exp(between * rng.standard_normal(rate.shape))
    quarter = rng.gamma(1 / over_time**2) * over_time**2
    return rate * system * np.maximum(quarter, 1e-3)  # a wide Gamma's draws would round to 0


def _times(n: int, assumptions: Mapping[str, Assumption], seed: int) -> tuple[np.ndarray, ...]:
    drawn = draw_each(assumptions, n, np.random.default_rng([seed, 2]))
    return drawn["checkpoint_time"], drawn["restart_time"]


def recovery_share(
    posterior: xr.Dataset,
    accelerators: Any,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Share of a run's resources that go to checkpoints, restarts and work done again.

    Parameters
    ----------
    posterior : xarray.Dataset
    accelerators : array_like, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
    """
    rate = new_rate(posterior, seed)
    times = (values[:, None] for values in _times(len(rate), assumptions, seed))
    return 1 - efficiency(rate[:, None] * np.asarray(accelerators), *times)


def reliability(
    posterior: xr.Dataset,
    year: np.ndarray,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Most accelerators' worth of work that one run can get, however many it has.

    No trend over the years is on record that could be told from differences between systems: each
    draw is the same in all years.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``reliability``.
    year : ndarray, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 N η(N) at the wall [accelerators].
    """
    rate = new_rate(posterior, seed)
    stop, restart = _times(len(rate), assumptions, seed)
    most = wall(rate, stop, restart)
    useful = np.log10(most * efficiency(most * rate, stop, restart))
    return np.repeat(useful[:, None], len(year), axis=1)


def largest_run(
    posterior: xr.Dataset,
    hours: np.ndarray,
    flop_s: float,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Largest run of a given length on accelerators of a given rate.

    Parameters
    ----------
    posterior : xarray.Dataset
    hours : ndarray, shape (n,)
    flop_s : float
        What one accelerator reaches while it works [FLOP/s].
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 FLOP.
    """
    hours = np.asarray(hours, dtype=float)
    useful = reliability(posterior, hours, assumptions, seed)
    return useful + np.log10(flop_s * SECONDS_PER_HOUR * hours)
