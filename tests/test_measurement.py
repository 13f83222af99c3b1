"""Evidence in place of published figures."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayes_compute as bc
from bayes_compute import measurement
from bayes_compute.observations import DOMAINS
from bayes_compute.published import comparison, describe
from bayes_compute.readings import CHIPS, CLASSES

FLOP = "training_compute_flop"
BOUNDS = ["training_compute_lower_flop", "training_compute_upper_flop"]


@pytest.fixture(scope="module")
def calibrated():
    """A calibration whose draws are all alike: about what the newest table says."""
    by_domain = {name: (("domain",), values) for name, values in {
        "bias": [-0.06, -2.5, -1.9, -1.1, -1.0], "operations_sd": [0.09, 1.7, 1.2, 1.1, 1.8],
        "assumed": [-0.5, -0.5, -0.5, -0.5, -0.42],
    }.items()}  # fmt: skip
    by_class = {
        "figure_sd": (("confidence",), [0.07, 0.34, 0.5, 0.5]),
        "figure_gross": (("confidence",), [0.08, 0.12, 0.1, 0.12]),
    }
    rest = {
        "passes": -0.8, "utilization": -0.58, "utilization_growth": 0.03, "utilization_sd": 0.17,
        "hardware_gross": 0.07, "gross_sd": 1.5, "copied_hardware": 0.5,
        "held": (("counted",), [0.4, 0.4]),
        "operations_gross": (("counted",), [0.43, 0.12]),
        "chip_effect": (("chip",), [0.09, -0.17, 0.04, -0.04, 0.08]),
        "copied_operations": (("counted", "timed"), [[0.7, 0.3], [0.3, 0.2]]),
        "revised": (("confidence", "error"), [[0.1, 0.5]] * 4),
    }  # fmt: skip
    coords = {"domain": list(DOMAINS), "confidence": list(CLASSES), "chip": list(CHIPS)}
    one = xr.Dataset(by_domain | by_class | rest, coords)
    draws = one.expand_dims(chain=[0], draw=np.arange(measurement._DRAWS))
    tree = xr.DataTree.from_dict({"posterior": draws})
    tree.attrs = {"data": json.dumps({"name": "made up"}), "sampler": json.dumps({"seed": 1})}
    return tree


@pytest.fixture(scope="module")
def systems():
    return bc.load_systems("systems-2025-08")


@pytest.fixture(scope="module")
def weighed(systems, calibrated):
    return bc.with_evidence(systems, calibrated)


def sd_of(systems):
    low, high = (np.log10(systems[name].to_numpy(float)) for name in BOUNDS)
    return (high - low) / (2 * 1.6449)


def test_rows_stay_and_bounds_say_how_sure_each_is(systems, weighed):
    assert weighed["system"].tolist() == systems["system"].tolist()
    others = [name for name in systems if name not in (FLOP, *BOUNDS)]
    assert weighed[others].equals(systems[others])
    known = weighed[FLOP].notna()
    assert known.sum() > systems[FLOP].notna().sum() + 20
    assert np.isfinite(weighed.loc[known, [FLOP, *BOUNDS]].to_numpy(float)).all()
    before, after = (bc.Observations.from_systems(each) for each in (systems, weighed))
    assert after.with_compute.n > before.with_compute.n
    seen = np.isfinite(after.log10_flop)
    expected = dict(zip(weighed["system"], sd_of(weighed), strict=True))
    for name, variance in zip(np.array(after.system)[seen], after.variance[seen], strict=True):
        if weighed["system"].eq(name).sum() == 1 and expected[name] > 0:
            assert variance == pytest.approx(expected[name] ** 2, rel=1e-6)


def test_a_figure_between_two_bounds_is_kept_if_nothing_else_is_known(systems, weighed):
    low, figure, high = (systems[name] for name in (BOUNDS[0], FLOP, BOUNDS[1]))
    other = systems[["training_dataset_size", "training_time_hours"]].notna().any(axis=1)
    enclosed = (low <= figure) & (figure <= high) & (low < high)
    assert (enclosed & ~other).sum() >= 2
    kept = enclosed & ~other
    assert weighed.loc[kept, [FLOP, *BOUNDS]].equals(systems.loc[kept, [FLOP, *BOUNDS]])


def test_a_figure_between_two_bounds_is_weighed_with_other_readings(systems, calibrated):
    i = systems.index[systems["system"] == "Grok-3"][0]
    one = systems.loc[i - 20 : i].copy()
    apart = np.log10(bc.with_evidence(one, calibrated).loc[i, FLOP] / one.loc[i, FLOP])
    one.loc[i, BOUNDS] = one.loc[i, FLOP] * np.array([0.99, 1.01])
    nearer = np.log10(bc.with_evidence(one, calibrated).loc[i, FLOP] / one.loc[i, FLOP])
    assert abs(apart) > 0.1, "hardware moves it"
    assert abs(nearer) < 0.6 * abs(apart), "by less, the surer the bounds are of the figure"


def test_a_confident_copy_stays_and_a_figure_alone_has_the_error_of_its_class(systems, weighed):
    i = systems.index[systems["system"] == "GPT-3 175B (davinci)"][0]
    assert weighed.loc[i, FLOP] == pytest.approx(systems.loc[i, FLOP], rel=0.05)
    bare = systems[
        ["parameters", "training_dataset_size", "training_time_hours", *BOUNDS, "base_model"]
    ].isna()
    alone = bare.all(axis=1) & systems[FLOP].notna() & (systems["confidence"] == "Likely")
    assert alone.sum() >= 2
    expected = np.sqrt(0.34**2 + 0.12 * 1.5**2)  # fine, and gross now and then
    np.testing.assert_allclose(sd_of(weighed)[alone.to_numpy()], expected, rtol=1e-6)
    np.testing.assert_allclose(weighed.loc[alone, FLOP], systems.loc[alone, FLOP], rtol=1e-9)


def test_an_upper_bound_cuts_the_distribution_off(systems, weighed):
    upper = systems[BOUNDS[1]].notna() & systems[BOUNDS[0]].isna() & systems["base_model"].isna()
    assert upper.sum() > 10
    assert (weighed.loc[upper, FLOP] < systems.loc[upper, BOUNDS[1]]).all()


@pytest.mark.parametrize("upper", [1e22, 1e20, 1e10])
def test_a_bound_wins_over_a_figure_that_contradicts_it(systems, calibrated, upper):
    i = systems.index[systems["system"] == "GPT-3 175B (davinci)"][0]
    few = systems.loc[i - 50 : i + 50].copy()
    few.loc[i, BOUNDS[1]] = upper
    found = bc.with_evidence(few, calibrated)
    assert found.loc[i, FLOP] < upper


def test_a_bound_alone_adds_what_it_says_to_the_figures_nearest_in_time(calibrated):
    every = bc.load_systems("systems-2025-08", selection="all")
    i = every.index[every["system"] == "Grok-1.5V"][0]
    assert np.isnan(every.loc[i, FLOP])
    found = bc.with_evidence(every, calibrated)
    whole = every["base_model"].isna() & every[FLOP].notna()
    near = every.loc[whole].sort_values("publication_date", kind="stable")
    days = (near["publication_date"] - every.loc[i, "publication_date"]).abs()
    nearest = np.log10(near.loc[days.sort_values(kind="stable").index[:30], FLOP])
    middle, variance = nearest.mean(), nearest.var()
    bound = (np.log10(every.loc[i, BOUNDS[0]]) - middle) / np.sqrt(variance)
    cut = stats.truncnorm(bound, np.inf, middle, np.sqrt(variance))
    precision = 1 / cut.var() - 1 / variance
    expected = (cut.mean() / cut.var() - middle / variance) / precision
    assert np.log10(found.loc[i, FLOP]) == pytest.approx(expected, abs=0.02)
    assert sd_of(found)[every.index.get_loc(i)] == pytest.approx(precision**-0.5, rel=0.02)


@pytest.mark.parametrize(("end", "value"), [(0, 10.0), (0, 1e10), (1, 1e35)])
def test_a_bound_that_says_nothing_gives_no_figure(calibrated, end, value):
    every = bc.load_systems("systems-2025-08", selection="all")
    i = every.index[every["system"] == "Grok-1.5V"][0]
    every.loc[i, BOUNDS] = np.nan
    every.loc[i, BOUNDS[end]] = value
    assert np.isnan(bc.with_evidence(every, calibrated).loc[i, FLOP])


def test_few_figures_are_nothing_to_hold_a_bound_against(systems, calibrated):
    few = systems.iloc[[*range(8), -1]].copy()
    few.loc[few.index[-1], [FLOP, "parameters"]] = np.nan
    few.loc[few.index[-1], BOUNDS[0]] = 1e20
    assert np.isnan(bc.with_evidence(few, calibrated)[FLOP].iloc[-1])


def test_rows_are_told_apart_by_position(systems, calibrated):
    twice = pd.concat([systems.head(20), systems.head(20)])
    found = bc.with_evidence(twice, calibrated)[FLOP].to_numpy()
    np.testing.assert_array_equal(found[:20], found[20:])


@pytest.mark.parametrize(
    ("low", "high"),
    [(-np.inf, 0.5), (1.0, np.inf), (-1.0, 2.0), (6.0, np.inf), (-np.inf, -5.0), (12.0, np.inf)],
)
def test_normal_distributions_are_cut_exactly(low, high):
    mean, sd = np.array([0.3]), np.array([1.2])
    log_mass, middle, variance = measurement._cut(mean, sd, np.array([low]), np.array([high]))
    exact = stats.truncnorm((low - 0.3) / 1.2, (high - 0.3) / 1.2, 0.3, 1.2)
    z = stats.norm(0.3, 1.2)
    assert np.exp(log_mass[0]) == pytest.approx(z.cdf(high) - z.cdf(low), rel=1e-6)
    assert middle[0] == pytest.approx(exact.mean(), rel=1e-6)
    assert variance[0] == pytest.approx(exact.var(), rel=1e-4)


@pytest.mark.parametrize("away", [50.0, 150.0, 1e4])
def test_far_tails_end_at_the_bound(away):
    log_mass, middle, variance = measurement._cut(
        np.zeros(2), np.ones(2), np.array([away, -np.inf]), np.array([np.inf, -away])
    )
    np.testing.assert_allclose(log_mass, -0.5 * away**2, rtol=1e-2)
    np.testing.assert_allclose(middle, [away + 1 / away, -away - 1 / away], rtol=1e-5)
    assert np.all((variance > 0) & (variance < 2 / away**2 + 2e-4))


def test_evidence_is_traced(systems, weighed):
    source = bc.Observations.from_systems(weighed).source
    assert source["evidence"]["calibration"] == {"name": "made up"}
    assert source["sha256"] == systems.attrs["source"]["sha256"]


def test_the_seed_table_has_more_systems_that_speak(calibrated):
    seed = bc.load_systems("systems-2022-03")
    before, after = (
        bc.Observations.from_systems(each).with_compute.n
        for each in (seed, bc.with_evidence(seed, calibrated))
    )
    assert (before, after) == (129, 168)


def test_two_fits_are_set_side_by_side(make_fit):
    one, other = make_fit(seed=1), make_fit(seed=2)
    learned = {"calibration": {"name": "made up", "as_of": "2025-08-31"}}
    one.attrs["data"] = json.dumps(json.loads(one.attrs["data"]) | {"evidence": learned})
    found = comparison(one, other)
    assert {row["name"] for row in found["quantities"]} >= {"transition_year[1→2]", "growth[3]"}
    row = found["quantities"][0]
    width = row["published"]["upper"] - row["published"]["lower"]
    expected = (row["evidence"]["median"] - row["published"]["median"]) / (width / 2)
    assert row["moved"] == pytest.approx(expected)
    text = describe(found, "90 %")
    assert text.count("\n") == 4 + len(found["quantities"])
    assert "learned from made up as of 2025-08-31" in text
    assert "times as wide" in text
    assert "for want of" not in text
    learned["calibration"]["too_few"] = "mine.csv: 12"
    one.attrs["data"] = json.dumps(json.loads(one.attrs["data"]) | {"evidence": learned})
    assert "for want of systems with two readings that can differ (mine.csv: 12)." in describe(
        comparison(one, other), "90 %"
    )
    failed = comparison(one, bc.NotConverged("three_eras: R-hat", {}))
    assert r"three\_eras: R-hat" in describe(failed, "90 %")
