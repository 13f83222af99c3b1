"""The exact test of uniform ranks, by enumeration, simulation and ArviZ."""

import itertools

import numpy as np
import pytest
from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands
from scipy import stats

from bayes_compute.uniformity import band, chance_within, p_value


def below(rank, m):
    return np.array([np.sum(np.asarray(rank) < j) for j in range(1, m)])


@pytest.mark.parametrize(("fewest", "most"), [([1, 2], [3, 4]), ([0, 0], [4, 4]), ([2, 2], [2, 3])])
def test_chance_within_is_the_share_of_all_ranks(fewest, most):
    n, m = 4, 3
    counts = np.array([below(rank, m) for rank in itertools.product(range(m), repeat=n)])
    inside = np.all((counts >= fewest) & (counts <= most), axis=1)
    assert chance_within(np.array(fewest), np.array(most), n) == pytest.approx(inside.mean())


def test_p_value_is_the_share_of_ranks_with_no_more_probable_a_tail():
    n, m = 5, 3
    z = np.arange(1, m) / m
    every = [*itertools.product(range(m), repeat=n)]

    def tail(rank):
        count = below(rank, m)
        return min(stats.binom.cdf(count, n, z).min(), stats.binom.sf(count - 1, n, z).min())

    tails = np.array([tail(rank) for rank in every])
    for rank in ((0, 0, 1, 2, 2), (0, 0, 0, 0, 1), (2, 2, 2, 2, 2)):
        expected = np.mean(tails <= tail(rank) * (1 + 1e-9))
        assert p_value(np.array(rank), m) == pytest.approx(expected)


@pytest.mark.parametrize("prob", [0.5, 0.95, 0.9996])
def test_band_has_its_probability_and_hardly_more(prob):
    n, m = 300, 20
    fewest, most = band(n, m, prob)
    assert chance_within(fewest, most, n) >= prob
    assert chance_within(fewest + 1, most - 1, n) < prob


def test_band_is_arviz_s_within_its_error_of_simulation():
    n, m, prob = 500, 100, 0.9
    z = np.arange(1, m) / m
    level = simulate_confidence_bands(n, 1, z, prob, 2000, np.random.default_rng(1))
    simulated = np.array(get_pointwise_confidence_band(level, n, z)) * n
    # 2,000 simulations leave the probability uncertain by 0.0067, three of which are 0.02
    narrow, wide = band(n, m, prob - 0.02), band(n, m, prob + 0.02)
    assert np.all((simulated[0] <= narrow[0] + 1) & (simulated[0] >= wide[0] - 1))
    assert np.all((simulated[1] >= narrow[1] - 1) & (simulated[1] <= wide[1] + 1))


def test_what_leaves_the_band_is_rejected_and_nothing_else():
    n, m, level = 60, 10, 0.2
    fewest, most = band(n, m, 1 - level)
    rng = np.random.default_rng(2)
    verdicts = set()
    for _ in range(200):
        rank = rng.integers(0, m, n)
        count = below(rank, m)
        leaves = bool(np.any((count < fewest) | (count > most)))
        assert leaves == (p_value(rank, m) <= level)
        verdicts.add(leaves)
    assert verdicts == {True, False}


def test_ranks_of_too_narrow_a_posterior_are_rejected():
    rng = np.random.default_rng(3)
    rank = np.floor(100 * stats.norm.cdf(rng.normal(0, 1.3, 500))).astype(int)
    assert p_value(rank, 100) < 1e-6
