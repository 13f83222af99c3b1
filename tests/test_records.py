"""The record of a table, its random walk, and scores."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import bayes_compute as bc
from bayes_compute.observations import Observations
from bayes_compute.records import holders, random_walk, record
from bayes_compute.scores import crps, inside


def observed(as_of=None, **chosen):
    return Observations.from_systems(bc.load_systems("systems-2025-08", as_of, **chosen))


def test_the_record_is_the_largest_published_by_then():
    found = record(observed())
    assert found["log10_flop"].is_monotonic_increasing
    # What was known in 2025-08 of notable systems
    expected = {2019: 23.53, 2021: 24.02, 2022: 24.41, 2023: 25.70, 2024: 25.70}
    for year, value in expected.items():
        assert found.loc[pd.Timestamp(year, 12, 31), "log10_flop"] == pytest.approx(value, abs=0.01)
    assert found.index[-1] == pd.Timestamp("2025-08-31")
    assert found["system"].iloc[-1] == "Grok-3"


def test_a_day_ends_the_record_and_its_first_system_begins_it():
    found = record(observed("2022-03-13"), 1900)
    assert found.index[-1] == pd.Timestamp("2022-03-13")
    assert found.index[0].year == int(observed().with_compute.year[0])
    pd.testing.assert_frame_equal(found.iloc[:-1], record(observed(), 1900).loc[: found.index[-2]])


def test_holders_each_beat_the_one_before():
    o = observed().with_compute
    held = holders(o)
    assert np.all(np.diff(held["log10_flop"]) > 0)
    for year, flop in zip(held["year"], held["log10_flop"], strict=True):
        assert np.all(o.log10_flop[o.year < year] < flop)
    assert held["log10_flop"].iloc[-1] == o.log10_flop.max()


def test_no_compute_is_no_record():
    with pytest.raises(bc.InputError, match="record: got no system with training compute"):
        holders(observed().subset(np.isnan(observed().log10_flop)))


def test_the_walk_starts_at_the_last_full_year_and_keeps_the_record_so_far():
    dates = pd.to_datetime(["2019-12-31", "2020-12-31", "2021-06-01"])
    by_year = pd.DataFrame({"log10_flop": [1.0, 2.0, 2.7]}, index=dates)
    found = random_walk(by_year, 3, 4, np.random.default_rng(1))
    np.testing.assert_allclose(found, np.tile([3.0, 4.0, 5.0], (4, 1)))
    by_year.iloc[-1] = 4.5
    found = random_walk(by_year, 3, 4, np.random.default_rng(1))
    np.testing.assert_allclose(found, np.tile([4.5, 4.5, 5.0], (4, 1)))


def test_the_walk_draws_from_the_last_ten_increments():
    dates = pd.to_datetime([f"{year}-12-31" for year in range(2000, 2021)] + ["2021-06-01"])
    values = np.cumsum([0, *[5.0] * 10, *np.arange(10) / 10, 0.0])
    by_year = pd.DataFrame({"log10_flop": values}, index=dates)
    found = random_walk(by_year, 3, 20_000, np.random.default_rng(1))
    first = found[:, 0] - values[-1]
    assert set(np.round(first, 6)) == set(np.round(np.arange(10) / 10, 6))
    # Mean and variance of three draws with replacement; 5 standard errors
    total = found[:, 2] - values[-1]
    assert total.mean() == pytest.approx(3 * 0.45, abs=5 * np.sqrt(3 * 0.0825 / 20_000))
    assert np.all(np.diff(found, axis=1) >= 0)


def test_crps_of_a_normal_forecast():
    draws, z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000), np.array([-1.0, 0.0, 2.5])
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps(np.tile(draws[:, None], 3), z), exact, atol=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(-5, 5))
def test_crps_is_its_definition(values, outcome):
    draws = np.array(values)
    apart = np.abs(draws[:, None] - draws).mean()
    expected = np.abs(draws - outcome).mean() - apart / 2
    assert crps(draws, outcome) == pytest.approx(expected, abs=1e-9)
    assert crps(draws, outcome) >= -1e-12


def test_intervals_hold_what_is_between_their_ends():
    draws = np.tile(np.arange(101.0)[:, None], 4)
    got = inside(draws, np.array([4.999, 5.0, 95.0, 95.001]), 0.9)
    assert got.tolist() == [False, True, True, False]
