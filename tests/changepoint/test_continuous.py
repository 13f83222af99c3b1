"""A continuous trend, held to dense normal densities, one for every pair of dates."""

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import logsumexp

from bayes_compute.changepoint.continuous import (
    ContinuousHyperparameters,
    ContinuousRegression,
)
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.observations import Observations

LEVEL_MEAN, LEVEL_SD = 16.0, 3.0
PRIOR = EraPrior(LEVEL_MEAN, LEVEL_SD, sigma_median=1.2, log_sigma_sd=0.5)
WIDEST = 0.5
PRIORS = {
    "one": (stats.norm(2004.5, 0.5),),
    "two": (stats.norm(2003.5, 0.4), stats.norm(2005.0, 0.4)),
    "two, bounded": (stats.beta(2, 3, 2001, 6), stats.uniform(2002, 5)),
}
priors = pytest.mark.parametrize("dates", PRIORS.values(), ids=PRIORS.keys())


def observations(jitter: float = 0.0, seed: int = 5) -> Observations:
    """Ten systems, published around the middle of half years, two of them at the same time."""
    rng = np.random.default_rng(seed)
    year = np.array(
        [2001.25, 2002.25, 2002.75, 2003.75, 2003.75, 2004.25, 2004.75, 2005.75, 2006.25]
    )
    year = np.append(year, 2006.75) + rng.uniform(-jitter, jitter, 10)
    trend = 14 + 0.2 * (year - 2004) + 0.9 * np.maximum(year - 2004.5, 0)
    return systems(year, trend + rng.normal(0, 0.5, 10), np.arange(10) % 2)


def systems(year: np.ndarray, log10_flop: np.ndarray, domain: np.ndarray) -> Observations:
    n = len(year)
    return Observations(
        system=tuple(f"system {i}" for i in range(n)),
        year=year,
        log10_flop=log10_flop,
        variance=np.where(np.arange(n) % 3 == 0, 0.3, 0.05),
        log10_parameters=np.full(n, np.nan),
        domain=domain,
        domains=("Language", "Vision"),
        source={},
    )


def regression_of(data: Observations, dates: tuple, widest: float = WIDEST) -> ContinuousRegression:
    return ContinuousRegression.of(data, dates, PRIOR, widest)


def point(n_transitions: int, growth_sd: float = 0.3) -> ContinuousHyperparameters:
    sigma = np.array([0.6, 0.9, 0.4])[: n_transitions + 1]
    return ContinuousHyperparameters(0.35, growth_sd, sigma, np.array([0.3, -0.2]))


def repeated(at: ContinuousHyperparameters, n: int) -> ContinuousHyperparameters:
    return ContinuousHyperparameters(*[np.repeat(np.asarray(x)[None], n, axis=0) for x in at])


def design(data: Observations, dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of level and growth (n, K + 2), and the era of each system."""
    x, t = data.year - 2010, np.asarray(dates) - 2010
    columns = [np.ones_like(x), np.minimum(x, t[0])]
    columns += [np.clip(x - a, 0, b - a) for a, b in pairwise(t)]
    columns += [np.maximum(x - t[-1], 0)]
    return np.stack(columns, axis=1), np.searchsorted(t, x, side="right")


def dense(data: Observations, dates: np.ndarray, at: ContinuousHyperparameters) -> tuple:
    """Design, prior mean and sd of its coefficients, and noise variance of each system."""
    X, era = design(data, dates)
    mean = np.array([LEVEL_MEAN] + [at.growth_mean] * (X.shape[1] - 1))
    sd = np.array([LEVEL_SD] + [at.growth_sd] * (X.shape[1] - 1))
    return X, mean, sd, np.asarray(at.sigma)[era] ** 2 + data.variance


def brute_force(
    data: Observations, regression: ContinuousRegression, at: ContinuousHyperparameters
) -> tuple[float, list[tuple[int, ...]], np.ndarray]:
    """Log likelihood, all sets of cells, and the posterior probability of each."""
    cells = regression.cells
    mass, n_transitions = cells.log_mass, len(cells.priors)
    every = [
        pair
        for pair in combinations_with_replacement(range(cells.n_cells), n_transitions)
        if np.isfinite(mass[0, -1, pair[0]] if len(set(pair)) == 1 else _apart(mass, pair))
    ]
    prior = np.array([mass[0, -1, p[0]] if len(set(p)) == 1 else _apart(mass, p) for p in every])
    term = prior - logsumexp(prior)
    for i, pair in enumerate(every):
        X, mean, sd, noise = dense(data, cells.node[list(pair)], at)
        y = data.log10_flop - np.asarray(at.offset)[data.domain]
        covariance = np.diag(noise) + (X * sd**2) @ X.T
        term[i] += stats.multivariate_normal.logpdf(y, X @ mean, covariance)
    total = logsumexp(term)
    return float(total), every, np.exp(term - total)


def _apart(mass: np.ndarray, pair: tuple[int, ...]) -> float:
    return sum(mass[k, k, cell] for k, cell in enumerate(pair))


@priors
@pytest.mark.parametrize("growth_sd", [0.3, 1e-7])
def test_log_likelihood_equals_the_sum_of_dense_normal_densities(dates, growth_sd):
    # Years off the middle of their half year, yet on the same side of every node.
    data = observations(jitter=0.05)
    regression, at = regression_of(data, dates), point(len(dates), growth_sd)
    value, gradient = regression.log_likelihood(at)
    assert value == pytest.approx(brute_force(data, regression, at)[0], abs=1e-9)
    assert np.all(np.isfinite(gradient))


@priors
def test_gradient_equals_finite_differences(dates):
    regression, at = regression_of(observations(jitter=0.05), dates), point(len(dates))
    flat = np.concatenate([np.atleast_1d(x) for x in at])
    n_sigma, step = len(at.sigma), 1e-3

    def value(x: np.ndarray) -> float:
        parts = ContinuousHyperparameters(x[0], x[1], x[2 : 2 + n_sigma], x[2 + n_sigma :])
        return regression.log_likelihood(parts)[0]

    _, gradient = regression.log_likelihood(at)
    assert gradient.shape == flat.shape
    for i, unit in enumerate(np.eye(len(flat)) * step):
        near, far = (value(flat + m * unit) - value(flat - m * unit) for m in (1, 2))
        # Fourth order: the error is of the order of step^4 and of 1e-14 / step.
        assert gradient[i] == pytest.approx((8 * near - far) / (12 * step), abs=1e-7), i


@priors
def test_date_probability_equals_that_of_dense_normal_densities(dates):
    data = observations(jitter=0.05)
    regression, at = regression_of(data, dates), point(len(dates))
    _, every, posterior = brute_force(data, regression, at)
    found = regression.date_probability(at)
    assert found.shape == (len(dates), regression.cells.n_cells)
    for k in range(len(dates)):
        expected = np.bincount([cells[k] for cells in every], posterior, found.shape[1])
        np.testing.assert_allclose(found[k], expected, atol=1e-10)


@priors
@pytest.mark.parametrize("prior", [False, True], ids=["posterior", "prior"])
def test_drawn_dates_have_their_exact_probability(dates, prior):
    n, data = 20_000, observations()
    regression, at = regression_of(data, dates), point(len(dates))
    _, every, probability = brute_force(data, regression, at)
    if prior:
        mass = regression.cells.log_mass
        log_prior = [mass[0, -1, p[0]] if len(set(p)) == 1 else _apart(mass, p) for p in every]
        probability = np.exp(log_prior) / np.sum(np.exp(log_prior))
    drawn = regression.draw(repeated(at, n), np.random.default_rng(3), prior)["transition_year"]
    assert np.all(np.diff(drawn, axis=1) > 0)
    index = {pair: i for i, pair in enumerate(every)}
    cell = np.searchsorted(regression.cells.edges, drawn, side="left") - 1
    count = np.bincount([index[tuple(pair)] for pair in cell], minlength=len(every))
    # Cells expected to hold fewer than ten draws count together, for the limit to be chi squared.
    many = probability * n >= 10
    observed = np.append(count[many], count[~many].sum())
    expected = n * np.append(probability[many], probability[~many].sum())
    statistic = np.sum((observed - expected) ** 2 / np.maximum(expected, 1e-300))
    assert stats.chi2.sf(statistic, many.sum()) > 1e-4


@priors
@pytest.mark.parametrize("prior", [False, True], ids=["posterior", "prior"])
def test_drawn_lines_have_their_exact_distribution_given_the_drawn_dates(dates, prior):
    n, data = 4_000, observations()
    regression, at = regression_of(data, dates), point(len(dates))
    drawn = regression.draw(repeated(at, n), np.random.default_rng(4), prior)
    coefficient = np.column_stack([drawn["level"][:, 0], drawn["growth"]])
    standard = np.empty_like(coefficient)
    for s, date in enumerate(drawn["transition_year"]):
        X, mean, sd, noise = dense(data, date, at)
        X = X * (not prior)
        precision = np.diag(sd**-2) + X.T @ (X / noise[:, None])
        residual = data.log10_flop - np.asarray(at.offset)[data.domain] - X @ mean
        centre = mean + np.linalg.solve(precision, X.T @ (residual / noise))
        standard[s] = np.linalg.cholesky(precision).T @ (coefficient[s] - centre)
    # Independent standard normal numbers: sd of a mean 1 / sqrt n, of a second moment at most
    # sqrt(2 / n).
    assert np.max(np.abs(standard.mean(axis=0))) < 5 / np.sqrt(n)
    second = standard.T @ standard / n - np.eye(standard.shape[1])
    assert np.max(np.abs(second)) < 5 * np.sqrt(2 / n)


@priors
def test_lines_of_neighbouring_eras_meet_at_their_transition(dates):
    regression = regression_of(observations(), dates)
    at = repeated(point(len(dates)), 500)
    drawn = regression.draw(at, np.random.default_rng(6))
    x = drawn["transition_year"] - 2010
    line = [
        drawn["level"][:, e : e + x.shape[1]] + drawn["growth"][:, e : e + x.shape[1]] * x
        for e in (0, 1)
    ]
    np.testing.assert_allclose(line[0], line[1], rtol=1e-13)


def test_systems_of_one_part_of_the_year_change_era_together():
    year = np.array([2001.25, 2002.30, 2002.45, 2003.25, 2004.75])
    data = systems(year, np.array([14.0, 14.5, 15.0, 15.2, 16.0]), np.zeros(5, int))
    regression = regression_of(data, (stats.norm(2003, 0.5),))
    assert not np.any((regression.cells.edges > 2002.25) & (regression.cells.edges < 2002.5))
    before = regression.sums[:, :, 0, 1:-1].sum(axis=(0, 1))
    assert set(before) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize("widest", [1 / 12, 1 / 4, 1 / 7])
def test_cells_are_as_wide_as_asked_for(widest):
    year = (np.floor(np.arange(2000, 2010, widest / 3) / widest) + 0.3) * widest
    data = systems(year, np.zeros_like(year), np.zeros(len(year), int))
    regression = regression_of(data, (stats.uniform(2000, 10),), widest)
    width = np.diff(regression.cells.edges[1:-1])
    assert np.max(width) < widest * (1 + 1e-6)
    assert np.sum(width < widest * (1 - 1e-6)) <= 4  # those that an end of the prior cuts


@pytest.mark.parametrize("n_transitions", [0, 3])
def test_other_numbers_of_transitions_are_refused(n_transitions):
    with pytest.raises(ValueError, match=f"got {n_transitions} transitions.* one or two"):
        regression_of(observations(), (stats.norm(2004, 1),) * n_transitions)


def test_dates_growth_and_scatter_of_a_simulated_trend_are_recovered():
    rng = np.random.default_rng(11)
    date, growth, sigma, offset = [2002.0, 2014.0], [0.1, 0.35, 0.9], [0.5, 0.9, 0.4], [0.4, -0.4]
    year, domain = np.sort(rng.uniform(1990, 2024, 300)), rng.integers(2, size=300)
    data = systems(year, np.zeros(300), domain)
    X, era = design(data, np.array(date))
    noise = rng.normal(0, np.sqrt(np.array(sigma)[era] ** 2 + data.variance))
    data = systems(year, X @ [16.0, *growth] + np.array(offset)[domain] + noise, domain)
    flat = stats.uniform(1990, 34)
    regression = regression_of(data, (flat, flat))

    def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = regression.log_likelihood(
            ContinuousHyperparameters(0.4, 0.3, np.exp(x[:3]), np.array([x[3], -x[3]]))
        )
        return -value, -np.append(slope[2:5] * np.exp(x[:3]), slope[5] - slope[6])

    best = optimize.minimize(negative, np.zeros(4), jac=True, method="L-BFGS-B").x
    # A scatter is known to its estimate over sqrt(2 n), about 6 %; an offset to 0.05.
    np.testing.assert_allclose(np.exp(best[:3]), sigma, rtol=0.25)
    assert best[3] == pytest.approx(0.4, abs=0.2)
    at = ContinuousHyperparameters(0.4, 0.3, np.exp(best[:3]), np.array([best[3], -best[3]]))
    drawn = regression.draw(repeated(at, 1000), rng)
    for name, truth in (("transition_year", date), ("growth", growth)):
        score = (drawn[name].mean(axis=0) - truth) / drawn[name].std(axis=0)
        assert np.all(np.abs(score) < 3.5), (name, score)
    assert np.all(drawn["transition_year"].std(axis=0) < 2.0)
