"""Posterior predictive checks: each statistic, and that a record unlike its replicates fails."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from bayes_compute import plots
from bayes_compute.predictive_checks import (
    Check,
    check_record,
    checks,
    describe,
    largest_gap,
    running_maximum,
    spread,
    tail_in_words,
    verdict,
)


def test_running_maximum_looks_before_a_date_only():
    year, flop = np.array([2000.0, 2001.0, 2002.0]), np.array([3.0, 5.0, 9.0])
    assert running_maximum(year, flop, np.array([2000.5, 2002.0, 2003.0])).tolist() == [3, 5, 9]
    both = running_maximum(year, np.stack([flop, -flop]), np.array([2003.0]))
    assert both.tolist() == [[9], [-3]]


def test_spread_is_that_about_the_least_squares_line():
    rng = np.random.default_rng(1)
    x, y = np.sort(rng.uniform(2000, 2020, 30)), rng.normal(size=(2, 30))
    member = rng.random((2, 30)) < 0.6
    for each, chosen, found in zip(y, member, spread(member, x, y), strict=True):
        _, rest, *_ = np.polyfit(x[chosen] - 2010, each[chosen], 1, full=True)
        assert found == pytest.approx(np.sqrt(rest[0] / (chosen.sum() - 2)))
    assert np.isnan(spread(np.arange(30)[None] < 4, x, y[:1])).all()


def test_gap_is_the_largest_among_the_top_40():
    sizes = np.concatenate([[-50.0], np.arange(38), [40.0, 41.0]])
    assert largest_gap(sizes) == 3
    assert largest_gap(sizes[1:]) == 3


@pytest.mark.parametrize(
    ("observed", "tail"), [(5.0, 0.0), (-5.0, 0.0), (2.0, 0.9), (0.5, 0.4), (1.5, 0.8)]
)
def test_tail_probability_is_two_sided_and_halves_ties(observed, tail):
    replicated = np.array([0.0, 1.0, 2.0, 2.0, 3.0])
    below = (replicated < observed).mean() + (replicated == observed).mean() / 2
    expected = 2 * min(below, 1 - below)
    found = Check("", "", np.full(5, observed), replicated).tail
    assert found == pytest.approx(expected)
    assert found == pytest.approx(tail, abs=0.1001)


def test_each_kind_of_check_is_there(datatree):
    rows = check_record(datatree)
    names = [row["name"] for row in rows]
    assert {"largest system", "spread of era 3", "mean of residuals, Language"} <= set(names)
    assert "sd of residuals, figures known within ×10" in names
    assert all(row["lower"] <= row["median"] <= row["upper"] for row in rows)
    assert not any("parameter" in name for name in names), "a model of compute alone"


def test_a_record_unlike_its_replicates_fails_by_name(datatree):
    constant = datatree["constant_data"].dataset
    flop = constant["log10_flop"].copy()
    flop[-1] = 40.0
    datatree["constant_data"] = constant.assign(log10_flop=flop)
    rows = check_record(datatree)
    (last,) = (row for row in rows if row["name"] == "largest system")
    assert last["fails"] and last["tail"] == 0
    assert "largest system (40.00 log10 FLOP on record" in verdict(rows)
    (line,) = (each for each in describe(rows, "90 %").splitlines() if " 40.00 " in each)
    assert line.endswith(" below 0.001 | fails |")


@pytest.mark.parametrize(
    ("tail", "words"), [(0.0, "below 0.01"), (0.009, "below 0.01"), (0.316, "0.32")]
)
def test_a_tail_probability_is_never_said_to_be_zero(tail, words):
    assert tail_in_words(tail, 2) == words


def test_nothing_fails_in_words():
    assert verdict([{"fails": False}]) == "0 of 1 posterior predictive checks fail."


def gap_of(tree):
    """The check of the gap in parameters, of a tree that gets replicates of compute."""
    names = tree["constant_data"]["system"].to_numpy()[:5]
    shape = (*tree["posterior"]["elasticity"].shape, 5)
    tree["posterior_predictive"] = (
        tree["posterior"]
        .to_dataset()[[]]
        .assign(
            log10_flop=(("chain", "draw", "system"), np.random.default_rng(1).normal(size=shape)),
            system=list(names),
        )
    )
    (gap,) = (check for check in checks(tree) if check.name.startswith("largest gap"))
    return gap


def test_parameters_are_drawn_anew_in_their_regimes(drawn_regimes):
    # Clouds are at 8 and bespoke systems at 12, within 0.01, and none is DIY but the first, at 5
    tree = drawn_regimes(
        n_draws=500, parameters_level=[5.0, 8.0, 12.0], parameters_growth=[0.0, 0.0, 0.0],
        parameters_sd=[0.01, 0.01, 0.01],
    )  # fmt: skip
    gap = gap_of(tree)
    assert gap.observed[0] == pytest.approx(3.0)  # 5.0, 8.0, 10.4, 11.0
    # 3 if all others are cloud, 4 between both kinds, 7 if all others are bespoke
    assert {round(each) for each in gap.replicated} <= {3, 4, 7}
    # One before the bespoke transition, bespoke with a probability of 0.03; two after, with 0.41
    expected = 0.97 * 0.59**2
    none = np.mean(gap.replicated < 3.5)
    assert none == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / 1000))


def test_parameters_are_drawn_on_their_own_side_of_the_capacity(drawn_regimes):
    # Lines of both kinds lie far on the other side, so that all but the first crowd at 10
    tree = drawn_regimes(
        parameters_level=[5.0, 30.0, -10.0], parameters_growth=[0.0, 0.0, 0.0],
        parameters_sd=[0.01, 1.0, 1.0],
    )  # fmt: skip
    assert np.all(np.abs(gap_of(tree).replicated - 5) < 1)


@pytest.mark.parametrize("plot", [plots.predictive_checks, plots.running_maximum])
def test_figures_draw_on_the_given_axes(plot, datatree, regimes_tree):
    for tree in (datatree, regimes_tree):
        ax = Figure(figsize=plots.SIZE, layout="constrained").subplots()
        assert plot(tree, ax) is ax
        ax.figure.draw_without_rendering()
