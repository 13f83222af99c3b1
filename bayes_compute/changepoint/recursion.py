"""Sum over all ordered dates of K transitions, and draw dates from their exact posterior.

All eras are alike a priori, so one list holds the log evidence of an era from one cell to
another. Transition ``k = 0 .. K - 1`` ends era ``k`` and begins era ``k + 1``. Transitions may
also share a cell: then the eras between them hold no system, and the run of transitions has the
prior mass of its ordered part of the cell (:attr:`DateCells.log_mass`). Summing from the right
costs one term a span, O(K G^2) for G cells. What follows each cell then gives, from the left,
the probability of every span, which is the gradient of the sum in its evidence, and exact draws.

``spans``, integer array of shape (P, 5), sorted: start and stop of an era, the range of its
scatters, and where they stand in lists of scatters. Start 0 lies before all cells and ``a + 1``
in cell ``a``; stop ``b`` lies in cell ``b`` and stop G after all cells. ``rows``, shape (G + 2,),
holds where each start begins. ``evidence`` has shape (P,), ``log_mass`` (K, K, G).
"""

import numpy as np

from bayes_compute.changepoint.kernel import kernel


@kernel
def backward(spans, rows, evidence, log_mass):
    """Log weight of everything that follows each cell.

    Returns
    -------
    total : float
        Log of the sum over all ordered dates.
    entered_rest, closed_rest : ndarray, shape (K, G)
        Log weight of what follows once transition ``k`` lies in that cell, the prior mass of
        the cell included; and the same if the next transition lies in a later cell.
    """
    n_transitions, n_cells = log_mass.shape[1:]
    entered_rest = np.full((n_transitions, n_cells), -np.inf)
    closed_rest = np.full((n_transitions, n_cells), -np.inf)
    term = np.empty(max(n_cells + 1, n_transitions))
    for k in range(n_transitions, -1, -1):
        for start in range(1 if k > 0 else 0, n_cells + 1 if k > 0 else 1):
            n, top = 0, -np.inf
            for p in range(rows[start], rows[start + 1]):
                stop = spans[p, 1]
                if k == n_transitions:
                    if stop < n_cells:
                        continue
                    term[n] = evidence[p]
                else:
                    if stop == n_cells:
                        continue
                    term[n] = evidence[p] + entered_rest[k, stop]
                top = max(top, term[n])
                n += 1
            rest = -np.inf
            if top > -np.inf:
                rest = 0.0
                for i in range(n):
                    if term[i] > top - 37.0:  # smaller ones are below the rounding of the sum
                        rest += np.exp(term[i] - top)
                rest = top + np.log(rest)
            if k == 0:
                return rest, entered_rest, closed_rest
            closed_rest[k - 1, start - 1] = rest
        for cell in range(n_cells):
            top = -np.inf
            for last in range(k - 1, n_transitions):  # the run of transitions k - 1 .. last
                term[last] = log_mass[k - 1, last, cell] + closed_rest[last, cell]
                top = max(top, term[last])
            if top > -np.inf:
                rest = 0.0
                for last in range(k - 1, n_transitions):
                    rest += np.exp(term[last] - top)
                entered_rest[k - 1, cell] = top + np.log(rest)
    return np.nan, entered_rest, closed_rest


@kernel
def probabilities(spans, rows, evidence, log_mass, total, entered_rest, closed_rest):
    """Posterior probability of every span and of every cell.

    Returns
    -------
    of_span : ndarray, shape (P,)
        Expected number of eras with each start and stop.
    of_cell : ndarray, shape (K, G)
        Probability that transition ``k`` lies in each cell.
    """
    n_transitions, n_cells = log_mass.shape[1:]
    of_span, of_cell = np.zeros(len(spans)), np.zeros((n_transitions, n_cells))
    closed, entered = np.zeros((n_transitions, n_cells)), np.empty(n_cells)
    for k in range(n_transitions + 1):
        entered[:] = 0.0
        for start in range(1 if k > 0 else 0, n_cells + 1 if k > 0 else 1):
            reached = closed[k - 1, start - 1] if k > 0 else 1.0
            if reached < 1e-15:
                continue
            rest = closed_rest[k - 1, start - 1] if k > 0 else total
            for p in range(rows[start], rows[start + 1]):
                stop = spans[p, 1]
                if (stop == n_cells) != (k == n_transitions):
                    continue
                log_share = evidence[p] - rest
                if k < n_transitions:
                    log_share += entered_rest[k, stop]
                if log_share > -37.0:
                    share = reached * np.exp(log_share)
                    of_span[p] += share
                    if k < n_transitions:
                        entered[stop] += share
        for cell in range(n_cells):
            if entered[cell] > 0.0:
                for last in range(k, n_transitions):  # the run of transitions k .. last
                    share = log_mass[k, last, cell] + closed_rest[last, cell]
                    share = entered[cell] * np.exp(share - entered_rest[k, cell])
                    closed[last, cell] += share
                    of_cell[k : last + 1, cell] += share
    return of_span, of_cell


@kernel
def draw_cells(spans, rows, evidence, log_mass, entered_rest, closed_rest, uniform):
    """Draw the cells of all transitions from their joint posterior, earliest first.

    Parameters
    ----------
    uniform : ndarray, shape (2 K,)
        Uniform random numbers on [0, 1).

    Returns
    -------
    ndarray of int, shape (K,)
        Cells, non-decreasing.
    """
    n_transitions, n_cells = log_mass.shape[1:]
    drawn = np.empty(n_transitions, dtype=np.int64)
    k, start = 0, 0
    while k < n_transitions:
        begin, end = rows[start], rows[start + 1]
        if spans[end - 1, 1] == n_cells:
            end -= 1
        log_weight = np.empty(end - begin)
        for p in range(begin, end):
            log_weight[p - begin] = evidence[p] + entered_rest[k, spans[p, 1]]
        cell = spans[begin + _pick(log_weight, uniform[2 * k]), 1]
        last = k + _pick(log_mass[k, k:, cell] + closed_rest[k:, cell], uniform[2 * k + 1])
        drawn[k : last + 1] = cell
        k, start = last + 1, cell + 1
    return drawn


@kernel
def _pick(log_weight, uniform):
    """Index drawn with probability proportional to the weights."""
    cumulative = np.cumsum(np.exp(log_weight - np.max(log_weight)))
    index = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return min(index, len(log_weight) - 1)
