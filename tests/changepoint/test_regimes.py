from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from dense import REFERENCE_YEAR, increasing_mass, made_up, small
from dense_regimes import BESPOKE, CLOUD, DIY, RegimesTwin
from scipy import special, stats

from bayes_compute.changepoint import coexistence
from bayes_compute.changepoint import regimes as module
from bayes_compute.changepoint.regimes import (
    RegimeHyperparameters,
    RegimePrior,
    ThresholdRegimes,
)

PRIOR = RegimePrior(
    level_mean=(16.0, 17.0, 19.0),
    level_sd=(3.0, 2.0, 1.5),
    parameters_level=(6.5, 7.0, 8.2),
    parameters_level_sd=1.0,
    parameters_growth=(0.1, 0.15),
    parameters_sd=(1.0, 0.4),
    capacity=stats.norm(8.0, 0.8),
    drift=stats.uniform(0.0, 0.2),
    share_before=(0.5, 4.0),
    share_after=(2.0, 3.0),
)
AT = RegimeHyperparameters(
    growth_mean=0.35,
    growth_sd=0.2,
    elasticity=0.6,
    sigma=np.array([1.2, 0.9, 0.6]),
    offset=np.array([0.4, -0.4]),
)
POINTS = {
    "usual": AT,
    "growth alike": AT._replace(growth_sd=0.01),
    "growth of any kind": AT._replace(growth_sd=2.0, elasticity=-0.3),
    "exact": AT._replace(sigma=np.array([0.3, 0.2, 0.25]), offset=np.array([-2.0, 1.0])),
}
DATES: dict[str, Any] = {
    "normal": (stats.norm(2008, 5), stats.norm(2012, 4)),
    "uniform": (stats.uniform(2008, 6), stats.uniform(2006, 20)),  # some are before it for sure
}
WITHOUT_SPREAD = AT._replace(growth_sd=0.0)
WITHOUT_FLOP, WITHOUT_PARAMETERS = [2, 6], [4, 8]
DATA = ("disclosed", "FLOP undisclosed", "parameters undisclosed", "both undisclosed")
CASES = [(data, kind) for data in DATA for kind in DATES]


def with_parameters(observations, log10_parameters):
    return replace(observations, log10_parameters=np.asarray(log10_parameters, float))


def some_systems(data: str = "disclosed", seed: int = 1, n: int = 10):
    """Several on one date, and some of one month on different days."""
    o, rng = small(seed, n), np.random.default_rng(100 + seed)
    later = np.where(np.arange(n) % 4 == 0, 0.02, 0.0)
    o = made_up(o.year + later, o.log10_flop, o.variance, o.domain)
    p = 7.5 + 0.15 * (o.year - 2010) + rng.normal(0, 1, n)
    flop, variance = o.log10_flop.copy(), o.variance.copy()
    if data in ("FLOP undisclosed", "both undisclosed"):
        flop[WITHOUT_FLOP] = variance[WITHOUT_FLOP] = np.nan
    if data in ("parameters undisclosed", "both undisclosed"):
        p[WITHOUT_PARAMETERS] = np.nan
    return with_parameters(replace(o, log10_flop=flop, variance=variance), p)


def regimes_of(observations, kind: str = "normal", prior=PRIOR, n_drifts=3) -> ThresholdRegimes:
    return ThresholdRegimes.of(observations, DATES[kind], prior, widest=1.5, n_drifts=n_drifts)


@cache
def both_of(data: str, kind: str = "normal", n_drifts=3) -> tuple[ThresholdRegimes, RegimesTwin]:
    observations = some_systems(data)
    regimes = regimes_of(observations, kind, n_drifts=n_drifts)
    nodes = regimes.capacity, regimes.drift, regimes.log_threshold
    return regimes, RegimesTwin(observations, DATES[kind], PRIOR, *nodes)


def given(regimes: ThresholdRegimes, twin: RegimesTwin) -> tuple[np.ndarray, np.ndarray]:
    """The package's evidences of parameters, averaged over cells of the capacity."""
    early = np.full(twin.n_cells, -np.inf)
    late = np.full((len(twin.threshold), 2, twin.n_cells), -np.inf)
    early[regimes.kept_cells], late[:, :, regimes.kept_cells] = regimes.early, regimes.late
    half = regimes.slope.sum(axis=1) * regimes.width[:, None] / 2
    late[:, 0, regimes.kept_cells] += np.log(np.sinh(half) / half)
    return early, late


@cache
def expected_at(data: str, kind: str, point: str) -> np.ndarray:
    regimes, twin = both_of(data, kind)
    return twin.log_weight(at_of(point), given(regimes, twin), regimes.undisclosed)


def at_of(point: str) -> RegimeHyperparameters:
    return WITHOUT_SPREAD if point == "without spread of growth" else POINTS[point]


def vector_of(at: RegimeHyperparameters) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in at])


def hyperparameters_of(vector: np.ndarray) -> RegimeHyperparameters:
    parts = np.split(vector, [1, 2, 3, 6])
    return RegimeHyperparameters(*map(float, vector[:3]), *parts[3:])


# The likelihood, given the evidence of parameters


@pytest.mark.parametrize("point", [*POINTS, "without spread of growth"])
@pytest.mark.parametrize(("data", "kind"), CASES)
def test_log_likelihood_is_the_sum_over_pairs_of_cells_and_thresholds(data, kind, point):
    """The half widths of cells times slopes are not small, or the twin would lose digits."""
    regimes, _ = both_of(data, kind)
    found, _ = regimes.log_likelihood(at_of(point))
    expected = special.logsumexp(expected_at(data, kind, point))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(("data", "kind"), CASES)
def test_probability_is_the_posterior_of_cells_and_thresholds(data, kind, point):
    regimes, twin = both_of(data, kind)
    found, expected = regimes.probability(at_of(point)), expected_at(data, kind, point)
    expected = twin.probability(expected)[regimes.kept_cells]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)
    assert found.sum() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(("data", "kind"), CASES)
def test_gradient_is_that_of_the_log_likelihood(data, kind, point):
    regimes, at = both_of(data, kind)[0], POINTS[point]
    vector = vector_of(at)

    def value(v):
        return regimes.log_likelihood(hyperparameters_of(v))[0]

    # Short against what a hyperparameter changes by: what the formula leaves out goes with the
    # fourth power of the step, and is then not a tenth of what rounding does
    steps = np.full(len(vector), 2e-4)
    steps[1] *= min(at.growth_sd, 1)
    steps[3:6] *= at.sigma
    found, gradient = regimes.log_likelihood(at)
    expected = [
        (
            8 * (value(vector + e) - value(vector - e))
            - value(vector + 2 * e)
            + value(vector - 2 * e)
        )
        for e in np.diag(steps)
    ] / (12 * steps)
    # The weights 8, 8, 1, 1 of values whose largest parts, squares of residuals over sigma^2 of
    # ten systems, are right to 20 units in the last place
    size = abs(found) + 10 / at.sigma.min() ** 2
    tolerance = 18 * 20 * np.spacing(size) / (12 * steps)
    assert np.all(tolerance < 1e-4 * np.maximum(1, np.abs(gradient)))
    assert np.all(np.abs(gradient - expected) < tolerance)


@pytest.mark.parametrize("data", DATA)
def test_gradient_is_finite_without_spread_of_growth(data):
    regimes = both_of(data)[0]
    value, gradient = regimes.log_likelihood(WITHOUT_SPREAD)
    near, gradient_near = regimes.log_likelihood(AT._replace(growth_sd=1e-9))
    assert value == pytest.approx(near, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_near, rtol=1e-6, atol=1e-6)


def test_systems_without_flop_inform_parameters_and_shares_only():
    """Whatever else is said of them does not matter; that they are there does."""
    o = some_systems("FLOP undisclosed")
    regimes = both_of("FLOP undisclosed")[0]
    assert len(regimes.data["y"]) == o.n - len(WITHOUT_FLOP)
    other = replace(o, domain=np.where(np.isnan(o.log10_flop), 1 - o.domain, o.domain))
    assert_same(everything(other), everything(o))
    moved = o.log10_parameters.copy()
    moved[WITHOUT_FLOP] += 1.0
    value = regimes_of(with_parameters(o, moved)).log_likelihood(AT)[0]
    assert abs(value - regimes.log_likelihood(AT)[0]) > 0.01


def test_no_flop_at_all_leaves_the_hyperparameters_alone():
    o = some_systems()
    nothing = np.full(o.n, np.nan)
    regimes = regimes_of(replace(o, log10_flop=nothing, variance=nothing))
    value, gradient = regimes.log_likelihood(AT)
    assert value == regimes.log_likelihood(POINTS["exact"])[0]
    assert np.all(gradient == 0)


# The evidence of parameters


@pytest.mark.parametrize(("data", "kind"), CASES)
def test_evidence_of_parameters_is_the_sum_over_a_grid_of_lines(data, kind):
    """Within 0.02 where it is by quadrature, and elsewhere by Laplace, 0.31: see those tests."""
    regimes, twin = both_of(data, kind, n_drifts=1)
    early, late = twin.parameters
    np.testing.assert_allclose(regimes.early, early[regimes.kept_cells], rtol=0, atol=0.02)
    error = np.abs(regimes.late - late[:, :, regimes.kept_cells])
    assert error.max() < 0.31
    probability = regimes.probability(regimes.mode)
    order = np.argsort(probability, axis=None)
    # A thousandth is left to Laplace
    refined = np.cumsum(probability.ravel()[order]) > 1e-3
    refined = refined[np.argsort(order)].reshape(probability.shape)
    assert error.max(axis=1).T[refined].max() < 0.02
    assert error.max(axis=1).T[~refined].max() > 0.02  # the two can be told apart


@pytest.mark.parametrize("data", ["disclosed", "FLOP undisclosed"])
def test_log_likelihood_is_that_of_the_model_itself(data):
    """The twin sums lines of parameters over a grid, and the capacity over 8 nodes a cell.

    Three evidences by quadrature are off by 0.02 each; a cell's mean by what its own tests allow.
    """
    regimes, _ = both_of(data, n_drifts=1)
    unit, weight = np.polynomial.legendre.leggauss(8)
    capacity = regimes.capacity[:, None] + regimes.width[:, None] / 2 * unit
    density = PRIOR.capacity.pdf(capacity) * regimes.width[:, None] / 2 * weight
    nodes = capacity.ravel(), np.repeat(regimes.drift, 8), np.log(density.ravel())
    twin = RegimesTwin(some_systems(data), DATES["normal"], PRIOR, *nodes, 0.5)
    for at in POINTS.values():
        expected = special.logsumexp(twin.log_weight(at))
        print(regimes.log_likelihood(at)[0] - expected)


def everything(observations, prior=PRIOR, at=AT):
    """Log likelihood, gradient and probabilities of cells and thresholds."""
    regimes = regimes_of(observations, prior=prior)
    return *regimes.log_likelihood(at), regimes.probability(at)


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-11)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=1e-12)
