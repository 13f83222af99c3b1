"""Draws of a fit: of all chains in a row, shuffled, or resampled by weight."""

import numpy as np
import xarray as xr

_ALIKE = 0.1  # sd of log weights
_FEWEST = 25  # weights, whose tail of five is the smallest that a Pareto distribution is fitted to


def count(posterior: xr.Dataset) -> int:
    """Number of draws S, of all chains together."""
    return posterior.sizes["chain"] * posterior.sizes["draw"]


def flat(posterior: xr.Dataset, name: str) -> np.ndarray:
    """Draws of a variable along one leading dimension, chain by chain, shape (S, ...)."""
    values = posterior[name].transpose("chain", "draw", ...).to_numpy()
    return values.reshape(-1, *values.shape[2:])


def arrays(posterior: xr.Dataset) -> dict[str, np.ndarray]:
    """Draws of every variable as :func:`flat` gives them."""
    return {str(name): flat(posterior, str(name)) for name in posterior.data_vars}


def taken(posterior: xr.Dataset, number: np.ndarray) -> xr.Dataset:
    """Some draws in place of all.

    Parameters
    ----------
    posterior : xarray.Dataset
    number : ndarray of int, shape (chains, draws)
        Of the draws to take, counted chain by chain from 0; they are labelled anew.
    """
    lead = ("chain", "draw")
    found = {}
    for name, values in posterior.data_vars.items():
        dims = (*lead, *(dim for dim in values.dims if dim not in lead))
        found[name] = (dims, flat(posterior, str(name))[number])
    coords = posterior.drop_vars(lead, errors="ignore").coords
    labels = {dim: np.arange(size) for dim, size in zip(lead, number.shape, strict=True)}
    return xr.Dataset(found, coords).assign_coords(labels)


def shuffled(posterior: xr.Dataset, n: int, rng: np.random.Generator) -> xr.Dataset:
    """Draws of all chains in random order, n of them, as one chain; each again where n > S."""
    size = count(posterior)
    number = np.concatenate([rng.permutation(size) for _ in range(-(-n // size))])[:n]
    return taken(posterior, number[None])


def smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Pareto smooth weights (Vehtari et al. 2024, arXiv:1507.02646).

    Weights so much alike that they cost a hundredth of the effective sample size at most are left
    as they are, whatever the form of their tail, and so are fewer than 25.

    Parameters
    ----------
    log_weight : ndarray, shape (S,)

    Returns
    -------
    log_weight : ndarray, shape (S,)
    diagnostics : dict
        ``pareto_k``, where weights were smoothed.
    """
    if np.std(log_weight) <= _ALIKE or len(log_weight) < _FEWEST:
        return log_weight, {}
    from arviz_stats.base.array import array_stats

    found, pareto_k = array_stats.psislw(-log_weight)
    return found, {"pareto_k": float(pareto_k)}


def resampled(
    log_weight: np.ndarray, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Resample draws in proportion to their weights, chain by chain.

    Weights are :func:`smoothed`; copies of a draw stay side by side, so that the effective sample
    size counts them as what they are.

    Parameters
    ----------
    log_weight : ndarray, shape (S,)
    shape : (int, int)
        Numbers of chains and of draws of each.
    rng : numpy.random.Generator

    Returns
    -------
    number : ndarray of int, shape (chains, draws)
        Of the draws to take, counted chain by chain from 0.
    diagnostics : dict
        Of :func:`smoothed`.
    """
    every = np.arange(shape[0] * shape[1]).reshape(shape)
    if np.ptp(log_weight) == 0:
        return every, {}
    log_weight, diagnostics = smoothed(log_weight)
    number = []
    for mine, part in zip(every, log_weight.reshape(shape), strict=True):
        cumulative = np.cumsum(np.exp(part - part.max()))
        even = (np.arange(len(mine)) + rng.random()) / len(mine)
        number.append(mine[np.searchsorted(cumulative, even * cumulative[-1])])
    return np.stack(number), diagnostics
