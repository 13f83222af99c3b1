from itertools import combinations_with_replacement, groupby, pairwise
from typing import Any

import numpy as np
import pytest
from dense import gaps, increasing_mass, integral, made_up
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from bayes_compute.changepoint.date_priors import around, flat
from bayes_compute.changepoint.dates import DateCells
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.errors import InputError

YEAR = np.array([2004.3, 2007.1, 2007.1, 2010.0, 2012.5, 2012.5, 2019.7])
NORMAL: Any = (stats.norm(2008, 4), stats.norm(2014, 5), stats.norm(2017, 3))
UNIFORM: Any = (  # their ends fall between dates, and outside of them
    stats.uniform(2003.0, 10.0),
    stats.uniform(2003.0, 15.0),
    stats.uniform(2011.0, 12.0),
)
SKEWED: Any = (stats.beta(2, 4, 2001, 20), stats.gumbel_r(2010, 3), stats.beta(5, 2, 2005, 18))
KINDS: dict[str, Any] = {"normal": NORMAL, "uniform": UNIFORM, "skewed": SKEWED}
OVERLAPPING: Any = (stats.norm(2009.4, 1.0), stats.norm(2008.6, 1.5))  # in the order less likely
FAR: Any = stats.norm(2008, 8)
NEAR: Any = stats.norm(2008, 5)


def sets_of_cells(n_cells, n_transitions):
    """All non-decreasing sets, each as runs (first, last, cell) of transitions in one cell."""
    for chosen in combinations_with_replacement(range(n_cells), n_transitions):
        runs, done = [], 0
        for cell, run in groupby(chosen):
            length = len(list(run))
            runs.append((done, done + length - 1, cell))
            done += length
        yield chosen, runs


def total_mass(log_mass):
    n_transitions, _, n_cells = log_mass.shape
    mass = np.exp(log_mass)
    return sum(
        np.prod([mass[run] for run in runs]) for _, runs in sets_of_cells(n_cells, n_transitions)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_the_gaps_between_dates_and_ends_of_supports(kind):
    cells = DateCells.between(YEAR, KINDS[kind])
    found = list(zip(cells.edges[:-1], cells.edges[1:], strict=True))
    assert found == gaps(YEAR, KINDS[kind])


@given(st.floats(2000, 2025), st.sampled_from(sorted(KINDS)))
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
def test_position_counts_the_dates_before_a_transition(tau, kind):
    cells = DateCells.between(YEAR, KINDS[kind])
    for date in [tau, *YEAR]:  # a system published on the date itself belongs to the later era
        cell = next(c for c in range(cells.n_cells) if cells.edges[c] < date <= cells.edges[c + 1])
        assert cells.position[cell] == len({t for t in YEAR if t < date})


@pytest.mark.parametrize("kind", KINDS)
def test_systems_are_counted_before_the_cell_that_follows_their_date(kind):
    cells = DateCells.between(YEAR, KINDS[kind])
    expected = [np.searchsorted(YEAR, low, side="right") for low in cells.edges[:-1]]
    assert cells.n_before(YEAR).tolist() == expected


def test_without_transitions_cells_are_the_gaps_between_dates():
    cells = DateCells.between(YEAR, ())
    assert cells.n_cells == 6
    assert cells.log_mass.shape == (0, 0, 6)
    assert cells.draw(np.empty((4, 0), int), np.random.default_rng(1)).shape == (4, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_widest_splits_cells_and_keeps_their_edges(kind):
    whole = DateCells.between(YEAR, KINDS[kind])
    cells = DateCells.between(YEAR, KINDS[kind], widest=0.7)
    assert np.max(np.diff(cells.edges[1:-1])) <= 0.7 * (1 + 1e-12)
    assert set(whole.edges) <= set(cells.edges)
    for k in range(3):  # nothing but a negligible part is left to the two unbounded cells
        assert np.all(cells.log_mass[k, k, [0, -1]] < np.log(1e-12))
    assert total_mass(cells.log_mass[:2, :2]) == pytest.approx(
        total_mass(whole.log_mass[:2, :2]), rel=1e-10
    )
    assert np.all(cells.node >= cells.edges[:-1])
    assert np.all(cells.node <= cells.edges[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_mass_of_runs_is_the_nested_integral(kind):
    priors = KINDS[kind]
    cells = DateCells.between(YEAR, priors)
    mass = np.exp(cells.log_mass)
    for c, (low, high) in enumerate(gaps(YEAR, priors)):
        for j in range(3):
            for k in range(j, 3 if c in (2, 4) else min(j + 2, 3)):  # threefold integrals are slow
                expected = increasing_mass(priors[j : k + 1], low, high)
                assert mass[j, k, c] == pytest.approx(expected, rel=1e-9, abs=1e-14), (j, k, c)


def test_two_equal_densities_share_a_cell_with_half_the_square():
    cells = DateCells.between(YEAR, (NORMAL[0], NORMAL[0]))
    mass = np.exp(cells.log_mass)
    np.testing.assert_allclose(mass[0, 1], mass[0, 0] ** 2 / 2, rtol=1e-9, atol=1e-14)


SHARP: dict[str, Any] = {
    "narrow": (stats.norm(2000, 0.5), stats.norm(2000.3, 0.5)),
    "narrow in wide": (stats.norm(2005, 1e-3), stats.norm(2005, 10)),
    "heavy tails": (stats.t(3, 2012, 2), stats.t(3, 2013, 1)),
}


@pytest.mark.parametrize("kind", SHARP)
def test_mass_of_two_dates_in_a_gap_that_is_wide_for_their_priors(kind):
    """On the scale of the second date's probability, whatever its density, all is smooth."""
    first, second = SHARP[kind]
    cells = DateCells.between(np.array([1990.0, 2010.0, 2011.0]), SHARP[kind])
    for c, (low, high) in enumerate(zip(cells.edges[:-1], cells.edges[1:], strict=True)):
        p_low, p_high = second.cdf([low, high])

        def before(p, low=low):
            return first.cdf(second.ppf(p)) - first.cdf(low)

        expected, _ = integrate.quad(before, p_low, p_high, limit=500, epsabs=1e-14, epsrel=1e-12)
        assert np.exp(cells.log_mass[0, 1, c]) == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_a_gap_just_as_wide_as_allowed_stays_whole():
    cells = DateCells.between(np.array([2000.0, 2000.1, 2000.2, 2000.3]), UNIFORM[:1], widest=0.1)
    assert not np.any((cells.edges > 2000.01) & (cells.edges < 2000.09))


def test_masses_in_both_orders_make_the_product():
    cells = DateCells.between(YEAR, NORMAL[:2])
    swapped = DateCells.between(YEAR, NORMAL[1::-1])
    both = np.exp(cells.log_mass[0, 1]) + np.exp(swapped.log_mass[0, 1])
    product = np.exp(cells.log_mass[0, 0] + cells.log_mass[1, 1])
    np.testing.assert_allclose(both, product, rtol=1e-9, atol=1e-14)


def test_mass_in_far_tails_keeps_its_relative_accuracy():
    for year in (np.array([1900.0, 1910.0]), np.array([2106.0, 2116.0])):  # 12 sd away
        cells = DateCells.between(year, (FAR,))
        expected = integral(FAR.pdf, *year)
        assert cells.log_mass[0, 0, 1] == pytest.approx(np.log(expected), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_mass_of_all_sets_of_cells_is_the_probability_of_the_order(kind):
    priors = KINDS[kind][:2]
    cells = DateCells.between(YEAR, priors)
    ends = np.array(sorted({e for p in priors for e in p.support() if np.isfinite(e)}))
    ends = np.concatenate([[1940.0], ends, [2300.0]])
    expected = sum(  # P(first < second), integrated between kinks of the densities
        integral(lambda t: priors[1].pdf(t) * priors[0].cdf(t), a, b) for a, b in pairwise(ends)
    )
    assert total_mass(cells.log_mass) == pytest.approx(expected, rel=1e-9)
    assert cells.ordered_mass == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_transitions", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_regression_normalises_the_prior_over_all_sets_of_cells(kind, n_transitions):
    observations = made_up(YEAR, YEAR * 0, YEAR * 0 + 0.1, np.arange(7) % 2)
    regression = CollapsedRegression.of(
        observations, KINDS[kind][:n_transitions], EraPrior(16, 3, 1, 0.5), per_year=None
    )
    assert total_mass(regression.log_mass) == pytest.approx(1, rel=1e-12)
    cells = regression.cells.log_mass  # and changes no ratio of two sets' masses
    masses = [
        tuple(np.sum([mass[run] for run in runs]) for mass in (regression.log_mass, cells))
        for _, runs in sets_of_cells(regression.cells.n_cells, n_transitions)
    ]
    differences = [a - b for a, b in masses if np.isfinite(b)]
    np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_fall_in_their_cells_in_order(kind):
    cells = DateCells.between(YEAR, KINDS[kind])
    possible = [
        chosen
        for chosen, runs in sets_of_cells(cells.n_cells, 3)
        if all(cells.log_mass[run] > np.log(1e-6) for run in runs)
    ]
    cell = np.repeat(np.array(possible), 20, axis=0)
    date = cells.draw(cell, np.random.default_rng(3))
    assert np.all(np.isfinite(date))
    assert np.all(date > cells.edges[cell])
    assert np.all(date <= cells.edges[cell + 1])
    assert np.all(np.diff(date, axis=1) > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_of_one_date_follow_the_prior_within_a_cell(kind):
    prior = KINDS[kind][0]
    cells = DateCells.between(YEAR, (prior,))
    for c in np.flatnonzero(cells.log_mass[0, 0] > np.log(1e-3)):
        low, high = prior.cdf(cells.edges[c : c + 2])
        date = cells.draw(np.full((2000, 1), c), np.random.default_rng(7))[:, 0]
        uniform = (prior.cdf(date) - low) / (high - low)
        assert stats.kstest(uniform, "uniform").pvalue > 1e-4, (c, cells.edges[c : c + 2])


@pytest.mark.parametrize("priors", [OVERLAPPING, UNIFORM[:2]], ids=["normal", "uniform"])
def test_draws_of_two_dates_in_one_cell_follow_the_ordered_prior(priors):
    cells = DateCells.between(YEAR, priors)
    cell = int(np.searchsorted(cells.edges, 2009.0)) - 1
    low, high = cells.edges[cell : cell + 2]
    first, second = cells.draw(np.full((1000, 2), cell), np.random.default_rng(5)).T
    # the second date's distribution function, then the first one's given the second
    below, t = priors[0].cdf(low), np.linspace(low, high, 2001)
    density = priors[1].pdf(t) * (priors[0].cdf(t) - below)
    cumulative = integrate.cumulative_trapezoid(density, t, initial=0)
    of_second = np.interp(second, t, cumulative / cumulative[-1])
    of_first = (priors[0].cdf(first) - below) / (priors[0].cdf(second) - below)
    assert stats.kstest(of_second, "uniform").pvalue > 1e-4
    assert stats.kstest(of_first, "uniform").pvalue > 1e-4
    assert abs(stats.spearmanr(of_first, of_second).statistic) < 5 / np.sqrt(1000)


def test_draws_in_the_far_tails_are_not_all_alike():
    year = np.array([1900.0, 1910.0, 2106.0, 2116.0])
    cells = DateCells.between(year, (FAR,))
    for c in (1, 3):
        date = cells.draw(np.full((100, 1), c), np.random.default_rng(1))
        assert len(np.unique(date)) == 100


def test_around_is_a_normal_cut_to_the_systems():
    density = around(2008, 5, YEAR)
    assert density.support() == pytest.approx((2004.3, 2019.7))
    t = np.linspace(2004.31, 2019.69, 50)
    inside = integral(NEAR.pdf, 2004.3, 2019.7)
    np.testing.assert_allclose(density.pdf(t), NEAR.pdf(t) / inside, rtol=1e-9)


def test_a_date_that_may_be_still_to_come_is_cut_at_the_first_system_only():
    density = around(2008, 5, YEAR, to_come=True)
    assert density.support() == pytest.approx((2004.3, np.inf))
    t = np.linspace(2004.31, 2040, 50)
    np.testing.assert_allclose(density.pdf(t), NEAR.pdf(t) / NEAR.sf(2004.3), rtol=1e-9)
    cells = DateCells.between(YEAR, (density, density))
    date = cells.draw(np.full((1000, 2), cells.n_cells - 1), np.random.default_rng(1))
    assert np.all(date[:, 0] > YEAR.max()) and np.all(np.diff(date, axis=1) > 0)


def test_flat_starts_at_the_first_system_or_at_its_own_start():
    assert flat(1985, YEAR).support() == pytest.approx((2004.3, 2019.7))
    assert flat(2010, YEAR).support() == pytest.approx((2010, 2019.7))
    assert flat(2010, YEAR).pdf(np.array([2009.9, 2015.0])) == pytest.approx([0, 1 / 9.7])


def test_around_refuses_systems_that_are_far_from_the_date():
    with pytest.raises(InputError) as error:
        around(2018, 2, np.array([1950.0, 1999.5]))
    assert str(error.value) == (
        "the systems date from 1950.0 to 1999.5, but the prior puts a transition at 2018 with a "
        "standard deviation of 2 years; choose systems around that date or flat date priors"
    )


def test_around_refuses_systems_of_one_date():
    with pytest.raises(InputError, match=r"every system dates from 2018\.0 or earlier"):
        around(2018, 2, np.full(5, 2018.0))


def test_flat_refuses_systems_before_its_start():
    with pytest.raises(InputError) as error:
        flat(1985, np.array([1950.0, 1980.25]))
    assert str(error.value) == (
        "every system dates from 1980.2 or earlier, where no transition can be told; add systems "
        "published after 1985.0"
    )
