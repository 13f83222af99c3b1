from collections import Counter
from itertools import combinations_with_replacement, groupby

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from bayes_compute.changepoint import recursion


class Paths:
    """Random evidence and prior mass, and every way through them listed."""

    def __init__(self, n_transitions, n_cells, seed=1, scale=1.0, dropped=0):
        rng = np.random.default_rng(seed)
        spans = [(a, b) for a in range(n_cells + 1) for b in range(a, n_cells + 1)]
        for i in sorted(rng.permutation(len(spans))[:dropped], reverse=True):
            del spans[i]
        self.spans = np.array([(a, b, 0, 1, p) for p, (a, b) in enumerate(spans)])
        self.rows = np.searchsorted(self.spans[:, 0], np.arange(n_cells + 2))
        self.evidence = rng.normal(0, scale, len(spans))
        self.log_mass = rng.normal(-1, 1, (n_transitions, n_transitions, n_cells))
        self.log_mass[:, :, 0] = -np.inf  # a cell that the prior rules out
        number = {span: p for p, span in enumerate(spans)}
        self.eras, weight = {}, {}
        for cells in combinations_with_replacement(range(n_cells), n_transitions):
            log_weight, start, done, used = 0.0, 0, 0, []
            for cell, run in groupby(cells):
                length = len(list(run))
                used.append((start, cell))
                log_weight += self.log_mass[done, done + length - 1, cell]
                start, done = cell + 1, done + length
            used.append((start, n_cells))  # eras between transitions of one cell are empty
            if all(span in number for span in used):
                self.eras[cells] = [number[span] for span in used]
                weight[cells] = log_weight + sum(self.evidence[p] for p in self.eras[cells])
        self.total = logsumexp(list(weight.values()))
        self.probability = {cells: np.exp(w - self.total) for cells, w in weight.items()}

    def backward(self):
        return recursion.backward(self.spans, self.rows, self.evidence, self.log_mass)


CASES = {
    "no transition": Paths(0, 4),
    "one": Paths(1, 6),
    "two": Paths(2, 6),
    "three": Paths(3, 5),
    "four": Paths(4, 4),
    "more transitions than cells": Paths(4, 3),
    "spans left out": Paths(3, 5, seed=4, dropped=8),
    "evidence far apart": Paths(3, 5, scale=3000.0),
}


@pytest.mark.parametrize("case", CASES)
def test_total_is_the_sum_over_all_sets_of_cells(case):
    paths = CASES[case]
    assert paths.backward()[0] == pytest.approx(paths.total, rel=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_probability_of_a_span_is_the_expected_number_of_its_eras(case):
    paths = CASES[case]
    of_span, _ = recursion.probabilities(
        paths.spans, paths.rows, paths.evidence, paths.log_mass, *paths.backward()
    )
    expected = np.zeros(len(paths.spans))
    for cells, probability in paths.probability.items():
        for span in paths.eras[cells]:
            expected[span] += probability
    np.testing.assert_allclose(of_span, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_probability_of_a_cell_is_the_sum_over_its_sets(case):
    paths = CASES[case]
    _, of_cell = recursion.probabilities(
        paths.spans, paths.rows, paths.evidence, paths.log_mass, *paths.backward()
    )
    expected = np.zeros_like(of_cell)
    for cells, probability in paths.probability.items():
        for k, cell in enumerate(cells):
            expected[k, cell] += probability
    np.testing.assert_allclose(of_cell, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("case", ["two", "three", "more transitions than cells", "spans left out"])
def test_sets_of_cells_are_drawn_with_their_joint_probability(case):
    paths, rng, n_draws = CASES[case], np.random.default_rng(1), 20_000
    n_transitions = len(paths.log_mass)
    _, entered_rest, closed_rest = paths.backward()
    count = Counter(
        tuple(
            recursion.draw_cells(
                paths.spans, paths.rows, paths.evidence, paths.log_mass,
                entered_rest, closed_rest, uniform,
            ).tolist()
        )
        for uniform in rng.random((n_draws, 2 * n_transitions))
    )  # fmt: skip
    assert set(count) <= {cells for cells, p in paths.probability.items() if p > 0}
    often = [cells for cells, p in paths.probability.items() if p * n_draws >= 10]
    expected = [paths.probability[cells] * n_draws for cells in often]
    observed = [count[cells] for cells in often]
    rest = n_draws - sum(expected), n_draws - sum(observed)
    if rest[0] >= 10:
        expected, observed = [*expected, rest[0]], [*observed, rest[1]]
    chi_square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    assert stats.chi2.sf(chi_square, len(expected) - 1) > 1e-5


def test_a_weight_of_zero_is_never_drawn():
    paths = CASES["two"]
    _, entered_rest, closed_rest = paths.backward()
    for uniform in (0.0, 1 - 1e-16):
        cells = recursion.draw_cells(
            paths.spans, paths.rows, paths.evidence, paths.log_mass,
            entered_rest, closed_rest, np.full(4, uniform),
        )  # fmt: skip
        assert paths.probability[tuple(cells.tolist())] > 0


def test_nothing_possible_has_no_weight():
    paths = Paths(2, 4)
    paths.log_mass[:] = -np.inf
    assert paths.backward()[0] == -np.inf
