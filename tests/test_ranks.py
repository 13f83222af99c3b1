"""What ranks say, and calibration end to end: right fits pass, and a wrong variance is caught."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats
from test_executor import Elsewhere

import bayes_compute as bc
from bayes_compute import calibration, plots
from bayes_compute.calibration import ranks_of, replicate, simulations
from bayes_compute.cli import main
from bayes_compute.executor import Outcome, run
from bayes_compute.models import regimes
from bayes_compute.observations import Observations
from bayes_compute.ranks import N_RANKS, calibration_record, describe, verdict

N = 400


def made_up(narrow: float = 1.0, seed: int = 1) -> xr.Dataset:
    """Ranks of two quantities; the posterior sd of the second is this share of the right one."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(N, 2))
    mean = truth / 2 + rng.normal(0, 0.5, (N, 2))
    sd = np.sqrt(0.5) * np.array([1.0, narrow])
    draws = mean[..., None] + sd[:, None] * rng.normal(size=(N, 2, N_RANKS - 1))
    refused = np.where(np.arange(N) < 20, "a: r_hat is 2", "")
    dims = ("replication", "quantity")
    return xr.Dataset(
        {
            "rank": (dims, (draws < truth[..., None]).sum(axis=2)),
            "truth": (dims, truth),
            "mean": (dims, mean),
            "sd": (dims, np.broadcast_to(sd, (N, 2))),
            "refused": ("replication", refused),
            "placed": ("replication", np.where(refused == "", 0.75, 0.0)),
        },
        {"replication": [f"m-{i}" for i in range(N)], "quantity": ["a", "b"]},
        {
            "model": "m",
            "seed": 1,
            "replications": N + 1,
            "data": json.dumps({"name": "made up", "rows": 7}),
            "failed": json.dumps({"m-400": "ZeroDivisionError: why"}),
            "settings": "[]",
            "versions": "{}",
        },
    )


def test_right_fits_are_calibrated():
    table = verdict(made_up())
    assert not table["rejected"].any()
    assert table["p_value"].between(0.01, 1).all()
    for prob in (50, 80, 90):
        low, high = stats.binom.interval(0.999, N - 20, prob / 100)
        assert (table[f"covered_{prob}"] * (N - 20)).between(low, high).all()
    assert (table["bias"].abs() < 4 * table["bias_se"]).all()
    np.testing.assert_allclose(table["contraction"], 0.5, atol=0.15)  # 0.07 is the sd of variances


def test_too_narrow_a_posterior_is_rejected_and_the_other_is_not():
    table = verdict(made_up(narrow=0.6))
    assert table["rejected"].tolist() == [False, True]
    assert table.loc["b", "covered_90"] < 0.8


def test_refused_fits_count_apart():
    ranks = made_up()
    rank = ranks["rank"].to_numpy().copy()
    rank[:20] = 0
    table = verdict(ranks.assign(rank=(ranks["rank"].dims, rank)))
    assert not table["rejected"].any()
    assert (table["p_value_all"] < 1e-4).all()


def test_the_record_is_json_and_its_text_names_what_went_wrong():
    record = json.loads(json.dumps(calibration_record(made_up(narrow=0.6)), allow_nan=False))
    assert record["calibrated"] is False
    assert len(record["refused"]) == 20
    record["data"]["name"] = "a|b_[x](y).csv"
    text = describe(record)
    assert r"on the design of a\|b\_\[x\](y).csv (" in text
    assert "401 data sets" in text
    assert "75.0 % of systems were placed" in text
    assert "of all 2 quantities together: b.\n" in text
    assert r"- refused, m-0: a: r\_hat is 2" in text
    assert "- failed, m-400: ZeroDivisionError: why" in text


def test_the_figure_names_what_leaves_the_band():
    ax = Figure().subplots()
    assert plots.calibration(made_up(narrow=0.6), ax) is ax
    legend = ax.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["99 % band of all together", "b", "1 within it"]
    assert legend.get_title().get_text() == "m, 380 simulated data sets"


def test_what_never_varies_is_no_quantity_and_failures_are_kept():
    done = {"truth": {"a": 1.0, "c": 2.0}, "rank": {"a": 3, "c": 0}, "mean": {"a": 1.0, "c": 2.0}}
    done |= {"sd": {"a": 1.0, "c": 0.0}, "refused": "", "draws": 1600, "placed": 1.0}
    other = done | {"truth": {"a": 2.0, "c": 2.0}}
    outcomes = {
        "m-0": Outcome(done, None, None, 1.0),
        "m-1": Outcome(None, "KilledWorker", "why", 0.0),
        "m-2": Outcome(other, None, None, 1.0),
    }
    ranks = ranks_of(outcomes)
    assert ranks["quantity"].to_numpy().tolist() == ["a"]
    assert ranks["replication"].to_numpy().tolist() == ["m-0", "m-2"]
    assert json.loads(ranks.attrs["failed"]) == {"m-1": "KilledWorker: why"}
    with pytest.raises(bc.InputError, match=r"all failed, the first of them with KilledWorker"):
        ranks_of({"m-1": outcomes["m-1"]})


def design(n: int = 60) -> Observations:
    rng = np.random.default_rng(5)
    year, noise = np.sort(rng.uniform(2000, 2022, n)), rng.normal(size=(2, n))
    hidden = np.arange(n) % 5 == 1
    unsized = ~hidden & (np.arange(n) % 7 == 2)
    return Observations(
        system=tuple(f"s{i}" for i in range(n)),
        year=year,
        log10_flop=np.where(hidden, np.nan, 18 + 0.4 * (year - 2010) + noise[0]),
        variance=np.where(hidden, np.nan, 0.5),
        log10_parameters=np.where(unsized, np.nan, 7 + 0.2 * (year - 2010) + noise[1]),
        domain=np.arange(n) % 2,
        domains=("Language", "Other"),
        source={"name": "made up", "rows": n, "sha256": "", "as_of": "2022", "selection": "all"},
    )


@pytest.mark.parametrize("model", ["one_era", "three_eras", "regimes", "mixture_regimes"])
def test_simulated_systems_keep_the_design_and_the_first_of_more_are_those_of_fewer(model):
    real = design()
    two, one = (simulations(model, real, n, seed=3) for n in (2, 1))
    assert list(two) == [f"{model}-0000", f"{model}-0001"]
    assert list(one) == [f"{model}-0000"]
    for name, (_, systems, truth, era, seed) in one.items():
        _, again, same, same_era, same_seed = two[name]
        assert era.shape == (systems.n,)
        np.testing.assert_array_equal(era, same_era)
        assert (truth, seed) == (same, same_seed)
        assert np.isfinite(list(truth.values())).all()
        assert "log_likelihood" in truth
        np.testing.assert_array_equal(systems.log10_flop, again.log10_flop)
        like = real if systems.n == real.n else real.with_compute
        for what in ("log10_flop", "log10_parameters"):
            simulated, given = getattr(systems, what), getattr(like, what)
            np.testing.assert_array_equal(np.isnan(simulated), np.isnan(given))
        np.testing.assert_array_equal(systems.variance, like.variance)


def test_systems_at_which_a_search_for_modes_can_go_astray_have_a_likelihood():
    """The 63rd table of a calibration: searches begun at the mode of another threshold diverge."""
    real = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    systems = simulations("regimes", real, 63, seed=1)["regimes-0062"][1]
    found = regimes.regression(systems)
    assert found.probability(found.mode).sum() == pytest.approx(1)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    cluster = Elsewhere(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def right(elsewhere, tmp_path_factory):
    """Sixty simulations of one era, by two workers of a scheduler, and where they are kept."""
    store = tmp_path_factory.mktemp("right")
    ranks = bc.calibrate(
        "one_era", design(), store, replications=60, scheduler=elsewhere.address, progress=False
    )
    return ranks, store


def test_a_right_model_is_calibrated(right):
    ranks, _ = right
    table = verdict(ranks)
    assert not table["rejected"].any(), table
    assert json.loads(ranks.attrs["failed"]) == {}
    # the gate refuses few of these: a share of 0.1 would be exceeded with a chance of 1 in 50,000
    assert (ranks["refused"] != "").sum() <= stats.binom.isf(2e-5, 60, 0.1)
    assert "growth_sd" not in table.index  # held at a number
    assert (ranks["placed"] == 1).all()  # there is one era
    assert json.loads(ranks.attrs["data"])["rows"] == design().with_compute.n


def test_ranks_are_the_same_here_with_one_worker(right, tmp_path):
    ranks, _ = right
    few = bc.calibrate("one_era", design(), tmp_path, replications=2, workers=1, progress=False)
    for what in ("rank", "truth", "mean", "sd"):
        np.testing.assert_array_equal(few[what], ranks[what][:2], err_msg=what)


def test_what_is_kept_is_not_done_again(right, monkeypatch):
    ranks, store = right
    monkeypatch.setattr(calibration.executor, "_cluster", None)
    monkeypatch.setattr(calibration.executor, "_attempt", None)
    again = bc.calibrate("one_era", design(), store, replications=60, progress=False)
    xr.testing.assert_identical(again, ranks)


def test_a_wrong_variance_is_caught(elsewhere, tmp_path):
    """Figures of compute four times as uncertain (in variance) as the model is told."""
    stated = design().with_compute
    uncertain = replace(stated, variance=4 * stated.variance)
    told = {
        name: (model, replace(systems, variance=stated.variance), *rest)
        for name, (model, systems, *rest) in simulations("one_era", uncertain, 60, 1).items()
    }
    outcomes = run(replicate, told, tmp_path, scheduler=elsewhere.address, progress=False)
    table = verdict(ranks_of(outcomes))
    assert table.loc["sigma[1]", "rejected"], table


def test_the_command_writes_its_folder(elsewhere, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "one_era", "--data", "systems-2022-03", "--replications", "10",
              "--scheduler", elsewhere.address, "--out", str(tmp_path), "--quiet"])  # fmt: skip
    assert stop.value.code == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "calibration.json").read_text())
    assert record["calibrated"] is True
    assert record["data"]["rows"] == 129
    written = {path.name for path in tmp_path.rglob("*.*") if path.parent.name != "fits"}
    figures = {f"calibration.{kind}" for kind in ("pdf", "png", "svg")}
    assert written == {"ranks.nc", "calibration.md", "calibration.json"} | figures
    with xr.open_dataset(tmp_path / "ranks.nc", engine="h5netcdf") as ranks:
        assert ranks["rank"].sizes == {"replication": 10, "quantity": 11}


def test_the_command_ends_with_1_where_a_quantity_is_rejected(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "calibrate", lambda *_, **__: made_up(narrow=0.6))
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", "one_era", "--out", str(tmp_path), "--quiet"])
    assert stop.value.code == 1
    assert "one_era: not calibrated: b; see" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["no_such_model", "power"])
def test_a_model_that_cannot_be_simulated_is_wrong_input(model, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", model, "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert f"model: got '{model}'; expected" in capsys.readouterr().err
