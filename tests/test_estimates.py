from math import log10, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_compute.errors import InputError
from bayes_compute.estimates import Estimate, Step, combine, product

estimates = st.builds(
    lambda center, sd: Estimate(center, sd, "a guess", (Step("guess", 10**center, "", sd),)),
    st.floats(10, 30),
    st.floats(0.01, 3),
)


@given(st.lists(estimates, min_size=2, max_size=4), st.randoms())
def test_combination_does_not_depend_on_the_order(several, random):
    shuffled = random.sample(several, len(several))
    one, other = combine(*several), combine(*shuffled)
    assert one.log10_median == pytest.approx(other.log10_median, rel=1e-12)
    assert one.log10_sd == pytest.approx(other.log10_sd, rel=1e-12)
    assert len(one.warnings) == len(other.warnings)


@given(st.lists(estimates, min_size=2, max_size=4))
def test_combination_is_tighter_and_between(several):
    both = combine(*several)
    medians = [estimate.log10_median for estimate in several]
    assert both.log10_sd < min(estimate.log10_sd for estimate in several)
    assert min(medians) - 1e-9 <= both.log10_median <= max(medians) + 1e-9
    assert both.steps == tuple(step for estimate in several for step in estimate.steps)


@given(estimates, estimates)
def test_combination_is_the_product_of_the_densities(one, other):
    both = combine(one, other)
    at = both.log10_median + both.log10_sd * np.linspace(-3, 3, 7)
    log_density = [
        -0.5 * ((at - e.log10_median) / e.log10_sd) ** 2 - np.log(e.log10_sd)
        for e in (one, other, both)
    ]
    difference = log_density[0] + log_density[1] - log_density[2]
    assert difference == pytest.approx(np.full(7, difference[0]), rel=1e-8, abs=1e-8)


@given(estimates, st.floats(0.01, 0.98), st.floats(0.001, 0.01))
def test_interval_widens_with_its_probability(estimate, prob, more):
    lower, upper = estimate.interval(prob)
    wider = estimate.interval(prob + more)
    assert wider[0] < lower < estimate.median < upper < wider[1]


@given(st.lists(st.tuples(st.floats(0.1, 1e5), st.floats(0, 1)), min_size=1, max_size=5))
def test_product_adds_log10s_and_variances(factors):
    steps = [Step("one", 10.0, "", 0.1), *(Step("x", v, "", sd) for v, sd in factors)]
    if not 0 <= (total := sum(log10(step.value) for step in steps)) <= 60:
        return
    estimate = product("steps", steps)
    assert estimate.log10_median == pytest.approx(total, abs=1e-9)
    assert estimate.log10_sd == pytest.approx(sqrt(sum(step.log10_sd**2 for step in steps)))


def test_product_agrees_with_simulation():
    steps = [Step("a", 1e10, "", 0.2), Step("b", 30.0, "", 0.3)]
    draws = np.random.default_rng(1).normal(size=(200_000, 2)) * [0.2, 0.3] + [10, log10(30)]
    flop_draws = 10 ** draws.sum(axis=1)
    ends = np.quantile(flop_draws, [0.05, 0.95])
    assert product("a and b", steps).interval(0.9) == pytest.approx(tuple(ends), rel=0.02)


def test_known_without_a_spread_is_no_estimate():
    with pytest.raises(ValueError, match="not a distribution"):
        product("nothing", [Step("a number", 3.0, "as given")])


@pytest.mark.parametrize("prob", [0, 1, 1.5, float("nan")])
def test_interval_needs_a_probability(prob):
    with pytest.raises(InputError, match="prob: got"):
        product("x", [Step("x", 1e25, "", 0.3)]).interval(prob)
