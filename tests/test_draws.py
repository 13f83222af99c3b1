"""Draws: which ones are taken, and in what order."""

import numpy as np
import pytest
import xarray as xr

from bayes_compute.draws import arrays, count, flat, resampled, shuffled, taken

CHAINS, DRAWS = 3, 40


@pytest.fixture
def posterior() -> xr.Dataset:
    """Draw i, of all chains in a row, is i in ``one``, and i and i + 1000 in ``each``."""
    number = np.arange(CHAINS * DRAWS).reshape(CHAINS, DRAWS)
    each = np.stack([number, number + 1000])
    data = {"one": (("chain", "draw"), number), "each": (("place", "chain", "draw"), each)}
    return xr.Dataset(data, {"chain": range(CHAINS), "draw": range(DRAWS), "place": ["a", "b"]})


def test_draws_stand_chain_by_chain_whatever_the_order_of_dims(posterior):
    i = np.arange(CHAINS * DRAWS)
    assert count(posterior) == len(i)
    np.testing.assert_array_equal(flat(posterior, "one"), i)
    np.testing.assert_array_equal(flat(posterior, "each"), np.stack([i, i + 1000], axis=1))
    assert set(arrays(posterior)) == {"one", "each"}


def test_taken_draws_keep_variables_together_and_are_labelled_anew(posterior):
    number = np.array([[5, 5, 119, 41]])
    found = taken(posterior, number)
    assert found["each"].dims == ("chain", "draw", "place")
    np.testing.assert_array_equal(found["one"], number)
    np.testing.assert_array_equal(found["each"].sel(place="b"), number + 1000)
    assert (list(found["chain"].values), list(found["draw"].values)) == ([0], [0, 1, 2, 3])


@pytest.mark.parametrize("n", [1, 50, 120, 300])
def test_shuffled_draws_are_of_one_chain_and_none_twice_before_all_once(posterior, n):
    found = shuffled(posterior, n, np.random.default_rng(2))
    assert (found.sizes["chain"], found.sizes["draw"]) == (1, n)
    times = np.bincount(flat(found, "one"), minlength=CHAINS * DRAWS)
    assert times.max() - times.min() <= 1
    np.testing.assert_array_equal(flat(found, "each")[:, 1], flat(found, "one") + 1000)


def test_draws_are_resampled_in_proportion_to_their_weights():
    rng = np.random.default_rng(1)
    log_weight = np.log(rng.exponential(size=2000))
    kept, found = resampled(log_weight, (2, 1000), rng)
    assert found["pareto_k"] < 0.7
    assert np.all((kept[0] < 1000) & (kept[1] >= 1000)), "chains stay apart"
    assert np.all(np.diff(kept[0]) >= 0), "copies stay side by side"
    count = np.bincount(kept.ravel(), minlength=2000)
    weight = np.exp(log_weight).reshape(2, -1)
    expected = (1000 * weight / weight.sum(axis=1, keepdims=True)).ravel()
    # Systematic resampling: each count is the expected one, rounded up or down; smoothing moves
    # the largest weights only
    usual = log_weight < np.quantile(log_weight, 0.8)
    assert np.all(np.abs(count - expected)[usual] < 1.1)
    assert resampled(np.zeros(8), (2, 4), rng)[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_weights_that_are_alike_are_not_judged_by_their_tail():
    rng = np.random.default_rng(2)
    log_tail = 1.2 * rng.standard_exponential(2000)  # Pareto k of 1.2
    kept, found = resampled(np.log1p(1e-5 * np.exp(log_tail)), (2, 1000), rng)
    assert found == {}
    assert len(np.unique(kept)) > 1900
    assert resampled(log_tail, (2, 1000), rng)[1]["pareto_k"] > 0.7
