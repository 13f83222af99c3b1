import json

import numpy as np
import pytest

from bayes_compute.convergence import quantile_errors
from bayes_compute.era_probability import era_probability
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.summaries import doubling_time, summary
from bayes_compute.summary_record import summary_record

COLUMNS = ["unit", "median", "mean", "sd", "lower", "upper", "r_hat", "ess_bulk", "ess_tail"]
COLUMNS += ["mcse_lower", "mcse_median", "mcse_upper", "prior_sd", "largely_prior", "outside_prior"]


def refuse_constants(name):
    raise AssertionError(f"{name} is not strict JSON")


def with_growth(tree, growth):
    """Put draws of growth (chain, draw, era), and what derives from it, into a tree."""
    posterior = tree["posterior"].dataset
    dims = posterior["growth"].dims
    tree["posterior"] = posterior.assign(growth=(dims, growth), growth_factor=(dims, 10**growth))
    return tree


def test_one_row_for_each_element_in_reading_order(datatree):
    table = summary(datatree)
    assert list(table.columns) == COLUMNS
    assert table.index.name == "name"
    assert list(table.index[:3]) == ["transition_year[1→2]", "transition_year[2→3]", "growth[1]"]
    assert {"offset[Language]", "growth_mean", "level[3]", "doubling_time[2]"} <= set(table.index)
    assert table.loc["growth_factor[2]", "unit"] == "×/year"


def test_interval_is_equal_tailed_at_the_probability_of_the_tree(datatree):
    draws = datatree["posterior"]["sigma"].sel(era="2").to_numpy()
    row = summary(datatree).loc["sigma[2]"]
    assert [row.lower, row["median"], row.upper] == pytest.approx(
        np.quantile(draws, [0.05, 0.5, 0.95])
    )
    row = summary(datatree, prob=0.5).loc["sigma[2]"]
    assert [row.lower, row.upper] == pytest.approx(np.quantile(draws, [0.25, 0.75]))


@pytest.mark.parametrize("prob", [0.0, 1.0, 90.0, np.nan])
def test_probability_outside_0_to_1_is_refused(datatree, prob):
    with pytest.raises(InputError, match=r"prob: got .*; expected a probability between 0 and 1"):
        summary(datatree, prob)


def test_three_units_of_growth_agree(datatree):
    table = summary(datatree)
    for era in "123":
        growth, factor, months = (
            table.loc[f"{name}[{era}]"] for name in ("growth", "growth_factor", "doubling_time")
        )
        for end, other in (("median", "median"), ("lower", "upper"), ("upper", "lower")):
            assert factor[end] == pytest.approx(10 ** growth[end])
            assert months[other] == pytest.approx(12 * np.log10(2) / growth[end])
        assert growth.ess_bulk == factor.ess_bulk == months.ess_bulk


def test_errors_of_quantiles_are_those_of_repeated_samples(datatree):
    """Of 400 independent normal draws: sd of the 5 %, 50 % and 95 % quantile in 2,000 repeats."""
    rng = np.random.default_rng(3)
    repeated = np.quantile(rng.normal(size=(2000, 400)), [0.05, 0.5, 0.95], axis=1).std(axis=1)
    errors = [list(quantile_errors(rng.normal(size=(2, 200)), 0.9).values()) for _ in range(50)]
    assert np.mean(errors, axis=0) == pytest.approx(repeated, rel=0.15)


def test_errors_in_other_units_of_growth_are_those_of_growth(datatree):
    """A change of growth by its error changes what derives from it by the error of that."""
    table = summary(datatree)
    growth, factor, months = (
        table.loc[f"{name}[2]"] for name in ("growth", "growth_factor", "doubling_time")
    )
    for end, other in (("lower", "upper"), ("median", "median"), ("upper", "lower")):
        step = 1e-3 * growth[f"mcse_{end}"]
        moved = 10 ** (growth[end] + step) - factor[end]
        assert factor[f"mcse_{end}"] == pytest.approx(1e3 * moved, rel=1e-3)
        moved = months[other] - doubling_time(growth[end] + step)
        assert months[f"mcse_{other}"] == pytest.approx(1e3 * moved, rel=1e-3)


def test_growth_that_may_be_none_gives_an_unbounded_doubling_time(datatree):
    growth = np.random.default_rng(0).normal(0.1, 0.1, (2, 200, 3))
    row = summary(with_growth(datatree, growth)).loc["doubling_time[1]"]
    assert row.lower > 0
    assert row.upper == np.inf
    assert np.isnan(row["mean"])
    assert np.isnan(row.sd)


def test_decline_never_doubles():
    assert doubling_time(np.array([-1.0, 0.0, np.log10(2)])).tolist() == [np.inf, np.inf, 12.0]


def test_r_hat_of_a_constant_is_1_and_of_stuck_chains_large(datatree):
    growth = np.ones((2, 200, 3))
    growth[1, :, 1] = 2.0
    table = summary(with_growth(datatree, growth))
    assert table.loc["growth[1]", "r_hat"] == 1.0
    assert not table.loc["growth[2]", "r_hat"] < 1.1, "each chain is stuck at its own value"


def test_r_hat_and_ess_are_those_of_independent_draws(datatree):
    row = summary(datatree).loc["growth[2]"]
    assert row.r_hat == pytest.approx(1.0, abs=0.02)
    assert 200 < row.ess_bulk < 600
    assert 200 < row.ess_tail < 600


@pytest.mark.parametrize(("gap", "outside"), [(-0.1, False), (0.1, True)])
def test_a_quantity_is_outside_its_prior_if_their_intervals_do_not_meet(datatree, gap, outside):
    prior, posterior = (datatree[name].dataset for name in ("prior", "posterior"))
    even = prior["growth_mean"].copy()
    even[:] = np.linspace(-1, 1, even.size).reshape(even.shape)
    datatree["prior"] = prior.assign(growth_mean=even)
    lower, upper = posterior["growth_mean"].quantile([0.05, 0.95]).to_numpy()
    for moved in (0.9 + gap - lower, -0.9 - gap - upper):
        datatree["posterior"] = posterior.assign(growth_mean=posterior["growth_mean"] + moved)
        assert summary(datatree).loc["growth_mean", "outside_prior"] == outside


def test_largely_prior_is_a_sd_above_seven_tenths_of_the_prior_sd(datatree):
    prior = datatree["prior"].dataset
    dims = prior["growth"].dims
    for share, expected in ((0.71, True), (0.69, False)):
        sd = datatree["posterior"]["growth"].std(("chain", "draw"), ddof=1)
        unit = prior["growth"] / prior["growth"].std(("chain", "draw"), ddof=1)
        datatree["prior"] = prior.assign(growth=(dims, (unit * sd / share).to_numpy()))
        table = summary(datatree)
        assert table.loc["growth[2]", "prior_sd"] == pytest.approx(float(sd[1]) / share)
        for name in ("growth[2]", "growth_factor[2]", "doubling_time[2]"):
            assert table.loc[name, "largely_prior"] == expected, name
        assert not table.loc["sigma[2]", "largely_prior"]


def test_probability_of_an_era_is_its_share_of_draws(datatree):
    probability = era_probability(datatree)
    assert probability.dims == ("system", "era")
    era = datatree["membership"]["era"].to_numpy().reshape(-1, probability.sizes["system"])
    expected = np.stack([(era == k).mean(axis=0) for k in range(3)], axis=1)
    np.testing.assert_allclose(probability, expected, atol=1e-12)
    assert list(probability["era"].values) == ["1", "2", "3"]


def test_one_era_holds_every_system(one_era_tree):
    assert (era_probability(one_era_tree) == 1).all()
    record = summary_record(one_era_tree)
    assert record["counts"] == {"1": {"modal": 60, "expected": 60.0}}
    assert record["selection_floor"] == []
    assert not any(row["name"].startswith("transition") for row in record["quantities"])


def test_record_is_strict_json_with_the_documented_keys(datatree):
    growth = np.random.default_rng(0).normal(0.1, 0.1, (2, 200, 3))
    record = summary_record(with_growth(datatree, growth))
    text = json.dumps(record, allow_nan=False, ensure_ascii=False)
    assert json.loads(text, parse_constant=refuse_constants) == record
    keys = "model converged data interval sampler versions diagnostics quantities counts"
    assert set(f"{keys} prior_influence".split()) <= record.keys()
    assert record["converged"] is True
    assert record["interval"] == {"kind": "eti", "prob": 0.9}
    row = next(r for r in record["quantities"] if r["name"] == "doubling_time[1]")
    assert row["upper"] is None
    assert row["mean"] is None
    influence = next(r for r in record["prior_influence"] if r["name"] == "growth_mean")
    assert set(influence) == {"name", "prior_sd", "posterior_sd", "largely_prior"}
    assert influence["largely_prior"] is True


def test_counts_add_up_to_the_systems(datatree):
    counts = summary_record(datatree)["counts"]
    assert list(counts) == ["1", "2", "3"]
    assert sum(n["modal"] for n in counts.values()) == 60
    assert sum(n["expected"] for n in counts.values()) == pytest.approx(60)


def test_floor_is_checked_at_the_median_of_each_date(datatree):
    floors = summary_record(datatree)["selection_floor"]
    medians = datatree["posterior"]["transition_year"].median(("chain", "draw")).to_numpy()
    assert [f["transition"] for f in floors] == ["1→2", "2→3"]
    assert [f["date"] for f in floors] == pytest.approx(medians)


def test_a_fit_that_failed_has_no_record(datatree):
    datatree.attrs["converged"] = 0
    with pytest.raises(NotConverged, match="three_eras: the fit failed its diagnostics") as failure:
        summary_record(datatree)
    assert failure.value.diagnostics["worst_r_hat"] == 1.003
