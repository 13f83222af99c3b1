from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from dense import REFERENCE_YEAR, increasing_mass, made_up, small
from dense_regimes import BESPOKE, CLOUD, DIY, RegimesTwin
from scipy import special, stats

from bayes_compute.changepoint import truncated
from bayes_compute.changepoint.imputation import Imputation, imputed
from bayes_compute.changepoint.regimes import (
    RegimeHyperparameters,
    RegimePrior,
    ThresholdRegimes,
)
from bayes_compute.changepoint.thresholds import Thresholds

PRIOR = RegimePrior(
    level_mean=(16.0, 17.0, 19.0),
    level_sd=(3.0, 2.0, 1.5),
    parameters_level=(6.5, 7.0, 8.2),
    parameters_level_sd=1.0,
    parameters_growth=(0.1, 0.15),
    parameters_sd=(1.0, 0.4),
    capacity=stats.norm(8.0, 0.4),
    drift=stats.uniform(0.05, 0.1),
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
LEGENDRE = np.polynomial.legendre.leggauss(30)
DATA = ("disclosed", "FLOP undisclosed", "both undisclosed")
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
    if data != "disclosed":
        flop[WITHOUT_FLOP] = variance[WITHOUT_FLOP] = np.nan
    if data == "both undisclosed":
        p[WITHOUT_PARAMETERS] = np.nan
    return with_parameters(replace(o, log10_flop=flop, variance=variance), p)


def regimes_of(observations, kind: str = "normal", prior=PRIOR, n_drifts=3) -> ThresholdRegimes:
    return ThresholdRegimes.of(observations, DATES[kind], prior, widest=1.5, n_drifts=n_drifts)


@cache
def both_of(data: str, kind: str) -> tuple[ThresholdRegimes, RegimesTwin]:
    observations = some_systems(data)
    regimes = regimes_of(observations, kind)
    nodes = regimes.thresholds
    nodes_of_twin = nodes.capacity, nodes.drift, nodes.log_mass
    return regimes, RegimesTwin(observations, DATES[kind], PRIOR, *nodes_of_twin)


def given(regimes: ThresholdRegimes, twin: RegimesTwin) -> tuple[np.ndarray, np.ndarray]:
    """The package's evidences of parameters, averaged over cells of the capacity."""
    early = np.full(twin.n_cells, -np.inf)
    late = np.full((len(twin.threshold), 2, twin.n_cells), -np.inf)
    kept, parameters = regimes.kept_cells, regimes.parameters
    early[kept], late[:, :, kept] = parameters.early, parameters.late
    unit, weight = LEGENDRE
    inside = parameters.slope.sum(axis=1) * regimes.thresholds.width[:, None] / 2
    mean = special.logsumexp(inside[..., None] * unit, b=weight / 2, axis=-1)
    late[:, 0, kept] += mean
    return early, late


@cache
def expected_at(data: str, kind: str, point: str) -> np.ndarray:
    regimes, twin = both_of(data, kind)
    return twin.log_weight(at_of(point), given(regimes, twin), stand_in(regimes, twin))


def stand_in(regimes: ThresholdRegimes, twin: RegimesTwin) -> Imputation:
    """What stands for undisclosed parameters, with a row for each cell that is not kept too."""
    every = np.searchsorted(regimes.kept_cells, np.arange(twin.n_cells))
    every = np.minimum(every, len(regimes.kept_cells) - 1)
    of = regimes.imputation
    return of._replace(excess=of.excess[every], spread=of.spread[every])


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
    regimes = both_of(data, "normal")[0]
    value, gradient = regimes.log_likelihood(WITHOUT_SPREAD)
    near, gradient_near = regimes.log_likelihood(AT._replace(growth_sd=1e-9))
    assert value == pytest.approx(near, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_near, rtol=1e-6, atol=1e-6)


def test_systems_without_flop_inform_parameters_and_shares_only():
    """Whatever else is said of them does not matter; that they are there does."""
    o = some_systems("FLOP undisclosed")
    regimes = both_of("FLOP undisclosed", "normal")[0]
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
def test_evidence_of_parameters_is_that_of_each_regimes_systems(data, kind):
    """By quadrature where it is probable; what it and Laplace's are worth is tested by itself."""
    regimes, twin = both_of(data, kind)
    x, p = regimes.observations.year - 2010, regimes.observations.log10_parameters
    node, weight = np.polynomial.hermite_e.hermegauss(7)
    probability = regimes.probability(regimes.mode)
    order = np.argsort(probability, axis=None)
    refined = np.empty(probability.size, dtype=bool)
    refined[order] = np.cumsum(probability.ravel()[order]) > 1e-2
    n_laplace = 0
    for (g, h), by_quadrature in np.ndenumerate(refined.reshape(probability.shape)):
        for k in range(3):
            mine = list(twin.members(k, regimes.kept_cells[g], h))
            assert regimes.parameters.n_systems(k)[g, h] == len(mine)
            mean, sd = (np.array(each) for each in twin.line_prior(k))
            args = x[mine], p[mine], twin.threshold[h, mine], (0.0, 1.0, -1.0)[k], mean, sd
            found = regimes.parameters.early[g] if k == 0 else regimes.parameters.late[h, k - 1, g]
            fine = truncated.quadrature(mean.copy(), *args, node, np.log(weight / weight.sum()))
            coarse = truncated.laplace(mean.copy(), *args, np.zeros((3, 3)))
            # Modes are found to sqrt(1e-7) posterior sds, and the determinant has a slope there
            if k == 0 or by_quadrature:
                assert abs(found - fine) < 3e-4
            else:
                assert min(abs(found - coarse), abs(found - fine)) < 3e-4
                n_laplace += abs(coarse - fine) > 3e-4
    assert n_laplace > 0


@pytest.mark.parametrize("data", ["disclosed", "FLOP undisclosed"])
def test_log_likelihood_is_that_of_the_model_itself(data):
    """The twin sums lines of parameters over a grid, and the capacity over 2 nodes a narrow cell.

    Each of three evidences by quadrature is within 0.02 of its own.
    """
    o = some_systems(data)
    regimes = ThresholdRegimes.of(o, DATES["normal"], PRIOR, widest=0.2, n_drifts=1)
    unit, weight = np.polynomial.legendre.leggauss(2)
    nodes, half = regimes.thresholds, regimes.thresholds.width[:, None] / 2
    capacity = nodes.capacity[:, None] + half * unit
    density = PRIOR.capacity.pdf(capacity) * half * weight
    nodes = capacity.ravel(), np.repeat(nodes.drift, 2), np.log(density.ravel())
    twin = RegimesTwin(o, DATES["normal"], PRIOR, *nodes)
    expected = special.logsumexp(twin.log_weight(AT))
    assert abs(regimes.log_likelihood(AT)[0] - expected) < 0.06


def more_systems(n: int = 40, scatter: float = 1.0, bespoke: float = 0.0, data="disclosed"):
    """Systems on dates of their own; each fifth has more parameters and compute than others."""
    rng = np.random.default_rng(9)
    year, more = np.sort(rng.uniform(2004, 2020, n)), np.where(np.arange(n) % 5 == 4, bespoke, 0.0)
    flop = 17 + 0.4 * (year - 2010) + 1.5 * more + scatter * rng.normal(0, 1, n)
    p = 7.5 + 0.15 * (year - 2010) + more + scatter * rng.normal(0, 1, n)
    if data == "parameters undisclosed":
        p[[24, 29, 30, 31]] = np.nan
    return with_parameters(made_up(year, flop, np.full(n, 0.1), np.arange(n) % 2), p)


def test_slopes_are_those_of_the_evidence_in_the_capacity():
    """To first order a cell of the capacity counts with its mean.

    Slopes are of the density at the mode. That of the determinant is left out: as the capacity
    moves, so do the mode, by some posterior sds, and the curvature there, by 0.3 of itself a sd.
    Half of it in three directions, and as much again since the edge is in the curvature: less
    than how the slope changes over a posterior sd.
    """
    o = more_systems()
    regimes = ThresholdRegimes.of(o, DATES["normal"], PRIOR, widest=0.1, n_drifts=1)
    threshold = regimes.thresholds.at(o.year)
    steepest, step = 0.0, 1e-3
    for g, h in np.argwhere(regimes.probability(AT) > 1e-3):
        start = regimes.first[regimes.kept_cells[g]]
        for k, side in ((CLOUD, 1.0), (BESPOKE, -1.0)):
            mine = start + np.flatnonzero(regimes.above[h, start:] == (k == BESPOKE))
            x, p, edge = (each[mine] for each in (o.year - 2010, o.log10_parameters, threshold[h]))
            mean, sd = (each[k] for each in PRIOR.line)
            factor, at, value = np.zeros((3, 3)), mean.copy(), []
            for shift in (-step, step, 0.0):
                value.append(truncated.laplace(at, x, p, edge + shift, side, mean, sd, factor))
            expected = (value[1] - value[0]) / (2 * step)
            change = [
                truncated.edge_slope(at + e, x, edge, side)[0]
                - truncated.edge_slope(at - e, x, edge, side)[0]
                for e in np.linalg.inv(factor) * 0.01
            ]
            found = regimes.parameters.slope[h, k - 1, g]
            bound = np.linalg.norm(change) / 0.02
            assert abs(found - expected) < bound + 0.1
            steepest = max(steepest, abs(expected) / (bound + 0.1))
    assert steepest > 2  # else this says little


# The prior


@pytest.fixture
def nothing_is_hopeless(monkeypatch):
    monkeypatch.setattr(ThresholdRegimes, "HOPELESS", np.inf)


@pytest.mark.parametrize("kind", DATES)
def test_prior_of_dates_and_thresholds_adds_to_one(kind, nothing_is_hopeless):
    """With a share of none for sure, and none above a threshold, shares have no say.

    Cells of the cloud transition with a mass below 1e-6 are left out, 8 of them at most.
    """
    o, prior = some_systems(), replace(PRIOR, share_before=(1e-15, 1.0), share_after=(1e-15, 1.0))
    nothing = np.full(o.n, np.nan)
    o = replace(o, log10_flop=nothing, variance=nothing)
    regimes = regimes_of(with_parameters(o, np.full(o.n, -2.0)), kind, prior)
    assert not regimes.above.any()
    weight = np.exp(regimes.shares.log_weight + regimes.thresholds.log_mass)
    assert weight.sum() == pytest.approx(1, abs=8e-6)


@pytest.mark.parametrize("n_drifts", [1, 3, 7])
def test_drifts_stand_for_the_prior_around_them(n_drifts, nothing_is_hopeless):
    prior = replace(PRIOR, drift=stats.norm(0.1, 0.1))
    regimes = regimes_of(some_systems(), prior=prior, n_drifts=n_drifts)
    nodes = regimes.thresholds
    drifts, step = nodes.drifts, nodes.drift_step
    middle = (drifts[1:] + drifts[:-1]) / 2
    mass = np.diff(prior.drift.cdf([-np.inf, *middle, np.inf]))
    np.testing.assert_allclose(nodes.drift_mass, mass, rtol=1e-12)
    found = [np.exp(nodes.log_mass[nodes.drift == drift]).sum() for drift in drifts]
    np.testing.assert_allclose(found, mass, rtol=1e-9)
    if n_drifts > 1:
        np.testing.assert_allclose(np.diff(drifts), step, rtol=1e-9)
        ends = prior.drift.ppf([5e-4, 1 - 5e-4])
        np.testing.assert_allclose(drifts[[0, -1]], ends, rtol=1e-9)
        # No further apart than 1.5 sds of their posterior as coarse drifts show it, which is not
        # narrower than the posterior of all by much
        weight = regimes.probability(regimes.mode).sum(axis=0)
        sd = np.sqrt(np.cov(nodes.drift, aweights=weight, ddof=0))
        assert step < 2 * sd


@pytest.mark.parametrize("data", DATA)
def test_thresholds_that_are_alike_differ_only_in_what_is_known_without_compute(data):
    regimes = regimes_of(some_systems(data), n_drifts=5)
    kinds, kind = regimes.alike
    seen = regimes.above[:, regimes.with_flop[regimes.with_flop >= regimes.first[0]]]
    group = regimes.imputation.group
    assert 1 < len(kinds) < len(kind)
    assert np.array_equal(kind[kinds], np.arange(len(kinds)))
    for k, first in enumerate(kinds):
        same = (seen == seen[first]).all(axis=1) & (group == group[first])
        assert np.array_equal(kind == k, same)
        assert np.flatnonzero(same)[0] == first


def test_shares_of_regimes_settle_where_parameters_are_undisclosed():
    """And not before: the first of them, as likely bespoke as cloud, are far from there."""
    regimes = regimes_of(some_systems("both undisclosed"))
    once_more = np.abs(imputed(regimes).above - regimes.imputation.above).sum(axis=1)
    assert once_more.max() < 0.1
    assert np.abs(regimes.imputation.above - 0.5).max() > 0.1


def dense_table(n: int = 60):
    """So many systems of many sizes that thresholds on drifts far apart never part them alike."""
    rng = np.random.default_rng(4)
    year = np.sort(rng.uniform(2004, 2022, n))
    p = 7.0 + 0.2 * (year - 2010) + rng.normal(0, 1, n)
    y = 17 + 0.5 * (year - 2010) + 0.6 * (p - 7.5) + rng.normal(0, 0.4, n) + 1.5 * (p > 8.4)
    return with_parameters(made_up(year, y, np.full(n, 0.1), np.arange(n) % 2), p)


@cache
def below(n_drifts: int) -> tuple[np.ndarray, int]:
    """Posterior probability of the capacity below 8, 8.1, ... 9, and the number of drifts."""
    prior = replace(PRIOR, drift=stats.norm(0.05, 0.05))
    regimes = ThresholdRegimes.of(dense_table(), DATES["normal"], prior, 0.1, n_drifts)
    weight = regimes.probability(regimes.mode).sum(axis=0)
    nodes = regimes.thresholds
    found = [weight[nodes.capacity < edge].sum() for edge in np.linspace(8, 9, 11)]
    return np.array(found), len(nodes.drifts)


def test_drifts_are_close_enough_for_the_posterior_of_the_capacity(monkeypatch):
    few, n_drifts = below(5)
    exact, _ = below(161)
    assert n_drifts > 5
    np.testing.assert_allclose(few, exact, rtol=0, atol=0.15)
    below.cache_clear()
    monkeypatch.setattr(Thresholds, "finer", lambda *_: None)
    alone, _ = below(5)
    below.cache_clear()
    assert np.abs(alone - exact).max() > 0.2, "otherwise nothing is tested"


def test_halves_of_drifts_that_disagree_ask_for_closer_ones():
    o = dense_table()
    nodes = Thresholds.of(o, replace(PRIOR, drift=stats.norm(0.05, 0.05)), 0.1, 9)
    smooth = np.exp(-0.5 * ((nodes.capacity - 8.4) / 0.2) ** 2)
    wide = smooth / smooth.sum()
    assert nodes.finer(o, PRIOR, wide) is None
    low = np.where(np.isin(nodes.drift, nodes.drifts[::2]), nodes.capacity < 8.4, 0.6)
    ragged = smooth * (0.4 + low)
    prior = replace(PRIOR, drift=stats.norm(0.05, 0.05))
    closer = nodes.finer(o, prior, ragged / ragged.sum())
    assert closer is not None
    assert closer.drift_step == pytest.approx(nodes.drift_step / 2)
    assert set(nodes.drifts.round(9)) <= set(closer.drifts.round(9))


@pytest.mark.parametrize("widest", [0.1, 0.3])
def test_ends_of_the_capacity_are_as_wide_as_its_cells(widest):
    nodes, prior = Thresholds.of(some_systems(), PRIOR, widest, n_drifts=1), PRIOR.capacity
    low, high = prior.ppf(1e-6) + widest, prior.isf(1e-6) - widest
    capacity = np.array([low - 0.01, low + 0.01, 8.0, high - 0.01, high + 0.01])
    (_, _, *below), (_, _, *above), *_ = nodes.ends(prior, capacity, np.full(5, PRIOR.drift.mean()))
    np.testing.assert_allclose(below, [low, 0.2, prior.cdf(low)], rtol=1e-12)
    np.testing.assert_allclose(above, [high, 0.2, prior.sf(high)], rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thresholds_put_each_system_above_with_its_probability(seed, nothing_is_hopeless):
    """The prior of the capacity is cut beyond probabilities of 1e-6 on either side."""
    o = some_systems(seed=seed)
    one, other = np.flatnonzero(np.diff(o.year) == 0)[0] + np.arange(2)
    p = o.log10_parameters.copy()
    p[[one, other]] = 8.0, 8.001
    o = with_parameters(o, p)
    regimes = ThresholdRegimes.of(o, DATES["normal"], PRIOR, widest=0.3, n_drifts=4)
    nodes = regimes.thresholds
    for drift, mass_of_drift in zip(nodes.drifts, nodes.drift_mass, strict=True):
        here = nodes.drift == drift
        assert np.max(nodes.width[here]) < 0.3 + 1e-9
        mass = np.exp(nodes.log_mass[here]) / mass_of_drift
        position = o.log10_parameters - drift * (o.year - 2020)
        found, expected = mass @ regimes.above[here], PRIOR.capacity.cdf(position)
        assert np.all(np.abs(found - expected) < 3e-6)


@pytest.mark.parametrize("data", ["disclosed", "parameters undisclosed"])
def test_what_is_hopeless_does_not_matter(data, monkeypatch):
    """Each pair that is left out has a weight of exp(-25) at the mode, and there are a thousand.

    Of the others a thousandth is left to Laplace, which may be another one.
    """
    o = more_systems(40, 0.4, 2.0, data)
    regimes = regimes_of(o, n_drifts=1)
    monkeypatch.setattr(ThresholdRegimes, "HOPELESS", np.inf)
    complete = regimes_of(o, n_drifts=1)
    assert regimes.constant.size < 0.8 * complete.constant.size
    at = regimes.mode
    for move in (-0.5, 0.0, 0.5):  # some sds of the posterior, up and down together
        sigma, offset = at.sigma * np.exp(move), at.offset + move
        there = at._replace(growth_mean=at.growth_mean + move / 5, sigma=sigma, offset=offset)
        found = [each.log_likelihood(there)[0] for each in (regimes, complete)]
        assert abs(found[0] - found[1]) < 1e-3


@pytest.mark.parametrize("data", ["disclosed", "parameters undisclosed"])
def test_mode_does_not_depend_on_where_it_is_sought_from(data):
    regimes = regimes_of(more_systems(40, 0.4, 2.0, data), n_drifts=3)
    assert regimes.near is not None
    values = [regimes.log_likelihood(at)[0] for at in (regimes.mode, regimes.mode_near(None))]
    assert abs(values[0] - values[1]) < 1e-2


# One system's density

ALONE: dict[str, Any] = {
    "after the transition": (stats.norm(1980, 1), stats.norm(2016, 2)),
    "before it": (stats.norm(2040, 1), stats.norm(2060, 1)),
    "around it": (stats.norm(2014, 2), stats.norm(2040, 2)),
}


def alone(when: str, p: float, flop: float = np.nan) -> ThresholdRegimes:
    o = with_parameters(made_up([2014.3], [flop], [0.3], [1]), [p])
    return ThresholdRegimes.of(o, ALONE[when], PRIOR, widest=0.3, n_drifts=1)


@pytest.mark.parametrize("when", ALONE)
def test_density_of_one_systems_parameters_integrates_to_one(when):
    """Even steps are exact for a density this smooth; lines and capacities are what is not."""
    p = np.arange(-3.0, 20.0, 0.5)
    density = [np.exp(alone(when, each).log_likelihood(AT)[0]) for each in p]
    assert np.sum(density) * 0.5 == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("when", ALONE)
def test_density_of_its_flop_then_integrates_to_one(when):
    """A sum of normals of sd 1.5 or more, in steps of 1: exact to 2 exp(-2 pi^2 1.5^2)."""
    base = alone(when, 8.1)
    total = 0.0
    for flop in np.arange(-30.0, 70.0):
        o = with_parameters(made_up([2014.3], [flop], [0.3], [1]), [8.1])
        total += np.exp(replace(base, observations=o).log_likelihood(AT)[0])
    assert total == pytest.approx(np.exp(base.log_likelihood(AT)[0]), rel=1e-10)


# What must not matter


def everything(observations, prior=PRIOR, at=AT):
    """Log likelihood, gradient and probabilities of cells and thresholds."""
    regimes = regimes_of(observations, prior=prior)
    return *regimes.log_likelihood(at), regimes.probability(at)


def assert_same(found, expected, tolerance=1e-9):
    """Evidences of parameters are at modes that are found to sqrt(1e-7) posterior sds."""
    assert found[0] == pytest.approx(expected[0], rel=tolerance)
    np.testing.assert_allclose(found[1], expected[1], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found[2], expected[2], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("data", ["disclosed", "FLOP undisclosed"])
def test_the_order_of_systems_on_one_date_does_not_matter(data):
    o = some_systems(data)
    order = np.lexsort((-np.arange(o.n), o.year))
    other = made_up(o.year[order], o.log10_flop[order], o.variance[order], o.domain[order])
    other = with_parameters(other, o.log10_parameters[order])
    assert not np.array_equal(other.log10_parameters, o.log10_parameters)
    assert_same(everything(other), everything(o))


@pytest.mark.parametrize("data", DATA)
def test_the_order_of_domains_does_not_matter(data):
    o, regimes = some_systems(data), both_of(data, "normal")[0]
    other = replace(regimes, observations=replace(o, domain=1 - o.domain))
    at = AT._replace(offset=AT.offset[::-1].copy())
    value, gradient = other.log_likelihood(at)
    gradient[6:8] = gradient[[7, 6]]
    expected = *regimes.log_likelihood(AT), regimes.probability(AT)
    assert_same((value, gradient, other.probability(at)), expected)


@pytest.mark.parametrize("shift", [-40.0, 7.0])
def test_shifting_compute_and_its_prior_levels_does_not_matter(shift):
    o = some_systems()
    level_mean: Any = tuple(level + shift for level in PRIOR.level_mean)
    other = replace(o, log10_flop=o.log10_flop + shift)
    assert_same(everything(other, replace(PRIOR, level_mean=level_mean)), everything(o))


@pytest.mark.parametrize(("shift", "tilt"), [(2.0, 0.0), (0.0, -0.3), (-5.0, 0.2)])
def test_shifting_and_tilting_parameters_and_all_that_is_expected_does_not_matter(shift, tilt):
    o = some_systems()
    other = with_parameters(o, o.log10_parameters + shift + tilt * (o.year - 2020))
    level: Any = tuple(level + shift - 10 * tilt for level in PRIOR.parameters_level)
    growth, growth_sd = PRIOR.parameters_growth
    prior = replace(
        PRIOR,
        capacity=stats.norm(8.0 + shift, 0.4),
        drift=stats.uniform(tilt + 0.05, 0.1),
        parameters_level=level,
        parameters_growth=(growth + tilt, growth_sd),
    )
    assert_same(everything(other, prior), everything(o), 1e-5)


# Leaving out, and drawing back

N_DRAWS = 6000


def within_five_sds(count: np.ndarray, probability: np.ndarray) -> bool:
    sd = np.sqrt(N_DRAWS * np.maximum(probability * (1 - probability), 0))
    return bool(np.all(np.abs(count - N_DRAWS * probability) <= 5 * sd + 1))


def repeated(n: int, at=AT) -> RegimeHyperparameters:
    return RegimeHyperparameters(*(np.repeat(np.asarray(m)[None], n, axis=0) for m in at))


def is_uniform(u: np.ndarray) -> bool:
    return stats.kstest(u, "uniform").pvalue > 1e-4


@pytest.fixture(scope="module", params=[("disclosed", "uniform"), ("FLOP undisclosed", "normal")])
def drawn(request):
    """Regimes, their twin, its posterior of histories and thresholds, and draws at one point."""
    data, kind = request.param
    regimes, twin = both_of(data, kind)
    log_weight = expected_at(data, kind, "usual")
    share = np.exp(log_weight - special.logsumexp(log_weight))
    return regimes, twin, share, regimes.draw(repeated(N_DRAWS), np.random.default_rng(3))


def cells_of(regimes, draws) -> np.ndarray:
    return np.searchsorted(regimes.cells.edges, draws["transition_year"]) - 1


def test_cells_of_both_dates_are_drawn_from_their_joint_posterior(drawn):
    regimes, twin, share, draws = drawn
    assert np.all(np.diff(draws["transition_year"], axis=1) > 0)
    expected = np.zeros((twin.n_cells, twin.n_cells))
    for history, part in zip(twin.histories, share, strict=True):
        expected[tuple(history.cells)] += part.sum()
    count = np.zeros_like(expected)
    np.add.at(count, tuple(cells_of(regimes, draws).T), 1)
    assert within_five_sds(count, expected)


def test_drifts_and_who_is_above_are_drawn_from_their_joint_posterior(drawn):
    regimes, twin, share, draws = drawn
    nodes, n = regimes.thresholds, twin.observations.n
    expected: dict[tuple, float] = {}
    for history, part in zip(twin.histories, share, strict=True):
        for drift, above, p in zip(nodes.drift, twin.above, part, strict=True):
            above = above & (np.arange(n) >= len(history.eras[0]))
            key = drift, *above
            expected[key] = expected.get(key, 0.0) + p
    strip = np.abs(draws["drift"][:, None] - nodes.drifts) <= nodes.drift_step / 2
    assert np.all(strip.sum(axis=1) == 1)
    drift = nodes.drifts[np.argmax(strip, axis=1)]
    found = Counter(zip(drift, *(draws["regime"] == BESPOKE).T, strict=True))
    assert set(found) <= set(expected)
    probability = np.array(list(expected.values()))
    assert within_five_sds(np.array([found[key] for key in expected]), probability)


@pytest.mark.parametrize("data", DATA)
def test_capacity_and_drift_leave_systems_on_the_sides_that_they_are_drawn_on(data):
    regimes = both_of(data, "normal")[0]
    o, draws = regimes.observations, regimes.draw(repeated(2000), np.random.default_rng(5))
    edge = draws["capacity"][:, None] + draws["drift"][:, None] * (o.year - 2020)
    late = (draws["regime"] != DIY) & np.isfinite(o.log10_parameters)
    above = o.log10_parameters > edge
    assert np.all((draws["regime"] == BESPOKE)[late] == above[late])


def test_slopes_of_parameters_are_derivatives_in_capacity_and_drift():
    regimes, twin = both_of("disclosed", "normal")
    parameters, step = regimes.parameters, 1e-5
    row, node = np.argwhere(regimes.probability(AT) > 1e-2).T
    for g, h, found in zip(row, node, parameters.slopes(row, node), strict=True):
        for by, slope in ((1.0, found[0]), (twin.observations.year - 2020, found[1])):
            values = []
            for edge in (twin.threshold[h] - step * by, twin.threshold[h] + step * by):
                value = 0.0
                for k in (CLOUD, BESPOKE):
                    mine = list(twin.members(k, regimes.kept_cells[g], h))
                    x, p = twin.x[mine], twin.observations.log10_parameters[mine]
                    rest = edge[mine], (0.0, 1.0, -1.0)[k], *(each[k] for each in PRIOR.line)
                    value += truncated.log_density(parameters.line[h, k - 1, g], x, p, *rest)
                values.append(value)
            assert slope == pytest.approx((values[1] - values[0]) / (2 * step), rel=1e-5, abs=1e-6)


def test_each_system_is_in_each_regime_with_its_probability(drawn):
    _, twin, share, draws = drawn
    o = twin.observations
    expected = np.zeros((3, o.n))
    for history, part in zip(twin.histories, share, strict=True):
        for above, p in zip(twin.above, part, strict=True):
            regime = np.where(above, BESPOKE, CLOUD)
            regime[list(history.eras[0])] = DIY
            expected[regime, np.arange(o.n)] += p
    for k in range(3):
        assert within_five_sds((draws["regime"] == k).sum(axis=0), expected[k])


def test_lines_of_compute_are_drawn_from_their_conditional_distribution(drawn):
    """Given its systems, a regime's line is the conditional of one multivariate normal."""
    _, twin, _, draws = drawn
    o, x = twin.observations, twin.x
    for k in range(3):
        prior = np.array([PRIOR.level_sd[k] ** 2, AT.growth_sd**2])
        mean = twin.mean_flop(AT, k) + AT.elasticity * (o.log10_parameters - twin.expected(k))
        z = np.empty((N_DRAWS, 2))
        for s in range(N_DRAWS):
            i = (draws["regime"][s] == k) & twin.with_flop
            X = np.stack([np.ones(i.sum()), x[i]])
            gain = prior[:, None] * X
            covariance = X.T @ gain + np.diag(AT.sigma[k] ** 2 + o.variance[i])
            gain = gain @ np.linalg.inv(covariance)
            middle = np.array([PRIOR.level_mean[k], AT.growth_mean])
            middle = middle + gain @ (o.log10_flop[i] - mean[i])
            left = np.diag(prior) - gain @ X.T @ np.diag(prior)
            names = "level_given_parameters", "growth_given_parameters"
            line = np.array([draws[name][s, k] for name in names])
            z[s] = np.linalg.solve(np.linalg.cholesky(left), line - middle)
        assert is_uniform(special.ndtr(z[:, 0]))
        assert is_uniform(special.ndtr(z[:, 1]))
        assert abs(np.corrcoef(z.T)[0, 1]) < 5 / np.sqrt(N_DRAWS)


def test_lines_of_parameters_are_drawn_from_their_posterior(drawn):
    """Mean and variance, which are those of the twin's grid for each cell and threshold.

    Draws share pools of 500 lines, and of 10 for each draw, that weigh half as much as they count:
    a variance of their mean that is larger by a fifth.
    """
    _, twin, share, draws = drawn
    probability = np.zeros((twin.n_cells, len(twin.threshold)))
    for history, part in zip(twin.histories, share, strict=True):
        probability[history.cells[0]] += part
    names = "parameters_level", "parameters_growth"
    for k in range(3):
        lines, moments = twin.grid[k][0], np.zeros((2, 3))
        for cell, h in np.argwhere(probability > 1e-4):
            log_density = twin.line_posterior(k, twin.members(k, cell, h), h)
            density = np.exp(log_density - special.logsumexp(log_density))
            moments += probability[cell, h] * np.stack([density @ lines, density @ lines**2])
        moments /= probability[probability > 1e-4].sum()
        mean, variance = moments[0], moments[1] - moments[0] ** 2
        found = np.stack(
            [*(draws[name][:, k] for name in names), np.log(draws["parameters_sd"][:, k])]
        )
        z = (found - mean[:, None]) / np.sqrt(variance)[:, None]
        error = 5 * np.sqrt(1.2 / N_DRAWS)
        assert np.all(np.abs(z.mean(axis=1)) < error)
        assert np.all(np.abs((z**2).mean(axis=1) - 1) < error * (z**2).std(axis=1))


def test_shares_are_drawn_from_their_posterior(drawn):
    _, twin, _, draws = drawn
    month = (np.floor(twin.observations.year * 12) + 0.5) / 12
    passed = draws["transition_year"] <= month[:, None, None]
    bespoke = draws["regime"].T == BESPOKE
    for name, mine, (a, b) in (
        ("share_before", passed[:, :, 0] & ~passed[:, :, 1], PRIOR.share_before),
        ("share_after", passed[:, :, 1], PRIOR.share_after),
    ):
        n, high = mine.sum(axis=0), (mine & bespoke).sum(axis=0)
        assert is_uniform(stats.beta.cdf(draws[name], a + high, b + n - high))


def compute_line(regimes, draws, at, k: int, s: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean log10 FLOP of a regime at both ends of it, years since 2010 and values."""
    last = regimes.observations.year[-1]
    start = last - 1 if k == DIY else min(draws["transition_year"][s, k - 1], last - 1)
    x, prior = np.array([start, last]) - REFERENCE_YEAR, regimes.prior
    edge = draws["capacity"][s] + draws["drift"][s] * (x - 10)
    mu = draws["parameters_level"][s, k] + draws["parameters_growth"][s, k] * x
    sd = draws["parameters_sd"][s, k]
    low = (edge - mu) / sd if k == BESPOKE else -np.inf
    high = (edge - mu) / sd if k == CLOUD else np.inf
    excess = stats.truncnorm.mean(low, high, mu, sd)
    excess = excess - prior.parameters_level[k] - prior.parameters_growth[0] * x
    line = draws["level_given_parameters"][s, k] + draws["growth_given_parameters"][s, k] * x
    return x, line + at.elasticity * excess


def test_growth_of_compute_is_that_of_the_mean_from_end_to_end(drawn):
    regimes, _, _, draws = drawn
    for s in range(20):
        for k in range(3):
            x, mean = compute_line(regimes, draws, AT, k, s)
            found = draws["level"][s, k] + draws["growth"][s, k] * x
            np.testing.assert_allclose(found, mean, rtol=1e-7)


def test_draws_of_disclosed_systems_all_count_alike(drawn):
    assert np.all(drawn[3]["log_weight"] == 0)


@pytest.mark.parametrize("data", DATA)
def test_draws_bring_their_log_likelihood(data):
    regimes = both_of(data, "normal")[0].focused(0.1)
    drawn = regimes.draw(repeated(3), np.random.default_rng(1))
    np.testing.assert_allclose(drawn["log_likelihood"], regimes.log_likelihood(AT)[0], rtol=1e-12)


@pytest.mark.parametrize("data", DATA)
def test_what_draws_say_of_each_system(data):
    """Undisclosed parameters are integrated over 60 nodes, 10 sds from the mean or to the edge."""
    regimes = both_of(data, "normal")[0]
    o, rng = regimes.observations, np.random.default_rng(1)
    draws = regimes.draw(repeated(25), rng)
    found = regimes.systems(o, repeated(25), draws, rng)
    assert found.era is draws["regime"]
    seen = np.flatnonzero(np.isfinite(o.log10_flop))
    assert found.log_likelihood.shape == found.replicate.shape == (25, len(seen))
    unit, weight = np.polynomial.legendre.leggauss(60)
    for s, (j, i) in product(range(25), enumerate(seen)):
        k, x = draws["regime"][s, i], o.year[i] - REFERENCE_YEAR
        mean = draws["level_given_parameters"][s, k] + draws["growth_given_parameters"][s, k] * x
        mean += AT.offset[o.domain[i]]
        expected_p = PRIOR.parameters_level[k] + PRIOR.parameters_growth[0] * x
        sd = np.sqrt(AT.sigma[k] ** 2 + o.variance[i])
        p = o.log10_parameters[i]
        if np.isfinite(p):
            flop = stats.norm(mean + AT.elasticity * (p - expected_p), sd)
            expected = flop.logpdf(o.log10_flop[i])
        else:
            mu = draws["parameters_level"][s, k] + draws["parameters_growth"][s, k] * x
            scatter = draws["parameters_sd"][s, k]
            edge = draws["capacity"][s] + draws["drift"][s] * (o.year[i] - 2020)
            low = edge if k == BESPOKE else -np.inf
            high = edge if k == CLOUD else np.inf
            a, b = max(low, min(mu, edge) - 10 * scatter), min(high, max(mu, edge) + 10 * scatter)
            p = (a + b) / 2 + (b - a) / 2 * unit
            standard = (low - mu) / scatter, (high - mu) / scatter
            density = stats.truncnorm.pdf(p, *standard, mu, scatter)
            flop = stats.norm(mean + AT.elasticity * (p - expected_p), sd)
            expected = np.log(density * flop.pdf(o.log10_flop[i]) @ weight * (b - a) / 2)
        assert found.log_likelihood[s, j] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("data", ["disclosed", "both undisclosed"])
def test_replicates_are_drawn_from_the_density_of_log_likelihood(data):
    """Of one draw, many replicates; the density is summed over log10 FLOP in steps of 0.2."""
    regimes, n = both_of(data, "normal")[0], 4000
    o, rng = regimes.observations, np.random.default_rng(2)
    one = regimes.draw(repeated(1), rng)
    many = {name: np.repeat(value, n, axis=0) for name, value in one.items()}
    replicate = regimes.systems(o, repeated(n), many, rng).replicate
    flop = np.arange(-10.0, 50.0, 0.2)
    for j, i in enumerate(regimes.with_flop):
        density = np.empty(len(flop))
        for m, y in enumerate(flop):
            other = replace(o, log10_flop=np.where(np.arange(o.n) == i, y, o.log10_flop))
            found = regimes.systems(other, repeated(1), one, rng)
            density[m] = np.exp(found.log_likelihood[0, j])
        cumulative = np.cumsum(density) * 0.2
        assert cumulative[-1] == pytest.approx(1, abs=1e-6)
        assert is_uniform(np.interp(replicate[:, j], flop + 0.1, cumulative))


def test_draws_from_the_prior():
    """Dates are ordered, so that their distribution is checked by the mass of the earlier one."""
    regimes = both_of("disclosed", "normal")[0]
    rng = np.random.default_rng(4)
    draws = regimes.draw_prior(repeated(N_DRAWS), rng)
    assert set(draws) == set(regimes.draw(repeated(1), rng)) - {
        "regime", "log_weight", "log_likelihood"
    }  # fmt: skip
    date = draws["transition_year"]
    assert np.all(np.diff(date, axis=1) > 0)
    ordered = increasing_mass(DATES["normal"], -np.inf, np.inf)
    for year in (2000.0, 2006.0, 2010.0):
        earlier = increasing_mass(DATES["normal"], -np.inf, year) / ordered
        assert within_five_sds(np.sum(date[:, 1] <= year), np.array(earlier))
    assert is_uniform(PRIOR.capacity.cdf(draws["capacity"]))
    assert is_uniform(PRIOR.drift.cdf(draws["drift"]))
    for name, (a, b) in (("share_before", PRIOR.share_before), ("share_after", PRIOR.share_after)):
        assert is_uniform(stats.beta.cdf(draws[name], a, b))
    growth, median = PRIOR.parameters_growth, PRIOR.parameters_sd
    for k in range(3):
        normal = {
            "level_given_parameters": (PRIOR.level_mean[k], PRIOR.level_sd[k]),
            "growth_given_parameters": (AT.growth_mean, AT.growth_sd),
            "parameters_level": (PRIOR.parameters_level[k], PRIOR.parameters_level_sd),
            "parameters_growth": growth,
        }
        for name, (mean, sd) in normal.items():
            assert is_uniform(special.ndtr((draws[name][:, k] - mean) / sd))
        log_sd = np.log(draws["parameters_sd"][:, k] / median[0])
        assert is_uniform(special.ndtr(log_sd / median[1]))
        for s in range(5):
            x, mean = compute_line(regimes, draws, AT, k, s)
            found = draws["level"][s, k] + draws["growth"][s, k] * x
            np.testing.assert_allclose(found, mean, rtol=1e-7)


@pytest.mark.parametrize("without", [0.3, 0.05, 1e-3])
@pytest.mark.parametrize("data", DATA)
def test_focusing_loses_no_more_than_it_may(data, without):
    regimes = both_of(data, "normal")[0]
    focused = regimes.focused(without)
    assert focused.constant.size < regimes.constant.size
    at = regimes.mode
    lost = -np.expm1(focused.log_likelihood(at)[0] - regimes.log_likelihood(at)[0])
    assert -1e-12 <= lost <= without


def test_focusing_on_draws_loses_no_more_than_it_may_on_average():
    regimes = both_of("disclosed", "normal")[0]
    points = [AT, POINTS["growth of any kind"], POINTS["exact"]]
    draws = RegimeHyperparameters(*(np.stack(member) for member in zip(*points, strict=True)))
    focused = regimes.focused(0.05, draws)
    assert focused.constant.size < regimes.constant.size
    kept = [focused.log_likelihood(at)[0] - regimes.log_likelihood(at)[0] for at in points]
    lost = -np.expm1(kept)
    assert np.all(lost > -1e-12)
    assert 0 < lost.mean() <= 0.05


def test_draws_of_focused_regimes_stay_in_what_is_kept():
    regimes = both_of("both undisclosed", "normal")[0].focused(0.2)
    draws = regimes.draw(repeated(500), np.random.default_rng(1))
    assert set(cells_of(regimes, draws)[:, 0]) <= set(regimes.kept_cells)
    nodes, known = regimes.thresholds, np.isfinite(regimes.observations.log10_parameters)
    for drift, regime in zip(draws["drift"], draws["regime"], strict=True):
        late = known & (regime != DIY)
        near = np.abs(nodes.drift - drift) <= nodes.drift_step / 2
        assert np.any(near & np.all((regimes.above == (regime == BESPOKE))[:, late], axis=1))


def test_the_prior_in_words_names_what_is_integrated_out():
    text = PRIOR.describe()
    for k, name in enumerate(("DIY", "cloud", "bespoke")):
        assert f"Normal({PRIOR.parameters_level[k]:g}, 1)" in text[f"parameters_level[{name}]"]
        assert f"Normal({PRIOR.level_mean[k]:g}, " in text[f"level_given_parameters[{name}]"]
    assert text["capacity"].startswith("median 8,")
