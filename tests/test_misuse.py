"""Tables and calls that nobody should make: the answer is right, or one line says what is wrong.

Right is what is known without a fit: the truth of a simulation, a closed form, or the prior where
systems say nothing.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_compute as bc
from bayes_compute.observations import MOST_SYSTEMS, Observations
from bayes_compute.posterior import script

SETTINGS = {"draws": 500, "tune": 300, "chains": 4, "seed": 1, "progress": False}
OF_DATES = ("three_eras", "three_eras_continuous", "regimes", "mixture_regimes")
OF_PARAMETERS = ("regimes", "mixture_regimes", "jones_regimes")
N = 60


def table(year, growth=0.4, **columns):
    """Systems of one domain on a line: 10^16 FLOP in 2010, `growth` OOM/year, scatter 0.8 OOM."""
    rng, year = np.random.default_rng(1), np.asarray(year, float)
    flop = 16 + growth * (year - 2010) + rng.normal(0, 0.8, len(year))
    day = pd.to_datetime(np.floor(year).astype(int).astype(str)) + pd.to_timedelta(
        np.floor(365 * (year % 1)), "D"
    )
    size = 7 + 0.2 * (year - 2010) + rng.normal(0, 1, len(year))
    rows = {
        "system": [f"s{i}" for i in range(len(year))],
        "publication_date": day.strftime("%Y-%m-%d"),
        "training_compute_flop": 10**flop,
        "parameters": np.round(10**size),
        "confidence": "Likely",
        "domain": "Language",
    }
    return pd.DataFrame(rows | columns)


def between(first, last, **columns):
    return table(np.linspace(first, last, N), **columns)


@pytest.fixture
def observed(tmp_path):
    """What a model sees of a table, by way of a file, as a user's."""

    def read(systems):
        path = tmp_path / "mine.csv"
        systems.to_csv(path, index=False)
        return Observations.from_systems(bc.load_systems(path))

    return read


# --- tables that are refused, with any model


def some_disclosed(n):
    systems = between(1995, 2024)
    systems.loc[n:, "training_compute_flop"] = np.nan
    return systems


UNUSABLE = {
    "no system": (table([]), "got a header without rows; expected one row a system"),
    "one": (table([2012]), "got 1 of 1 with a date and training compute; expected at least 5"),
    "three": (table([2011, 2012, 2013]), "got 3 of 3 with a date and training compute"),
    "in the future": (
        between(2080, 2090, training_compute_flop=1e26),
        "got no system left .60 published after 20",
    ),
    "undisclosed": (some_disclosed(0), "got 0 of 60 with a date and training compute"),
    "but one undisclosed": (some_disclosed(1), "got 1 of 60 with a date and training compute"),
    "too many": (
        table(np.linspace(1990, 2024, MOST_SYSTEMS + 1)),
        "got 5001 with .* expected at most 5000; use an earlier as_of",
    ),
    "more than a machine could do": (
        between(1995, 2024, training_compute_flop=1e300),
        "row 2, column 'training_compute_flop': got '1e.300'; expected a .* from 1 to 1e60",
    ),
    "less than one operation": (
        between(1995, 2024, training_compute_flop=1e-300),
        "column 'training_compute_flop': got '1e-300'; expected FLOP, a count: less than one",
    ),
}


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_an_unusable_table_is_refused(observed, wrong):
    systems, message = UNUSABLE[wrong]
    with pytest.raises(bc.InputError, match=message):
        observed(systems)


REFUSED = [
    # No date can be told where all systems have one
    *((model, table(np.full(N, 2020.3)), "no transition can be told") for model in OF_DATES),
    # Priors of dates exclude the data. A fit would squeeze a transition in, since it must have one
    *((model, between(1990, 2002.7), "from 1990.0 to 2002.7, but the prior") for model in OF_DATES),
    *(
        (model, between(2022.3, 2025), "from 2022.3 to 202[45].[09], but the prior")
        for model in OF_DATES
    ),
    # Regimes are told apart by parameters
    *(
        (
            model,
            between(1995, 2024, parameters=np.nan),
            "got 0 of 60 with parameters; .* three_eras",
        )
        for model in OF_PARAMETERS
    ),
]


@pytest.mark.parametrize(("model", "systems", "message"), REFUSED)
def test_a_table_that_a_model_can_say_nothing_of_is_refused(observed, model, systems, message):
    with pytest.raises(bc.InputError, match=message):
        bc.fit(model, observed(systems), **SETTINGS)


# --- tables whose answer is known


@pytest.mark.parametrize(
    ("growth", "doubles"),
    [(-0.3, "no doubling"), (0.0, "doubling time .*unbounded"), (0.4, "doubling time 9.* months")],
)
def test_growth_is_recovered_whatever_its_sign(observed, growth, doubles):
    dt = bc.fit("one_era", observed(between(1995, 2024, growth=growth)), **SETTINGS)
    rows = bc.summary(dt, 0.999)
    assert rows.loc["growth[1]", "lower"] < growth < rows.loc["growth[1]", "upper"]
    # Months to double are those of growth, and never negative: what shrinks does not double
    assert (rows.loc["doubling_time[1]", ["lower", "median", "upper"]] > 0).all()
    assert np.isinf(rows.loc["doubling_time[1]", "lower"]) == (growth < 0)
    text = bc.quote(dt, "growth")
    assert re.search(doubles, text), text


def test_compute_that_never_varies_grows_by_nothing(observed):
    dt = bc.fit("one_era", observed(between(1995, 2024, training_compute_flop=1e20)), **SETTINGS)
    row = bc.summary(dt).loc["growth[1]"]
    assert abs(row["median"]) < 0.01
    assert row["lower"] < 0 < row["upper"]


def test_systems_of_one_day_leave_what_the_priors_say_of_the_line_through_them(observed):
    observations = observed(table(np.full(N, 2020.3)))
    dt = bc.fit("one_era", observations, **SETTINGS)
    # They tell the line's height h on that day, to within 0.1 OOM. Given that, growth is normal
    # (Bishop 2006, eq. 2.116): level ~ N(16, 3), growth ~ N(0.4, sqrt(0.3^2 + 0.2^2)).
    x, height = observations.year[0] - 2010, observations.log10_flop.mean()
    level_variance, growth_variance = 3.0**2, 0.3**2 + 0.2**2
    noise = observations.log10_flop.var() / N
    gain = x * growth_variance / (level_variance + x**2 * growth_variance + noise)
    mean = 0.4 + gain * (height - 16 - 0.4 * x)
    sd = np.sqrt(growth_variance * (1 - gain * x))
    row = bc.summary(dt).loc["growth[1]"]
    assert row["mean"] == pytest.approx(mean, abs=5 * sd / np.sqrt(row["ess_bulk"]))
    assert row["sd"] == pytest.approx(sd, rel=0.1)


def test_an_enormous_outlier_is_scatter_and_not_growth(observed):
    systems = between(1995, 2024)
    systems.loc[N // 2, "training_compute_flop"] = 1e50
    row = bc.summary(bc.fit("one_era", observed(systems), **SETTINGS))
    assert row.loc["growth[1]", "lower"] < 0.4 < row.loc["growth[1]", "upper"]
    scatter = np.std(np.log10(systems["training_compute_flop"]) - 0.4 * np.linspace(-15, 14, N))
    assert row.loc["sigma[1]", "median"] == pytest.approx(scatter, rel=0.1)
    assert row.loc["sigma[1]", "outside_prior"]


def test_five_systems_say_no_more_than_five_can(observed):
    row = bc.summary(bc.fit("one_era", observed(table([1996, 2003, 2010, 2017, 2024])), **SETTINGS))
    assert row.loc["growth[1]", "lower"] < 0.4 < row.loc["growth[1]", "upper"]
    # Least squares has sd sqrt(scatter^2 / sum x^2) = 0.8 / 22 at best
    assert row.loc["growth[1]", "sd"] > 0.8 / 22


def test_copies_of_rows_do_not_speak_again(observed):
    systems = between(1995, 2024)
    once, often = observed(systems), observed(pd.concat([systems] * 100))
    assert often.system == once.system
    for name in ("year", "log10_flop", "variance", "log10_parameters"):
        np.testing.assert_array_equal(getattr(often, name), getattr(once, name))


def test_copies_are_said_to_be_left_out(command, tmp_path):
    pd.concat([between(1995, 2024)] * 3).to_csv(tmp_path / "mine.csv", index=False)
    status, out, _ = command("data", tmp_path / "mine.csv")
    assert status == 0
    assert "left out: 120 in the same words as another row" in out


@pytest.mark.parametrize("confidence", ["", "Unknown"])
def test_an_unknown_confidence_is_the_middle_class(observed, confidence):
    unknown, likely = (
        observed(between(1995, 2024, confidence=label)) for label in (confidence, "Likely")
    )
    np.testing.assert_array_equal(unknown.variance, likely.variance)


SILENT = [
    # All systems are of the third era, so that the first two have the prior's lines
    ("sevilla_eras", between(2022, 2025), {"level": [0, 1], "growth": [0, 1], "sigma": [0, 1]}),
    # All are DIY
    (
        "jones_regimes",
        between(1990, 2003),
        {
            "level_given_parameters": [1, 2],
            "growth_given_parameters": [1, 2],
            "capacity": [0],
            "drift": [0],
            "share_after": [0],
        },
    ),
    # The bespoke transition is to come
    ("regimes", between(1995, 2011), {"transition_year": [1], "share_after": [0]}),
    ("mixture_regimes", between(1995, 2011), {"transition_year": [1]}),
]


# Bespoke systems, were there any, would stand apart
APART = {
    "level_given_parameters": [16, 16, 30],
    "growth_given_parameters": [0.4, 0.4, 0.4],
    "sigma": [0.8, 0.8, 0.8],
    "elasticity": 0.0,
    "offset": [0.0],
    "parameters_level": [7, 7, 20],
    "parameters_growth": [0.2, 0.2, 0.2],
    "parameters_sd": [1, 1, 1],
    "share": 0.3,
}


@pytest.mark.parametrize(("model", "systems", "names"), SILENT, ids=[row[0] for row in SILENT])
def test_what_systems_say_nothing_of_is_as_its_prior_is(observed, model, systems, names):
    likelihood = script(model).regression(observed(systems))
    mixture = model == "mixture_regimes"
    one = likelihood.Point(**APART) if mixture else likelihood.mode
    at = one._make(np.repeat(np.array([member], float), 1000, axis=0) for member in one)
    drawn = likelihood.draw(at, np.random.default_rng(2))
    prior = likelihood.draw_prior(at, np.random.default_rng(3))
    for name, elements in names.items():
        for k in elements:
            found, before = (each[name].reshape(1000, -1)[:, k] for each in (drawn, prior))
            assert stats.ks_2samp(found, before).pvalue > 1e-3, (name, k)


# --- how many transitions


def test_five_systems_are_one_era_of_five(observed):
    found = bc.transitions(observed(table([1996, 2003, 2010, 2017, 2024])))
    np.testing.assert_array_equal(found.probability, [1, 0, 0, 0, 0])


def test_a_transition_between_two_clusters_is_anywhere_between_them(observed):
    year = np.append(np.linspace(1995, 2004, 30), np.linspace(2012, 2021, 30))
    systems = table(year, growth=0.0)
    systems["training_compute_flop"] *= np.where(year > 2008, 1e8, 1)
    observations = observed(systems)
    found = bc.transitions(observations, max_k=1)
    assert found.probability[1] > 0.999
    first, last = observations.year[29], observations.year[30]
    q = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(found.quantile(1, q)[0], first + q * (last - first), atol=0.01)


def test_compute_that_never_varies_has_no_transition(observed):
    found = bc.transitions(observed(between(1995, 2024, training_compute_flop=1e20)))
    assert found.probability[0] > 0.99


@pytest.mark.parametrize("max_k", [-1, 21, 10**9])
def test_an_absurd_number_of_transitions_is_refused(observed, max_k):
    with pytest.raises(bc.InputError, match=f"max_k: got {max_k}; expected 0 to 20"):
        bc.transitions(observed(between(1995, 2024)), max_k=max_k)


def test_transitions_of_one_day_are_refused(observed):
    with pytest.raises(bc.InputError, match="no transition can be told"):
        bc.transitions(observed(table(np.full(N, 2020.3)))).describe()


# --- calls


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 19}, "draws: got 19; expected 20 to 100000"),
        ({"draws": 10**11}, "draws: got 100000000000; expected 20 to 100000"),
        ({"draws": 50, "chains": 60}, "draws: got 50; expected 60 to"),
        ({"draws": 100_000, "chains": 60}, "got 60 chains of 100000 for 60 .* at most 27777 draws"),
        ({"tune": 1}, "tune: got 1; expected 20 to 100000"),
        ({"chains": 1}, "chains: got 1; expected 2 to 100"),
        ({"chains": 10**9}, "chains: got 1000000000; expected 2 to 100"),
        ({"seed": -1}, "seed: got -1; expected 0 to"),
        ({"seed": 2**64}, "seed: got 18446744073709551616; expected 0 to"),
        ({"prob": 0.0}, "prob: got 0; expected"),
        ({"prob": 1.0}, "prob: got 1; expected"),
        ({"prob": np.nan}, "prob: got nan; expected"),
    ],
)
def test_absurd_settings_are_refused(observed, change, message):
    with pytest.raises(bc.InputError, match=message):
        bc.fit("one_era", observed(between(1995, 2024)), **SETTINGS | change)


def test_the_largest_seed_is_one(observed):
    some = {**SETTINGS, "seed": 2**64 - 1}
    assert bc.fit("one_era", observed(between(1995, 2024)), **some).attrs["converged"]


def test_a_fit_that_fails_leaves_nothing_to_quote(command, tmp_path):
    between(1995, 2024).to_csv(tmp_path / "mine.csv", index=False)
    few = ("--draws", 20, "--tune", 20, "--chains", 2, "--quiet")
    out = tmp_path / "out"
    status, _, err = command("fit", "one_era", "--data", tmp_path / "mine.csv", "--out", out, *few)
    assert (status, err.count("\n")) == (1, 1)
    assert [path.name for path in out.iterdir()] == ["diagnostics.json"]
    assert json.loads((out / "diagnostics.json").read_text())["failures"]
    assert command("quote", out)[0] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        "fit one_era --data {mine} --as-of 1900-01-01",
        "fit one_era --data {mine} --ci 1.5",
        "fit one_era --data {mine} --draws 100000000000",
        "report one_era --data {mine} --horizon 1900",
        "report one_era --data {mine} --horizon 99999999999999999999",
        "transitions --data {mine} --max-k 1000",
        "transitions --data {mine} --ci nan",
        "calibrate one_era --data {mine} --replications 1",
        "calibrate one_era --data {mine} --as-of 1900-01-01",
        "calibrate calibration --data {mine}",
        "backtest calibration",
        "backtest one_era --workers 0",
        "backtest no_such_model",
        "compare {mine}",
        "quote {mine}",
        "project {mine}",
        "flop --parameters nan --tokens 1e9",
        "flop --parameters=-1 --tokens 1e9",
        "flop --parameters 1e300 --tokens 1e300",
        "flop --published 1e400",
        "flop --published 1e24 --ci 0",
        "flop --rmax 1EFLOP/s --time 5days --as-of 1900-01-01",
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(command, tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    between(1995, 2024).to_csv(tmp_path / "mine.csv", index=False)
    status, _, err = command(*wrong.format(mine="mine.csv").split())
    assert status == 2, err
    assert err.startswith("bayes-compute: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not list(tmp_path.glob("**/summary.json"))


@pytest.mark.parametrize("name", ["fit", "report", "project", "compare", "calibrate", "backtest"])
@pytest.mark.parametrize("seed", [-1, 2**64])
def test_no_command_takes_a_seed_that_the_sampler_cannot(command, name, seed):
    status, _, err = command(name, "one_era", "--seed", seed)
    assert (status, err.count("\n")) == (2, 1)
    assert "'--seed'" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 1900}, "horizon: got 1900; expected a year from 2022 to 2052"),
        ({"horizon": 10**20}, "horizon: got 1000.*; expected a year from 2022 to 2052"),
        ({"as_of": "2999-01-01"}, "as_of: got 2999-01-01; expected 2022-01-01"),
        ({"assumptions": ["leap=nan"]}, "got 'nan' for leap; expected a median above 0"),
        ({"assumptions": ["leap=1e300"]}, "got '1e300' for leap; .* factor of 1e.07 of the stated"),
        ({"assumptions": ["leap=2/1e300"]}, "got '1e300' for leap; .* at most 1000"),
        ({"assumptions": ["undisclosed=1e6"]}, "systems to come: got .* a year; expected at most"),
    ],
)
def test_an_absurd_projection_is_refused(datatree, no_ceilings, change, message):
    with pytest.raises(bc.InputError, match=message):
        bc.project(datatree, **change)
