"""Undisclosed parameters: densities of single systems, then the whole against brute force."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from dense import made_up
from dense_regimes import BESPOKE, CLOUD, DIY, RegimesTwin
from scipy import special, stats

from bayes_compute.changepoint import undisclosed
from bayes_compute.changepoint.regimes import (
    RegimeHyperparameters,
    RegimePrior,
    ThresholdRegimes,
)

# One system


LEGENDRE = np.polynomial.legendre.leggauss(120)


def brute_log_density(flop, mean, slope, noise, mu, sd, edge, side) -> float:
    """Sum over 120 Gauss-Legendre nodes around the largest integrand, 12 sds either way or less."""
    low, high = ((-np.inf, np.inf), (-np.inf, edge), (edge, np.inf))[side]
    total = noise + slope**2 * sd**2
    width = sd * np.sqrt(noise / total)
    middle = np.clip(mu + slope * sd**2 * (flop - mean) / total, low, high)
    low, high = max(low, middle - 12 * width), min(high, middle + 12 * width)
    unit, weight = LEGENDRE
    p = (low + high) / 2 + (high - low) / 2 * unit
    log_joint = -0.5 * (((p - mu) / sd) ** 2 + (flop - mean - slope * (p - mu)) ** 2 / noise)
    top = log_joint.max()
    value = top + np.log(weight @ np.exp(log_joint - top) * (high - low) / 2)
    value -= np.log(2 * np.pi * sd * np.sqrt(noise))
    return value - (special.log_ndtr(side * (edge - mu) / sd) if side else 0.0)


@pytest.mark.parametrize("side", [0, 1, -1])
@pytest.mark.parametrize("slope", [0.6, -0.4, 0.0])
@pytest.mark.parametrize("edge", [2.0, 7.0, 9.0, 13.0])
@pytest.mark.parametrize("flop", [19.0, 26.0])
def test_log_density_integrates_parameters_out(flop, edge, slope, side):
    args = (flop, 20.0, slope, 0.5, 7.5, 0.9, edge, side)
    expected = brute_log_density(*args)
    assert undisclosed.log_density(*args) == pytest.approx(expected, abs=1e-8)
    several = [np.full(3, each) for each in args[1:]]
    found = undisclosed.log_densities(flop, *several)
    np.testing.assert_allclose(found, np.full(3, expected), rtol=0, atol=1e-8)


# A choice among lines


N_DRAWS, N_CANDIDATES, N_UNKNOWN = 40, 5, 4


@cache
def choices() -> dict[str, Any]:
    """Arguments of ``choose``, in its order."""
    rng = np.random.default_rng(2)
    s, m, u = N_DRAWS, N_CANDIDATES, N_UNKNOWN
    lines = rng.normal(0, 1, (s, m, 3, 3)) * [1.0, 0.1, 0.3] + [7.5, 0.1, 0.0]
    n_early = rng.integers(0, u + 1, s)
    x = np.array([-1.0, 3.0, 3.5, 9.0])
    return {
        "level": rng.normal(17, 1, (s, 3)),
        "growth": rng.normal(0.3, 0.1, (s, 3)),
        "elasticity": rng.normal(0.6, 0.2, s),
        "sigma": rng.uniform(0.5, 1.2, (s, 3)),
        "offset": rng.normal(0, 0.3, (s, 2)),
        "share": rng.uniform(0.05, 0.9, (s, 2)),
        "capacity": rng.normal(0, 1, (s, 2)) * [0.7, 0.05] + [9.0, 0.1],
        "n_early": n_early,
        "n_before": np.minimum(n_early + rng.integers(0, 3, s), u),
        "lines": lines,
        "uniform": rng.random(s),
        "x": x,
        "since": x - 10,
        "flop": np.array([17.0, 18.5, 20.0, 22.0]),
        "variance": np.array([0.08, 0.37, 0.08, 0.8]),
        "domain": np.array([0, 1, 1, 0]),
        "expected": np.array([6.0, 7.0, 9.0])[:, None] + 0.1 * x,
    }


def plain(s: int, m: int) -> tuple[float, np.ndarray]:
    """Log density of all systems given one candidate, and the probability that each is bespoke."""
    a = choices()
    total, bespoke = 0.0, np.zeros(N_UNKNOWN)
    for u in range(N_UNKNOWN):
        edge = a["capacity"][s, 0] + a["capacity"][s, 1] * a["since"][u]
        of = []
        for k, side in ((DIY, 0), (CLOUD, 1), (BESPOKE, -1)):
            level, growth, log_sd = a["lines"][s, m, k]
            mu = level + growth * a["x"][u]
            mean = a["level"][s, k] + a["growth"][s, k] * a["x"][u] + a["offset"][s, a["domain"][u]]
            mean += a["elasticity"][s] * (mu - a["expected"][k, u])
            noise = a["sigma"][s, k] ** 2 + a["variance"][u]
            each = (a["flop"][u], mean, a["elasticity"][s], noise, mu, np.exp(log_sd), edge, side)
            of.append(np.exp(brute_log_density(*each)))
        if u < a["n_early"][s]:
            total += np.log(of[DIY])
        else:
            share = a["share"][s, int(u >= a["n_before"][s])]
            both = share * of[BESPOKE] + (1 - share) * of[CLOUD]
            bespoke[u] = share * of[BESPOKE] / both
            total += np.log(both)
    return total, bespoke


def test_choose_is_a_plain_choice_in_proportion_to_densities():
    chosen, log_mean, bespoke = undisclosed.choose(*choices().values())
    for s in range(N_DRAWS):
        of_all = [plain(s, m) for m in range(N_CANDIDATES)]
        log_density = np.array([each[0] for each in of_all])
        share = np.exp(log_density - special.logsumexp(log_density))
        expected = special.logsumexp(log_density) - np.log(N_CANDIDATES)
        assert log_mean[s] == pytest.approx(expected, abs=1e-7)
        passed = np.cumsum(share) < choices()["uniform"][s]
        assert chosen[s] == passed.sum()
        np.testing.assert_allclose(bespoke[s], of_all[chosen[s]][1], rtol=0, atol=1e-7)
    assert len(np.unique(chosen)) == N_CANDIDATES


# The whole


PRIOR = RegimePrior(
    level_mean=(16.0, 17.0, 18.0),
    level_sd=(0.6, 0.6, 0.6),  # see the test of weighted draws
    parameters_level=(6.5, 7.0, 8.2),
    parameters_level_sd=1.0,
    parameters_growth=(0.1, 0.15),
    parameters_sd=(1.0, 0.4),
    capacity=stats.uniform(7.9, 0.8),
    drift=stats.norm(0.05, 0.02),
    share_before=(3.0, 12.0),
    share_after=(2.0, 3.0),
)
DATES: Any = (stats.norm(2008, 4), stats.norm(2012, 4))
AT = RegimeHyperparameters(0.35, 0.05, 0.6, np.array([1.2, 0.9, 0.6]), np.array([0.4, -0.4]))
UNDISCLOSED = {"one early, one late": [1, 5], "two late": [4, 6]}


@cache
def whole(which: str) -> tuple[ThresholdRegimes, np.ndarray, np.ndarray]:
    """Regimes of seven systems, and the twin's log evidence of each choice of regimes.

    Capacities are the nodes and no others, and lines of known parameters are those of the twin, so
    that nothing but chance sets the two apart.
    """
    year = np.array([2006.3, 2009.2, 2011.4, 2013.7, 2015.1, 2017.6, 2019.3])
    p = np.array([6.2, 6.9, 7.4, 8.9, 7.1, 8.0, 9.3])
    rng = np.random.default_rng(6)
    y = 17 + 0.4 * (year - 2010) + rng.normal(0, 1, 7)
    o = made_up(year, y, np.full(7, 0.3), np.arange(7) % 2)
    p[UNDISCLOSED[which]] = np.nan
    o = replace(o, log10_parameters=p)
    regimes = ThresholdRegimes.of(o, DATES, PRIOR, widest=1.0, n_drifts=1)
    nodes, kept = regimes.thresholds, regimes.kept_cells
    twin = RegimesTwin(o, DATES, PRIOR, nodes.capacity, nodes.drift, nodes.log_mass)
    early, late = twin.parameters
    parameters = replace(regimes.parameters, early=early[kept], late=late[:, :, kept].copy())
    nodes = replace(nodes, width=0 * nodes.width)
    regimes = replace(regimes, thresholds=nodes, parameters=parameters)
    return regimes, *twin.with_regimes(AT)


N_BATCHES, N_EACH = 12, 1000


@pytest.mark.parametrize("which", UNDISCLOSED)
def test_weighted_draws_give_the_evidence_and_the_regimes_of_the_undisclosed(which):
    """Each batch of draws has its own pools of lines, so that batches differ by all the chance.

    A pool holds 500 lines or more, whose weights are made to add to one: a bias of 1/500 of the
    squared relative spread of weights, far below the chance.

    What stands for a system informs a regime and a share that it may have no part in. Weights have
    a variance only while this adds less than there is, so that priors are narrow here: of levels,
    and of the share before the bespoke transition, whose first parameter has to exceed how far all
    undisclosed systems count as bespoke.
    """
    regimes, log_weight, regime = whole(which)
    value, _ = regimes.log_likelihood(AT)
    evidence = special.logsumexp(log_weight)
    expected = np.array([np.exp(log_weight - evidence) @ (regime == k) for k in range(3)])
    many = RegimeHyperparameters(*(np.repeat(np.asarray(m)[None], N_EACH, axis=0) for m in AT))
    ratio, count = np.empty(N_BATCHES), np.empty((N_BATCHES, *expected.shape))
    for b in range(N_BATCHES):
        draws = regimes.draw(many, np.random.default_rng(b))
        weight = np.exp(draws["log_weight"])
        ratio[b] = weight.mean()
        found = draws["regime"][:, regimes.imputation.unknown]
        count[b] = [weight @ (found == k) / N_EACH for k in range(3)]
    error = ratio.std(ddof=1) / np.sqrt(N_BATCHES)
    assert error < 0.01 * ratio.mean()
    assert abs(ratio.mean() - np.exp(evidence - value)) < 5 * error
    # Of a ratio of means, the deviation is that of the difference
    apart = count - expected * ratio[:, None, None]
    error = apart.std(axis=0, ddof=1) / np.sqrt(N_BATCHES)
    assert np.all(error < 0.02)
    assert np.all(np.abs(apart.mean(axis=0)) < 5 * error + 1e-3)


def test_without_a_weight_the_bound_would_not_be_the_evidence():
    """So that the test of weighted draws can fail."""
    for which in UNDISCLOSED:
        regimes, log_weight, _ = whole(which)
        assert special.logsumexp(log_weight) - regimes.log_likelihood(AT)[0] > 0.05
