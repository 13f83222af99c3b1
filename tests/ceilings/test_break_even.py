"""Cloud against bespoke: Jones's example, formulas against brute force, recovery."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.integrate import quad

import bayes_compute as bc
from bayes_compute import plots
from bayes_compute import systems as reading
from bayes_compute.assumptions import draw_each
from bayes_compute.ceilings import break_even as ceiling
from bayes_compute.ceilings import price_performance as market_of
from bayes_compute.ceilings.prices import MARKETS
from bayes_compute.draws import count, flat
from bayes_compute.models import break_even as model
from bayes_compute.systems import data_folder

YEARS = np.array([2016.0, 2020.0, 2024.0])


@pytest.fixture(scope="module")
def data():
    return model.observe()


@pytest.fixture(scope="module")
def fitted(data):
    return bc.fit("break_even", data, progress=False)


@pytest.fixture(scope="module")
def posterior(fitted):
    return fitted["posterior"].to_dataset()


@pytest.fixture(scope="module")
def assumed(posterior):
    return draw_each(ceiling.ASSUMPTIONS, count(posterior), np.random.default_rng(3))


def interval(draws, prob=0.9):
    return np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)


# --- the worked example


def test_example_of_jones_2022():
    """About 100 million pounds to build and 10 million a year of electricity, over 5 years."""
    electricity = 10e6 / 8766
    assert round(electricity) == 1141
    assert round((100e6 / 5 + 10e6) / 8766) == 3422
    hours = ceiling.hours_to_break_even(100e6, 5, 0.0, electricity, 6000)
    assert round(hours) == 4116
    assert round(ceiling.hours_to_break_even(100e6, 5, 20 * 100e3, electricity, 6000)) == 4527
    assert ceiling.hours_to_break_even(100e6, 5, 0.0, electricity, 3400) > 8766
    assert ceiling.hours_to_break_even(100e6, 5, 0.0, electricity, 1000) == np.inf
    for number in ("3,422", "1,141", "4,116", "4,527"):
        assert number in model.__doc__


@given(
    st.floats(1e5, 1e10),
    st.floats(1, 20),
    st.floats(0, 1e8),
    st.floats(0, 1e4),
    st.floats(1e-2, 1e5),
)
def test_at_the_break_even_both_cost_the_same(capital, lifetime, fixed, electricity, more):
    cloud = electricity + more
    hours = ceiling.hours_to_break_even(capital, lifetime, fixed, electricity, cloud)
    own = capital / lifetime + fixed + electricity * hours
    np.testing.assert_allclose(own, cloud * hours, rtol=1e-6)


# --- the model


def test_fit_is_to_be_trusted(fitted):
    found = json.loads(fitted.attrs["diagnostics"])
    assert found["worst_r_hat"] <= 1.01
    assert min(found["smallest_ess_bulk"], found["smallest_ess_tail"]) >= 400
    assert set(map(str, fitted["posterior"].data_vars)) == set(model.UNITS)


def test_what_made_machines_up_is_recovered(data, posterior):
    rng, n = np.random.default_rng(5), len(data.year)
    truth = {
        "build": 0.2,
        "build_sd": 0.1,
        "programme": 0.4,
        "usd_per_w": 1.1,
        "usd_per_w_growth": 0.03,
        "usd_per_w_sd": 0.15,
    }
    mean = {name: flat(posterior, name).mean(axis=0) for name in ("level", "growth")}
    line = market_of.bent(data.release, 2016.0, mean["level"][0], *mean["growth"][0])
    line += flat(posterior, "matrix").mean() * data.matrix + flat(posterior, "server").mean()
    cost, research = truth["build"] - line, truth["programme"] * data.programme
    cost += research + np.hypot(truth["build_sd"], data.error) * rng.standard_t(model.TAILS, n)
    power = truth["usd_per_w"] + truth["usd_per_w_growth"] * (data.year - 2020) + research
    power += np.hypot(truth["usd_per_w_sd"], data.error) * rng.standard_t(model.TAILS, n)
    made = dataclasses.replace(
        data,
        log10_usd_per_rate=np.where(np.isfinite(data.log10_usd_per_rate), cost, np.nan),
        log10_usd_per_w=np.where(np.isfinite(data.log10_usd_per_w), power, np.nan),
    )
    draws = bc.fit("break_even", made, progress=False)["posterior"].to_dataset()
    for name, value in truth.items():
        low, high = interval(flat(draws, name), 0.9999)
        assert low <= value <= high, (name, low, value, high)


# --- the data


def test_verified_costs_weigh_more(data):
    error = dict(zip(data.system, data.error, strict=True))
    assert error["Titan"] < error["LUMI"] < error["Tianhe-2"] < error["Roadrunner"]
    assert "BlueGene/L" not in error  # only a joint contract


def test_machines_are_read_right(data):
    k = data.system.index("Titan")
    np.testing.assert_allclose(data.log10_usd_per_w[k], np.log10(97e6 / 8.209e6))
    np.testing.assert_allclose(data.log10_usd_per_rate[k], np.log10(97e6 / (18688 * 3.935e12)))
    k = data.system.index("xAI Colossus Memphis Phase 1")  # the power of the site
    np.testing.assert_allclose(data.log10_usd_per_w[k], np.log10(3802927639.1 / 150e6))
    assert not np.isfinite(data.log10_usd_per_rate[data.system.index("Aurora")])  # rate unknown


def test_no_later_row_enters(tmp_path, monkeypatch):
    shutil.copytree(data_folder(), tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(reading, "data_folder", lambda: tmp_path)
    before = model.observe("2021-12-31")
    package = json.loads((tmp_path / "datapackage.json").read_text(encoding="utf-8"))
    (entry,) = (each for each in package["resources"] if each["name"] == "supercomputer-costs")
    path = tmp_path / entry["path"]
    row = "Late,2022,2022-06,1,1e3,,system,1,,1e15,1e15,1000,A100,1,none,source read\n"
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(row)
    entry["hash"] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    (tmp_path / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    assert model.observe("2021-12-31").system == before.system
    assert before.year.max() < 2022
    assert "Late" in model.observe("2022-12-31").system


# --- what follows


@pytest.mark.parametrize("market", ["rental", "hyperscaler list"])
def test_costs_are_those_of_a_machine_followed_through_its_life(posterior, data, assumed, market):
    built, rented = ceiling.cost_per_flop(posterior, YEARS, data, assumed, market)
    s, k = 29, MARKETS.index(market)
    a = {name: draws[s] for name, draws in assumed.items()}
    for t, year in enumerate(YEARS):
        release = np.array([[year - a["fleet_age"]]])
        bought = market_of.at_release(posterior, release, data.prices, "purchase")[s, 0]
        capital = 10 ** (flat(posterior, "build")[s] - bought) * 1e15  # of 1e15 FLOP/s
        watts = capital / 10 ** ceiling.log10_usd_per_w(posterior, YEARS)[s, t]
        kwh = watts / 1000 * a["site_power"] * 8766
        yearly = capital / a["lifetime"] + capital * a["maintenance"] + kwh * a["electricity"]
        yearly += watts * a["site_cost"] / a["site_lifetime"]
        np.testing.assert_allclose(built[s, t], yearly / (1e15 * 8766 * 3600 * a["in_use"]))
        first = 10 ** -market_of.flop_per_dollar(posterior, YEARS, data.prices, assumed, market)
        growth = flat(posterior, "growth")[s, k, 1]
        mean = quad(lambda age, g=growth: 10 ** (-g * age), 0, a["lifetime"])[0] / a["lifetime"]
        share = a["rental_share" if market == "rental" else "list_share"]
        np.testing.assert_allclose(rented[s, t], first[s, t] * share * mean)


def test_break_even_is_where_both_cost_the_same(posterior, data, assumed):
    built, rented = ceiling.cost_per_flop(posterior, YEARS, data, assumed)
    use = market_of.utilization(posterior, YEARS, data.prices)
    peak = ceiling.break_even(posterior, YEARS, data, assumed) - use
    never = rented <= built
    assert np.all(np.isinf(peak) == never)
    own = assumed["staff"][:, None] + built * 10**peak
    np.testing.assert_allclose(own[~never], (rented * 10**peak)[~never])
    bill = ceiling.bill(posterior, YEARS, data, assumed)
    np.testing.assert_allclose(bill[~never], own[~never])


def test_dearer_clouds_and_less_staff_make_building_pay_earlier(posterior, data, assumed):
    usual = ceiling.break_even(posterior, YEARS, data, assumed)
    dearer = assumed | {"rental_share": 1.3 * assumed["rental_share"]}
    fewer = assumed | {"staff": 0.5 * assumed["staff"]}
    for other in (dearer, fewer):
        assert np.all(ceiling.break_even(posterior, YEARS, data, other) <= usual)


def test_crossing_is_the_first_year_with_enough(posterior, data, assumed):
    year = np.arange(2012.0, 2031.0)
    found = ceiling.crossing(posterior, year, data, assumed, "hyperscaler list")
    edge = ceiling.break_even(posterior, year, data, assumed, "hyperscaler list")
    need = market_of.frontier(posterior, year, data.prices)
    need = need + np.log10(assumed["experiments"])[:, None]
    for s in range(0, len(found), 397):
        first = next((y for y, n, e in zip(year, need[s], edge[s], strict=True) if n >= e), np.inf)
        assert found[s] == first


# --- against other figures


def test_machine_and_site_cost_what_epoch_ai_takes_for_data_centers(posterior, assumed):
    """``data-centers``: 37.882 dollars of 2025 per W of IT power, buildings and computers."""
    table = bc.load_facts("data-centers")
    table = table.loc[table["it_power_mw"] > 0]
    cost = 1e3 * table["capital_cost_billion_usd_2025"] / table["it_power_mw"]
    np.testing.assert_allclose(cost, 37.882, rtol=1e-3)
    ours = 10 ** ceiling.log10_usd_per_w(posterior, np.array([2025.0]))[:, 0] + assumed["site_cost"]
    low, high = interval(ours)
    assert low < 37.882 < high


def test_jones_machine_has_the_power_that_such_a_machine_draws(posterior):
    """10 million pounds of electricity a year, at 0.10 to 0.15 a kWh, is 8 to 11 MW."""
    usd_per_w = 10 ** ceiling.log10_usd_per_w(posterior, np.array([2022.2]))[:, 0]
    spread = 10 ** (flat(posterior, "usd_per_w_sd") * np.random.default_rng(1).standard_t(4, 4000))
    low, high = interval(130e6 / (usd_per_w * spread) / 1e6)  # MW, at 1.3 USD to the pound
    assert low < 10e6 / 0.12 / 8766 / 1e3 < high


def test_figure_shows_the_crossing(fitted):
    ax = plots.break_even(fitted, Figure(layout="constrained").subplots())
    ax.figure.draw_without_rendering()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sum("cheaper to build" in label for label in labels) == 2
