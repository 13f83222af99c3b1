from typing import Any

import numpy as np
import pytest
from dense import DenseTwin, made_up, many, small
from scipy import integrate, stats

from bayes_compute.changepoint import eras, moments
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.changepoint.statistics import cumulative_sums, quantise

PRIOR = EraPrior(level_mean=16.0, level_sd=3.0, sigma_median=1.2, log_sigma_sd=0.5)
normal_log_density: Any = stats.multivariate_normal.logpdf
AT = (0.35, 0.2, np.array([0.4, -0.4]))


class OneEra:
    """All systems as one era, in the package's sums."""

    def __init__(self, observations, at=AT, sigma=(1.0,), prior=PRIOR):
        variance, variance_class = quantise(observations.variance)
        o, shape = observations, (len(variance), len(observations.domains))
        sums = cumulative_sums(o.year, o.year, o.log10_flop, variance_class, o.domain, shape)
        self.sums = np.ascontiguousarray(np.moveaxis(sums[[0, -1]], 0, -1))
        self.sigma, self.n, self.prior = np.asarray(sigma), o.n, prior
        self.weight = 1 / (self.sigma**2 + variance[:, None])
        self.spans = np.array([[0, 0, 0, len(self.sigma), 0]])
        z = np.log(self.sigma / prior.sigma_median) / prior.log_sigma_sd
        self.log_prior = -(z**2) / 2 - np.log(np.sum(np.exp(-(z**2) / 2)))
        self.move(at)

    def move(self, at):
        growth_mean, self.growth_sd, offset = self.at = at
        self.moments = moments.residual_moments(self.sums, 16.0, growth_mean, offset)
        self.fixed = moments.fixed_sums(self.moments, self.weight)
        self.residual = moments.residual_sums(self.moments, self.weight)
        of_scatter = self.fixed[:, 1].copy()
        of_scatter[3] = of_scatter[3] / 2 + self.log_prior
        self.arguments = of_scatter, self.residual, self.spans
        evidence, self.share, self.line = eras.era_evidence(
            *self.arguments, self.prior.level_sd, self.growth_sd
        )
        self.evidence = evidence[0] - self.n / 2 * np.log(2 * np.pi)

    def gradient(self):
        adjoint, in_growth_sd = eras.gradient(
            *self.arguments, np.ones(1), self.share, self.line, self.prior.level_sd, self.growth_sd
        )
        growth_mean, _, offset = self.at
        in_growth_mean, in_offset = moments.chain_rule(
            adjoint, self.weight, self.sums, self.moments, 16.0, growth_mean, offset
        )
        return np.array([in_growth_mean, in_growth_sd, *in_offset])


def of_one_date(n=5):
    return made_up(np.full(n, 2016.3), np.linspace(17, 21, n), np.full(n, 0.3), np.arange(n) % 2)


DATA = {"eight": small(), "two": small(seed=3, n=2), "one": small(seed=4, n=1)}
DATA["of one date"] = of_one_date()


def test_exponentiate_is_exp():
    rng = np.random.default_rng(1)
    x = -np.concatenate([[0, 1e-300, 1e-17, 700], np.log(2) * np.arange(1, 20) / 2])
    x = np.concatenate([x, -rng.uniform(0, 700, 5000), -rng.uniform(0, 40, 5000)])
    factor, found = rng.uniform(0.1, 10, len(x)), x.copy()
    eras.exponentiate(found, factor, np.empty(len(x), np.int64))
    # what Taylor's polynomial of degree 11 leaves on |r| < ln 2 / 2, and rounding of k ln 2
    bound = 9e-15 + (np.abs(x) / 2 + 4) * np.finfo(float).eps
    assert np.max(np.abs(found / (np.exp(x) * factor) - 1) / bound) < 1


def test_exponentiate_of_less_than_minus_700_is_negligible():
    x = np.array([-700.1, -1e5, -1e300, -np.inf])
    eras.exponentiate(x, np.ones(4), np.empty(4, np.int64))
    assert np.all((x >= 0) & (x < 1e-303))


def test_moments_and_their_sums_are_sums_over_systems():
    o = small()
    sigma = np.array([0.5, 1.5])
    era = OneEra(o, sigma=sigma)
    x = o.year - 2010
    r = o.log10_flop - AT[2][o.domain] - 16.0 - AT[0] * x
    for c, value in enumerate(np.unique(o.variance)):
        terms = np.stack([np.ones_like(x), x, x * x, r, x * r, r * r])
        expected = terms[:, o.variance == value].sum(axis=1)
        np.testing.assert_allclose(era.moments[c, :, 1], expected, rtol=1e-11, atol=1e-11)
        assert np.all(era.moments[c, :, 0] == 0)
    for j in range(2):
        w = 1 / (sigma[j] ** 2 + o.variance)
        terms = [w, w * x, w * x * x, np.log(w), w * r, w * x * r, w * r * r]
        found = np.concatenate([era.fixed[:, 1, j], era.residual[:, 1, j]])
        np.testing.assert_allclose(found, np.sum(terms, axis=1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("growth_sd", [1e-9, 0.05, 0.3, 4.0])
@pytest.mark.parametrize("sigma", [0.1, 1.0, 6.0])
def test_evidence_given_the_scatter_is_one_multivariate_normal(data, growth_sd, sigma):
    o, at = DATA[data], (AT[0], growth_sd, AT[2])
    mean, covariance, _ = DenseTwin(o, (), PRIOR, at).normal(tuple(range(o.n)), sigma)
    expected = normal_log_density(o.log10_flop, mean, covariance)
    assert OneEra(o, at, [sigma]).evidence == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("data", DATA)
def test_the_twin_s_normal_density_is_scipy_s(data):
    o = DATA[data]
    twin = DenseTwin(o, (), PRIOR, AT, log_sigma=np.log([0.3, 1.0, 3.0]))
    systems = tuple(range(o.n))
    expected = [normal_log_density(o.log10_flop, *twin.normal(systems, s)[:2]) for s in twin.sigma]
    np.testing.assert_allclose(twin.evidence_by_sigma(systems), expected, rtol=1e-10)


def test_evidence_without_pooling_left_is_that_of_a_fixed_growth():
    o = small()
    found = [OneEra(o, (AT[0], growth_sd, AT[2])) for growth_sd in (0.0, 1e-200, 1e-8)]
    x = o.year - 2010
    mean = 16.0 + AT[0] * x + AT[2][o.domain]
    covariance = np.diag(1.0 + o.variance) + PRIOR.level_sd**2
    expected = normal_log_density(o.log10_flop, mean, covariance)
    assert [era.evidence for era in found] == pytest.approx([expected] * 3, rel=1e-12)
    assert all(np.all(np.isfinite(era.gradient())) for era in found)
    assert found[0].gradient()[1] == 0  # the evidence is even in growth_sd


def test_an_era_without_systems_has_evidence_one():
    era = OneEra(small(), sigma=np.exp(np.linspace(-2, 2, 9)))
    fixed = np.vstack([np.zeros((3, 9)), era.log_prior])
    evidence, share, _ = eras.era_evidence(
        fixed, np.zeros_like(era.residual), era.spans, PRIOR.level_sd, AT[1]
    )
    assert evidence[0] == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(share, np.exp(era.log_prior), rtol=1e-13)


def test_share_is_the_posterior_of_the_scatter():
    o, sigma = small(), np.exp(np.linspace(-1, 1.5, 11))
    era = OneEra(o, sigma=sigma)
    each = [OneEra(o, sigma=[s]).evidence for s in sigma]
    expected = np.exp(era.log_prior + each - era.evidence)
    np.testing.assert_allclose(era.share, expected, rtol=1e-10)
    assert era.share.sum() == pytest.approx(1, rel=1e-13)


def exact_evidence(observations, at=AT):
    """Log evidence of one era, the scatter integrated out by quadrature, and where it peaks."""
    twin, systems = DenseTwin(observations, (), PRIOR, at), tuple(range(observations.n))
    middle = np.log(PRIOR.sigma_median)

    def log_integrand(u):
        mean, covariance, _ = twin.normal(systems, np.exp(u))
        solved = np.linalg.solve(covariance, observations.log10_flop - mean)
        distance = solved @ (observations.log10_flop - mean)
        log_density = np.linalg.slogdet(2 * np.pi * covariance).logabsdet + distance
        return stats.norm.logpdf(u, middle, PRIOR.log_sigma_sd) - log_density / 2

    grid = middle + np.linspace(-4, 4, 161)
    values = [log_integrand(u) for u in grid]
    peak = int(np.argmax(values))
    area, _ = integrate.quad(
        lambda u: np.exp(log_integrand(u) - values[peak]), *grid[[0, -1]],
        points=[grid[peak]], epsabs=1e-9, epsrel=1e-9,
    )  # fmt: skip
    return values[peak] + np.log(area), grid[peak] - middle


@pytest.mark.parametrize("n", [2, 10, 60])
def test_evidence_integrates_the_scatter_on_a_grid_made_for_all_systems(n):
    """Poisson's formula bounds the error.

    On a grid of spacing h, the sum over a normal density of sd s is wrong by at most
    2 exp(-2 pi^2 s^2 / h^2) of itself. The log likelihood of log sigma curves by at most 2 n, its
    prior by 1 / log_sigma_sd^2, and a peak that the prior pulls upwards by more. What is left is
    the prior beyond the grid's 4.5 sds, which the grid spreads over the rest.
    """
    every = many(60)
    whole = CollapsedRegression.of(every, (), PRIOR, per_year=None)
    spacing = np.diff(np.log(whole.sigma))[0]
    rows = np.random.default_rng(2).permutation(60)[:n]
    o = made_up(every.year[rows], every.log10_flop[rows], every.variance[rows], every.domain[rows])
    exact, pull = exact_evidence(o)
    curvature = 2 * n + (1 + 2 * max(pull, 0)) / PRIOR.log_sigma_sd**2
    aliasing = 2 * np.exp(-2 * np.pi**2 / (spacing**2 * curvature))
    beyond = 2 * stats.norm.sf(4.5)
    assert abs(OneEra(o, sigma=whole.sigma).evidence - exact) < aliasing + 1.2 * beyond
    if n < 60:
        assert aliasing < 1e-8
    else:
        assert aliasing < 0.02


@pytest.mark.parametrize("scatter", [0.5, 1.0, 2.0])
def test_the_grid_s_error_in_an_era_of_all_systems_is_below_two_percent(scatter):
    for seed in range(3):
        o = many(60, seed, scatter)
        o = made_up(
            o.year, o.log10_flop, o.variance * 0 + 1e-4, o.domain
        )  # the hardest: none known
        grid = CollapsedRegression.of(o, (), PRIOR, per_year=None).sigma
        assert abs(OneEra(o, sigma=grid).evidence - exact_evidence(o)[0]) < 0.02


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("growth_sd", [1e-3, 0.2, 3.0])
def test_gradient_is_that_of_the_evidence(data, growth_sd):
    sigma = np.exp(np.linspace(-2, 2, 9))
    point = np.array([AT[0], growth_sd, *AT[2]])
    era = OneEra(DATA[data], sigma=sigma)

    def evidence(p):
        era.move((p[0], p[1], p[2:]))
        return era.evidence

    steps = np.array([1e-4, 1e-4 * growth_sd, 1e-4, 1e-4])
    expected = [
        (8 * (evidence(point + e) - evidence(point - e)))
        - (evidence(point + 2 * e) - evidence(point - 2 * e))
        for e in np.diag(steps)
    ] / (12 * steps)
    evidence(point)
    # fourth-order differences: 1e-16 of the step's function values, over the step
    np.testing.assert_allclose(era.gradient(), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("growth_sd", [1e-6, 0.2, 3.0])
def test_line_posterior_is_the_conditional_normal(data, growth_sd):
    o, at = DATA[data], (AT[0], growth_sd, AT[2])
    era = OneEra(o, at, sigma=[0.8])
    log_evidence, mean, factor = eras.line_posterior(
        era.fixed[:, 1, 0], era.residual[:, 1, 0], 3.0, growth_sd
    )
    assert log_evidence - o.n / 2 * np.log(2 * np.pi) == pytest.approx(era.evidence, rel=1e-12)
    scale = np.array([3.0, growth_sd])
    line = DenseTwin(o, (), PRIOR, at).line(tuple(range(o.n)), 0.8)
    np.testing.assert_allclose([16.0, AT[0]] + scale * mean, line.mean, rtol=1e-9)
    lower = np.array([[factor[0], 0], [factor[1], factor[2]]]) * scale[:, None]
    np.testing.assert_allclose(lower @ lower.T, line.covariance, rtol=1e-8, atol=1e-14)


def test_line_of_an_era_without_systems_is_the_prior():
    log_evidence, mean, factor = eras.line_posterior(np.zeros(4), np.zeros(3), 3.0, 0.2)
    assert (log_evidence, mean) == (0, (0, 0))
    assert factor == (1, 0, 1)
