from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from dense import REFERENCE_YEAR, gaps, histories, made_up, small
from scipy import special, stats

from bayes_compute.changepoint.coexistence import log_likelihood, log_normal_cdf
from bayes_compute.changepoint.regimes import (
    RegimeHyperparameters,
    RegimePrior,
    ThresholdRegimes,
)

DIY, CLOUD, BESPOKE = range(3)
PRIOR = RegimePrior(
    level_mean=(16.0, 17.0, 19.0),
    level_sd=(3.0, 2.0, 1.5),
    capacity=stats.norm(8.0, 0.8),
    drift=stats.norm(0.1, 0.1),
    share_before=(0.5, 4.0),
    share_after=(2.0, 3.0),
)
AT = RegimeHyperparameters(
    growth_mean=0.35,
    growth_sd=0.2,
    elasticity=0.6,
    sigma=np.array([1.2, 0.9, 0.6]),
    offset=np.array([0.4, -0.4]),
    parameters_level=np.array([6.5, 7.0, 8.2]),
    parameters_growth=np.array([0.15, 0.1, 0.2]),
    parameters_sd=np.array([1.5, 1.0, 0.8]),
)
POINTS = {
    "usual": AT,
    "growth alike": AT._replace(growth_sd=0.01),
    "growth of any kind": AT._replace(growth_sd=2.0, elasticity=-0.3),
    "far from the capacity": AT._replace(
        parameters_level=np.array([6.5, 11.0, 5.0]), parameters_sd=np.array([1.5, 0.4, 0.5])
    ),
}
DATES: dict[str, Any] = {
    "normal": (stats.norm(2008, 5), stats.norm(2012, 4)),
    "uniform": (stats.uniform(2008, 6), stats.uniform(2006, 20)),  # some are before it for sure
}
WITHOUT_SPREAD = AT._replace(growth_sd=0.0)
CASES = [
    *(pytest.param(seed, at, id=f"{seed}-{n}") for seed in (1, 2) for n, at in POINTS.items()),
    pytest.param(1, WITHOUT_SPREAD, id="without spread of growth"),
]


def with_parameters(observations, log10_parameters):
    return replace(observations, log10_parameters=np.asarray(log10_parameters, float))


def some_systems(seed: int = 1, n: int = 10):
    """Several on one date, and some of one month on different days."""
    o, rng = small(seed, n), np.random.default_rng(100 + seed)
    later = np.where(np.arange(n) % 4 == 0, 0.02, 0.0)
    o = made_up(o.year + later, o.log10_flop, o.variance, o.domain)
    return with_parameters(o, 7.5 + 0.15 * (o.year - 2010) + rng.normal(0, 1, n))


def regimes_of(observations, kind: str = "normal", prior=PRIOR) -> ThresholdRegimes:
    return ThresholdRegimes.of(observations, DATES[kind], prior, widest=0.8, n_drifts=3)


class RegimesTwin:
    """Sum over every pair of cells of the transitions with every threshold, as one would write it.

    Parameters
    ----------
    observations, densities, prior
        As ``ThresholdRegimes.of`` takes them.
    nodes : array of shape (H, 3)
        Capacity, drift and log probability of the thresholds, which are made to add to one.
    """

    def __init__(self, observations, densities, prior, nodes):
        self.observations, self.prior = observations, prior
        month = (np.floor(observations.year * 12) + 0.5) / 12
        self.n_cells = len(gaps(month, densities))
        self.histories = histories(month, densities)
        mass = np.array([history.mass for history in self.histories])
        with np.errstate(divide="ignore"):
            log_mass = np.log(mass / mass.sum())
        capacity, drift, log_threshold = nodes.T
        self.threshold = capacity[:, None] + drift[:, None] * (observations.year - 2020)
        log_threshold = log_threshold - special.logsumexp(log_threshold)
        self.log_prior = log_mass[:, None] + log_threshold
        for j, history in enumerate(self.histories):
            for h, threshold in enumerate(self.threshold):
                above = observations.log10_parameters > threshold
                self.log_prior[j, h] += self.log_shares(history.eras, above)

    def log_shares(self, eras, above) -> float:
        """Log probability of who is above, in their order, after the cloud transition."""
        total = 0.0
        shares = self.prior.share_before, self.prior.share_after
        for systems, (a, b) in zip(eras[1:], shares, strict=True):
            high = sum(above[i] for i in systems)
            total += special.betaln(a + high, b + len(systems) - high) - special.betaln(a, b)
        return total

    def log_weight(self, at: RegimeHyperparameters) -> np.ndarray:
        """Log of prior times density of everything, shape (pairs of cells, H)."""
        o = self.observations
        density = cache(lambda k, systems: self.log_density(at, k, list(systems)))
        parameters = [
            [self.log_parameters(at, k, threshold) for k in range(3)]
            for threshold in self.threshold
        ]
        out = self.log_prior.copy()
        for j, history in enumerate(self.histories):
            for h, threshold in enumerate(self.threshold):
                regime = np.where(o.log10_parameters > threshold, BESPOKE, CLOUD)
                regime[list(history.eras[0])] = DIY
                for k in range(3):
                    systems = np.flatnonzero(regime == k)
                    out[j, h] += parameters[h][k][systems].sum()
                    out[j, h] += density(k, tuple(systems.tolist()))
        return out

    def mean_parameters(self, at: RegimeHyperparameters, k: int) -> np.ndarray:
        x = self.observations.year - REFERENCE_YEAR
        return at.parameters_level[k] + at.parameters_growth[k] * x

    def log_parameters(self, at: RegimeHyperparameters, k: int, threshold) -> np.ndarray:
        """Log density of each system's parameters, where it is in one regime."""
        mean, sd = self.mean_parameters(at, k), at.parameters_sd[k]
        edge = (threshold - mean) / sd
        low = edge if k == BESPOKE else -np.inf
        high = edge if k == CLOUD else np.inf
        return stats.truncnorm.logpdf(self.observations.log10_parameters, low, high, mean, sd)

    def log_density(self, at: RegimeHyperparameters, k: int, systems: list[int]) -> float:
        """Log density of FLOP of one regime's systems, given their parameters."""
        if not systems:
            return 0.0
        o = self.observations
        x = o.year[systems] - REFERENCE_YEAR
        mean = self.prior.level_mean[k] + at.growth_mean * x + at.offset[o.domain[systems]]
        mean += at.elasticity * (o.log10_parameters - self.mean_parameters(at, k))[systems]
        X = np.stack([np.ones_like(x), x], axis=1)
        covariance = X @ np.diag([self.prior.level_sd[k] ** 2, at.growth_sd**2]) @ X.T
        covariance += np.diag(at.sigma[k] ** 2 + o.variance[systems])
        return stats.multivariate_normal(mean, covariance).logpdf(o.log10_flop[systems])

    def log_likelihood(self, at: RegimeHyperparameters) -> float:
        return special.logsumexp(self.log_weight(at))

    def probability(self, at: RegimeHyperparameters) -> np.ndarray:
        """Of each cell of the cloud transition and each threshold."""
        out, log_weight = np.zeros((self.n_cells, len(self.threshold))), self.log_weight(at)
        share = np.exp(log_weight - special.logsumexp(log_weight))
        for history, part in zip(self.histories, share, strict=True):
            out[history.cells[0]] += part
        return out


@cache
def both_of(kind: str, seed: int = 1) -> tuple[ThresholdRegimes, RegimesTwin]:
    observations = some_systems(seed)
    regimes = regimes_of(observations, kind)
    nodes = np.stack([regimes.capacity, regimes.drift, regimes.log_threshold], axis=1)
    return regimes, RegimesTwin(observations, DATES[kind], PRIOR, nodes)


def vector_of(at: RegimeHyperparameters) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in at])


def hyperparameters_of(vector: np.ndarray) -> RegimeHyperparameters:
    parts = np.split(vector, [1, 2, 3, 6, 8, 11, 14])
    return RegimeHyperparameters(*map(float, vector[:3]), *parts[3:])


# The likelihood


@pytest.mark.parametrize(("seed", "at"), CASES)
@pytest.mark.parametrize("kind", DATES)
def test_log_likelihood_is_the_sum_over_pairs_of_cells_and_thresholds(kind, seed, at):
    regimes, twin = both_of(kind, seed)
    found, _ = regimes.log_likelihood(at)
    assert found == pytest.approx(twin.log_likelihood(at), rel=1e-9)


@pytest.mark.parametrize("kind", DATES)
def test_log_likelihood_of_regimes_more_than_30_sds_from_the_capacity(kind):
    regimes, twin = both_of(kind)
    at = AT._replace(
        parameters_level=np.array([6.5, 11.0, 5.0]), parameters_sd=np.array([1.5, 0.05, 0.05])
    )
    found, _ = regimes.log_likelihood(at)
    assert found == pytest.approx(twin.log_likelihood(at), rel=1e-9)


@pytest.mark.parametrize(("seed", "at"), CASES)
@pytest.mark.parametrize("kind", DATES)
def test_probability_is_the_posterior_of_cells_and_thresholds(kind, seed, at):
    regimes, twin = both_of(kind, seed)
    found, expected = regimes.probability(at), twin.probability(at)
    np.testing.assert_allclose(found, expected[regimes.kept_cells], rtol=1e-8, atol=1e-12)
    assert found.sum() == pytest.approx(1, rel=1e-12)
    assert expected.sum() - expected[regimes.kept_cells].sum() < 1e-9


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", DATES)
def test_gradient_is_that_of_the_log_likelihood(kind, point):
    regimes, at = both_of(kind)[0], POINTS[point]
    vector = vector_of(at)

    def value(v):
        return regimes.log_likelihood(hyperparameters_of(v))[0]

    steps = np.full(len(vector), 1e-4)
    steps[1] *= min(at.growth_sd, 1)
    found, gradient = regimes.log_likelihood(at)
    expected = [
        (
            8 * (value(vector + e) - value(vector - e))
            - value(vector + 2 * e)
            + value(vector - 2 * e)
        )
        for e in np.diag(steps)
    ] / (12 * steps)
    # The weights 8, 8, 1, 1 of values that are right to 10 units in the last place: what the
    # formula leaves out goes with the fourth power of the step, and is not a hundredth of that.
    tolerance = 18 * 10 * np.spacing(abs(found)) / (12 * steps)
    assert np.all(tolerance < 2e-7)
    assert np.all(np.abs(gradient - expected) < tolerance)


def test_gradient_is_finite_without_spread_of_growth():
    regimes = both_of("normal")[0]
    value, gradient = regimes.log_likelihood(WITHOUT_SPREAD)
    near, gradient_near = regimes.log_likelihood(AT._replace(growth_sd=1e-9))
    assert value == pytest.approx(near, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_near, rtol=1e-6, atol=1e-6)


def test_systems_without_parameters_are_refused():
    with pytest.raises(ValueError, match="10 systems without parameters"):
        regimes_of(small(n=10))


# The prior


@pytest.mark.parametrize("kind", DATES)
def test_prior_of_dates_and_thresholds_adds_to_one(kind):
    """With a share of none for sure, and none above a threshold, shares have no say."""
    o, prior = some_systems(), replace(PRIOR, share_before=(1e-15, 1.0), share_after=(1e-15, 1.0))
    regimes = regimes_of(with_parameters(o, np.full(o.n, -20.0)), kind, prior)
    assert not regimes.above.any()
    assert np.exp(regimes.constant).sum() == pytest.approx(1, abs=1e-10)


def test_drifts_have_the_same_probability():
    regimes = regimes_of(some_systems())
    drifts = np.unique(regimes.drift)
    np.testing.assert_allclose(drifts, PRIOR.drift.ppf([1 / 6, 1 / 2, 5 / 6]), rtol=1e-12)
    mass = [np.exp(regimes.log_threshold[regimes.drift == drift]).sum() for drift in drifts]
    np.testing.assert_allclose(mass, mass[0], rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thresholds_put_each_system_above_with_its_probability(seed):
    """The prior of the capacity is cut beyond probabilities of 1e-6 on either side."""
    o = some_systems(seed)
    regimes = ThresholdRegimes.of(o, DATES["normal"], PRIOR, widest=0.3, n_drifts=4)
    for drift in np.unique(regimes.drift):
        here = regimes.drift == drift
        assert np.max(np.diff(regimes.capacity[here])) < 0.3 + 1e-9
        mass = np.exp(regimes.log_threshold[here])
        expected = PRIOR.capacity.cdf(o.log10_parameters - drift * (o.year - 2020))
        np.testing.assert_allclose(mass @ regimes.above[here], expected / 4, rtol=0, atol=1e-6)


# One system's density


THRESHOLDS = {
    "capacity": np.array([6.5, 7.5, 8.25]),
    "drift": np.array([0.0, 0.1, 0.25]),
    "log_threshold": np.log([0.2, 0.5, 0.3]),
}
ALONE: dict[str, Any] = {
    "after the transition": (stats.norm(1980, 1), stats.norm(2016, 2)),
    "before it": (stats.norm(2040, 1), stats.norm(2060, 1)),
    "around it": (stats.norm(2014, 2), stats.norm(2040, 2)),
}


def mass_of_one(dates, thresholds, factor=lambda regimes: 1.0) -> float:
    """Integral of the density of one system's parameters and FLOP, times a factor."""
    o = with_parameters(made_up([2014.3], [0.0], [0.3], [1]), [0.0])
    base = replace(ThresholdRegimes.of(o, dates, PRIOR), **thresholds)
    edges = np.unique([-12, 28, *base.threshold[:, 0]])  # 14 sds of the parameters or more
    edges = np.concatenate([np.linspace(a, b, int(b - a) + 2)[:-1] for a, b in pairwise(edges)])
    unit, weight = np.polynomial.legendre.leggauss(16)
    flop, total = np.arange(-45.0, 80.0)[:, None], 0.0  # a sum of normals of sd 2 or more is exact
    flop.setflags(write=False)
    for a, b in pairwise([*edges, 28.0]):
        for p, w in zip((a + b) / 2 + (b - a) / 2 * unit, (b - a) / 2 * weight, strict=True):
            regimes = replace(base, observations=with_parameters(o, [p]))
            data = regimes.data
            density = [log_likelihood(*AT, *{**data, "y": y}.values())[0] for y in flop]
            total += w * np.exp(density).sum() * factor(regimes)
    return total


@pytest.mark.parametrize("when", ALONE)
def test_density_of_one_system_integrates_to_one(when):
    assert mass_of_one(ALONE[when], THRESHOLDS) == pytest.approx(1, abs=1e-10)


def test_density_of_one_system_would_not_integrate_to_one_without_the_truncation():
    """What is left is the probability that a regime's system is on its own side."""
    threshold = {"capacity": [7.5], "drift": [0.1], "log_threshold": [0.0]}
    threshold = {name: np.array(value) for name, value in threshold.items()}
    x, at = 2014.3 - REFERENCE_YEAR, 7.5 + 0.1 * (2014.3 - 2020)
    normal = stats.norm(AT.parameters_level + AT.parameters_growth * x, AT.parameters_sd)

    def own_side(regimes) -> float:
        return normal.sf(at)[BESPOKE] if regimes.above[0, 0] else normal.cdf(at)[CLOUD]

    bespoke = stats.norm(2016, 2).cdf((np.floor(2014.3 * 12) + 0.5) / 12)
    share = (1 - bespoke) * 0.5 / 4.5 + bespoke * 2 / 5
    expected = share * normal.sf(at)[BESPOKE] + (1 - share) * normal.cdf(at)[CLOUD]
    found = mass_of_one(ALONE["after the transition"], threshold, own_side)
    assert found == pytest.approx(expected, abs=1e-10)
    assert found < 0.5


# The normal distribution function


RANGES = {"tail": (-1000, -30), "middle": (-30, 3), "close to one": (3, 37)}


@pytest.mark.parametrize("where", RANGES)
def test_log_normal_cdf_is_that_of_scipy(where):
    z = np.linspace(*RANGES[where], 971)
    found = [log_normal_cdf(each)[0] for each in z]
    np.testing.assert_allclose(found, special.log_ndtr(z), rtol=1e-12, atol=0)


@pytest.mark.parametrize("where", RANGES)
def test_derivative_of_log_normal_cdf_is_the_ratio_of_mills(where):
    z = np.linspace(*RANGES[where], 971)
    found = [log_normal_cdf(each)[1] for each in z]
    expected = np.sqrt(2 / np.pi) / special.erfcx(-z / np.sqrt(2))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


# What must not matter


def everything(observations, prior=PRIOR, at=AT):
    """Log likelihood, gradient and probabilities of cells and thresholds."""
    regimes = regimes_of(observations, prior=prior)
    return *regimes.log_likelihood(at), regimes.probability(at)


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-11)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=1e-12)


def test_the_order_of_systems_on_one_date_does_not_matter():
    o = some_systems()
    order = np.lexsort((-np.arange(o.n), o.year))
    other = made_up(o.year[order], o.log10_flop[order], o.variance[order], o.domain[order])
    other = with_parameters(other, o.log10_parameters[order])
    assert not np.array_equal(other.log10_flop, o.log10_flop)
    assert_same(everything(other), everything(o))


def test_the_order_of_domains_does_not_matter():
    o = some_systems()
    other = replace(o, domain=1 - o.domain)
    value, gradient, probability = everything(other, at=AT._replace(offset=AT.offset[::-1].copy()))
    gradient[6:8] = gradient[[7, 6]]
    assert_same((value, gradient, probability), everything(o))


@pytest.mark.parametrize("shift", [-40.0, 7.0])
def test_shifting_compute_and_its_prior_levels_does_not_matter(shift):
    o = some_systems()
    level_mean: Any = tuple(level + shift for level in PRIOR.level_mean)
    other = replace(o, log10_flop=o.log10_flop + shift)
    assert_same(everything(other, replace(PRIOR, level_mean=level_mean)), everything(o))


@pytest.mark.parametrize(("shift", "tilt"), [(2.0, 0.0), (0.0, -0.3), (-5.0, 0.2)])
def test_shifting_and_tilting_parameters_and_their_capacity_does_not_matter(shift, tilt):
    o = some_systems()
    other = with_parameters(o, o.log10_parameters + shift + tilt * (o.year - 2020))
    prior = replace(PRIOR, capacity=stats.norm(8.0 + shift, 0.8), drift=stats.norm(0.1 + tilt, 0.1))
    at = AT._replace(
        parameters_level=AT.parameters_level + shift - 10 * tilt,
        parameters_growth=AT.parameters_growth + tilt,
    )
    assert_same(everything(other, prior, at), everything(o))


# Leaving out, and drawing back

N_DRAWS = 6000


def within_five_sds(count: np.ndarray, probability: np.ndarray) -> bool:
    sd = np.sqrt(N_DRAWS * probability * (1 - probability))
    return bool(np.all(np.abs(count - N_DRAWS * probability) <= 5 * sd + 1))


@pytest.fixture(scope="module", params=sorted(DATES))
def drawn(request):
    """A twin, its posterior of histories and thresholds, and draws at one point."""
    regimes, twin = both_of(request.param)
    log_weight = twin.log_weight(AT)
    share = np.exp(log_weight - special.logsumexp(log_weight))
    many = RegimeHyperparameters(*(np.repeat(np.asarray(m)[None], N_DRAWS, axis=0) for m in AT))
    return regimes, twin, share, regimes.draw(many, np.random.default_rng(3))


def test_cells_of_both_dates_are_drawn_from_their_joint_posterior(drawn):
    regimes, twin, share, draws = drawn
    date = draws["transition_year"]
    assert np.all(date[:, 0] < date[:, 1])
    cell = np.searchsorted(regimes.cells.edges, date) - 1
    expected = np.zeros((twin.n_cells, twin.n_cells))
    for history, part in zip(twin.histories, share, strict=True):
        expected[tuple(history.cells)] += part.sum()
    count = np.zeros_like(expected)
    np.add.at(count, tuple(cell.T), 1)
    assert within_five_sds(count, expected)


def test_thresholds_are_drawn_from_their_posterior(drawn):
    regimes, _, share, draws = drawn
    away = np.abs(draws["capacity"][:, None] - regimes.capacity) / (regimes.width / 2)
    inside = (away <= 1 + 1e-9) & (draws["drift"][:, None] == regimes.drift)
    assert np.all(inside.sum(axis=1) == 1)
    assert within_five_sds(inside.sum(axis=0), share.sum(axis=0))


def test_each_system_is_in_each_regime_with_its_probability(drawn):
    _, twin, share, draws = drawn
    o = twin.observations
    expected = np.zeros((3, o.n))
    for history, part in zip(twin.histories, share, strict=True):
        for threshold, p in zip(twin.threshold, part, strict=True):
            regime = np.where(o.log10_parameters > threshold, BESPOKE, CLOUD)
            regime[list(history.eras[0])] = DIY
            expected[regime, np.arange(o.n)] += p
    for k in range(3):
        assert within_five_sds((draws["regime"] == k).sum(axis=0), expected[k])


def test_lines_are_drawn_from_their_conditional_distribution(drawn):
    """Given its systems, a regime's line is the conditional of one multivariate normal."""
    _, twin, _, draws = drawn
    o, x = twin.observations, twin.observations.year - REFERENCE_YEAR
    for k in range(3):
        prior = np.array([PRIOR.level_sd[k] ** 2, AT.growth_sd**2])
        mean = PRIOR.level_mean[k] + AT.growth_mean * x + AT.offset[o.domain]
        mean = mean + AT.elasticity * (o.log10_parameters - twin.mean_parameters(AT, k))
        z = np.empty((N_DRAWS, 2))
        for s in range(N_DRAWS):
            i = draws["regime"][s] == k
            X = np.stack([np.ones(i.sum()), x[i]])
            gain = prior[:, None] * X
            covariance = X.T @ gain + np.diag(AT.sigma[k] ** 2 + o.variance[i])
            gain = gain @ np.linalg.inv(covariance)
            middle = np.array([PRIOR.level_mean[k], AT.growth_mean])
            middle = middle + gain @ (o.log10_flop[i] - mean[i])
            left = np.diag(prior) - gain @ X.T @ np.diag(prior)
            line = np.array([draws["level"][s, k], draws["growth"][s, k]])
            z[s] = np.linalg.solve(np.linalg.cholesky(left), line - middle)
        assert stats.kstest(z[:, 0], "norm").pvalue > 1e-4
        assert stats.kstest(z[:, 1], "norm").pvalue > 1e-4
        assert abs(np.corrcoef(z.T)[0, 1]) < 5 / np.sqrt(N_DRAWS)


@pytest.mark.parametrize("without", [0.3, 0.05, 1e-3])
@pytest.mark.parametrize("kind", DATES)
def test_focusing_loses_no_more_than_it_may(kind, without):
    regimes, _ = both_of(kind)
    focused = regimes.focused(AT, without)
    assert focused.constant.size < regimes.constant.size
    lost = -np.expm1(focused.log_likelihood(AT)[0] - regimes.log_likelihood(AT)[0])
    assert -1e-12 <= lost <= without


def test_draws_of_focused_regimes_stay_in_what_is_kept():
    regimes = both_of("normal")[0].focused(AT, 0.2)
    many = RegimeHyperparameters(*(np.repeat(np.asarray(m)[None], 500, axis=0) for m in AT))
    draws = regimes.draw(many, np.random.default_rng(1))
    cell = np.searchsorted(regimes.cells.edges, draws["transition_year"]) - 1
    assert set(cell[:, 0]) <= set(regimes.kept_cells)
    assert set(draws["drift"]) <= set(regimes.drift)
