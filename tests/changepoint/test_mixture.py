"""The mixture of regimes against sums over every history and every membership."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from dense import REFERENCE_YEAR, gaps, histories, made_up, small
from scipy import integrate, special, stats

from bayes_compute.changepoint.mixture import (
    MixtureHyperparameters,
    MixturePrior,
    MixtureRegimes,
)

DIY, CLOUD, BESPOKE = range(3)
DATES: dict[str, Any] = {
    "normal": (stats.norm(2008, 5), stats.norm(2012, 4)),
    "uniform": (stats.uniform(2008, 6), stats.uniform(2006, 20)),  # some are before it for sure
}
PRIOR = MixturePrior(parameters_level=(5.5, 7.0, 10.0), parameters_growth=0.15)
AT = MixtureHyperparameters(
    level_given_parameters=np.array([16.0, 16.5, 18.0]),
    growth_given_parameters=np.array([0.2, 0.4, 0.6]),
    sigma=np.array([1.2, 0.9, 0.6]),
    elasticity=0.6,
    offset=np.array([0.4, -0.4]),
    parameters_level=np.array([6.5, 7.0, 8.2]),
    parameters_growth=np.array([0.15, 0.1, 0.2]),
    parameters_sd=np.array([1.5, 1.0, 0.8]),
    share=0.3,
)
POINTS = {
    "usual": AT,
    "bespoke for sure": AT._replace(share=1 - 1e-9),
    "less compute for more parameters": AT._replace(elasticity=-0.5),
    "regimes alike": AT._replace(
        level_given_parameters=np.full(3, 17.0), growth_given_parameters=np.full(3, 0.4)
    ),
    "regimes far apart": AT._replace(
        level_given_parameters=np.array([4.0, 17.0, 40.0]), sigma=np.full(3, 0.1)
    ),
}
DISCLOSED = {
    "all": ([], []),
    "some": ([1, 4], [2, 5, 6]),
    "no parameters": (range(8), []),
    "little compute": ([], range(1, 8)),
}


def some_systems(seed: int = 1, undisclosed: str = "all"):
    """Several systems on one date, and some of one month on different days."""
    o, rng = small(seed, 8), np.random.default_rng(100 + seed)
    year = o.year + np.where(np.arange(o.n) % 4 == 0, 0.02, 0.0)
    o = made_up(year, o.log10_flop, o.variance, o.domain)
    p = 7.5 + 0.15 * (o.year - 2010) + rng.normal(0, 1, o.n)
    y, variance = o.log10_flop.copy(), o.variance.copy()
    no_p, no_y = (list(which) for which in DISCLOSED[undisclosed])
    p[no_p], y[no_y], variance[no_y] = np.nan, np.nan, np.nan
    return replace(o, log10_parameters=p, log10_flop=y, variance=variance)


class Twin:
    """Every history and every membership, one by one.

    Parameters
    ----------
    observations, densities, at
        As the likelihood takes them.
    """

    def __init__(self, observations, densities, at):
        self.observations, self.at = observations, at
        month = (np.floor(observations.year * 12) + 0.5) / 12
        self.cells = gaps(month, densities)
        self.histories = histories(month, densities)
        mass = np.array([history.mass for history in self.histories])
        with np.errstate(divide="ignore"):
            log_mass = np.log(mass / mass.sum())
        table = np.array(
            [[self.log_density(i, k) for k in range(3)] for i in range(observations.n)]
        )
        ways, log_weights = [], []
        for j, history in enumerate(self.histories):
            late = history.eras[2]
            for chosen in product((CLOUD, BESPOKE), repeat=len(late)):
                regime = np.full(observations.n, CLOUD)
                regime[list(history.eras[0])], regime[list(late)] = DIY, chosen
                n_bespoke = sum(k == BESPOKE for k in chosen)
                shares = n_bespoke * np.log(at.share)
                shares += (len(late) - n_bespoke) * np.log(1 - at.share)
                of_systems = table[np.arange(observations.n), regime].sum()
                ways.append((j, regime))
                log_weights.append(log_mass[j] + shares + of_systems)
        self.value = special.logsumexp(log_weights)
        self.weight = np.exp(log_weights - self.value)
        self.history, self.regime = (np.array(each) for each in zip(*ways, strict=True))

    def log_density(self, i: int, k: int) -> float:
        """Joint normal density of one system's parameters and compute, as far as disclosed."""
        o, at = self.observations, self.at
        x = o.year[i] - REFERENCE_YEAR
        mean_p = at.parameters_level[k] + at.parameters_growth[k] * x
        expected = PRIOR.parameters_level[k] + PRIOR.parameters_growth * x
        mean_y = at.level_given_parameters[k] + at.growth_given_parameters[k] * x
        mean_y += at.elasticity * (mean_p - expected) + at.offset[o.domain[i]]
        variance, slope = at.parameters_sd[k] ** 2, at.elasticity
        noise = at.sigma[k] ** 2 + np.nan_to_num(o.variance[i])
        covariance = [
            [variance, slope * variance],
            [slope * variance, slope**2 * variance + noise],
        ]
        value = np.array([o.log10_parameters[i], o.log10_flop[i]])
        seen = np.flatnonzero(np.isfinite(value))
        return stats.multivariate_normal.logpdf(
            value[seen], np.array([mean_p, mean_y])[seen], np.array(covariance)[np.ix_(seen, seen)]
        )

    def regime_probability(self) -> np.ndarray:
        """Posterior probability of each regime of each system, shape (3, n)."""
        return np.stack([self.weight @ (self.regime == k) for k in range(3)])

    def cell_probability(self) -> np.ndarray:
        """Posterior probability of each pair of cells, shape (G, G)."""
        out = np.zeros((len(self.cells), len(self.cells)))
        for j, weight in zip(self.history, self.weight, strict=True):
            out[self.histories[j].cells] += weight
        return out


def likelihood(observations, kind: str = "normal") -> MixtureRegimes:
    return MixtureRegimes.of(observations, DATES[kind], PRIOR)


def flattened(at: MixtureHyperparameters) -> np.ndarray:
    return np.concatenate([np.ravel(member) for member in at])


def folded(v: np.ndarray) -> MixtureHyperparameters:
    ends = np.cumsum([np.size(member) for member in AT])
    parts = zip(np.split(v, ends[:-1]), AT, strict=True)
    return MixtureHyperparameters(*(p if np.ndim(m) else float(p[0]) for p, m in parts))


def repeated(at: MixtureHyperparameters, n: int) -> MixtureHyperparameters:
    return at._make(np.repeat(np.asarray(member)[None], n, axis=0) for member in at)


def assert_frequencies(counts: np.ndarray, probability: np.ndarray):
    """Counts are within 5 sd of those expected; one more where less than one is."""
    n = counts.sum()
    bound = 5 * np.sqrt(n * probability * (1 - probability)) + 1
    np.testing.assert_array_less(np.abs(counts - n * probability), bound)


@pytest.mark.parametrize("kind", DATES)
@pytest.mark.parametrize("undisclosed", DISCLOSED)
@pytest.mark.parametrize("at", POINTS.values(), ids=POINTS)
def test_value_and_regimes_are_those_of_every_history(kind, undisclosed, at):
    o = some_systems(2, undisclosed)
    twin, found = Twin(o, DATES[kind], at), likelihood(o, kind)
    assert found.log_likelihood(at)[0] == pytest.approx(twin.value, rel=1e-9)
    np.testing.assert_allclose(found.probability(at), twin.regime_probability(), atol=1e-9)


@pytest.mark.parametrize("undisclosed", DISCLOSED)
@pytest.mark.parametrize("name", [name for name in POINTS if name != "bespoke for sure"])
def test_gradient_is_that_of_finite_differences(undisclosed, name):
    found, v = likelihood(some_systems(1, undisclosed)), flattened(POINTS[name])
    value, gradient = found.log_likelihood(folded(v))

    def slope(i: int, h: float) -> float:
        step = h * (np.arange(len(v)) == i)
        up, down = (found.log_likelihood(folded(v + sign * step))[0] for sign in (1, -1))
        return (up - down) / (2 * h)

    for i in range(len(v)):
        # Richardson's extrapolation: what is left of the series is below its last correction
        h = 2e-4
        coarse, fine = slope(i, 2 * h), slope(i, h)
        correction = (fine - coarse) / 3
        rounding = 20 * np.finfo(float).eps * max(1.0, abs(value)) / h
        assert abs(gradient[i] - fine - correction) < 0.1 * abs(correction) + rounding, i


@pytest.mark.parametrize("name", ["usual", "regimes alike", "less compute for more parameters"])
def test_density_of_one_system_integrates_to_one(name):
    o = some_systems(1).subset(np.arange(8) == 6)
    o = replace(o, domains=("Language", "Vision"))
    found = MixtureRegimes.of(o, DATES["normal"], PRIOR)
    data, at = dict(found.data), POINTS[name]

    def density(y: float, p: float) -> float:
        moved = replace(o, log10_parameters=np.array([p]), log10_flop=np.array([y]))
        object.__setattr__(found, "observations", moved)
        found.__dict__["data"] = data | {"p": np.array([p]), "y": np.array([y])}
        return np.exp(found.log_likelihood(at)[0])

    p, step_p = np.linspace(-6, 22, 71, retstep=True)
    y, step_y = np.linspace(0, 36, 91, retstep=True)
    total = sum(density(b, a) for a, b in product(p, y)) * step_p * step_y
    # The trapezoidal rule is exact to exp(-2 pi^2 sd^2 / step^2), and sds are 3 steps or more
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("hidden", ["p", "y"])
def test_what_is_undisclosed_is_integrated_out(hidden):
    o = some_systems(1)
    whole = likelihood(o)
    member = {"p": "log10_parameters", "y": "log10_flop"}[hidden]

    def density(value: float) -> float:
        changed = getattr(o, member).copy()
        changed[5] = value
        return np.exp(likelihood(replace(o, **{member: changed})).log_likelihood(AT)[0] - top)

    top = whole.log_likelihood(AT)[0]
    hole = np.where(np.arange(o.n) == 5, np.nan, getattr(o, member))
    without = likelihood(replace(o, **{member: hole})).log_likelihood(AT)[0]
    total = integrate.quad(density, *{"p": (-10, 30), "y": (-10, 50)}[hidden], limit=200)[0]
    assert np.log(total) == pytest.approx(without - top, abs=1e-7)


@pytest.mark.parametrize("kind", DATES)
def test_draws_of_cells_and_regimes_have_their_probabilities(kind):
    o, n = some_systems(2, "some"), 4000
    found, twin = likelihood(o, kind), Twin(o, DATES[kind], AT)
    drawn = found.draw(repeated(AT, n), np.random.default_rng(1))
    date, regime = drawn["transition_year"], drawn["regime"]
    assert (date[:, 0] < date[:, 1]).all()
    cell = np.searchsorted(found.cells.edges, date) - 1
    n_cells = len(twin.cells)
    pairs = np.bincount(cell[:, 0] * n_cells + cell[:, 1], minlength=n_cells**2)
    assert_frequencies(pairs, twin.cell_probability().ravel())
    for i, probability in enumerate(twin.regime_probability().T):
        assert_frequencies(np.bincount(regime[:, i], minlength=3), probability)


def test_draws_of_regimes_agree_with_dates_and_each_other():
    o, n = some_systems(1), 4000
    twin, drawn = (
        Twin(o, DATES["normal"], AT),
        likelihood(o).draw(repeated(AT, n), np.random.default_rng(2)),
    )
    month = (np.floor(o.year * 12) + 0.5) / 12
    cloud, bespoke = (date[:, None] for date in drawn["transition_year"].T)
    regime = drawn["regime"]
    np.testing.assert_array_equal(regime == DIY, month < cloud)
    assert (month >= bespoke)[regime == BESPOKE].all()
    for i, j in ((4, 5), (6, 7)):  # together
        both = np.array(
            [
                twin.weight @ ((twin.regime[:, i] == a) & (twin.regime[:, j] == b))
                for a, b in product(range(3), repeat=2)
            ]
        )
        assert_frequencies(np.bincount(3 * regime[:, i] + regime[:, j], minlength=9), both)


def test_order_within_a_date_does_not_matter():
    o = some_systems(1, "some")
    month = (np.floor(o.year * 12) + 0.5) / 12
    order = np.lexsort([-np.arange(o.n), month])
    arrays = ("year", "log10_flop", "variance", "log10_parameters", "domain")
    other = replace(o, **{name: getattr(o, name)[order] for name in arrays})
    assert (order != np.arange(o.n)).any()
    (value, gradient), (again, same) = (likelihood(each).log_likelihood(AT) for each in (o, other))
    assert again == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(same, gradient, rtol=1e-11, atol=1e-11)


def test_many_systems_far_from_a_regime_leave_no_nan():
    o = some_systems(1)
    at = AT._replace(sigma=np.full(3, 0.01), level_given_parameters=np.array([-300.0, 16, 400]))
    value, gradient = likelihood(o).log_likelihood(at)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_growth_of_compute_has_that_of_parameters_in_it():
    drawn = likelihood(some_systems(1)).draw(repeated(AT, 2), np.random.default_rng(1))
    x = np.array([0.0, 5.0])[:, None]
    mean_p = AT.parameters_level + AT.parameters_growth * x
    excess = mean_p - PRIOR.parameters_level - PRIOR.parameters_growth * x
    mean = AT.level_given_parameters + AT.growth_given_parameters * x + AT.elasticity * excess
    np.testing.assert_allclose(drawn["level"][0], mean[0])
    np.testing.assert_allclose(drawn["growth"][0], (mean[1] - mean[0]) / 5)


def test_systems_given_regimes_have_the_density_of_one_history():
    o = some_systems(2, "some")
    found, twin, at = likelihood(o), Twin(o, DATES["normal"], AT), repeated(AT, 3)
    rng = np.random.default_rng(1)
    drawn = found.draw(at, rng)
    seen = np.flatnonzero(np.isfinite(o.log10_flop))
    per_system = found.systems(o, at, drawn, rng)
    parameters_only = replace(o, log10_flop=np.full(o.n, np.nan))
    for s in range(3):
        for place, i in enumerate(seen):
            k = drawn["regime"][s, i]
            expected = twin.log_density(i, k)
            if np.isfinite(o.log10_parameters[i]):
                twin.observations = parameters_only
                expected -= twin.log_density(i, k)
                twin.observations = o
            assert per_system.log_likelihood[s, place] == pytest.approx(expected, rel=1e-10)


def test_prior_dates_are_ordered():
    drawn = likelihood(some_systems(1)).draw_prior(repeated(AT, 500), np.random.default_rng(1))
    assert (np.diff(drawn["transition_year"], axis=1) > 0).all()


def test_simulated_systems_have_regimes_and_moments_of_the_model():
    o = some_systems(3)
    found, n, rng = likelihood(o), 20_000, np.random.default_rng(1)
    at = repeated(AT, n)
    drawn = found.draw_prior(at, rng)
    regime, p, y = found.simulate(o, at, drawn, rng)
    month = (np.floor(o.year * 12) + 0.5) / 12
    cloud, bespoke = (date[:, None] for date in drawn["transition_year"].T)
    np.testing.assert_array_equal(regime == DIY, month < cloud)
    late = (month >= bespoke).sum()
    assert abs((regime == BESPOKE).sum() - AT.share * late) < 4 * np.sqrt(late / 4)
    assert not ((regime == BESPOKE) & (month < bespoke)).any()
    for i, k in product(range(o.n), range(3)):
        these = regime[:, i] == k
        if these.sum() < 500:
            continue
        x, sd = o.year[i] - REFERENCE_YEAR, AT.parameters_sd[k]
        mean_p = AT.parameters_level[k] + AT.parameters_growth[k] * x
        excess = p[these, i] - PRIOR.parameters_level[k] - PRIOR.parameters_growth * x
        mean_y = AT.level_given_parameters[k] + AT.growth_given_parameters[k] * x
        mean_y = mean_y + AT.elasticity * excess + AT.offset[o.domain[i]]
        z = (p[these, i] - mean_p) / sd
        w = (y[these, i] - mean_y) / np.hypot(AT.sigma[k], np.sqrt(o.variance[i]))
        for each in (z, w, (z**2 - 1) / np.sqrt(2), (w**2 - 1) / np.sqrt(2), z * w):
            assert abs(each.mean()) < 5 / np.sqrt(these.sum())
