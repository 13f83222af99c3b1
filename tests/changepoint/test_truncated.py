from typing import NamedTuple

import numpy as np
import pytest
from dense_regimes import line_grid, log_line_evidence, log_truncated
from scipy import integrate, optimize, special, stats

from bayes_compute.changepoint import truncated

MEAN, SD = np.array([7.0, 0.1, 0.0]), np.array([1.0, 0.15, 0.4])
NODES, LOG_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
LOG_WEIGHTS = np.log(LOG_WEIGHTS / LOG_WEIGHTS.sum())


class Systems(NamedTuple):
    """As every function takes them, with their own side of the edge and the prior."""

    x: np.ndarray
    p: np.ndarray
    edge: np.ndarray
    side: float
    mean: np.ndarray = MEAN
    sd: np.ndarray = SD


def systems(n: int, side: float, beyond: float, scatter: float = 1.0, seed: int = 1) -> Systems:
    """Systems about a line whose edge is so many log10 parameters beyond it; they keep to it."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-5, 10, n))
    line = 7 + 0.12 * x
    edge = line + side * beyond
    p = line + scatter * rng.normal(0, 1, n)
    wrong = side * (edge - p) < 0
    return Systems(x, np.where(wrong, 2 * edge - p, p), edge, side)


CASES = {
    "no systems": systems(0, 1.0, 1.0),
    "no edge": systems(8, 0.0, 0.0),
    "below": systems(8, 1.0, 0.7),
    "above": systems(8, -1.0, 0.7),
    "far from the edge": systems(8, 1.0, 30.0),
    "one close to the edge": systems(1, 1.0, 0.1, scatter=0.2),
    "few below, close to the edge": systems(3, 1.0, 0.1, scatter=0.3),
    "few above, close to the edge": systems(3, -1.0, 0.1, scatter=0.3),
    "few above an edge far from the prior": systems(3, -1.0, -2.5, scatter=0.3),
}


@pytest.fixture(params=CASES)
def case(request) -> Systems:
    return CASES[request.param]


def at_mode(case: Systems, start=None) -> tuple[float, np.ndarray, np.ndarray]:
    """Log density at the mode, the mode, and the Cholesky factor of its negative Hessian."""
    at, factor = (MEAN if start is None else np.asarray(start, float)).copy(), np.zeros((3, 3))
    value = truncated.mode(at, *case, factor)
    return value, at, factor


# The normal distribution function


RANGES = {"tail": (-1000, -30), "middle": (-30, 3), "close to one": (3, 37)}


@pytest.mark.parametrize("where", RANGES)
def test_log_normal_cdf_is_that_of_scipy(where):
    z = np.linspace(*RANGES[where], 971)
    found = [truncated.log_normal_cdf(each)[0] for each in z]
    np.testing.assert_allclose(found, special.log_ndtr(z), rtol=1e-12, atol=0)


@pytest.mark.parametrize("where", RANGES)
def test_derivative_of_log_normal_cdf_is_the_ratio_of_mills(where):
    z = np.linspace(*RANGES[where], 971)
    found = [truncated.log_normal_cdf(each)[1] for each in z]
    expected = np.sqrt(2 / np.pi) / special.erfcx(-z / np.sqrt(2))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


# The density of a line


POINTS = {
    "at the prior's mean": MEAN,
    "beyond the edge": np.array([9.5, 0.1, 0.3]),
    "narrow": np.array([6.5, 0.2, -1.2]),
    "wide": np.array([5.0, -0.1, 1.2]),
}


def own_log_density(case: Systems, at) -> float:
    value = stats.norm.logpdf(at, case.mean, case.sd).sum()
    for x, p, edge in zip(case.x, case.p, case.edge, strict=True):
        value += log_truncated(np.array([at]), x, p, edge, int(case.side))[0]
    return value


@pytest.mark.parametrize("point", POINTS)
def test_log_density_is_that_of_scipy(case, point):
    """Beyond 8 sds from the edge nothing is left of the truncation: 1e-15 a system."""
    at, expected = POINTS[point], own_log_density(case, POINTS[point])
    assert truncated.log_density(at, *case) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    value = truncated.curvature(at, *case, np.empty(3), np.empty((3, 3)))
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_density_on_its_own_side_of_the_edge_integrates_to_one():
    x, edge, at = np.array([3.0]), 7.4, np.array([7.5, 0.1, 0.2])
    for side, low, high in ((1.0, -np.inf, edge), (-1.0, edge, np.inf), (0.0, -np.inf, np.inf)):

        def density(p, side=side):
            one = Systems(x, np.array([p]), np.array([edge]), side)
            prior = stats.norm.logpdf(at, MEAN, SD).sum()
            return np.exp(truncated.log_density(at, *one) - prior)

        assert integrate.quad(density, low, high)[0] == pytest.approx(1, abs=1e-8)


def finite_difference(function, at, step=1e-3) -> np.ndarray:
    """Fourth-order central differences along each axis."""
    steps = np.diag(np.full(len(at), step))
    return np.array(
        [
            8 * (function(at + e) - function(at - e)) - function(at + 2 * e) + function(at - 2 * e)
            for e in steps
        ]
    ) / (12 * step)


@pytest.mark.parametrize("point", POINTS)
def test_curvature_is_that_of_the_log_density(case, point):
    """What differences leave out goes with step^4 times a fifth derivative.

    That is no more than 1e3 times the largest of the second ones at these points, where log sd
    enters exponentially: 1e-12 1e3 / 30. Rounding adds 1e-16 of the values over the step.
    """
    at, gradient, hessian = POINTS[point], np.empty(3), np.empty((3, 3))
    value = truncated.curvature(at, *case, gradient, hessian)

    def slope(at):
        found = np.empty(3)
        truncated.curvature(at, *case, found, np.empty((3, 3)))
        return found

    expected = finite_difference(lambda v: own_log_density(case, v), at)
    second = -finite_difference(slope, at)
    largest = np.abs(second).max()
    rounding = 1e-12 * (1 + abs(value))
    assert np.all(np.abs(gradient - expected) < 1e-10 * largest + rounding)
    lower = np.tril_indices(3)
    assert np.all(np.abs(hessian - second)[lower] < 1e-10 * largest + rounding)


def test_edge_slope_is_the_derivative_in_an_edge_that_moves(case):
    at = np.array([7.2, 0.15, 0.1])

    def value(shift):
        return own_log_density(case._replace(edge=case.edge + shift[0]), at)

    expected = finite_difference(value, np.zeros(1))[0]
    found = truncated.edge_slope(at, case.x, case.edge, case.side)
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-11 * (1 + abs(value([0.0]))))


# Its mode


@pytest.mark.parametrize("start", [[7, 0.1, 0], [11, -0.3, -1], [3, 0.6, 1]])
def test_the_mode_is_where_scipy_finds_it(case, start):
    value, at, factor = at_mode(case, start)
    best = optimize.minimize(
        lambda v: -own_log_density(case, MEAN + SD * v), np.zeros(3), method="BFGS", tol=1e-7
    )
    # Newton's decrement, twice what is left to gain, is below 1e-7 where the search ends
    assert abs(value + best.fun) < 1e-7
    assert value == pytest.approx(own_log_density(case, at), rel=1e-12, abs=1e-12)
    away = factor.T @ (at - MEAN - SD * best.x)
    assert away @ away < 1e-6


def test_the_factor_is_that_of_the_negative_hessian_at_the_mode(case):
    _, at, factor = at_mode(case)
    hessian = np.empty((3, 3))
    truncated.curvature(at, *case, np.empty(3), hessian)
    hessian = np.tril(hessian) + np.tril(hessian, -1).T
    # The last step is shorter than 1e-3.5 posterior sds, and not taken
    np.testing.assert_allclose(factor @ factor.T, hessian, rtol=1e-10, atol=1e-10)
    assert truncated.log_det(factor) == pytest.approx(np.linalg.slogdet(hessian)[1] / 2, rel=1e-10)


def test_standard_points_get_the_covariance_of_the_mode(case):
    _, at, factor = at_mode(case)
    out = np.empty((3, 3))
    for z, point in zip(np.eye(3), out, strict=True):
        truncated.from_standard(z, at, factor, point)
    covariance = np.linalg.inv(factor @ factor.T)
    np.testing.assert_allclose((out - at).T @ (out - at), covariance, rtol=1e-9, atol=1e-12)


def test_a_matrix_that_is_not_positive_has_no_factor():
    assert not truncated.cholesky(np.diag([1.0, -1.0, 2.0]), np.zeros((3, 3)))
    assert not truncated.cholesky(np.ones((3, 3)), np.zeros((3, 3)))


# The evidence


def test_the_grid_is_right_where_a_closed_form_is_known():
    """Without an edge only the sd has to be integrated: the rest is a multivariate normal."""
    case = CASES["no edge"]
    X = np.stack([np.ones_like(case.x), case.x], axis=1)

    def density(log_sd):
        covariance = X @ np.diag(SD[:2] ** 2) @ X.T + np.exp(2 * log_sd) * np.eye(len(case.x))
        normal = stats.multivariate_normal(X @ MEAN[:2], covariance)
        return normal.pdf(case.p) * stats.norm.pdf(log_sd, MEAN[2], SD[2])

    expected = np.log(integrate.quad(density, -3, 3, epsrel=1e-10)[0])
    found = log_line_evidence(*case)
    assert found == pytest.approx(expected, abs=1e-5)  # 1e-6 is beyond its reach, on either side


def evidence(case: Systems, n_nodes: int | None) -> float:
    if n_nodes is None:
        return truncated.laplace(MEAN.copy(), *case, np.zeros((3, 3)))
    node, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    return truncated.quadrature(MEAN.copy(), *case, node, np.log(weight / weight.sum()))


# What the module promises; and with 25 nodes, that it is quadrature's error and no other. Laplace
# at hand means a third of that of few nodes, so that the two can be told apart.
@pytest.mark.parametrize(("n_nodes", "within"), [(None, 0.1), (7, 0.02), (25, 1e-3)])
def test_evidence_is_the_sum_over_a_grid_of_lines(case, n_nodes, within):
    found, expected = evidence(case, n_nodes), log_line_evidence(*case)
    assert abs(found - expected) < within
