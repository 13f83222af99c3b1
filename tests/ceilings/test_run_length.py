"""The longest useful run against brute force; growth against what made runs up and as published."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayes_compute as bc
from bayes_compute import systems
from bayes_compute.assumptions import assume
from bayes_compute.ceilings import run_length as ceiling
from bayes_compute.models import run_length as model

growths = st.floats(0.1, 5.0)
certain = {"price_performance": "0.31/1", "algorithmic_progress": "1.04/1"}


@given(growths, st.floats(-5, 5))
def test_longest_useful_run_makes_the_most_progress_by_its_release(growth, release):
    length = np.linspace(1e-3, 20, 200_001)
    best = length[np.argmax(ceiling.progress(length, growth, release))]
    assert best == pytest.approx(1 / growth, abs=1e-3)


@given(growths, st.floats(1.05, 5.0))
def test_a_longer_run_is_overtaken_by_one_that_starts_later(growth, factor):
    length = factor / growth
    assert ceiling.progress(1 / growth, growth, 0.0) > ceiling.progress(length, growth, 0.0)


def test_draws_are_those_of_one_over_g():
    certainly = assume(ceiling.ASSUMPTIONS, certain)
    np.testing.assert_allclose(
        10 ** ceiling.longest_useful(3, certainly), 365.25 * 24 / (0.31 + 1.04)
    )


@pytest.mark.parametrize(("progress", "months"), [(1.7, 15), (3.0, 9)])
def test_longest_useful_run_is_as_published(progress, months):
    # Epoch AI 2022 and 2025: 15 and about 9 months under 1.7x and 3x of algorithmic progress a year
    given_that = assume(
        ceiling.ASSUMPTIONS,
        {"algorithmic_progress": f"{np.log(progress)}/1", "price_performance": "0.31/1"},
    )
    found = 10 ** ceiling.longest_useful(1, given_that)[0] / (365.25 * 24 / 12)
    assert found == pytest.approx(months, rel=0.08)


def simulate(seed, level=(3.0, 2.5, 2.2, 2.6), growth=(0.15, 0.25, 0.05, 0.1), sigma=0.3):
    rng = np.random.default_rng(seed)
    group, n = rng.integers(4, size=400), 400
    year = rng.uniform(2018, 2025, n)
    noise = sigma * rng.standard_t(ceiling.NU, n)
    y = np.array(level)[group] + np.array(growth)[group] * (year - 2022) + noise
    return model.RunLengths(
        tuple(map(str, range(n))), year, y, group, {"name": "simulated", "rows": n, "as_of": None}
    )


def test_what_made_runs_up_is_recovered():
    posterior = bc.fit("run_length", simulate(5), progress=False)["posterior"].dataset
    truth = {"level": (3.0, 2.5, 2.2, 2.6), "growth": (0.15, 0.25, 0.05, 0.1), "sigma": (0.3,) * 4}
    for name, values in truth.items():  # of 12; 99.98 %: one test in 400 misses one
        low, high = np.quantile(posterior[name], [1e-4, 1 - 1e-4], axis=(0, 1))
        assert np.all((low < values) & (values < high)), (name, low, values, high)
        assert np.all(high - low < 0.5)


@pytest.fixture(scope="module")
def fitted():
    return bc.fit("run_length", model.observe(), progress=False)


def test_growth_is_as_published(fitted):
    # Epoch AI 2025: runs of frontier language models lengthen 1.4x a year, 90 % 1.3 to 1.5
    growth = 10 ** fitted["posterior"].dataset["growth"].sel(group="largest language")
    low, middle, high = np.quantile(growth, [0.05, 0.5, 0.95])
    assert low < 1.4 < high
    assert 1.3 < middle < 1.5


def test_ceiling_is_the_smaller_of_trend_and_limit(fitted):
    posterior, year = fitted["posterior"].dataset, np.array([2021.0, 2026.0, 2060.0])
    draws = ceiling.run_length(posterior, year)
    assert draws.shape == (4000, 3)
    trend = ceiling.largest_runs(posterior, year, 0.9)
    assert np.all(draws <= trend)
    np.testing.assert_array_equal(draws[:, 0], trend[:, 0])
    limit = ceiling.longest_useful(4000)
    assert np.mean(draws[:, 2] == limit) > 0.99
    assert np.all(ceiling.run_length(posterior, year, 0.5) <= draws)


def test_largest_language_models_are_the_five_largest_of_their_day():
    data = model.observe()
    largest = {name for name, group in zip(data.system, data.group, strict=True) if group == 0}
    assert {"GPT-3 175B (davinci)", "GPT-4", "Gemini 1.0 Ultra", "Llama 3.1-405B"} <= largest
    assert "LLaMA-65B" not in largest  # five were larger


def test_a_planted_later_row_does_not_enter(monkeypatch):
    read = systems.read_table

    def planted(*args):
        table = read(*args)
        row, cells = table.rows[-1]
        change = dict.fromkeys(["system"], "planted") | {
            "publication_date": "2024-01-01",
            "training_time_hours": "9999",
            "training_compute_flop": "9e27",
            "notable": "True",
            "base_model": "",
        }
        cells = [change.get(n, c) for n, c in zip(table.header, cells, strict=True)]
        return dataclasses.replace(table, rows=[*table.rows, (row + 1, cells)])

    before = model.observe("2023-12-31")
    monkeypatch.setattr(systems, "read_table", planted)
    after = model.observe("2023-12-31")
    assert after.system == before.system
    np.testing.assert_array_equal(after.group, before.group)
    assert "planted" in model.observe("2024-01-01").system
    with pytest.raises(bc.InputError, match="no run length"):
        model.observe("1980-01-01")


def test_figure_shows_runs_and_the_limit(fitted):
    ax = bc.plots.run_length(fitted)
    assert ax.get_ylabel() == "Length of the training run"
    assert ax.get_ylim()[1] > np.log10(8766)
