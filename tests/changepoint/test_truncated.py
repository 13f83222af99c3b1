from typing import NamedTuple

import numpy as np
import pytest
from dense_regimes import line_grid, log_line_evidence, log_truncated
from scipy import integrate, optimize, special, stats

from bayes_compute.changepoint import threshold_scan, truncated
from bayes_compute.changepoint.parameter_lines import nodes

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


def crowd(n: int) -> Systems:
    """Systems that fall off from the edge as far out in a normal's tail: any line there will do."""
    rank = (np.arange(n) + 0.5) / n
    x, away = 2 + 10 * rank, -0.45 * np.log(np.roll(rank, n // 2))
    edge = 7 + 0.12 * x
    return Systems(x, edge + away, edge, -1.0)


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


def finite_difference(function, at, steps) -> np.ndarray:
    """Fourth-order central differences along each axis."""
    return np.array(
        [
            8 * (function(at + e) - function(at - e)) - function(at + 2 * e) + function(at - 2 * e)
            for e in np.diag(steps)
        ]
    ) / (12 * np.expand_dims(steps, tuple(range(1, np.ndim(function(at)) + 1))))


@pytest.mark.parametrize("point", POINTS)
def test_curvature_is_that_of_the_log_density(case, point):
    """Where a step is measured in sds of the systems, a system's derivatives go with 1, z^2, u^2.

    Those of ``z^2 = exp(-2 log sd)`` double with each order, so that differences leave out
    ``step^4 / 30`` times 32 or 64 of it, and as much across axes; rounding adds 1e-16 of values
    over the step. Both are 1e-12 times the sum of what derivatives go with, or a few of it. The
    slope of the distribution function is within 1e-12 of its own, of which four with weights that
    sum to 18 / 12 stand over the step.
    """
    at, gradient, hessian = POINTS[point], np.empty(3), np.empty((3, 3))
    truncated.curvature(at, *case, gradient, hessian)

    def slope(at):
        found = np.empty(3)
        truncated.curvature(at, *case, found, np.empty((3, 3)))
        return found

    sd = np.exp(at[2])
    scale = np.array([sd, sd / 10, 1.0])
    expected = finite_difference(lambda v: own_log_density(case, v), at, 1e-3 * scale)
    second = -finite_difference(slope, at, 1e-3 * scale)
    mu = at[0] + at[1] * case.x
    size = 10 + np.sum(1 + ((case.p - mu) / sd) ** 2 + (case.side * (case.edge - mu) / sd) ** 2)
    assert np.all(np.abs(gradient - expected) * scale < 1e-11 * size)
    lower = np.tril_indices(3)
    of_slope = len(case.x) * 18 / 12 * 1e-12 / 1e-3 * (1 + np.abs(case.x).max(initial=0) / 10) ** 2
    error = np.abs(hessian - second) * scale * scale[:, None]
    assert np.all(error[lower] < 1e-11 * size + of_slope)


def test_edge_slope_is_the_derivative_in_an_edge_that_moves(case):
    at = np.array([7.2, 0.15, 0.1])

    def value(shift):
        moved = case.edge + shift[0] + shift[1] * case.x
        return own_log_density(case._replace(edge=moved), at)

    step = np.array([1e-3, 1e-4])
    expected = finite_difference(value, np.zeros(2), step)
    found = truncated.edge_slope(at, case.x, case.edge, case.side)
    size = 1 + abs(value(np.zeros(2)))
    assert np.all(np.abs(found - expected) < 1e-8 * np.abs(expected) + 1e-14 * size / step)


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


# Without an edge and with flat priors the error of Laplace's approximation for 8 systems is known:
# log(Gamma(3) / 2 / 4^3) - log(exp(-4) sqrt(2 pi) / 4) = 0.31; priors make the posterior more
# normal. That of quadrature is what the module promises, and with 25 nodes it is gone.
@pytest.mark.parametrize(("n_nodes", "within"), [(None, 0.31), (7, 0.02), (25, 1e-4)])
def test_evidence_is_the_sum_over_a_grid_of_lines(case, n_nodes, within):
    found, expected = evidence(case, n_nodes), log_line_evidence(*case)
    assert abs(found - expected) < within


def posterior_on_grid(case: Systems) -> tuple[np.ndarray, np.ndarray]:
    """Lines, and the posterior probability of each."""
    lines, log_density = line_grid(MEAN, SD, 0.2)
    for system in zip(case.x, case.p, case.edge, strict=True):
        log_density = log_density + log_truncated(lines, *system, int(case.side))
    density = np.exp(log_density - special.logsumexp(log_density))
    return lines, density


def test_moments_are_those_of_a_grid_of_lines(case):
    middle, covariance = np.zeros(3), np.zeros((3, 3))
    truncated.moments(MEAN.copy(), *case, *nodes(25), middle, covariance)
    lines, density = posterior_on_grid(case)
    expected = density @ lines
    spread = (density[:, None] * (lines - expected)).T @ (lines - expected)
    sd = np.sqrt(np.diag(spread))
    assert np.all(np.abs(middle - expected) < 1e-3 * sd)
    assert np.all(np.abs(covariance - np.tril(spread)) < 1e-3 * np.outer(sd, sd))


@pytest.mark.parametrize("n_nodes", [None, 7])
def test_the_evidence_of_no_systems_is_none(n_nodes):
    assert evidence(CASES["no systems"], n_nodes) == pytest.approx(0, abs=1e-12)


# Many cells and thresholds


N_SCANNED = 80


@pytest.fixture(scope="module")
def scanned():
    """What was scanned, and evidence, modes and slopes: a cell before each of the systems."""
    rng = np.random.default_rng(4)
    x = np.sort(rng.uniform(-5, 12, N_SCANNED))
    p = 7 + 0.12 * x + 1.2 * rng.normal(0, 1, N_SCANNED)
    threshold = np.array([6.0, 7.0, 8.0, 8.6])[:, None] + 0.1 * (x - 10)
    above = p > threshold
    first = np.arange(0, N_SCANNED + 1)
    prior = MEAN + np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.stack([SD, 0.8 * SD])
    return (x, p, threshold, above, *prior), threshold_scan.scan(
        x, p, threshold, above, first, *prior
    )


def from_scratch(of, h: int, k: int, g: int) -> Systems:
    x, p, threshold, above, mean, sd = of
    mine = g + np.flatnonzero(above[h, g:] == (k == 1))
    return Systems(x[mine], p[mine], threshold[h, mine], 1.0 - 2 * k, mean[k], sd[k])


def test_scan_is_laplace_of_each_cell_and_threshold(scanned):
    """Few new systems are taken to second order about the mode of the others.

    They are an eighth at most, which moves the mode by one posterior sd or less. The third
    derivative of the log density of m systems is up to 4 m where the second is 2 m (that in log
    sd): for the 20 or more of which modes are kept, 4 / (2 sqrt(2 m)) = 0.3 in posterior sds.
    What is left out: of half the log determinant 0.3 / 2 in each of three directions, of the value
    0.3 / 6, of the mode 0.3 / 2. The slope in the edge is that at a line a posterior sd away.
    """
    of, (evidence, line, slope) = scanned
    n_exact = 0
    for h, k, g in np.ndindex(evidence.shape):
        case = from_scratch(of, h, k, g)
        at, factor = case.mean.copy(), np.zeros((3, 3))
        expected = truncated.laplace(at, *case, factor)
        away = factor.T @ (line[h, k, g] - at)
        error = abs(evidence[h, k, g] - expected)

        def in_edge(at, case=case):
            return truncated.edge_slope(at, case.x, case.edge, case.side)[0]

        change = np.linalg.solve(factor, finite_difference(in_edge, at, np.full(3, 1e-3)))
        error_of_slope = abs(slope[h, k, g] - in_edge(at))
        # Searches end sqrt(1e-7) posterior sds from the mode; there the determinant has a slope
        near = away @ away < 4e-7
        if len(case.x) <= 20:
            assert near
            assert error < 0.45 * np.sqrt(4e-7)
            assert error_of_slope < 1e-3 * np.sqrt(change @ change) + 1e-12
        assert error < 0.5
        assert away @ away < 0.15**2
        assert error_of_slope < np.sqrt(change @ change) + 1e-12
        n_exact += near
    assert n_exact < 0.8 * evidence.size  # else the short cut is not tested


def test_scan_is_right_to_second_order_where_there_is_no_more():
    """Of 440 systems far from the edge, 40 new ones have another mean and the same scatter.

    Their mean is 0.13 sds away, which moves the mode by d = 0.13 40 / sqrt(440) = 0.25 posterior
    sds and the value by d^2 / 2 = 0.03. About the old mean they scatter more, by 0.13^2 / 2 in log
    sd for 40 of 440: that moves half the log determinant by up to three times 0.0008.
    """
    scatter = special.ndtri((np.arange(40) + 0.5) / 40)
    scatter /= scatter.std()
    x, p = np.zeros(440), np.concatenate([scatter + 0.13, np.tile(scatter, 10)])
    mean, sd = np.zeros((2, 3)), np.tile([10.0, 1.0, 10.0], (2, 1))
    threshold, above = np.full((1, 440), 100.0), np.zeros((1, 440), dtype=bool)
    evidence, _, _ = threshold_scan.scan(x, p, threshold, above, np.array([0, 40]), mean, sd)
    for g, n in ((0, 440), (1, 400)):
        case = Systems(x[-n:], p[-n:], threshold[0, -n:], 1.0, mean[0], sd[0])
        expected = truncated.laplace(np.zeros(3), *case, np.zeros((3, 3)))
        assert abs(evidence[0, 0, g] - expected) < 0.003
    assert evidence[0, 0, 0] != expected


# Drawing lines


@pytest.mark.parametrize(
    "case",
    [CASES["no edge"], CASES["below"], CASES["few above, close to the edge"], crowd(54)],
    ids=["no edge", "below", "few above, close to the edge", "a crowd above"],
)
def test_weighted_candidates_have_the_moments_of_the_posterior(case):
    n = 20_000
    rng = np.random.default_rng(5)
    normal, chi_squared = rng.standard_normal((n, 3)), rng.chisquare(5.0, n)
    point, log_weight = truncated.candidates(
        MEAN.copy(), *case, *nodes(4), normal, chi_squared, 5.0
    )
    weight = np.exp(log_weight - special.logsumexp(log_weight))
    assert 1 / np.sum(weight**2) > 0.3 * n  # they are close to the posterior
    lines, density = posterior_on_grid(case)
    functions = {
        "mean": lambda at: at,
        "square": lambda at: (at - MEAN) ** 2,
        "product": lambda at: (at - MEAN) * np.roll(at - MEAN, 1, axis=1),
    }
    for function in functions.values():
        found, expected = weight @ function(point), density @ function(lines)
        # Variance of a mean with weights that are made to add to one, to first order
        error = np.sqrt(weight**2 @ (function(point) - found) ** 2)
        assert np.all(np.abs(found - expected) < 5 * error)
