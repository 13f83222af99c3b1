from itertools import product

import numpy as np
import pytest
from dense import histories
from scipy import special, stats

from bayes_compute.changepoint import shares
from bayes_compute.changepoint.dates import DateCells

BEFORE, AFTER = (0.5, 4.0), (2.0, 3.0)
DATE = np.array([2005.5, 2008.5, 2008.5, 2011.5, 2013.5, 2014.5])
PRIORS = (stats.norm(2008, 3), stats.norm(2011, 3))
CELLS = DateCells.between(DATE, PRIORS)
FIRST = np.array([0, 1, 3, 4, 5, 6])  # systems before each cell


def log_probability(above, a: float, b: float) -> float:
    """Of each of some systems being above, their share integrated out."""
    high, n = np.sum(above), len(above)
    return special.betaln(a + high, b + n - high) - special.betaln(a, b)


def n_above(above) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(above)])


SOME_ABOVE = {
    "disclosed": np.array([0.0, 1.0, 0.0, 0.0, 1.0, 1.0]),
    "counted in part": np.array([0.0, 0.3, 0.0, 0.95, 1.0, 0.5]),
    "none": np.zeros(6),
}


def test_log_gamma_is_that_of_scipy():
    """To 1e-13: where it passes zero, in absolute terms."""
    x = np.concatenate([np.geomspace(1e-3, 1e6, 1000), [1.0, 2.0, 8.999999, 9.0, 9.000001]])
    found = [shares.log_gamma(each) for each in x]
    np.testing.assert_allclose(found, special.gammaln(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("a", "b"), [(0.5, 50.0), (2.0, 4.0), (1e-3, 300.7)])
def test_log_beta_is_that_of_scipy(a, b):
    """A difference of values up to 1.4e3 (log Gamma of 300), each to 1e-13 of itself."""
    assert shares.log_beta(a, b) == pytest.approx(special.betaln(a, b), abs=3e-10)


@pytest.mark.parametrize("which", SOME_ABOVE)
def test_who_is_above_before_and_after_a_change(which):
    above = SOME_ABOVE[which]
    after = shares.log_after(n_above(above), FIRST, AFTER)
    expected = [log_probability(above[i:], *AFTER) for i in FIRST]
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-11)
    for begin in (0, 1, 3):
        change = FIRST[begin <= FIRST]
        before = shares.log_before(n_above(above), begin, change, BEFORE)
        expected = [log_probability(above[begin:i], *BEFORE) for i in change]
        np.testing.assert_allclose(before, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("which", SOME_ABOVE)
def test_cells_of_the_bespoke_transition(which):
    above, twin = SOME_ABOVE[which], histories(DATE, PRIORS)
    n = n_above(above)
    later = shares.log_after(n, FIRST, AFTER)
    for cell in range(CELLS.n_cells):
        found = shares.of_cell(n, FIRST, CELLS.log_mass, BEFORE, later, cell)
        expected = [
            np.log(history.mass)
            + log_probability(above[list(history.eras[1])], *BEFORE)
            + log_probability(above[list(history.eras[2])], *AFTER)
            for history in twin
            if history.cells[0] == cell
        ]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)  # masses are to 1e-11


def test_log_weights_add_up_the_cells_of_the_bespoke_transition():
    above, twin = np.array(list(SOME_ABOVE.values())), histories(DATE, PRIORS)
    n = np.array([n_above(each) for each in above])
    kept = np.array([0, 2, 5])
    found = shares.log_weights(n, FIRST, CELLS.log_mass, BEFORE, AFTER, kept)
    assert found.shape == (3, 3)
    expected = np.zeros((CELLS.n_cells, len(above)))
    for history in twin:
        for h, each in enumerate(above):
            expected[history.cells[0], h] += history.mass * np.exp(
                log_probability(each[list(history.eras[1])], *BEFORE)
                + log_probability(each[list(history.eras[2])], *AFTER)
            )
    np.testing.assert_allclose(found, np.log(expected[kept]), rtol=0, atol=1e-9)


def test_probabilities_of_all_that_may_be_above_add_to_one():
    """Systems before the cloud transition are not told apart, so that each counts twice."""
    n = np.array([n_above(each) for each in product([0.0, 1.0], repeat=len(DATE))])
    kept = np.arange(CELLS.n_cells)
    found = np.exp(shares.log_weights(n, FIRST, CELLS.log_mass, BEFORE, AFTER, kept)).sum(axis=1)
    mass = np.zeros(CELLS.n_cells)
    for history in histories(DATE, PRIORS):
        mass[history.cells[0]] += history.mass
    np.testing.assert_allclose(found, 2.0**FIRST * mass, rtol=1e-9)


def test_log_weights_carried_from_cell_to_cell_are_those_of_each_alone():
    """Of 300 systems, more than are carried at once; each step rounds a product or two."""
    rng = np.random.default_rng(3)
    date = np.sort(rng.uniform(2000, 2020, 300))
    cells = DateCells.between(date, PRIORS)
    above = (rng.random((4, 300)) < np.array([0.0, 0.02, 0.5, 1.0])[:, None]).astype(float)
    above[2, [40, 41, 250]] = 0.3  # undisclosed
    n, kept = np.array([n_above(each) for each in above]), np.arange(0, 290, 3)
    first = cells.n_before(date)
    found = shares.log_weights(n, first, cells.log_mass, BEFORE, AFTER, kept)
    for h, each in enumerate(n):
        later = shares.log_after(each, first, AFTER)
        for g, cell in enumerate(kept):
            weight = shares.of_cell(each, first, cells.log_mass, BEFORE, later, cell)
            assert found[g, h] == pytest.approx(special.logsumexp(weight), abs=1e-10)
