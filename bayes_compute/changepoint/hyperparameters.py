"""Hyperparameters of eras that follow each other, and draws of any model's hyperparameters."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayes_compute.changepoint.threads import in_threads
from bayes_compute.draws import flat


class Hyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``growth_mean`` and ``growth_sd`` scalar [OOM/year], ``offset`` (D,) [log10 FLOP]; for
    several draws each has a leading dimension S.
    """

    growth_mean: Any
    growth_sd: Any
    offset: Any


def checked(at: Hyperparameters) -> Hyperparameters:
    """Return them; a ValueError if one is not finite, or ``growth_sd`` is negative."""
    for name, value in at._asdict().items():
        if not np.all(np.isfinite(value)) or (name == "growth_sd" and np.any(np.less(value, 0))):
            least = " and not negative" if name == "growth_sd" else ""
            raise ValueError(f"{name}: got {value}; expected finite numbers{least}")
    return at


def hyperparameters(draws: xr.Dataset, point: type = Hyperparameters) -> Any:
    """Draws of a fit along one leading dimension, chain by chain.

    Parameters
    ----------
    draws : xarray.Dataset
        With every member of the point, each (chain, draw, ...).
    point : type
        What the likelihood takes, such as ``CollapsedRegression.Point``.
    """
    return point(*(flat(draws, name) for name in point._fields))


def log_likelihoods(likelihood: Any, draws: Any) -> np.ndarray:
    """Log likelihood of each of S draws of hyperparameters, shape (S,)."""

    def of_some(which: np.ndarray) -> list[float]:
        each = (draws._make(member[i] for member in draws) for i in which)
        return [likelihood.log_likelihood(at)[0] for at in each]

    return np.concatenate(in_threads(of_some, len(draws[0])))


def some_of(draws: Any, most: int = 32) -> list:
    """Some draws of hyperparameters, evenly taken, one by one."""
    every = -(-len(draws[0]) // most)
    return [draws._make(member[i] for member in draws) for i in range(0, len(draws[0]), every)]
