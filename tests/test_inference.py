"""Fitting: all groups are there, the same seed gives the same draws, and the gate holds."""

import json
import warnings
from dataclasses import replace

import arviz as az
import numpy as np
import pytest
from scipy import stats

import bayes_compute as bc
from bayes_compute import draws, inference, posterior
from bayes_compute.changepoint import collapse
from bayes_compute.changepoint.dates import era_year
from bayes_compute.changepoint.hyperparameters import Hyperparameters, hyperparameters
from bayes_compute.changepoint.hyperparameters import log_likelihoods as log_likelihoods_of
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.files import json_bytes
from bayes_compute.gate import GATE, diagnose, left_out
from bayes_compute.models import one_era, regimes, three_eras
from bayes_compute.observations import Observations
from bayes_compute.sampling import CompiledDensity
from bayes_compute.summary_record import summary_record

SETTINGS = {"draws": 1000, "tune": 300, "chains": 4, "seed": 7, "progress": False}


def simulate(n: int = 120, seed: int = 3) -> Observations:
    """Two clear jumps, one domain, known errors."""
    rng = np.random.default_rng(seed)
    year = np.sort(rng.uniform(1990, 2024, n))
    era = np.searchsorted([2005.0, 2017.0], year, side="right")
    level, growth = np.array([13.0, 16.0, 15.0]), np.array([0.15, 0.3, 0.6])
    variance = np.full(n, 0.1)
    mean = level[era] + growth[era] * (year - REFERENCE_YEAR)
    flop = mean + rng.normal(0, np.sqrt(0.5**2 + variance))
    source = {"name": "simulated", "rows": n, "sha256": "", "as_of": "2024", "selection": "all"}
    return Observations(
        system=tuple(f"s{i}" for i in range(n)),
        year=year,
        log10_flop=flop,
        variance=variance,
        log10_parameters=np.full(n, np.nan),
        domain=np.zeros(n, int),
        domains=("Other",),
        source=source,
    )


@pytest.fixture(scope="module")
def observations():
    return simulate()


@pytest.fixture(scope="module")
def dt(observations):
    return bc.fit("three_eras", observations, **SETTINGS)


def test_truth_is_recovered(dt):
    table = bc.summary(dt, 0.999)
    truth = {
        "transition_year[1→2]": 2005.0,
        "transition_year[2→3]": 2017.0,
        "growth[1]": 0.15,
        "growth[2]": 0.3,
        "growth[3]": 0.6,
        "sigma[2]": 0.5,
    }
    for name, value in truth.items():
        assert table.loc[name, "lower"] < value < table.loc[name, "upper"], name


def test_every_group_and_label_is_there(dt, observations):
    groups = {"prior", "posterior", "posterior_predictive", "log_likelihood", "observed_data"}
    assert groups | {"constant_data", "sample_stats", "membership", "log_prior"} == set(dt.children)
    posterior = dt["posterior"].dataset
    assert posterior["transition_year"].dims == ("chain", "draw", "transition")
    assert list(posterior["transition"].values) == ["1→2", "2→3"]
    assert list(posterior["era"].values) == ["1", "2", "3"]
    assert list(dt["observed_data"]["system"].values) == list(observations.system)
    assert set(posterior.data_vars) == set(dt["prior"].data_vars)
    assert set(posterior.data_vars) <= set(json.loads(dt.attrs["units"]))
    assert set(json.loads(dt.attrs["priors"])) >= {"level", "sigma", "transition_year[1→2]"}


def test_draws_are_ordered_and_named_as_arviz_expects(dt):
    date = dt["posterior"]["transition_year"]
    assert bool((date.isel(transition=0) < date.isel(transition=1)).all())
    assert np.isfinite(az.loo(dt).elpd)
    assert az.summary(dt, var_names=["growth"]).shape[0] == 3


def test_the_era_of_a_system_counts_the_dates_at_or_before_its_month(dt, observations):
    month = (np.floor(12 * observations.year) + 0.5) / 12
    dates = dt["posterior"]["transition_year"].to_numpy()
    expected = (dates[..., None] <= month).sum(axis=2)
    np.testing.assert_array_equal(dt["membership"]["era"], expected)


def test_log_likelihood_is_that_of_the_stated_model(dt, observations):
    draw = dt["posterior"].dataset.isel(chain=1, draw=17)
    assigned = era_year(observations.year)
    era = (draw["transition_year"].values[:, None] <= assigned).sum(axis=0)
    mean = draw["level"].values[era]
    mean = mean + draw["growth"].values[era] * (observations.year - REFERENCE_YEAR)
    sd = np.sqrt(draw["sigma"].values[era] ** 2 + observations.variance)
    expected = stats.norm(mean, sd).logpdf(observations.log10_flop)
    got = dt["log_likelihood"]["log10_flop"].isel(chain=1, draw=17).values
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_replicates_spread_as_the_data_do(dt, observations):
    replicate = dt["posterior_predictive"]["log10_flop"]
    below = (replicate < observations.log10_flop).mean(("chain", "draw")).values
    # ranks of 120 systems under their own predictive are close to uniform
    assert stats.kstest(below, "uniform").pvalue > 1e-3


def test_same_seed_gives_the_same_draws_on_one_core(dt, observations, monkeypatch):
    monkeypatch.setattr(inference.os, "process_cpu_count", lambda: 1)
    again = bc.fit("three_eras", observations, **SETTINGS)
    for group in ("prior", "posterior", "posterior_predictive"):
        assert again[group].equals(dt[group]), group
    other = bc.fit("three_eras", observations, **SETTINGS | {"seed": 8})
    assert not other["posterior"].equals(dt["posterior"])


def test_sampled_dates_agree_with_the_exact_ones(dt, observations):
    likelihood = three_eras.regression(observations)
    log_weight, of_date = [], []
    for mean in np.linspace(-0.2, 1.0, 13):
        for log_sd in np.linspace(np.log(0.03), np.log(1.5), 13):
            at = Hyperparameters(mean, np.exp(log_sd), np.zeros(1))
            prior = stats.norm(0.4, 0.3).logpdf(mean) + stats.norm(np.log(0.2), 0.7).logpdf(log_sd)
            log_weight.append(likelihood.log_likelihood(at)[0] + prior)
            of_date.append(likelihood.date_probability(at))
    weight = np.exp(np.array(log_weight) - max(log_weight))
    exact = np.tensordot(weight / weight.sum(), np.array(of_date), axes=1)
    draws = hyperparameters(dt["posterior"].to_dataset())
    sampled = np.mean(
        [
            likelihood.date_probability(Hyperparameters(*(member[i] for member in draws)))
            for i in range(0, len(draws.growth_mean), 40)
        ],
        axis=0,
    )
    assert (0.5 * np.abs(sampled - exact).sum(axis=1) < 0.02).all()


def test_one_era_has_no_transition(observations):
    dt = bc.fit("one_era", observations, **SETTINGS)
    assert "transition_year" not in dt["posterior"]
    assert list(dt["posterior"]["era"].values) == ["1"]


def test_too_few_draws_are_refused_with_the_quantity_and_a_remedy(observations):
    with pytest.raises(
        bc.NotConverged, match=r"ess_bulk is .* expected at least 400.*--draws"
    ) as e:
        bc.fit("three_eras", observations, **SETTINGS | {"draws": 20, "tune": 50})
    failures = e.value.diagnostics["failures"]
    assert {"quantity", "what", "got", "expected", "remedy"} == set(failures[0])


def test_dates_piled_up_at_the_last_system_are_refused(dt, observations):
    likelihood, piled = three_eras.regression(observations), dt.copy(deep=True)
    assert diagnose(piled, likelihood, {})["failures"] == []
    date = piled["posterior"]["transition_year"]
    last = era_year(observations.year)[-1]
    n = date.sizes["draw"] // 10
    date[:, :n, 1] = last - 1e-6 * np.arange(n)
    failures = diagnose(piled, likelihood, {})["failures"]
    assert any("piled up at" in row["what"] for row in failures), failures


@pytest.mark.parametrize(
    "first",
    [
        np.arange(40.0),  # of a large sd
        -np.log1p(1e-3 * (1 - (np.arange(40) + 0.5) / 40) ** -2.0),  # of a small one, Pareto k of 1
    ],
)
def test_what_was_left_out_is_taken_in_if_it_turns_out_to_matter(observations, monkeypatch, first):
    asked, focused = [], CollapsedRegression.focused

    def noted(self, without, draws=None):
        asked.append((without, draws))
        return focused(self, without, draws)

    monkeypatch.setattr(CollapsedRegression, "focused", noted)
    missed = iter([first, np.zeros(40)])
    monkeypatch.setattr(
        posterior,
        "log_likelihoods",
        lambda *given: log_likelihoods_of(*given) + next(missed),
    )
    few = {"draws": 20, "tune": 20, "chains": 2, "seed": 1}
    found = posterior.draw_posterior("three_eras", observations, **few)
    assert found.left["sampled_without"] < GATE["sampled_without"]
    assert [without for without, _ in asked[-4:]] == pytest.approx([0.1, 1e-4, 0.01, 1e-4])
    (_, no_draws), (_, drawn), (_, known), _ = asked[-4:]
    assert no_draws is None
    assert set(known[0]) < set(drawn[0]), "the draws that want what was left out, in place of all"
    assert drawn[0][0] in known[0]


def test_weights_of_draws_are_what_was_left_out(observations, monkeypatch):
    given = {}

    def log_likelihoods(sampled, at):
        given["left_out"] = log_likelihoods_of(sampled, at)
        given["whole"] = log_likelihoods_of(sampled.whole(), at)
        return given["left_out"]

    def resampled(log_weight, *others):
        given["log_weight"] = log_weight
        return draws.resampled(log_weight, *others)

    monkeypatch.setattr(CollapsedRegression, "SAMPLED_WITHOUT", 0.3)
    monkeypatch.setattr(posterior, "log_likelihoods", log_likelihoods)
    monkeypatch.setattr(posterior, "resampled", resampled)
    posterior.draw_posterior("three_eras", observations, draws=20, tune=50, chains=2, seed=1)
    expected = given["whole"] - given["left_out"]
    assert np.ptp(expected) > 0.05, "otherwise nothing is tested"
    np.testing.assert_allclose(given["log_weight"], expected, atol=5e-3)


def test_what_is_left_out_is_the_probability_of_the_scatters_left_out(observations):
    """Of one era nothing else can be: there are no dates."""
    whole = one_era.regression(observations)
    some, rng = whole.focused(0.3), np.random.default_rng(1)
    offset = 0.1 * rng.standard_normal((16, len(observations.domains)))
    at = whole.Point(rng.normal(0.4, 0.05, 16), np.full(16, 0.2), offset)
    start, stop, _, _, first = whole.arguments[-2].T
    ((_, _, low, high),) = some.spans
    place = first[(start == 0) & (stop == stop.max())][0]  # of the era of all dates
    expected = [
        1 - collapse.probabilities(*each, *whole.arguments)[2][place + low : place + high].sum()
        for each in zip(*at, strict=True)
    ]
    assert np.mean(expected) > 0.01, "otherwise nothing is tested"
    assert left_out(whole, some, at) == pytest.approx(np.mean(expected), rel=1e-9)


def test_leaving_too_much_out_is_refused(dt, observations):
    failures = diagnose(
        dt, three_eras.regression(observations), {"sampled_without": 0.6, "drawn_without": 0.02}
    )["failures"]
    assert [row["what"] for row in failures] == ["sampled_without", "drawn_without"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"draws": 0}, "draws: got 0"),
        ({"chains": 1}, "chains: got 1"),
        ({"prob": 1.5}, "prob: got 1.5"),
    ],
)
def test_arguments_out_of_range(observations, change, text):
    with pytest.raises(bc.InputError, match=text):
        bc.fit("three_eras", observations, **SETTINGS | change)


@pytest.mark.parametrize("name", ["no_such_model", "../three_eras", ""])
def test_unknown_model(observations, name):
    with pytest.raises(bc.InputError, match="model: got"):
        bc.fit(name, observations)


def test_systems_far_from_the_prior_dates_are_refused(observations):
    early = replace(observations, year=observations.year - 100)
    with pytest.raises(bc.InputError, match="the prior puts a transition at 2008"):
        three_eras.build(early)


def test_models_are_fresh_and_named(observations):
    first, second = three_eras.build(observations), three_eras.build(observations)
    assert first is not second
    names = {rv.name for rv in one_era.build(observations).free_RVs}
    assert names == {"growth_mean", "offset_sd", "offset"}


def test_date_priors_in_an_impossible_order_are_refused(observations):
    dates = (stats.uniform(2015, 3), stats.uniform(2005, 3))
    likelihood = CollapsedRegression.of(observations, dates, three_eras.ERA_PRIOR)
    with pytest.raises(bc.InputError, match="order the priors, earliest first"):
        likelihood.log_likelihood(Hyperparameters(0.4, 0.2, np.zeros(1)))


# Regimes


def simulate_regimes(seed: int = 5) -> Observations:
    """DIY until 2008; from then on cloud below 10^10 parameters and bespoke above, from 2018 on."""
    rng = np.random.default_rng(seed)
    n = 100
    year = np.sort(rng.uniform(1995, 2023, n))
    bespoke = (year > 2018) & (rng.random(n) < 0.4)
    parameters = np.where(bespoke, rng.uniform(10.5, 12, n), rng.uniform(5, 9.5, n))
    flop = np.where(year < 2008, 13 + 0.15 * (year - 2010), 15 + 0.5 * (year - 2010))
    flop += np.where(bespoke, 2.5, 0) + 0.5 * (parameters - 7) + rng.normal(0, 0.6, n)
    one = simulate(n)
    parameters[::9], flop[4::9] = np.nan, np.nan
    return replace(
        one, year=year, log10_flop=flop, log10_parameters=parameters,
        variance=np.where(np.isnan(flop), np.nan, 0.1), domain=np.arange(n) % 2,
        domains=("Language", "Other"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def some_regimes():
    return simulate_regimes()


@pytest.fixture(scope="module")
def regimes_fit(some_regimes):
    return bc.fit("regimes", some_regimes, **SETTINGS)


def test_regimes_are_recovered_with_every_system_kept(regimes_fit, some_regimes):
    o, table = some_regimes, bc.summary(regimes_fit, 0.999)
    assert table.loc["capacity", "lower"] < 10.5
    assert table.loc["capacity", "upper"] > 9.5
    assert table.loc["transition_year[bespoke]", "lower"] < 2018.5
    assert list(regimes_fit["constant_data"]["system"].values) == list(o.system)
    era = regimes_fit["membership"]["era"].to_numpy()
    late = o.year > 2012
    above = o.log10_parameters > 10
    share = (era == 2).mean(axis=(0, 1))
    assert np.all(share[late & above] > 0.8)
    assert np.all(share[late & (o.log10_parameters < 9)] < 0.2)
    assert np.all((era == 0).mean(axis=(0, 1))[o.year < 2004] > 0.8)


def test_regimes_are_the_same_to_the_byte_on_one_core(regimes_fit, some_regimes, monkeypatch):
    monkeypatch.setattr(inference.os, "process_cpu_count", lambda: 1)
    regimes.regression.cache_clear()
    again = bc.fit("regimes", some_regimes, **SETTINGS)
    first, second = (json_bytes(summary_record(fit)) for fit in (regimes_fit, again))
    assert first == second


def test_regimes_have_every_group_and_label(regimes_fit, some_regimes):
    posterior, known = regimes_fit["posterior"].dataset, np.isfinite(some_regimes.log10_flop)
    assert list(posterior["era"].values) == ["DIY", "cloud", "bespoke"]
    assert list(posterior["transition"].values) == ["cloud", "bespoke"]
    assert set(posterior.data_vars) == set(regimes_fit["prior"].data_vars)
    names = [name for name, it in zip(some_regimes.system, known, strict=True) if it]
    for group in ("observed_data", "log_likelihood", "posterior_predictive"):
        assert list(regimes_fit[group]["system"].values) == names
        assert np.isfinite(regimes_fit[group]["log10_flop"]).all()
    assert set(regimes_fit["log_prior"].data_vars) == {"transition_year", "capacity", "drift"}
    with warnings.catch_warnings(action="ignore"):  # a few systems weigh much: not the point
        assert np.isfinite(az.loo(regimes_fit).elpd)


def test_a_bespoke_transition_that_is_still_to_come_is_no_failure(regimes_fit, some_regimes):
    ahead, likelihood = regimes_fit.copy(deep=True), regimes.regression(some_regimes)
    date = ahead["posterior"]["transition_year"]
    date[:, ::2, 1] = 2026.0  # the last system is of 2023
    date[:, ::2, 0] = some_regimes.year[-1] + 0.1  # which the cloud transition may not be
    piled = [
        row["quantity"]
        for row in diagnose(ahead, likelihood, {})["failures"]
        if "piled up" in row["what"]
    ]
    assert piled == ["transition_year[cloud]"]


def test_a_fit_integrates_parameters_out_once(some_regimes):
    regimes.regression.cache_clear()
    with pytest.raises(bc.NotConverged):
        bc.fit("regimes", some_regimes, **SETTINGS | {"draws": 20, "tune": 20})
    assert regimes.regression.cache_info().misses == 1


def test_log_likelihood_of_a_disclosed_system_is_that_of_its_regime(regimes_fit, some_regimes):
    draw = regimes_fit["posterior"].dataset.isel(chain=2, draw=31)
    o, prior = some_regimes, regimes.STATED
    k = regimes_fit["membership"]["era"].isel(chain=2, draw=31).to_numpy()
    x = o.year - REFERENCE_YEAR
    expected = np.array(prior.parameters_level)[k] + prior.parameters_growth[0] * x
    mean = draw["level_given_parameters"].values[k] + draw["growth_given_parameters"].values[k] * x
    mean += draw["elasticity"].item() * (o.log10_parameters - expected)
    mean += draw["offset"].values[o.domain]
    density = stats.norm(mean, np.sqrt(draw["sigma"].values[k] ** 2 + o.variance))
    known = np.isfinite(o.log10_flop)
    found = regimes_fit["log_likelihood"]["log10_flop"].isel(chain=2, draw=31).to_numpy()
    both = known & np.isfinite(o.log10_parameters)
    np.testing.assert_allclose(
        found[np.isfinite(o.log10_parameters[known])], density.logpdf(o.log10_flop)[both], rtol=1e-9
    )


@pytest.mark.parametrize(("share", "accepted"), [(0.0, 0.8), (0.01, 0.99)])
def test_draws_that_diverge_are_drawn_anew_with_smaller_steps(
    observations, monkeypatch, share, accepted
):
    sample, tried = CompiledDensity.sample, []

    def diverging(*args, target_accept, **kwargs):
        tried.append(target_accept)
        posterior, sample_stats = sample(*args, target_accept=target_accept, **kwargs)
        if target_accept < 0.9:
            few = np.arange(sample_stats["diverging"].size) < share * sample_stats["diverging"].size
            sample_stats["diverging"].data = few.reshape(sample_stats["diverging"].shape)
        return posterior, sample_stats

    monkeypatch.setattr(CompiledDensity, "sample", diverging)
    dt = bc.fit("one_era", observations, **SETTINGS)
    assert tried == [0.8, 0.99][: len(tried)]
    assert dt["sample_stats"].attrs["target_accept"] == tried[-1] == accepted
    assert json.loads(dt.attrs["diagnostics"])["divergences"] <= 2
