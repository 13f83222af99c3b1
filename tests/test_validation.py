import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import rankdata

from bayes_compute import pair_statistics, validation
from bayes_compute.errors import InputError
from bayes_compute.hardware_evidence import EVIDENCE
from bayes_compute.strict_json import plain
from bayes_compute.validation import hardware_check, tables

DIY, CLOUD, BESPOKE = range(3)
WITHIN = "pairs within a year"
GIVEN_DATE = "rank correlation given date"
N_DRAWS = 8


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(validation, "RESAMPLES", 100)


def made_up(era, seed=0, **columns):
    """A table of systems after 2012, and a fit that holds each of them in one era a draw."""
    n = np.shape(era)[-1]
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, 3650, n))
    text = ("organization", "sector", "training_hardware")
    frame = pd.DataFrame(
        {
            "system": [f"system {i}" for i in range(n)],
            "publication_date": pd.Timestamp("2012-01-01") + pd.to_timedelta(days, "D"),
            "training_compute_flop": 1e20,
            "training_compute_lower_flop": np.nan,
            "training_compute_upper_flop": np.nan,
            "confidence": "Likely",
            "parameters": 10 ** rng.uniform(6, 12, n),
            "domain": "Language",
            "hardware_quantity": np.nan,
            "training_time_hours": np.nan,
            "training_power_w": np.nan,
        }
        | dict.fromkeys(text)
        | columns
    )
    return fitted(frame, era), frame


def fitted(frame, era):
    era = np.broadcast_to(era, (N_DRAWS, len(frame)))
    date = frame["publication_date"].dt
    year = date.year + (date.day_of_year - 1) / np.where(date.is_leap_year, 366, 365)
    label = {"system": list(frame["system"])}
    by_draw = ("chain", "draw", "system")
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {"transition_year": (("chain", "draw", "transition"), np.full((2, 4, 2), 2010.0))},
                {"transition": ["cloud", "bespoke"], "era": ["DIY", "cloud", "bespoke"]},
            ),
            "membership": xr.Dataset({"era": (by_draw, era.reshape(2, 4, -1))}, label),
            "constant_data": xr.Dataset(
                {
                    "year": ("system", year),
                    "log10_parameters": ("system", np.log10(frame["parameters"])),
                },
                label,
            ),
        }
    )


def row_of(check, evidence, measure="pairs"):
    (row,) = check[(check.evidence == evidence) & (check.measure == measure)].itertuples()
    return row


def over_pairs(fit, value, kernel, apart=np.inf):
    """Mean of a kernel over every draw and pair, one at a time."""
    year = fit["constant_data"]["year"].to_numpy()
    total = count = 0
    for era in fit["membership"]["era"].to_numpy().reshape(N_DRAWS, -1):
        for i, j in product(range(len(era)), repeat=2):
            if era[i] == BESPOKE and era[j] == CLOUD and abs(year[i] - year[j]) <= apart:
                total += kernel(value[i], value[j])
                count += 1
    return total / count


def more(a, b):
    return 0.5 if a == b else float(a > b)


@pytest.mark.parametrize(("measure", "apart"), [("pairs", np.inf), (WITHIN, 1.0)])
def test_numbers_are_compared_in_every_pair_of_every_draw(measure, apart):
    rng = np.random.default_rng(1)
    value = rng.integers(1, 8, 40).astype(float)  # with ties
    fit, systems = made_up(rng.integers(0, 3, (N_DRAWS, 40)), hardware_quantity=value)
    row = row_of(hardware_check(fit, systems), "accelerators", measure)
    assert row.statistic == pytest.approx(over_pairs(fit, value, more, apart))
    assert row.lower < row.statistic < row.upper
    assert row.n == 40


def test_a_resample_pairs_no_system_with_itself():
    rng = np.random.default_rng(2)
    value, year = rng.integers(1, 5, 6).astype(float), np.full(6, 2020.0)
    era = rng.integers(CLOUD, 3, (N_DRAWS, 6))
    cloud, bespoke = (era == CLOUD).astype(float), (era == BESPOKE).astype(float)
    chances = cloud.mean(axis=0), bespoke.mean(axis=0)
    group = pair_statistics.Group(value, year, year, *chances, bespoke.T @ cloud / N_DRAWS)
    drawn = [0, 0, 1, 3, 4, 4]
    at = [(i, j) for i, j in product(drawn, repeat=2) if i != j]
    weight = [np.mean((era[:, i] == BESPOKE) & (era[:, j] == CLOUD)) for i, j in at]
    expected = np.average([more(value[i], value[j]) for i, j in at], weights=weight)
    counts = np.bincount(drawn, minlength=6)[None].astype(float)
    found = pair_statistics.over_pairs(group, pair_statistics.more)(counts)
    assert found == pytest.approx([expected])


def test_regimes_that_hardware_tells_apart():
    era = np.array([CLOUD, BESPOKE] * 10)
    fit, systems = made_up(era, hardware_quantity=np.where(era == BESPOKE, 1024.0, 8.0))
    row = row_of(hardware_check(fit, systems), "accelerators")
    assert (row.statistic, row.lower, row.upper) == (1, 1, 1)
    assert (row.cloud, row.bespoke, row.verdict) == (8, 1024, "bespoke more")
    assert row.text == (
        "accelerators (20 systems): bespoke systems used more accelerators in 1.00 (1.00 to 1.00) "
        "of pairs; medians 1,024 for bespoke, 8 for cloud"
    )
    turned = made_up(era, hardware_quantity=np.where(era == BESPOKE, 8.0, 1024.0))
    row = row_of(hardware_check(*turned), "accelerators")
    assert (row.statistic, row.verdict) == (0, "cloud more")


def test_tables_hold_every_comparison_and_say_what_is_open():
    era = np.array([CLOUD, BESPOKE] * 10)
    fit, systems = made_up(
        era,
        hardware_quantity=np.where(era == BESPOKE, 1024.0, 8.0),
        training_time_hours=np.tile([1.0, 1.0, 2.0, 2.0], 5),
    )
    rows = [plain(row) for row in hardware_check(fit, systems).to_dict(orient="records")]
    numbers, shares = tables(rows).split("\n\n")
    accelerators, time, power, *_ = numbers.splitlines()[2:]
    assert accelerators.startswith("| accelerators | 20 | 8 | 1,024 | 1.00 (1.00 to 1.00) | ")
    assert re.match(
        r"\| training time \| 20 \| [12] h \| [12] h \| 0\.50 \(.*?\); cannot tell", time
    )
    assert power == "| training power | 0 | none | none |" + " too few systems |" * 4
    for part in (numbers, shares):
        assert len({line.count("|") for line in part.splitlines()}) == 1, (
            "one row is as wide as another"
        )
    said = sum(part.count("(") + part.count("too few") for part in (numbers, shares))
    assert said == len(rows)
    older = [row for row in rows if row["evidence"] != "industry"]
    assert "industry" not in tables(older)
    assert "TPU rather than GPU" in tables(older)


def test_regimes_that_hardware_does_not_tell_apart():
    era = np.array([CLOUD, BESPOKE] * 10)
    value = np.repeat(np.arange(10.0), 2) + 1
    check = hardware_check(*made_up(era, hardware_quantity=value))
    row = row_of(check, "accelerators")
    assert row.statistic == 0.5
    assert row.lower < 0.5 < row.upper
    assert row.verdict == "cannot tell"
    assert row.text.endswith("; cannot tell")


def test_rank_correlation_given_date_is_the_partial_one():
    rng = np.random.default_rng(3)
    era = np.where(rng.random((N_DRAWS, 40)) < np.linspace(0, 1, 40), BESPOKE, CLOUD)
    value = np.arange(40) + rng.integers(0, 30, 40).astype(float)
    fit, systems = made_up(era, hardware_quantity=value)
    year = fit["constant_data"]["year"].to_numpy()
    probability = (era == BESPOKE).mean(axis=0)
    value, year = rankdata(value), rankdata(year)
    xy, xz, yz = (
        np.corrcoef(a, b)[0, 1]
        for a, b in ((value, probability), (value, year), (probability, year))
    )
    row = row_of(hardware_check(fit, systems), "accelerators", GIVEN_DATE)
    assert row.statistic == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def test_monte_carlo_error_of_systems_that_are_sure_does_not_matter():
    rng = np.random.default_rng(6)
    sure, value, year, size = np.repeat([0.0, 1.0], 50), *rng.normal(size=(3, 100))

    def found():
        p_bespoke = np.abs(sure - rng.uniform(0, 1e-3, 100))
        group = pair_statistics.Group(value, year, size, 1 - p_bespoke, p_bespoke, np.eye(100))
        return pair_statistics.partial(group, year, size)(np.ones((1, 100)))[0]

    # either moves it by at most 1e-3 of 0.5, the sd of the probability
    assert found() == pytest.approx(found(), abs=4e-3)


def test_hardware_that_follows_from_date_and_parameters_says_no_more():
    rng = np.random.default_rng(4)
    size = rng.permutation(60)
    era = np.where(size + rng.normal(0, 5, 60) > 30, BESPOKE, CLOUD)
    fit, systems = made_up(era, parameters=10 ** (6 + size / 10), hardware_quantity=1.0 + size)
    check = hardware_check(fit, systems)
    assert row_of(check, "accelerators", GIVEN_DATE).verdict == "bespoke more"
    row = row_of(check, "accelerators", "rank correlation given date and parameters")
    assert row.verdict == "too few", "nothing is left of the number of accelerators"


@pytest.mark.parametrize(("measure", "apart"), [("pairs", np.inf), (WITHIN, 1.0)])
def test_shares_differ_by_those_of_pairs(measure, apart):
    rng = np.random.default_rng(5)
    holds = rng.integers(0, 2, 40)
    sector = np.where(holds, "Academia,Industry", "Academia")
    fit, systems = made_up(rng.integers(CLOUD, 3, (N_DRAWS, 40)), sector=sector)
    row = row_of(hardware_check(fit, systems), "industry", measure)
    expected = over_pairs(fit, holds, lambda a, b: float(a) - b, apart)
    assert row.statistic == pytest.approx(expected)


def test_owner_and_hardware_are_read_from_their_names():
    era = np.array([CLOUD, BESPOKE] * 6)
    hardware = ["Google TPU v3", "NVIDIA A100", "Huawei Ascend 910", None] * 3
    organization = ["OpenAI", 'Google,"Other"', "Google DeepMind", None] * 3
    sector = ["Industry - Academia Collaboration", "Academia", "Government", None] * 3
    _, systems = made_up(era, training_hardware=hardware, organization=organization, sector=sector)
    found = {each.name: each.of(systems).tolist()[:4] for each in EVIDENCE}
    none = pytest.approx(np.nan, nan_ok=True)
    assert found["TPU rather than GPU"] == [1, 0, none, none]
    assert found["rented TPU"] == [1, none, none, none]
    assert found["industry"] == [1, 0, 0, none]
    assert found["systems of the organization"] == [3, 3, 3, none]


def test_only_systems_after_the_cloud_that_say_something_count():
    era = np.array([CLOUD, BESPOKE] * 10)
    value = np.arange(20.0) + 1
    value[:3] = np.nan
    fit, systems = made_up(era, hardware_quantity=value)
    after = fit["constant_data"]["year"].to_numpy()[4]
    fit["posterior"] = fit["posterior"].dataset.assign(
        transition_year=fit["posterior"]["transition_year"] * 0 + after
    )
    assert row_of(hardware_check(fit, systems), "accelerators").n == 15


def test_too_few_systems_of_a_regime_say_nothing():
    era = np.array([CLOUD] * 16 + [BESPOKE] * 4)
    check = hardware_check(*made_up(era, hardware_quantity=np.arange(20.0) + 1))
    assert row_of(check, "accelerators").verdict == "too few"
    row = row_of(check, "training time")
    assert (row.n, row.verdict) == (0, "too few")
    assert np.isnan(row.statistic)
    assert row.text == "training time (0 systems): pairs: too few systems to tell"


def test_systems_are_matched_by_label_and_date():
    era = np.array([CLOUD, BESPOKE] * 10)
    fit, systems = made_up(era, hardware_quantity=np.where(era == BESPOKE, 1024.0, 8.0))
    systems.loc[19, "publication_date"] += pd.Timedelta(days=400)  # another system of that name
    row = row_of(hardware_check(fit, systems.sample(frac=1, random_state=1)), "accelerators")
    assert (row.n, row.statistic) == (19, 1)
    assert row_of(hardware_check(fit, systems[:15]), "accelerators").n == 15


def test_repeated_names_are_told_apart():
    era = np.array([CLOUD, BESPOKE] * 10)
    value = np.where(era == BESPOKE, 1024.0, 8.0)
    _, systems = made_up(era, hardware_quantity=value)
    systems["system"] = ["same"] * 20
    labels = ["same", *(f"same ({i})" for i in range(2, 21))]
    row = row_of(
        hardware_check(fitted(systems.assign(system=labels), era), systems), "accelerators"
    )
    assert (row.n, row.statistic) == (20, 1)


def test_the_same_fit_gives_the_same_table():
    rng = np.random.default_rng(6)
    made = made_up(rng.integers(0, 3, (N_DRAWS, 40)), hardware_quantity=rng.random(40))
    pd.testing.assert_frame_equal(hardware_check(*made), hardware_check(*made))


def test_another_table_or_model_is_refused(make_fit):
    fit, systems = made_up(np.array([CLOUD, BESPOKE] * 10))
    with pytest.raises(InputError, match="got none of the 20 systems of the fit"):
        hardware_check(fit, systems.assign(system=[f"other {i}" for i in range(20)]))
    with pytest.raises(InputError, match="got the eras 1, 2, 3; expected cloud and bespoke"):
        hardware_check(make_fit(), systems)
