"""Projections of a made-up fit, and what is written of them."""

import json
from itertools import pairwise

import numpy as np
import pytest

import bayes_compute as bc
from bayes_compute import plots
from bayes_compute.ceilings.available import CEILINGS, available
from bayes_compute.ceilings.kept import NAMES, fitted
from bayes_compute.observations import Observations
from bayes_compute.projection import projection as projecting
from bayes_compute.projection.coming import BINDING, ESTIMANDS, UNCHANGED
from bayes_compute.projection.numbers import assumptions_table, describe, projection_record
from bayes_compute.records import holders
from bayes_compute.report import write_fit, write_projection
from bayes_compute.results_folder import read_estimands, read_fit


@pytest.fixture
def projected(datatree, no_ceilings):
    return bc.project(datatree, 2026)


def cut_at(limit, monkeypatch):
    """Ceilings of which money alone is known."""

    def limited(as_of, year, n, *_):
        found = unlimited(as_of, year, n, *_)
        found.owned[:] = found.rented[:] = limit
        return found

    unlimited = projecting.available
    monkeypatch.setattr(projecting, "available", limited)


def test_the_fit_is_extended(datatree, projected):
    assert projected is datatree
    found = projected["projection"].dataset
    assert [f"{d:%Y-%m-%d}" for d in found["date"].to_index()] == [
        f"{year}-12-31" for year in range(2022, 2027)
    ]
    assert {*ESTIMANDS, "random_walk", "binding"} <= {*found}
    assert np.isfinite([found[name] for name in ESTIMANDS]).all()
    assert {*projected["ceilings"].data_vars} == {*CEILINGS}


def test_the_record_begins_with_the_largest_figure_and_never_falls(projected):
    draws = projected["projection"]["record"].transpose("sample", "date").to_numpy()
    present = float(np.nanmax(projected["constant_data"]["log10_flop"]))
    assert np.all(draws >= present)
    assert np.all(np.diff(draws, axis=1) >= 0)
    held = projected["records"].dataset
    assert float(held["log10_flop"][-1]) == present
    assert not held["since"].any()


def test_estimands_are_ordered(projected):
    found = projected["projection"].dataset.median("sample")
    assert np.all(found["typical"] < found["frontier"])


def test_nothing_new_is_above_a_ceiling_and_it_is_said_to_bind(datatree, no_ceilings, monkeypatch):
    present = float(np.nanmax(datatree["constant_data"]["log10_flop"]))
    cut_at(present + 0.1, monkeypatch)
    found = bc.project(datatree, 2026)["projection"].dataset
    record = found["record"].to_numpy()
    assert record.max() == pytest.approx(present + 0.1)
    binding = found["binding"].sel(estimand="record").to_numpy()
    assert np.all(binding[record > present + 0.0999] == BINDING.index("money"))
    between = (record > present) & (record < present + 0.0999)
    assert between.any()
    assert np.all(binding[between] == BINDING.index("demand"))
    assert np.all(binding[record == present] == UNCHANGED)


def test_more_money_never_lowers_a_quantile(datatree, no_ceilings, monkeypatch):
    present, found = float(np.nanmax(datatree["constant_data"]["log10_flop"])), []
    for more in (0.2, 0.6, 5.0):
        with monkeypatch.context() as patched:
            cut_at(present + more, patched)
            found.append(bc.project(datatree, 2026)["projection"]["record"].to_numpy())
    for less, more in pairwise(found):
        assert np.all(np.sort(less, axis=0) <= np.sort(more, axis=0) + 1e-12)


def test_the_typical_system_is_one_of_the_last_era(datatree, no_ceilings):
    p, at = datatree["posterior"].dataset, 2026.5 - 2010
    for name, value in (("growth_mean", 0.0), ("growth_sd", 0.0)):
        p[name][:] = value
    datatree["posterior"] = p
    last = {name: p[name].isel(era=-1).to_numpy().ravel() for name in ("level", "growth", "sigma")}
    found = bc.project(datatree, 2026)["projection"]["typical"].isel(date=-1).to_numpy()
    mean = (last["level"] + last["growth"] * at).mean()
    # Four transitions come in 20 years and those on record; after one growth is 0, not 0.5
    first = float(datatree["constant_data"]["year"].min())
    lost = 4 / (20 + 2022 - first) * 0.5 * 4.5**2 / 2  # to first order
    assert found.mean() == pytest.approx(mean - lost, abs=5 * 1.1 / np.sqrt(400))


def test_draws_follow_from_the_seed(datatree, no_ceilings):
    def record(seed):
        return bc.project(datatree, 2024, seed=seed)["projection"]["record"].to_numpy().copy()

    first = record(1)
    assert np.array_equal(record(1), first)
    assert not np.array_equal(record(2), first)


def test_as_of_reaches_the_ceilings_and_may_only_be_earlier(datatree, no_ceilings):
    bc.project(datatree, 2024)
    bc.project(datatree, 2024, as_of="2021-06-30")
    text = describe(projection_record(datatree))
    assert text.startswith("As of 2022-01-01; ceilings as of 2021-06-30, in revised data")
    assert [as_of for as_of, _ in no_ceilings] == ["2022-01-01", "2021-06-30"]
    with pytest.raises(bc.InputError, match=r"as_of: got 2022-01-02; expected 2022-01-01.*earlier"):
        bc.project(datatree, as_of="2022-01-02")


@pytest.mark.parametrize("horizon", [2021, 2053])
def test_a_horizon_out_of_range_is_refused(datatree, no_ceilings, horizon):
    with pytest.raises(bc.InputError, match=rf"horizon: got {horizon}; expected a year from 2022"):
        bc.project(datatree, horizon)


def test_assumptions_change_by_name(datatree, no_ceilings):
    bc.project(datatree, 2024, assumptions=["leap=3/2", "reporting_lag=1e-6"])
    assert no_ceilings[-1][1]["leap"].median == 3
    text = assumptions_table(projection_record(datatree))
    assert "| `leap` | 3 | 2 | 1 | as given |" in text
    with pytest.raises(bc.InputError, match="assume: got 'leep'; expected one of reporting_lag"):
        bc.project(datatree, 2024, assumptions=["leep=3"])


def test_offsets_are_of_the_domains_of_the_fit(datatree, no_ceilings):
    """A domain without compute keeps its place among the offsets."""
    tree = datatree.copy()
    data = tree["constant_data"].dataset.copy(deep=True)
    data["log10_flop"][data["domain_index"] == 0] = np.nan
    tree["constant_data"] = data
    p = tree["posterior"].dataset.copy(deep=True)
    p["offset"][:] = np.array([0.0, 5.0])
    tree["posterior"] = p
    with_offset = bc.project(tree, 2023)["projection"]["typical"].to_numpy().copy()
    p["offset"][:] = 0.0
    tree["posterior"] = p
    without = bc.project(tree, 2023)["projection"]["typical"].to_numpy()
    np.testing.assert_allclose(with_offset, without + 5.0)


def test_a_regimes_fit_without_its_expected_lines_is_refused(datatree, no_ceilings):
    p = datatree["posterior"].dataset
    datatree["posterior"] = p.assign(elasticity=p["growth_mean"])
    with pytest.raises(bc.InputError, match=r"without expected_parameters.*fit again"):
        bc.project(datatree)


def test_a_fit_of_no_systems_is_refused(datatree, no_ceilings):
    del datatree["constant_data"]
    with pytest.raises(
        bc.InputError, match="project: got a fit of three_eras; expected one of sys"
    ):
        bc.project(datatree)


def test_a_later_table_shows_what_happened_since(datatree, no_ceilings):
    later = Observations.from_systems(bc.load_systems("systems-2025-08"))
    held = bc.project(datatree, 2026, since=later)["records"].dataset
    since = held["since"].to_numpy()
    assert since.any()
    assert held["year"].to_numpy()[since].min() > 2022
    assert "Grok-3" in held["system"].to_numpy()[since]
    assert np.all(np.diff(held["log10_flop"]) > 0)


def test_the_record_of_numbers(projected):
    record = projection_record(projected)
    assert record == json.loads(json.dumps(record))
    assert {"as_of", "estimands", "assumptions", "interval", "model", "data"} <= {*record}
    assert [*record["estimands"]] == ["record", "frontier", "typical"]
    draws = projected["projection"]["record"].isel(date=2).to_numpy()
    row = record["estimands"]["record"][2]
    assert row["date"] == "2024-12-31"
    assert row["median"] == row["quantiles"]["0.5"] == pytest.approx(np.median(draws))
    assert row["lower"] == row["quantiles"]["0.05"] == pytest.approx(np.quantile(draws, 0.05))
    assert [*row["binding"]] == [*BINDING]
    assert sum(row["binding"].values()) == pytest.approx(1)
    half = projection_record(projected, 0.5)["estimands"]["record"][2]
    assert half["lower"] == half["quantiles"]["0.25"]


def test_what_is_said(projected):
    text = describe(projection_record(projected))
    assert text.startswith("As of 2022-01-01, in revised data: tables of a later day, the largest")
    for year in (2022, 2025, 2026):
        assert f"By the end of {year} it is likely 10^" in text
    assert "By the end of 2023" not in text
    assert "a new one is set by demand alone in 100 %" in text
    assert "in revised data" in text, "ceilings are of a later table"
    assert "Not known by then, so does not bind: power: made up" in text


def test_a_projection_is_written_beside_its_fit(datatree, no_ceilings, tmp_path):
    write_fit(datatree, tmp_path)
    with pytest.raises(bc.InputError, match="projection: got a fit without one"):
        write_projection(datatree, tmp_path)
    again = read_fit(tmp_path)
    write_projection(bc.project(again, 2026), tmp_path)
    files = {"projection.nc", "projection.json", "projection.md", "figures/projection.pdf"}
    assert all((tmp_path / name).is_file() for name in files)
    assert files <= {*json.loads((tmp_path / "diagnostics.json").read_text())["files"]}
    write_projection(bc.project(again, 2024), tmp_path)
    rows = json.loads((tmp_path / "projection.json").read_text())["estimands"]["record"]
    assert len(rows) == 3
    path = tmp_path / "projection.json"
    path.write_text(path.read_text().replace('"median": 2', '"median": 3', 1))
    with pytest.raises(bc.InputError, match=r"projection\.json: got a file whose hash is not in"):
        read_estimands(tmp_path)
    write_fit(datatree, tmp_path)
    assert not path.exists(), "of another fit"


def test_a_fit_that_is_not_there_or_broken_is_refused(datatree, tmp_path):
    with pytest.raises(bc.InputError, match="got no such folder"):
        read_fit(tmp_path / "none")
    write_fit(datatree, tmp_path)
    (tmp_path / "posterior.nc").write_text("not NetCDF")
    with pytest.raises(bc.InputError, match=r"posterior\.nc: got .*; expected the posterior"):
        read_fit(tmp_path)


def test_the_figure_shows_record_bands_and_ceilings(projected):
    ax = plots.projection(projected)
    labels = ax.get_legend_handles_labels()[1]
    assert {"systems", "record", "record to come", "money"} <= {*labels}
    assert ax.get_xlabel() == "Publication date"
    assert ax.get_ylabel() == "Training compute (FLOP)"
    with pytest.raises(bc.InputError, match="without a projection"):
        plots.projection(bc_without(projected))


def bc_without(dt):
    """The same fit, not projected."""
    dt = dt.copy()
    del dt["projection"]
    return dt


def test_ceilings_of_the_shipped_tables_hold_the_runs_of_their_day(monkeypatch):
    """The real fits: every ceiling is known by the day, and allows the record in its draws."""
    asked = []

    def noted(name, as_of, progress):
        asked.append((name, as_of))
        return fitted(name, as_of, progress)

    monkeypatch.setattr("bayes_compute.ceilings.available.fitted", noted)
    observations = Observations.from_systems(bc.load_systems("systems-2025-08"))
    year = np.array([2022.66, 2023.66, 2024.66, 2025.66, 2030.0])
    found = available("2025-08-31", year, 4000)
    assert found.unknown == ()
    assert {as_of for _, as_of in asked} == {"2025-08-31"}
    assert sorted(name for name, _ in asked) == sorted(NAMES)
    found = found.given(holders(observations), np.random.default_rng(1))
    assert np.isfinite(found.flop()).all()
    assert np.all(np.diff(np.median(found.flop(), axis=0)) > 0)
    high = np.quantile(found.flop(), 0.95, axis=0)
    recent = observations.with_compute
    recent = recent.subset(recent.year > 2022.66)
    assert np.all(recent.log10_flop < np.interp(recent.year, year, high))
    # Epoch AI (2024), Can AI scaling continue through 2030?: 2e29 FLOP judged feasible by 2030
    low, high = np.quantile(found.flop()[:, -1], [0.05, 0.95])
    assert low < np.log10(2e29)
    assert high > np.log10(2e29) - 1
