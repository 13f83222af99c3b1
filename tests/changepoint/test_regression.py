from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from dense import DenseTwin, made_up, many, small
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bayes_compute.changepoint.dates import era_year
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.hyperparameters import Hyperparameters
from bayes_compute.changepoint.regression import CollapsedRegression

PRIOR = EraPrior(level_mean=16.0, level_sd=3.0, sigma_median=1.2, log_sigma_sd=0.5)
AT = Hyperparameters(0.35, 0.2, np.array([0.4, -0.4]))
DATES: dict[int, Any] = {
    0: (),
    1: (stats.norm(2012, 5),),
    2: (stats.norm(2008, 5), stats.norm(2014, 4)),
    3: (stats.norm(2007, 4), stats.uniform(2003, 15), stats.norm(2016, 5)),
}
TRANSITIONS = sorted(DATES)
N_DRAWS = 20_000


@cache
def regression_of(n_transitions: int, seed: int = 1) -> CollapsedRegression:
    return CollapsedRegression.of(small(seed), DATES[n_transitions], PRIOR, per_year=None)


@cache
def twin_of(n_transitions: int, seed: int = 1, on_grid: bool = True) -> DenseTwin:
    grid = np.log(regression_of(n_transitions, seed).sigma) if on_grid else None
    return DenseTwin(small(seed), DATES[n_transitions], PRIOR, AT, grid)


def repeated(at: Hyperparameters, n: int) -> Hyperparameters:
    return Hyperparameters(*(np.repeat(np.asarray(part)[None], n, axis=0) for part in at))


@cache
def draws_of(n_transitions: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    return regression_of(n_transitions).draw(repeated(AT, N_DRAWS), rng)


def z_scores(draws: np.ndarray, mean: float, variance: float) -> np.ndarray:
    """How many standard errors the draws' mean and variance are from the exact ones."""
    around, n = draws - mean, len(draws)
    error_of_variance = np.sqrt((np.mean(around**4) - variance**2) / n)
    return np.array(
        [around.mean() / np.sqrt(variance / n), (np.mean(around**2) - variance) / error_of_variance]
    )


def cells_of(regression: CollapsedRegression, date: np.ndarray) -> np.ndarray:
    return np.searchsorted(regression.cells.edges, date, side="left") - 1


def frequency_p_value(cells: np.ndarray, probability: dict[tuple[int, ...], float]) -> Any:
    """Chi-square test of drawn sets of cells; those expected below 10 times count as one."""
    count, n = Counter(map(tuple, cells.tolist())), len(cells)
    often = [chosen for chosen, p in probability.items() if p * n >= 10]
    expected = [probability[chosen] * n for chosen in often]
    observed = [count[chosen] for chosen in often]
    if n - sum(expected) >= 10:
        expected, observed = [*expected, n - sum(expected)], [*observed, n - sum(observed)]
    chi_square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    return stats.chi2.sf(chi_square, len(expected) - 1)


# The likelihood


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_log_likelihood_is_the_sum_over_all_histories(n_transitions, seed):
    found, _ = regression_of(n_transitions, seed).log_likelihood(AT)
    assert found == pytest.approx(twin_of(n_transitions, seed).log_likelihood, rel=1e-9)


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_log_likelihood_integrates_the_scatter(n_transitions):
    """Each of K + 1 eras adds the prior beyond 4.5 sds, 7e-6, which the grid leaves out."""
    found, _ = regression_of(n_transitions).log_likelihood(AT)
    exact = twin_of(n_transitions, on_grid=False).log_likelihood
    assert found == pytest.approx(exact, abs=(n_transitions + 1) * 1e-5)


@pytest.mark.parametrize("growth_sd", [0.01, 0.2, 2.0])
@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_gradient_is_that_of_the_log_likelihood(n_transitions, growth_sd):
    regression = regression_of(n_transitions)
    point = np.array([0.35, growth_sd, 0.4, -0.4])

    def value(p):
        return regression.log_likelihood(Hyperparameters(p[0], p[1], p[2:]))[0]

    steps = np.array([1e-4, 1e-4 * min(growth_sd, 1), 1e-4, 1e-4])
    expected = [
        (8 * (value(point + e) - value(point - e)) - (value(point + 2 * e) - value(point - 2 * e)))
        for e in np.diag(steps)
    ] / (12 * steps)
    _, gradient = regression.log_likelihood(Hyperparameters(0.35, growth_sd, point[2:]))
    # Eras and scatters of less than 1e-9 are left out of the gradient.
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_without_spread_of_growth_the_likelihood_has_its_limit(n_transitions):
    regression = regression_of(n_transitions)
    limit = DenseTwin(
        small(), DATES[n_transitions], PRIOR, (0.35, 0.0, AT.offset), np.log(regression.sigma)
    ).log_likelihood
    for growth_sd in (0.0, 1e-300, 1e-9):
        value, gradient = regression.log_likelihood(AT._replace(growth_sd=growth_sd))
        assert value == pytest.approx(limit, rel=1e-9)
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("n_transitions", [1, 2, 3])
def test_date_probability_is_the_posterior_of_each_cell(n_transitions):
    found = regression_of(n_transitions).date_probability(AT)
    np.testing.assert_allclose(
        found, twin_of(n_transitions).date_probability, rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def test_systems_count_as_published_in_the_middle_of_their_month():
    year = np.array([2006.0, 2006.05, 2006.08, 2006.09, 2011.99, 2012.0, 2017.51])
    y = np.array([16.0, 15.5, 15.2, 18.0, 18.3, 20.0, 21.0])
    observations = made_up(year, y, np.full(7, 0.1), np.arange(7) % 2)
    regression = CollapsedRegression.of(observations, DATES[2], PRIOR)
    months = [(2006, 1), (2006, 1), (2006, 1), (2006, 2), (2011, 12), (2012, 1), (2017, 7)]
    date = np.array([y + (month - 0.5) / 12 for y, month in months])
    np.testing.assert_allclose(era_year(year), date, rtol=1e-15)
    twin = DenseTwin(observations, DATES[2], PRIOR, AT, np.log(regression.sigma), era_year(year))
    value, _ = regression.log_likelihood(AT)
    assert value == pytest.approx(twin.log_likelihood, rel=1e-9)
    assert np.array_equal(era_year(year, None), year)


def test_date_of_a_transition_is_its_own_era_s_first():
    """A jump right at a date: nearly all mass is on the cell that ends there."""
    year = np.repeat([2005.0, 2008.0, 2011.0, 2014.0], 6)
    y = np.where(year >= 2011, 24.0, 16.0) + np.tile([-0.1, 0.1], 12)
    observations = made_up(year, y, np.full(24, 0.01), np.arange(24) % 2)
    at = Hyperparameters(0.0, 0.1, np.zeros(2))
    regression = CollapsedRegression.of(observations, DATES[1], PRIOR, per_year=None)
    cell = int(np.argmax(regression.date_probability(at)))
    assert tuple(regression.cells.edges[cell : cell + 2]) == (2008, 2011)


# Draws


@pytest.mark.parametrize("n_transitions", [1, 2, 3])
def test_cells_are_drawn_with_their_joint_posterior(n_transitions):
    twin = twin_of(n_transitions)
    probability = {
        history.cells: weight for history, weight in zip(twin.histories, twin.weight, strict=True)
    }
    cells = cells_of(regression_of(n_transitions), draws_of(n_transitions)["transition_year"])
    assert frequency_p_value(cells, probability) > 1e-5


@pytest.mark.parametrize("transition", [0, 1])
def test_drawn_dates_have_their_posterior_moments(transition):
    date = draws_of(2)["transition_year"][:, transition]
    z = z_scores(date, *twin_of(2).date_moments(transition))
    assert np.all(np.abs(z) < 5)


@pytest.mark.parametrize(
    ("n_transitions", "era"), [(k, era) for k in (0, 1, 2) for era in range(k + 1)]
)
def test_drawn_lines_have_their_posterior_moments(n_transitions, era):
    draws = draws_of(n_transitions)
    moments = twin_of(n_transitions, on_grid=False).era_moments(era)
    found = {
        "level": draws["level"],
        "growth": draws["growth"],
        "log_sigma": np.log(draws["sigma"]),
    }
    for name, (mean, variance) in moments.items():
        z = z_scores(found[name][:, era], mean, variance)
        assert np.all(np.abs(z) < 5), (name, z)


def test_drawn_level_and_growth_of_an_era_are_correlated_as_in_the_posterior():
    twin, draws = twin_of(0, on_grid=False), draws_of(0)
    systems = tuple(range(8))
    share = twin.log_sigma_prior + twin.evidence_by_sigma(systems) - twin.evidence(systems)
    lines = [twin.line(systems, sigma) for sigma in twin.sigma]
    mean = np.array([line.mean for line in lines])
    product = mean[:, 0] * mean[:, 1] + [line.covariance[0, 1] for line in lines]
    expected = np.exp(share) @ product
    found = draws["level"][:, 0] * draws["growth"][:, 0]
    assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(N_DRAWS)


def test_the_scatter_of_a_drawn_line_is_the_one_its_line_was_drawn_with():
    """Given the scatter, level and growth are normal: their standardised values are too."""
    twin, draws = twin_of(0), draws_of(0)
    chosen = np.arange(0, N_DRAWS, 10)
    standard = []
    for i in chosen:
        line = twin.line(tuple(range(8)), draws["sigma"][i, 0])
        value = np.array([draws["level"][i, 0], draws["growth"][i, 0]])
        standard.append(np.linalg.solve(np.linalg.cholesky(line.covariance), value - line.mean))
    for values in np.transpose(standard):
        assert stats.kstest(values, "norm").pvalue > 1e-5


def test_two_transitions_share_a_cell_as_often_as_they_should():
    twin, draws = twin_of(2), draws_of(2)
    cells = cells_of(regression_of(2), draws["transition_year"])
    same = cells[:, 0] == cells[:, 1]
    pairs = zip(twin.weight, twin.histories, strict=True)
    expected = sum(weight for weight, history in pairs if history.cells[0] == history.cells[1])
    assert expected > 0.02  # otherwise nothing is tested
    assert abs(same.mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / N_DRAWS)


def test_the_line_of_an_era_without_systems_follows_the_prior():
    draws = draws_of(2)
    cells = cells_of(regression_of(2), draws["transition_year"])
    empty = cells[:, 0] == cells[:, 1]
    level, growth = draws["level"][empty, 1], draws["growth"][empty, 1]
    log_sigma = np.log(draws["sigma"][empty, 1])
    assert stats.kstest(level, stats.norm(16, 3).cdf).pvalue > 1e-5
    assert stats.kstest(growth, stats.norm(0.35, 0.2).cdf).pvalue > 1e-5
    assert stats.kstest(log_sigma, stats.norm(np.log(1.2), 0.5).cdf).pvalue > 1e-5
    limit = 5 / np.sqrt(empty.sum())
    assert abs(np.corrcoef(level, growth)[0, 1]) < limit
    assert abs(np.corrcoef(level, log_sigma)[0, 1]) < limit


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_each_draw_uses_its_own_hyperparameters(n_transitions):
    regression, n = regression_of(n_transitions), 40
    other = Hyperparameters(0.9, 0.6, np.array([-1.0, 1.0]))
    both = Hyperparameters(
        *(np.concatenate(parts) for parts in zip(repeated(AT, n), repeated(other, n), strict=True))
    )
    mixed = regression.draw(both, np.random.default_rng(1))
    alone = [regression.draw(repeated(at, 2 * n), np.random.default_rng(1)) for at in (AT, other)]
    for name in ("level", "growth", "sigma"):
        np.testing.assert_array_equal(mixed[name][:n], alone[0][name][:n])
        np.testing.assert_array_equal(mixed[name][n:], alone[1][name][n:])


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_draws_bring_their_log_likelihood(n_transitions):
    regression = regression_of(n_transitions).focused(0.1)
    drawn = regression.draw(repeated(AT, 3), np.random.default_rng(1))
    value, _ = regression.log_likelihood(AT)
    np.testing.assert_allclose(drawn["log_likelihood"], value, rtol=1e-12)


def test_the_scatter_is_drawn_between_the_points_of_its_grid_too():
    """Where the grid is widest for the posterior: an era of all systems, sd half its spacing."""
    observations = many(60, sigma=1.0)
    observations = made_up(
        observations.year, observations.log10_flop, np.full(60, 1e-3), observations.domain
    )
    regression = CollapsedRegression.of(observations, (), PRIOR, per_year=None)
    draws = regression.draw(repeated(AT, N_DRAWS), np.random.default_rng(5))
    mean, variance = DenseTwin(observations, (), PRIOR, AT).era_moments(0)["log_sigma"]
    z = z_scores(np.log(draws["sigma"][:, 0]), mean, variance)
    # Draws are uniform within an eighth of the spacing, which adds its square / 12.
    fine = np.diff(np.log(regression.sigma))[0] / 8
    assert fine**2 / 12 < 0.01 * variance
    assert np.all(np.abs(z) < 5)


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_prior_draws_follow_the_prior(n_transitions):
    regression = regression_of(n_transitions)
    draws = regression.draw_prior(repeated(AT, N_DRAWS), np.random.default_rng(2))
    shape = (N_DRAWS, n_transitions + 1)
    assert draws["transition_year"].shape == (N_DRAWS, n_transitions)
    assert draws["level"].shape == draws["growth"].shape == draws["sigma"].shape == shape
    for era in range(n_transitions + 1):
        for values, prior in (
            (draws["level"], stats.norm(16, 3)),
            (draws["growth"], stats.norm(0.35, 0.2)),
            (np.log(draws["sigma"]), stats.norm(np.log(1.2), 0.5)),
        ):
            assert stats.kstest(values[:, era], prior.cdf).pvalue > 1e-5
    if n_transitions:
        twin = twin_of(n_transitions)
        total = sum(history.mass for history in twin.histories)
        probability = {history.cells: history.mass / total for history in twin.histories}
        cells = cells_of(regression, draws["transition_year"])
        assert frequency_p_value(cells, probability) > 1e-5


def test_prior_dates_are_independent_dates_in_order():
    """Without systems, draws are those of independent dates, kept where they are in order."""
    draws = regression_of(2).draw_prior(repeated(AT, 5000), np.random.default_rng(2))
    rng = np.random.default_rng(3)
    free = np.stack([date.rvs(20_000, random_state=rng) for date in DATES[2]], axis=1)
    kept = free[free[:, 0] < free[:, 1]]
    for k in range(2):
        test: Any = stats.ks_2samp(draws["transition_year"][:, k], kept[:, k])
        assert test.pvalue > 1e-5


def test_prior_draws_of_many_systems_do_not_depend_on_them():
    draws = [
        CollapsedRegression.of(made_up(o.year, y, o.variance, o.domain), DATES[2], PRIOR)
        .draw_prior(repeated(AT, 50), np.random.default_rng(1))
        for o in [many(100)]
        for y in (o.log10_flop, o.log10_flop[::-1])
    ]  # fmt: skip
    for name in draws[0]:
        np.testing.assert_array_equal(draws[0][name], draws[1][name])


# What is left out


@pytest.mark.parametrize("without", [0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("n_transitions", [1, 2])
def test_focusing_loses_no_more_than_it_may(n_transitions, without):
    """Of a sum over histories, the part with any of what is left out."""
    regression = regression_of(n_transitions)
    focused = regression.focused(without)
    size = [(r.spans[:, 3] - r.spans[:, 2]).sum() for r in (focused, regression)]
    assert size[0] < size[1]  # otherwise nothing is tested
    whole, (value, gradient) = (
        regression.log_likelihood(regression.mode)[0],
        focused.log_likelihood(regression.mode),
    )
    assert -1e-10 <= whole - value <= -np.log1p(-without)
    assert np.all(np.isfinite(gradient))


def test_focusing_gets_close_to_what_it_may_lose():
    regression = CollapsedRegression.of(many(100), DATES[2], PRIOR)
    without = regression.SAMPLED_WITHOUT
    focused = regression.focused(without)
    kept = (focused.spans[:, 3] - focused.spans[:, 2]).sum()
    assert kept < 0.5 * len(regression.spans) * len(regression.sigma)
    at = regression.mode
    lost = -np.expm1(focused.log_likelihood(at)[0] - regression.log_likelihood(at)[0])
    # a history has at most three eras that are left out
    assert without / 10 < lost < without
    distance = np.abs(focused.date_probability(at) - regression.date_probability(at)).sum(axis=1)
    assert np.all(distance / 2 < without)


def test_focusing_again_is_focusing_at_once():
    regression = regression_of(2)
    once, twice = regression.focused(0.001), regression.focused(0.3).focused(0.001)
    np.testing.assert_array_equal(twice.spans, once.spans)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"growth_mean": np.nan}, "growth_mean: got nan; expected finite numbers"),
        ({"growth_sd": np.inf}, "growth_sd: got inf"),
        ({"growth_sd": -0.1}, "growth_sd: got -0.1; expected finite numbers and not negative"),
        ({"offset": np.array([0.0, np.nan])}, "offset: got"),
    ],
)
def test_hyperparameters_that_are_no_numbers_are_refused(change, text):
    regression, at = regression_of(2), AT._replace(**change)
    many_at = Hyperparameters(*(np.repeat(np.asarray(m)[None], 3, axis=0) for m in at))
    with pytest.raises(ValueError, match=text):
        regression.log_likelihood(at)
    with pytest.raises(ValueError, match=text):
        regression.date_probability(at)
    with pytest.raises(ValueError, match=text.split(":")[0]):
        regression.draw(many_at, np.random.default_rng(1))


@pytest.mark.parametrize("n_transitions", TRANSITIONS)
def test_whole_undoes_focused(n_transitions):
    regression = regression_of(n_transitions)
    again = regression.focused(0.3).whole()
    np.testing.assert_array_equal(again.spans, regression.spans)
    value, gradient = again.log_likelihood(AT)
    assert value == regression.log_likelihood(AT)[0]
    np.testing.assert_array_equal(gradient, regression.log_likelihood(AT)[1])


def test_draws_of_a_focused_regression_stay_in_what_it_keeps():
    focused = regression_of(2).focused(0.05)
    draws = focused.draw(repeated(focused.mode, 2000), np.random.default_rng(1))
    kept = set(map(tuple, focused.spans[:, :2].tolist()))
    n_cells = focused.cells.n_cells
    assert len(kept) < len(regression_of(2).spans)
    for first, second in cells_of(focused, draws["transition_year"]).tolist():
        assert (0, first) in kept
        assert first == second or (first + 1, second) in kept
        assert (second + 1, n_cells) in kept


def test_the_mode_is_a_point_of_high_density():
    regression = CollapsedRegression.of(many(100), DATES[1], PRIOR)
    mode = regression.mode
    start = Hyperparameters(0.4, 0.2, np.zeros(2))
    assert regression.log_likelihood(mode)[0] >= regression.log_likelihood(start)[0] - 1e-6
    assert all(np.all(np.isfinite(part)) for part in mode)
    assert mode.growth_sd > 0


# What must not matter


def everything(observations, prior=PRIOR, at=AT, dates=DATES[2]):
    """Log likelihood, gradient and date probabilities."""
    regression = CollapsedRegression.of(observations, dates, prior, per_year=None)
    return *regression.log_likelihood(at), regression.date_probability(at)


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-11)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=1e-12)


def test_the_order_of_systems_on_one_date_does_not_matter():
    o = small()
    order = np.lexsort((o.log10_flop, o.year))
    other = made_up(o.year[order], o.log10_flop[order], o.variance[order], o.domain[order])
    assert not np.array_equal(other.log10_flop, o.log10_flop)
    assert_same(everything(other), everything(o))


def test_the_order_of_domains_does_not_matter():
    o = small()
    other = made_up(o.year, o.log10_flop, o.variance, 1 - o.domain)
    value, gradient, probability = everything(other, at=AT._replace(offset=AT.offset[::-1].copy()))
    assert_same((value, gradient[[0, 1, 3, 2]], probability), everything(o))


@pytest.mark.parametrize("shift", [-40.0, 7.0])
def test_shifting_compute_and_its_prior_level_does_not_matter(shift):
    o = small()
    other = made_up(o.year, o.log10_flop + shift, o.variance, o.domain)
    prior = replace(PRIOR, level_mean=16.0 + shift)
    assert_same(everything(other, prior), everything(o))


def test_turning_everything_upside_down_turns_the_gradient():
    o = small()
    other = made_up(o.year, -o.log10_flop, o.variance, o.domain)
    at = Hyperparameters(-AT.growth_mean, AT.growth_sd, -AT.offset)
    value, gradient, probability = everything(other, replace(PRIOR, level_mean=-16.0), at)
    assert_same((value, gradient * [-1, 1, -1, -1], probability), everything(o))


def test_an_offset_of_all_domains_is_a_shift_of_the_level():
    o, prior = small(), replace(PRIOR, level_mean=15.0)
    found = everything(o, prior, AT._replace(offset=AT.offset + 1))
    assert_same(found, everything(o))


# Random data


@st.composite
def problems(draw):
    n = draw(st.integers(1, 10))
    numbers = st.integers(0, 40).map(lambda i: i / 4)

    def some(values):
        return np.array(draw(st.lists(values, min_size=n, max_size=n)))

    observations = made_up(
        2000 + 2 * some(numbers),
        14 + some(numbers),
        some(st.sampled_from([0.05, 0.37, 0.8])),
        some(st.integers(0, 1)),
    )
    middle = draw(st.tuples(st.floats(2002, 2018), st.floats(2002, 2018)))
    densities = [stats.norm(middle[0], 4), stats.uniform(middle[1] - 6, 12)]
    at = Hyperparameters(
        draw(st.floats(-0.5, 1.5)),
        draw(st.floats(0.01, 2)),
        np.array(draw(st.tuples(st.floats(-2, 2), st.floats(-2, 2)))),
    )
    return observations, tuple(densities[: draw(st.integers(0, 2))]), at


@given(problems())
@settings(deadline=None, max_examples=25, derandomize=True, database=None)
def test_any_small_problem_agrees_with_the_twin(problem):
    """On the grid's own scatters, to the rounding of the sums and to the dates' quadrature."""
    observations, densities, at = problem
    regression = CollapsedRegression.of(observations, densities, PRIOR, per_year=None)
    twin = DenseTwin(observations, densities, PRIOR, at, np.log(regression.sigma))
    value, _ = regression.log_likelihood(at)
    assert value == pytest.approx(twin.log_likelihood, rel=1e-8)
    np.testing.assert_allclose(
        regression.date_probability(at), twin.date_probability, rtol=1e-6, atol=1e-9
    )
