"""All ceilings together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayes_compute as bc
from bayes_compute.ceilings.available import CEILINGS, Available
from bayes_compute.ceilings.checkpoints import efficiency

YEAR = np.array([2020.0, 2021.0, 2022.0])


def allowed(n=1, **changes):
    """Ceilings that are known and grow; what is not changed does not bind."""

    def along(*values):
        return np.tile(np.array(values, float), (n, 1))

    values = {
        "machine": along(18, 18.5, 19),
        "site": along(25, 25, 25),
        "accelerator": along(14, 14.1, 14.2),
        "failure_rate": along(1e-12),
        "checkpoint_time": along(1 / 60),
        "restart_time": along(1 / 12),
        "length": along(3, 3.1, 3.2),
        "longest_useful": along(9),
        "utilization": along(-0.4, -0.4, -0.4),
        "owned": along(90, 90, 90),
        "rented": along(90, 90, 90),
        "break_even": along(23, 23, 23),
    }
    values |= {k: along(*np.atleast_1d(v)) for k, v in changes.items()}
    return Available(YEAR, **values, unknown=())


def records(*rows):
    return pd.DataFrame(rows, columns=["year", "log10_flop", "error"])


def test_a_run_is_rate_times_length_times_utilization():
    expected = np.array([21, 21.6, 22.2]) - 0.4 + np.log10(3600)
    np.testing.assert_allclose(allowed().flop()[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("hardware", {}),
        ("money", {"owned": [20, 20, 20]}),
        ("reliability", {"failure_rate": 0.1}),
        ("run_length", {"longest_useful": 1.0, "site": [18, 18, 19]}),
        ("power", {"site": [15, 15, 15]}),
    ],
)
def test_the_ceiling_that_binds_is_the_one_to_lift(name, changes):
    found = allowed(**changes)
    assert [CEILINGS[i] for i in found.binding()[0]] == [name] * 3
    assert np.all(found.flop(without=name) > found.flop())
    for other in {*CEILINGS} - {name}:
        assert np.all(found.flop(without=other) >= found.flop())


def test_failures_leave_less_and_beyond_the_wall_nothing_more():
    found = allowed(failure_rate=1e-4)
    n = np.array([[1e2, 1e3, 3e3]])
    work = found.work(np.log10(n) + found.accelerator) - found.accelerator
    times = found.checkpoint_time, found.restart_time
    np.testing.assert_allclose(work, np.log10(n * efficiency(n * 1e-4, *times)), atol=1e-12)
    at_wall = found.work(np.full((1, 3), 30.0))
    assert np.all(found.work(np.full((1, 3), np.inf)) == at_wall)
    assert np.all(found.alone("reliability") < np.inf)


def test_what_is_not_known_does_not_bind():
    found = allowed(accelerator=np.inf, failure_rate=1.0, site=np.inf)
    np.testing.assert_allclose(found.flop(), allowed().flop(), atol=1e-4)
    assert np.all(np.isinf(found.alone("reliability")))
    assert np.all(np.isinf(found.alone("power")))


@given(
    st.sampled_from(["machine", "site", "length", "longest_useful", "utilization", "owned"]),
    st.floats(0, 5),
    st.floats(1e-9, 1e-2),
    st.floats(1, 5),
)
def test_more_of_anything_never_allows_less(name, more, failures, useful):
    found = allowed(failure_rate=failures, longest_useful=useful, owned=[24, 24.5, 25])
    better = replace(found, **{name: getattr(found, name) + more})
    assert np.all(better.flop() >= found.flop() - 1e-9)


def test_dates_between_lie_on_straight_lines():
    found = allowed(n=2)
    year = np.array([[2019.0, 2020.25], [2021.5, 2030.0]])
    np.testing.assert_allclose(
        found.at(found.machine, year), [[18, 18.125], [18.75, 19]], atol=1e-12
    )


def test_ceilings_that_runs_broke_are_ruled_out():
    n = 20_000
    found = allowed(n)
    found = replace(found, machine=found.machine + np.where(np.arange(n) % 2, 0.0, 3.0)[:, None])
    allows = found.flop()[1, 1]
    # A figure on the lower ceiling, with an error: below it with probability 1/2
    seen = records((2010.0, 40.0, 0.1), (2020.5, 10.0, 0.3), (2021.0, allows, 0.3))
    kept = found.given(seen, np.random.default_rng(1))
    share = (kept.machine[:, 0] < 19).mean()
    assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / n))  # one half against one
    kept = found.given(records((2021.0, allows + 2, 0.01)), np.random.default_rng(1))
    assert np.all(kept.machine[:, 0] > 19)


def test_records_above_every_ceiling_are_not_passed_over():
    n = 1000
    found = allowed(n)
    found = replace(found, machine=found.machine + np.linspace(0, 1, n)[:, None])
    with pytest.raises(bc.NotConverged, match="draws that allow the records since 2020"):
        found.given(records((2021.0, 30.0, 0.1)), np.random.default_rng(1))


def test_of_ceilings_that_tie_the_lowest_binds():
    found = allowed(longest_useful=2.5)
    found = replace(found, owned=found.flop() + 0.3)
    # Lifting the machine or the longest useful run ends at money alike
    for name in ("hardware", "run_length"):
        np.testing.assert_array_equal(found.flop(without=name), found.owned)
    assert np.all(found.alone("run_length") < found.alone("hardware"))
    assert [CEILINGS[i] for i in found.binding()[0]] == ["run_length"] * 3
