"""How many systems come."""

import numpy as np
import pytest
from scipy import integrate

import bayes_compute as bc
from bayes_compute.observations import Observations
from bayes_compute.projection import arrivals


def test_half_are_reported_after_the_lag():
    np.testing.assert_allclose(
        arrivals.reported(np.array([-1.0, 0.0, 0.5, 1.0]), 0.5), [0, 0, 0.5, 0.75]
    )


@pytest.mark.parametrize(
    ("as_of", "vintage"), [(2025.6, 2025.6), (2022.2, 2022.9), (2018.0, 2026.0)]
)
def test_the_rate_is_what_was_seen_over_what_was_reported(as_of, vintage):
    observations = Observations.from_systems(bc.load_systems("systems-2025-08"))
    year = observations.with_compute.year
    n = np.count_nonzero((year > as_of - arrivals.WINDOW) & (year <= as_of))
    assumed = {"reporting_lag": np.full(100_000, 0.48), "undisclosed": np.full(100_000, 1.5)}
    found = arrivals.rate(observations, as_of, vintage, assumed, np.random.default_rng(1))
    exposure, _ = integrate.quad(
        lambda at: arrivals.reported(np.array(vintage - at), np.array(0.48)).item(),
        as_of - arrivals.WINDOW, as_of,
    )  # fmt: skip
    # Mean and variance of a gamma distribution; 5 standard errors
    mean, sd = 1.5 * (n + 0.5) / exposure, 1.5 * np.sqrt(n + 0.5) / exposure
    assert found.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(1e5))
    assert found.std() == pytest.approx(sd, rel=0.02)


def test_no_lag_counts_systems_as_they_are():
    observations = Observations.from_systems(bc.load_systems("systems-2025-08"))
    assumed = {"reporting_lag": np.full(1000, 1e-6), "undisclosed": np.ones(1000)}
    rng = np.random.default_rng(1)
    without = arrivals.rate(observations, 2025.66, 2025.66, assumed, rng).mean()
    assumed["reporting_lag"][:] = 0.48
    assert arrivals.rate(observations, 2025.66, 2025.66, assumed, rng).mean() > 1.3 * without


def test_arrivals_are_poisson_and_within_the_dates():
    rate = np.repeat([2.0, 30.0], 20_000)
    year, there = arrivals.arrivals(rate, 2020.5, 2021.0, np.random.default_rng(2))
    assert year.shape == there.shape
    assert np.all((year >= 2020.5) & (year < 2021.0))
    number = there.sum(axis=1).reshape(2, -1)
    for count, mean in zip(number, (1.0, 15.0), strict=True):
        assert count.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / 20_000))
        assert count.var() == pytest.approx(mean, rel=0.06)  # its relative sd is about 1 %
