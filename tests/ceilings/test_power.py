"""What power feeds, by hand; trends against what made power up and as published."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import bayes_compute as bc
from bayes_compute import facts
from bayes_compute.assumptions import Assumption
from bayes_compute.ceilings import power as ceiling
from bayes_compute.models import power as model

TRUTH = {
    "level": (6.6, 7.5),
    "growth": (0.3, 0.4),
    "drop": (0.25, 0.1),
    "sigma": (0.25, 0.15),
    "efficiency": 11.8,
    "efficiency_growth": 0.09,
    "efficiency_sd": 0.15,
    "rate": 14.5,
    "rate_growth": 0.13,
    "rate_sd": 0.25,
}


def simulate(seed, n=150, m=200):
    rng = np.random.default_rng(seed)
    series, rank = rng.integers(2, size=n), rng.integers(3, size=n)
    year, release = rng.uniform(2018, 2026, n), rng.uniform(2017, 2025, m)
    level, growth, drop, sigma = (
        np.array(TRUTH[k])[series] for k in ("level", "growth", "drop", "sigma")
    )
    y = level + growth * (year - 2022) - drop * rank + sigma * rng.standard_t(ceiling.NU, n)
    per_watt = 11.8 + 0.09 * (release - 2020) + 0.15 * rng.standard_normal(m)
    rate = 14.5 + 0.13 * (release - 2020) + 0.25 * rng.standard_normal(m)
    return model.Power(
        tuple(map(str, range(n))), year, y, series, rank, year[:0], year[:0],
        tuple(map(str, range(m))), release, rate, per_watt,
        {"name": "simulated", "rows": n, "as_of": None},
    )  # fmt: skip


def test_what_made_power_up_is_recovered():
    posterior = bc.fit("power", simulate(2), progress=False)["posterior"].dataset
    for name, values in TRUTH.items():  # of 14; 99.98 %: one test in 350 misses one
        low, high = np.quantile(posterior[name], [1e-4, 1 - 1e-4], axis=(0, 1))
        assert np.all((low < values) & (values < high)), (name, low, values, high)
        assert np.all(high - low < 0.5), name


def certain(**medians):
    return {name: Assumption(value, 1.0, "", "") for name, value in medians.items()}


def one_draw(**changes):
    values = TRUTH | {"sigma": (0.0, 0.0), "efficiency_sd": 0.0} | changes
    return xr.Dataset(
        {
            name: (("chain", "draw", "series")[: 2 + (np.ndim(v) > 0)], np.array(v)[None, None])
            for name, v in values.items()
        },
        {"series": list(ceiling.SERIES)},
    )


def test_rate_is_power_over_overheads_times_flop_per_joule():
    assumed = certain(pue=1.25, server_overhead=1.6, deployment_lag=2.0, site_limit=5e9)
    found = 10 ** ceiling.power(one_draw(), np.array([2024.0, 2040.0]), assumed)[0]
    watt = 10 ** (7.5 + 0.4 * 2) / (1.25 * 1.6)  # accelerators are of 2022
    assert found[0] == pytest.approx(watt * 10 ** (11.8 + 0.09 * 2))
    assert found[1] == pytest.approx(5e9 / (1.25 * 1.6) * 10 ** (11.8 + 0.09 * 18))


def test_rate_does_not_fall_even_where_trends_do():
    falling = one_draw(growth=(-0.3, -0.4), efficiency_growth=-0.1)
    assert np.all(np.diff(ceiling.power(falling, np.arange(2015.0, 2040.0))) >= 0)


@pytest.fixture(scope="module")
def fitted():
    return bc.fit("power", model.observe(), progress=False)


def test_growth_is_near_what_is_published(fitted):
    # Epoch AI: FLOP per watt 1.28x/year 2010 to 2024; power of the largest runs more than 2x/year.
    # Matrix units in 16 bits, from 2017 on, gain a little less: 1.18 to 1.27.
    posterior = fitted["posterior"].dataset
    per_watt = 10 ** np.quantile(posterior["efficiency_growth"], [0.05, 0.5, 0.95])
    assert per_watt[1] == pytest.approx(1.28, abs=0.07)
    run = 10 ** np.quantile(posterior["growth"].sel(series="run"), [0.05, 0.95])
    assert run[0] < 2.1 < run[1]


def test_planned_sites_agree_with_the_trend_of_existing_ones(fitted):
    data = model.observe()
    announced = data.planned_year < 2027  # the later, the fewer are
    trend = ceiling.largest_site(fitted["posterior"].dataset, data.planned_year[announced])
    assert announced.any()
    gap = np.median(trend, axis=0) - data.planned_log10_w[announced]
    assert np.all(np.abs(gap) < 2 * 0.2)  # sigma of sites is 0.2


def test_ceiling_is_finite_and_monotone(fitted):
    draws = ceiling.power(fitted["posterior"].dataset, np.arange(2020.0, 2036.0))
    assert draws.shape == (4000, 16)
    assert np.isfinite(draws).all()
    assert np.all(np.diff(draws) >= 0)
    assert 19.5 < np.median(draws[:, 5]) < 21  # 2025: Colossus has 3e20 FLOP/s in 16 bits


def test_only_the_largest_of_a_year_count_each_once():
    data = model.observe()
    assert data.rank.max() == ceiling.TOP - 1
    site = data.series == 1
    assert "Colossus 1" in np.array(data.name)[site]
    assert "xAI Colossus Memphis Phase 2" not in data.name  # smaller than others of its year
    assert 10 ** data.log10_w.max() == pytest.approx(751e6)
    assert not any("Stargate" in name for name in data.name)  # planned
    assert data.planned_log10_w.max() == pytest.approx(np.log10(2715e6))


def test_a_planted_later_row_does_not_enter(monkeypatch):
    read = facts.read_shipped
    changes = {
        "data-centers": {"data_center": "planted", "date": "2024-06-01", "power_mw": "9e5"},
        "ai-clusters": {
            "cluster": "planted", "status": "Existing", "certainty": "Confirmed",
            "first_operational_date": "2024-06-01", "power_mw": "9e5",
        },
    }  # fmt: skip

    def planted(entry):
        table = read(entry)
        row, cells = table.rows[-1]
        change = changes.get(entry["name"], {})
        cells = [change.get(n, c) for n, c in zip(table.header, cells, strict=True)]
        return dataclasses.replace(
            table, rows=[*table.rows, (row + 1, cells)] if change else table.rows
        )

    before = model.observe("2024-05-31")
    assert before.year.max() < 2024.42
    assert before.release_year.max() < 2024.42
    monkeypatch.setattr(facts, "read_shipped", planted)
    assert model.observe("2024-05-31").name == before.name
    assert "planted" in model.observe("2024-06-01").name
    with pytest.raises(bc.InputError, match="matrix units begin in 2017"):
        model.observe("2015-01-01")


def test_figure_shows_the_limit(fitted):
    ax = bc.plots.power(fitted)
    assert ax.get_ylabel() == "Power"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "limit of one site (assumed)" in labels
