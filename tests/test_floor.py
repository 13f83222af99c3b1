import numpy as np
import pytest

from bayes_compute.floor import floor_jump, selection_floor

DATE = 2020.0


def systems(rng, before=15, after=15, floor=None, jump=0.0, growth_after=0.4):
    """Two years of growing systems on either side of a date, Poisson numbers per quarter."""
    year = np.concatenate(
        [
            rng.uniform(DATE - 2, DATE, rng.poisson(8 * before)),
            rng.uniform(DATE, DATE + 2, rng.poisson(8 * after)),
        ]
    )
    since = year - DATE
    log10_flop = 20 + np.where(since < 0, 0.4, growth_after) * since + jump * (since >= 0)
    log10_flop = log10_flop + rng.normal(0, 1.2, len(year))
    kept = np.full(len(year), True) if floor is None else (since < 0) | (log10_flop > floor)
    return year[kept], log10_flop[kept]


def share_of_jumps(n=100, **kwargs):
    rng = np.random.default_rng(0)
    return np.mean(
        [floor_jump(*systems(rng, **kwargs), DATE)["verdict"] == "jump" for _ in range(n)]
    )


def test_a_raised_floor_is_found():
    assert share_of_jumps(before=25, after=25, floor=20.5) > 0.9


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"jump": 2.0},
        {"growth_after": 1.5},
        {"before": 20, "after": 5},
        {"before": 5, "after": 20},
    ],
    ids=["nothing", "all jump", "all grow faster", "thinner after", "thinner before"],
)
def test_what_moves_all_systems_or_their_number_is_no_raised_floor(kwargs):
    assert share_of_jumps(**kwargs) <= 0.08


def test_verdict_states_the_rises_of_the_table_as_it_stands():
    before = np.tile([10.0, 12.0, 14.0], 8)
    after = np.tile([13.0, 13.5, 14.5], 8)
    wobble = np.repeat(np.linspace(-0.1, 0.1, 8), 3)
    year = DATE + np.concatenate([np.repeat(np.arange(-8, 0), 3), np.repeat(np.arange(8), 3)]) / 4
    result = floor_jump(year, np.concatenate([before + wobble, after + wobble]), DATE)
    assert result["floor_rise"] == pytest.approx(3.0)
    assert result["median_rise"] == pytest.approx(1.5)
    assert result["maximum_rise"] == pytest.approx(0.5)
    assert result["excess"] == pytest.approx(2.5)
    assert result["verdict"] == "jump"
    assert result["text"] == (
        "the floor rises by 3.0 OOM, the maximum by 0.5: looks like a change in what was collected"
    )


def test_no_jump_states_the_changes_with_their_sign():
    year, log10_flop = systems(np.random.default_rng(1), jump=-3.0)
    result = floor_jump(year, log10_flop, DATE)
    assert result["verdict"] == "no jump"
    assert result["text"].startswith("no jump of the floor (it changes by -")


@pytest.mark.parametrize("after", [0, 1])
def test_few_systems_give_no_verdict(after):
    year, log10_flop = systems(np.random.default_rng(0), after=after)
    result = floor_jump(year, log10_flop, DATE)
    assert result["verdict"] == "too few"
    assert result["text"] == "too few systems to tell"
    assert result["floor_rise"] is None


def test_a_system_of_the_very_date_counts_as_after():
    quarters = np.repeat(np.arange(-8, 8) / 4, 3)
    level = np.where(quarters < 0, 0.0, 5.0)
    result = floor_jump(DATE + quarters, level, DATE)
    assert result["floor_rise"] == 5.0


def test_quarters_are_those_of_the_calendar():
    year = np.array([2019 + 89 / 365, 2019 + 90 / 365, 2020 + 90 / 366, 2020 + 91 / 366, 2020.0])
    table = selection_floor(year, np.arange(5.0))
    assert dict(table["n"]) == {"2019Q1": 1, "2019Q2": 1, "2020Q1": 2, "2020Q2": 1}
    assert table.loc["2019Q2", "year"] == 2019.375


def test_table_holds_the_quantiles_of_each_quarter():
    table = selection_floor(np.full(11, 2020.1), np.arange(11.0))
    row = table.loc["2020Q1"]
    assert [row[c] for c in ("minimum", "lower_decile", "median", "maximum")] == [0, 1, 5, 10]
