"""Capacity and drift within the cells of nodes, against their density on a fine grid."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_compute.changepoint import threshold_draws
from bayes_compute.changepoint.thresholds import Thresholds

P = np.array([7.1, 8.3, 7.6, 7.75, 7.9, 7.2, 8.0, 7.83])
SINCE = np.array([-8.0, -6.0, -1.0, 0.5, 2.0, 3.0, 3.5, 4.0])
DIY = 2  # systems
DRIFT: Any = stats.norm(0.05, 0.03)
STEP = 0.04
N_DRAWS = 4000
SLOPES = {"flat": (0.0, 0.0), "steep": (-30.0, 40.0), "steeper above": (60.0, -90.0)}
CELLS = {  # of the capacity, at the drift of the node: systems lie at 7.725 and 7.8
    "between two systems": (7.725, 7.8, 0.05),
    "cut below": (7.75, 7.8, 0.05),
    "cut above": (7.725, 7.78, 0.05),
    "cut twice": (7.74, 7.77, 0.05),
    "to a DIY system": (7.5, 7.63, 0.05),  # at 7.5; the others are at 7.05 and 7.63
    "in the tail of drifts": (7.665, 7.7, 0.17),
}
ENDS = {"far": np.inf, "near": 0.008}  # of the prior of the capacity, from those of the cell


def nodes(low: float, high: float, drift: float) -> Thresholds:
    one = np.ones(1)
    return Thresholds(
        capacity=one * (low + high) / 2,
        drift=one * drift,
        width=one * (high - low),
        log_mass=0 * one,
        drifts=np.array([drift, drift + STEP]),
        drift_mass=one,
        widest=high - low,
    )


def lines(thresholds: Thresholds, slopes) -> Any:
    above = thresholds.capacity[:, None] + thresholds.drift[:, None] * SINCE < P
    return SimpleNamespace(
        p=P,
        since=SINCE,
        above=above,
        first=np.array([DIY]),
        slopes=lambda row, node: np.tile(slopes, (len(node), 1)),
    )


def allowed(capacity, drift, low: float, high: float, at: float, end=np.inf) -> np.ndarray:
    """Whether systems are on their sides, and cuts and ends kept to, at pairs of any shape."""
    middle = (low + high) / 2
    kept = np.ones(np.broadcast_shapes(np.shape(capacity), np.shape(drift)), dtype=bool)
    set_low = set_high = False
    for p, since in zip(P[DIY:], SINCE[DIY:], strict=True):
        position = p - at * since
        kept &= (p > capacity + drift * since) == (position > middle)
        set_low |= abs(position - low) < 1e-9
        set_high |= abs(position - high) < 1e-9
    if not set_low:
        kept &= capacity > low
    if not set_high:
        kept &= capacity < high
    return kept & (capacity >= low - end) & (capacity <= high + end)


@pytest.mark.parametrize("slopes", SLOPES.values(), ids=SLOPES)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_capacity_and_drift_are_drawn_from_their_density(cell, slopes, end):
    low, high, at = cell
    thresholds = nodes(*cell)
    capacity = stats.uniform(low - end, high - low + 2 * end) if np.isfinite(end) else stats.norm()
    prior: Any = SimpleNamespace(capacity=capacity, drift=DRIFT)
    none = np.zeros(N_DRAWS, dtype=int)
    capacity, drift = threshold_draws.draw(
        thresholds, lines(thresholds, slopes), none, none, prior, np.random.default_rng(1)
    )
    assert np.all(allowed(capacity, drift, *cell, end))
    # Midpoints; ends of the gap are off by half a step of the capacity, a density of exp(0.05)
    n = 300
    drifts = at + STEP * ((np.arange(n) + 0.5) / n - 0.5)
    capacities = np.linspace(low - 0.2, high + 0.2, 801)[:, None]
    density = np.where(
        allowed(capacities, drifts, *cell, end),
        np.exp(slopes[0] * (capacities - low) + slopes[1] * (drifts - at)) * DRIFT.pdf(drifts),
        0.0,
    )
    of_drift = np.cumsum(density.sum(axis=0)) / density.sum()
    u = np.interp(drift, drifts + STEP / n / 2, of_drift)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    inside = allowed(capacities, drift, *cell, end)
    weight = np.where(inside, np.exp(slopes[0] * (capacities - low)), 0.0)
    u = np.sum(weight * (capacities < capacity), axis=0) / weight.sum(axis=0)
    assert np.abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / N_DRAWS) + 0.01
    assert np.abs(u.std() - np.sqrt(1 / 12)) < 5 * np.sqrt(1 / 180 / N_DRAWS) + 0.02


def test_the_drift_of_the_node_is_taken_where_no_candidate_has_a_gap():
    cell = CELLS["between two systems"]
    thresholds = nodes(*cell)
    far = np.full((3, 4), 0.4)
    uniform = np.array([[0.5, 0.0], [0.5, 0.5], [0.5, 1 - 1e-12]])
    assert not np.any(allowed(np.linspace(-5, 20, 5001)[:, None], far[0], *cell))
    capacity, drift = threshold_draws.within(
        *(np.repeat(each, 3) for each in (0, thresholds.capacity, cell[2], thresholds.width)),
        np.zeros((3, 2)),
        np.full(3, DIY),
        far,
        uniform,
        P,
        SINCE,
        lines(thresholds, (0, 0)).above,
        -np.inf,
        np.inf,
    )
    assert np.all(drift == cell[2])
    low, high, _ = cell
    np.testing.assert_allclose(np.sort(capacity), [low, (low + high) / 2, high], atol=1e-9)


def test_systems_near_a_threshold_set_the_gap_of_all_systems():
    rng = np.random.default_rng(2)
    n_near = 0
    for _ in range(300):
        n, away = rng.integers(1, 60), rng.choice([0.0, 0.01, 0.1])
        p, since = rng.normal(8, 2, n), np.sort(rng.uniform(-12, 6, n))
        drift, capacity = rng.normal(0.1, 0.05), rng.normal(8, 2)
        above = p - drift * since > capacity
        near = threshold_draws.near(
            p, since, above, drift, *threshold_draws.gap(p, since, above, drift), away
        )
        n_near += len(near[0]) / n / 300
        for other in drift + away * np.array([-1, -0.3, 0, 0.7, 1]):
            assert threshold_draws.gap(*near, other) == threshold_draws.gap(p, since, above, other)
    assert n_near < 0.5
