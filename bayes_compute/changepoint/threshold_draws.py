"""Capacity and drift, drawn within the cells of nodes, so that the same systems are above.

A cell of the capacity ends at a system just below the threshold and at one just above it, as seen
at the drift of its node. At another drift of the cell others are next to the threshold, and the
ends lie elsewhere. The log density is steep between them, up to thirty over a cell, so that it
matters where they are: the two are drawn together, from

    prior(drift) exp(slope (capacity - node) + tilt (drift - node))

over all pairs that leave every system on its side, within the support of the prior. Slopes are
those of the evidence of parameters.
"""

import math

import numpy as np

from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.parameter_lines import ParameterLines
from bayes_compute.changepoint.regime_prior import RegimePrior
from bayes_compute.changepoint.threads import in_threads
from bayes_compute.changepoint.thresholds import Thresholds

_DRIFTS = 24  # candidates in a cell
_FLAT = 1e-9  # no log density is taken for flatter than this


def draw(
    thresholds: Thresholds,
    parameters: ParameterLines,
    row: np.ndarray,
    node: np.ndarray,
    prior: RegimePrior,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw capacity and drift within the cells of nodes.

    Parameters
    ----------
    thresholds : Thresholds
    parameters : ParameterLines
        Of these thresholds.
    row, node : ndarray of int, shape (S,)
        Cell of the cloud transition, which tells who is not DIY, and threshold of each draw.
    prior : RegimePrior
        Of capacity and drift.
    rng : numpy.random.Generator

    Returns
    -------
    capacity, drift : ndarray, shape (S,)
    """
    middle, half = thresholds.drift[node], thresholds.drift_step / 2
    below, above = prior.drift.cdf(middle - half)[:, None], prior.drift.cdf(middle + half)[:, None]
    u = (np.arange(_DRIFTS) + rng.random((len(node), _DRIFTS))) / _DRIFTS
    of_draws = (
        node,
        thresholds.capacity[node],
        middle,
        thresholds.width[node],
        parameters.slopes(row, node),
        parameters.first[row],
        prior.drift.ppf(below + (above - below) * u),
        rng.random((len(node), 2)),
    )
    least, most = map(float, prior.capacity.support())
    of_all = parameters.p, parameters.since, parameters.above, least, most
    parts = in_threads(lambda mine: within(*(each[mine] for each in of_draws), *of_all), len(node))
    capacity, drift = (np.concatenate(part) for part in zip(*parts, strict=True))
    return capacity, drift


@kernel
def gap(p, since, above, drift):
    """Capacities between which systems are above and below as they are told to be."""
    low, high = -np.inf, np.inf
    for i in range(len(p)):
        position = p[i] - drift * since[i]
        if above[i]:
            high = min(high, position)
        else:
            low = max(low, position)
    return low, high


@kernel
def near(p, since, above, drift, low, high, away):
    """Those few systems that may set the :func:`gap` at drifts at most ``away`` from this one.

    ``low`` and ``high`` are the gap at this drift. Between drifts no system moves by more than the
    reach; one that sets an end elsewhere is within two of it here.

    Returns
    -------
    p, since, above : ndarray
    """
    chosen, reach = np.empty(len(p), np.bool_), 0.0
    for i in range(len(p)):
        reach = max(reach, away * abs(since[i]))
    for i in range(len(p)):
        position = p[i] - drift * since[i]
        if above[i]:
            chosen[i] = position < high + 2 * reach + 1e-9
        else:
            chosen[i] = position > low - 2 * reach - 1e-9
    return p[chosen], since[chosen], above[chosen]


@kernel
def within(
    node, capacity, drift, width, slopes, first, drifts, uniform, p, since, above, least, most
):
    """Choose among drifts by what the gap at each weighs, and draw a capacity in the gap.

    Parameters
    ----------
    node : ndarray of int, shape (S,)
    capacity, drift, width : ndarray, shape (S,)
        Of the nodes.
    slopes : ndarray, shape (S, 2)
        Of the log density in capacity and drift.
    first : ndarray of int, shape (S,)
        Number of systems before those that may be above.
    drifts : ndarray, shape (S, M)
        Candidates, drawn from the prior within the cell.
    uniform : ndarray, shape (S, 2)
    p, since : ndarray, shape (n,)
        Log10 parameters, and years since the capacity is read.
    above : ndarray of bool, shape (H, n)
    least, most : float
        Capacities outside of which the prior has none.

    Returns
    -------
    capacity, drift : ndarray, shape (S,)
    """
    n_draws, n_drifts = drifts.shape
    drawn, drawn_drift = np.empty(n_draws), np.empty(n_draws)
    low, high, log_weight = np.empty(n_drifts), np.empty(n_drifts), np.empty(n_drifts)
    for s in range(n_draws):
        who = p[first[s] :], since[first[s] :], above[node[s], first[s] :]
        bottom, top = capacity[s] - width[s] / 2, capacity[s] + width[s] / 2
        lowest, highest = gap(*who, drift[s])
        # An end that no system sets is where a wide cell was cut, or where a DIY system is
        set_low, set_high = lowest > bottom - 1e-9, highest < top + 1e-9
        away = np.max(np.abs(drifts[s] - drift[s]))
        close = near(*who, drift[s], lowest, highest, away)
        steep = slopes[s, 0] if abs(slopes[s, 0]) > _FLAT else _FLAT
        for m in range(n_drifts):
            low[m], high[m] = gap(*close, drifts[s, m])
            if not set_low:
                low[m] = max(low[m], bottom)
            if not set_high:
                high[m] = min(high[m], top)
            low[m], high[m] = max(low[m], least), min(high[m], most)
            log_weight[m] = -np.inf
            if high[m] > low[m]:
                end = high[m] if steep > 0 else low[m]
                inside = -math.expm1(-abs(steep) * (high[m] - low[m])) / abs(steep)
                log_weight[m] = steep * (end - capacity[s]) + math.log(inside)
                log_weight[m] += slopes[s, 1] * (drifts[s, m] - drift[s])
        best = np.max(log_weight)
        if best == -np.inf:  # a sliver between two candidates, through the node
            chosen = 0
            drifts[s, 0], low[0], high[0] = drift[s], max(lowest, bottom), min(highest, top)
        else:
            cumulative = np.cumsum(np.exp(log_weight - best))
            sought = uniform[s, 0] * cumulative[-1]
            chosen = np.searchsorted(cumulative, sought, side="right")
        drawn_drift[s] = drifts[s, chosen]
        # Inverse of the distribution function, from the end where the density is highest
        fall = -math.expm1(-abs(steep) * (high[chosen] - low[chosen]))
        away = -math.log1p(-uniform[s, 1] * fall) / abs(steep)
        drawn[s] = high[chosen] - away if steep > 0 else low[chosen] + away
    return drawn, drawn_drift
