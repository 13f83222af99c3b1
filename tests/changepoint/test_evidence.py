"""Exact number and dates of transitions, against brute force on a few systems."""

from itertools import combinations, pairwise
from math import factorial

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayes_compute as bc
from bayes_compute.changepoint.evidence import ConjugatePrior
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.observations import Observations


def made(year, flop) -> Observations:
    n = len(year)
    return Observations(
        system=tuple(map(str, range(n))),
        year=np.asarray(year, float),
        log10_flop=np.asarray(flop, float),
        variance=np.full(n, 0.1),
        log10_parameters=np.full(n, np.nan),
        domain=np.zeros(n, int),
        domains=("Other",),
        source={},
    )


@pytest.fixture(scope="module")
def observations():
    rng = np.random.default_rng(5)
    year = [1990, 1992.5, 1996, 1996, 2001, 2004, 2010.5, 2013, 2014]
    return made(year, 14 + 0.2 * (np.array(year) - 2000) + rng.normal(0, 1, 9))


def dense_evidence(observations: Observations, chosen: slice, prior: ConjugatePrior) -> float:
    """Multivariate t density of some systems: the line and its variance integrated out."""
    x, y = observations.year[chosen] - REFERENCE_YEAR, observations.log10_flop[chosen]
    if len(x) == 0:
        return 0.0
    design = np.column_stack([np.ones_like(x), x])
    spread = np.diag([prior.level_spread**2, prior.growth_spread**2])
    shape = np.eye(len(x)) + design @ spread @ design.T
    mean = prior.level + prior.growth * x
    scale = prior.scale / prior.shape * shape
    return float(stats.multivariate_t(mean, scale, df=2 * prior.shape).logpdf(y))


def brute_force(observations: Observations, k: int, min_systems: int):
    """Log evidence of k transitions and probabilities of positions, over all sets of gaps."""
    prior, year = ConjugatePrior(), observations.year
    dates = np.unique(year)
    width = np.diff(dates) / (dates[-1] - dates[0])
    terms, weights, where = [], [], []
    repeated = [gap for gap in range(len(width)) for _ in range(k)]
    for gaps in sorted(set(combinations(repeated, k))):
        # k dates in these gaps, those in one gap in their only order: 1 / (times in the gap)!
        mass = np.prod([width[g] ** gaps.count(g) / factorial(gaps.count(g)) for g in set(gaps)])
        cuts = [0, *(int(np.searchsorted(year, dates[g], "right")) for g in gaps), len(year)]
        sizes = np.diff(cuts)
        if (sizes < min_systems).any():
            continue
        value = sum(dense_evidence(observations, slice(a, b), prior) for a, b in pairwise(cuts))
        terms.append(np.log(mass) + value)
        weights.append(np.log(mass))
        where.append(gaps)
    total = logsumexp(terms)
    probability = np.zeros((k, len(width)))
    for term, gaps in zip(terms, where, strict=True):
        for j, gap in enumerate(gaps):
            probability[j, gap] += np.exp(term - total)
    return total - logsumexp(weights), probability


@pytest.mark.parametrize("min_systems", [0, 1, 2])
def test_evidence_and_dates_equal_brute_force(observations, min_systems):
    found = bc.transitions(observations, max_k=3, min_systems=min_systems)
    for k in range(1, 4):
        evidence, dates = brute_force(observations, k, min_systems)
        assert found.log_evidence[k] == pytest.approx(evidence, abs=1e-8), k
        np.testing.assert_allclose(found.date_probability(k)[:, 1:-1], dates, atol=1e-9)
    whole = dense_evidence(observations, slice(None), ConjugatePrior())
    assert found.log_evidence[0] == pytest.approx(whole, abs=1e-9)


def test_draws_follow_the_joint_posterior(observations):
    found = bc.transitions(observations, max_k=2, min_systems=0)
    n = 20_000
    draws = found.draw(2, n, np.random.default_rng(2))
    assert (np.diff(draws, axis=1) > 0).all()
    cell = np.searchsorted(found.cells.edges, draws) - 1
    for k in range(2):
        expected = found.date_probability(2)[k]
        share = np.bincount(cell[:, k], minlength=len(expected)) / n
        se = np.sqrt(expected * (1 - expected) / n)
        assert (np.abs(share - expected) <= 5 * se + 1e-12).all(), k


def test_a_clear_jump_is_found():
    rng = np.random.default_rng(0)
    year = np.sort(rng.uniform(1990, 2020, 80))
    found = bc.transitions(made(year, 14 + 4.0 * (year > 2008) + rng.normal(0, 0.5, 80)))
    assert found.probability.argmax() == 1
    low, high = found.quantile(1, np.array([0.005, 0.995]))[0]
    assert low < 2008 < high
    assert high - low < 2


def test_impossible_numbers_have_no_probability(observations):
    found = bc.transitions(observations, max_k=4, min_systems=4)
    assert (found.probability[2:] == 0).all()
    assert found.probability.sum() == pytest.approx(1)


def test_the_words_hold_the_priors_and_their_sensitivity(observations):
    text = bc.transitions(observations, max_k=2, min_systems=2).describe(0.8)
    assert "80 % equal-tailed interval" in text
    assert "0 to 2 equally probable" in text
    assert "InverseGamma(2, 2)" in text
    assert "spreads halved" in text


@pytest.mark.parametrize(
    ("arguments", "text"), [({"max_k": -1}, "max_k"), ({"min_systems": 99}, "min_s")]
)
def test_arguments_out_of_range(observations, arguments, text):
    with pytest.raises(bc.InputError, match=text):
        bc.transitions(observations, **arguments)


def test_seed_table_prefers_no_single_era():
    observations = Observations.from_systems(bc.load_systems("systems-2022-03"))
    found = bc.transitions(observations)
    assert found.probability[0] < 1e-3
    assert found.quantile(1, np.array([0.5]))[0, 0] == pytest.approx(2008, abs=3)
