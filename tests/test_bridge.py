"""Bridge sampling: densities whose integral is known, and an error that says how far off it is."""

import numpy as np
import pytest
from scipy import stats

from bayes_compute.bridge import log_evidence

SHIFT = 7.0  # log of what the densities integrate to


@pytest.fixture(scope="module")
def skewed():
    """Four skewed, correlated dimensions: log density, and a draw from it."""
    mixing = np.linalg.cholesky(0.5 * np.eye(4) + 0.5)
    gamma = stats.loggamma(3)

    def log_density(points):
        inner = np.linalg.solve(mixing, points.T).T
        return gamma.logpdf(inner).sum(axis=1) - np.log(np.diag(mixing)).sum() + SHIFT

    def draw(rng):
        return gamma.rvs((4, 500, 4), random_state=rng) @ mixing.T

    return log_density, draw


def test_evidence_is_known_and_so_is_its_error(skewed):
    log_density, draw = skewed
    rng = np.random.default_rng(1)
    found = [log_evidence(log_density, draw(rng), rng) for _ in range(40)]
    z = np.array([(each.log - SHIFT) / each.error for each in found])
    assert np.max(np.abs(z)) < 4
    assert 0.5 < z.std() < 1.6  # chi-squared on 40: 0.6 to 1.4 with probability 0.9998
    assert all(each.error < 0.02 for each in found)


def test_a_normal_density_is_exact():
    rng = np.random.default_rng(2)
    points = 3 + 2 * rng.standard_normal((4, 500, 1))
    found = log_evidence(lambda p: SHIFT + stats.norm.logpdf(p[:, 0], 3, 2), points, rng)
    assert found.log == pytest.approx(SHIFT, abs=1e-3)
    assert found.error < 1e-3


def test_draws_that_hang_together_count_for_fewer(skewed):
    log_density, draw = skewed
    rng = np.random.default_rng(3)
    points = draw(rng)
    repeated = np.repeat(points[:, ::10], 10, axis=1)
    assert log_evidence(log_density, repeated, rng).error > log_evidence(
        log_density, points, rng
    ).error  # fmt: skip
