"""Backtests: what is scored, and how it is pooled."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_compute as bc
from bayes_compute import plots, studies
from bayes_compute.backtesting import vintage as backtesting
from bayes_compute.backtesting.scores import describe, pooled, scores
from bayes_compute.backtesting.vintage import known_since, of_vintage
from bayes_compute.observations import Observations
from bayes_compute.studies import write_backtest
from bayes_compute.systems import load_systems

THEN, LATER = "systems-2022-11", "systems-2023-12"


@pytest.fixture
def scored(no_ceilings, monkeypatch, datatree):
    """A made-up fit of one table, scored by another."""
    observations = Observations.from_systems(load_systems(THEN))

    def made_up(model, seen, **_):
        domains = list(observations.domains)
        source = datatree.attrs | {"data": pd.Series([seen.source]).to_json(orient="values")[1:-1]}
        tree = datatree.copy()
        posterior = tree["posterior"].dataset
        offset = np.zeros((*posterior["offset"].shape[:2], len(domains)))
        posterior = posterior.drop_dims("domain").assign(
            offset=(("chain", "draw", "domain"), offset)
        )
        tree["posterior"] = posterior.assign_coords(domain=domains)
        tree["constant_data"] = tree["constant_data"].dataset.drop_dims("system").assign(
            year=("system", seen.year), log10_flop=("system", seen.log10_flop),
            variance=("system", seen.variance), domain_index=("system", seen.domain),
            log10_parameters=("system", seen.log10_parameters),
        ).assign_coords(system=list(seen.system))  # fmt: skip
        tree.attrs = source
        return tree

    monkeypatch.setattr(backtesting, "fit", made_up)
    return of_vintage("three_eras", THEN, LATER)


@pytest.fixture
def record(scored):
    failed = {"failure": "NotConverged", "reason": "sigma: ess_bulk is 12"}
    return {
        "model": "three_eras", "seed": 1, "later": LATER,
        "vintages": {THEN: scored, "systems-2023-12": failed},
    }  # fmt: skip


def test_every_forecast_is_scored_on_the_same_outcomes(scored):
    rows = pd.DataFrame(scored["scores"])
    assert set(rows["forecast"]) == {"projection", "trend only", "least squares", "random walk"}
    outcomes = rows[rows["target"] == "record"].groupby("date")["outcome"]
    assert set(outcomes.groups) == {"2022-12-31", "2023-12-20"}
    assert (outcomes.nunique() == 1).all()
    assert rows[rows["target"] == "systems"].groupby("forecast")["n"].sum().nunique() == 1


def test_what_a_worker_sends_back_is_plain(scored):
    assert json.loads(json.dumps(scored, allow_nan=False)) == scored


def test_only_systems_that_came_after_the_table_are_new(scored):
    after = Observations.from_systems(load_systems(LATER)).with_compute
    new = after.year > 2022 + 325 / 365  # 2022-11-22
    rows = pd.DataFrame(scored["scores"])
    own = rows[(rows["target"] == "systems") & (rows["forecast"] == "projection")]
    published = np.floor(after.year[new]).astype(int)
    assert own.set_index("year")["n"].to_dict() == dict(pd.Series(published).value_counts())
    frontier = rows[(rows["target"] == "frontier") & (rows["forecast"] == "projection")]
    in_2023 = after.log10_flop[(after.year > 2023) & new]
    assert frontier.set_index("date").loc["2023-12-20", "outcome"] == pytest.approx(
        np.quantile(in_2023, 0.95)
    )


def test_known_systems_are_those_of_the_tables_own_last_year(scored):
    before = Observations.from_systems(load_systems(THEN)).with_compute
    rows = pd.DataFrame(scored["scores"]).query("target == 'known systems'")
    assert set(rows["forecast"]) == {"projection", "trend only", "least squares"}
    assert set(rows["n"]) == {(before.year > 2021 + 325 / 365).sum()}  # 2022-11-22


def test_the_record_is_scored_with_and_without_revisions(scored):
    before, after = (
        Observations.from_systems(load_systems(name)).with_compute for name in (THEN, LATER)
    )
    rows = pd.DataFrame(scored["scores"]).query("forecast == 'random walk'")
    rows = rows[rows["date"] == "2023-12-20"].set_index("target")["outcome"]
    new = after.log10_flop[after.year > 2022 + 325 / 365].max()
    assert rows["record"] == after.log10_flop.max()
    assert rows["record, old figures"] == max(new, before.log10_flop.max())


def test_without_revisions_old_systems_keep_their_figures():
    """An old system that is revised upwards holds the record, but not by old figures."""
    old = Observations.from_systems(load_systems(THEN)).with_compute
    old = old.subset(old.log10_flop < 20)
    day, figures = 2022 + 325 / 365, old.log10_flop.copy()  # 2022-11-22
    figures[0], figures[-1] = 25.0, 22.0
    revised = replace(old, log10_flop=figures, year=np.append(old.year[:-1], day + 0.02))
    ends = pd.DatetimeIndex(["2022-12-31"])
    rows = backtesting._of_record(np.full((9, 1), 22.0), old, revised, ends)
    assert {row["target"]: row["outcome"] for row in rows} == {
        "record": 25.0, "record, old figures": 22.0
    }  # fmt: skip


def test_without_ceilings_the_projection_is_the_trend_alone(scored):
    rows = pd.DataFrame(scored["scores"]).query("target == 'systems'")
    own, trend = (
        rows[rows["forecast"] == name]["crps"].to_numpy() for name in ("projection", "trend only")
    )
    np.testing.assert_allclose(own, trend, rtol=0.03)


def test_scores_are_those_of_the_distribution_that_is_drawn_from():
    draws = np.random.default_rng(1).normal([1.0, 2.0], 1.0, (40_000, 2))
    outcome = np.array([0.3, 4.5])
    row = backtesting._score(draws, outcome, backtesting._bandwidth(draws))
    density = stats.norm.logpdf(outcome, [1.0, 2.0], 1.0)
    # At 2.5 sds 40,000 draws and their kernel give the log density within 0.06 and 0.03
    assert row["log_score"] == pytest.approx(density.mean(), abs=0.15)
    z = outcome - [1.0, 2.0]  # CRPS of a normal: Gneiting & Raftery 2007, equation 21's example
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert row["crps"] == pytest.approx(exact.mean(), abs=0.02)
    assert row["inside"] == {"0.5": 0, "0.9": 1}
    assert row["place"] == pytest.approx(stats.norm.cdf(z).mean(), abs=0.01)


def test_a_line_by_least_squares_is_that_of_the_systems():
    seen = Observations.from_systems(load_systems(LATER))
    found = backtesting._line(seen, 20_000, np.random.default_rng(1))["p"]
    late = seen.subset(seen.year >= 2010)
    growth, level = np.polyfit(late.year - 2010, late.log10_flop, 1)
    for name, value in (("growth", growth), ("level", level)):
        se = found[name].std() / np.sqrt(20_000)
        assert found[name].mean() == pytest.approx(value, abs=5 * se)


def test_what_a_later_table_knows_adds_up():
    found = known_since(THEN, LATER)
    assert found["systems"] == found["known"] + found["not notable"] + found["absent"]
    assert 0 < found["revised"] < found["known"]
    assert known_since(THEN, THEN) | {"revised": 0, "absent": 0, "gone": 0} == known_since(
        THEN, THEN
    )


def test_a_table_is_not_scored_by_an_earlier_one():
    with pytest.raises(bc.InputError, match=r"got systems-2022-11 to score systems-2023-12.*later"):
        of_vintage("three_eras", LATER, THEN)


def test_pooled_scores_weigh_outcomes_alike():
    table = pd.DataFrame({
        "target": "systems", "forecast": "projection", "n": [1, 3], "crps": [1.0, 0.2],
        "log_score": [-2.0, -1.0], "place": [0.9, 0.5], "inside_50": [0, 2], "inside_90": [1, 3],
    })  # fmt: skip
    row = pooled(table).loc[("systems", "projection")]
    assert row["crps"] == pytest.approx(0.4)
    assert row["log_score"] == pytest.approx(-1.25)
    assert row["place"] == pytest.approx(0.6)
    assert tuple(row[["n", "inside_50", "inside_90"]]) == (4, 2, 4)


def test_words_name_every_table_and_every_failure(record):
    text = describe(record)
    assert r"**systems-2023-12 failed**: NotConverged: sigma: ess\_bulk is 12" in text
    by_year = pooled(scores(record), ("target", "year", "forecast")).loc["systems"]
    for forecast, row in pooled(scores(record)).loc["record"].iterrows():
        assert f"| {forecast} | {row['crps']:.3f} |" in text
    for (year, forecast), row in by_year.iterrows():
        assert f"| {year:.0f} | {forecast} | {row['crps']:.3f} | {row['place']:.2f} |" in text
    assert f"| {THEN} | {record['vintages'][THEN]['known']['systems']} |" in text


def test_the_figure_has_every_interval_and_the_record(record):
    axes = plots.backtest(record)
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "by 2022-12-31", "by 2023-12-20"
    ]  # fmt: skip
    levels = [line.get_ydata() for line in axes.get_lines() if len(line.get_ydata()) == 2]
    for row in record["vintages"][THEN]["scores"]:
        if row["target"] == "record" and row["forecast"] == "projection":
            q = row["quantiles"]
            assert any(np.allclose(y, [q["0.05"], q["0.95"]]) for y in levels)
            assert any(np.allclose(y, row["outcome"]) for y in levels)


def test_a_backtest_is_written_into_a_folder_of_its_own(record, tmp_path):
    write_backtest(record, tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    figures = {f"figures/backtest.{format}" for format in ("pdf", "png", "svg")}
    assert files == {"backtest.json", "backtest.md", *figures}
    assert json.loads((tmp_path / "backtest.json").read_text(encoding="utf-8")) == record
    assert (tmp_path / "backtest.md").read_text(encoding="utf-8") == describe(record)


def test_a_backtest_that_is_cut_off_leaves_no_record_of_an_earlier_one(
    record, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    write_backtest(record, tmp_path)
    monkeypatch.setattr(studies, "write_figure", full)
    with pytest.raises(bc.InputError, match="got 'No space left on device'; expected"):
        write_backtest(record, tmp_path)
    assert not (tmp_path / "backtest.json").exists()
