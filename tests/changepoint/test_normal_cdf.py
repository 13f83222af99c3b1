import numpy as np
import pytest
from scipy import special

from bayes_compute.changepoint import normal_cdf

RANGES = {"series": (-1000, -30), "table": (-31, 9), "close to one": (7, 37)}


def found(z) -> np.ndarray:
    """Values and derivatives, shape (2, n)."""
    return np.array([normal_cdf.log_normal_cdf(each) for each in z]).T


@pytest.mark.parametrize("where", RANGES)
def test_it_is_that_of_scipy(where):
    z = np.linspace(*RANGES[where], 4001)
    np.testing.assert_allclose(found(z)[0], special.log_ndtr(z), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("where", RANGES)
def test_its_derivative_is_the_inverse_ratio_of_mills(where):
    z = np.linspace(*RANGES[where], 4001)
    expected = np.sqrt(2 / np.pi) / special.erfcx(-z / np.sqrt(2))
    np.testing.assert_allclose(found(z)[1], expected, rtol=1e-11, atol=2e-11)


def test_it_has_no_steps_at_nodes():
    """Within a millionth of a node it moves by no more than its slope there says."""
    nodes = np.arange(-30 * 32, 8 * 32 + 1) / 32
    before, after = found(nodes - 1e-6), found(nodes + 1e-6)
    middle = found(nodes)[1]
    assert np.all(np.abs(after[0] - before[0] - 2e-6 * middle) < 1e-11 + 3e-13)
    assert np.all(np.abs(after[1] - before[1]) < 2e-6 + 1e-10)


def test_what_is_no_number_stays_none():
    assert np.all(np.isnan(found([np.nan])))
    np.testing.assert_array_equal(found([np.inf]), 0.0)
