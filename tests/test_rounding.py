import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_up_record import row

from bayes_compute.rounding import ENDS, ends_text, median_text, texts
from bayes_compute.summaries import doubling_time, growth_factor


@pytest.mark.parametrize(
    ("median", "lower", "upper", "mcse", "expected"),
    [
        (0.23519, 0.22011, 0.24987, None, "0.235 (0.220 to 0.250)"),
        (0.23519, 0.22011, 0.24987, 0.001, "0.235 (0.220 to 0.250)"),
        (0.23519, 0.22011, 0.24987, 0.009, "0.24 (0.22 to 0.25)"),
        (0.23519, 0.22011, 0.24987, (0.009, 0.001, 0.009), "0.235 (0.22 to 0.25)"),
        (13.1, 7.2, 148.4, (0.1, 0.3, 11.0), "13 (7 to 150)"),
        (1234.5, 1000.1, 1999.9, 0.5, "1234 (1000 to 2000)"),
        (1234.5, 1000.1, 1999.9, 60.0, "1200 (1000 to 2000)"),
        (13.0, 12.0, 14.0, (0.001, 0.001, 9.0), "10 (10 to 10)"),
        (-0.0001, -0.2, 0.2, None, "0.00 (-0.20 to 0.20)"),
        (2.0, 2.0, 2.0, 0.0, "2.000 (2.000 to 2.000)"),
        (7.7, 4.4, None, (0.01, 0.01, None), "7.7 (4.4 to unbounded)"),
        (7.7, 4.4, math.inf, (0.01, 0.01, math.nan), "7.7 (4.4 to unbounded)"),
        (None, None, None, None, "unbounded (unbounded to unbounded)"),
    ],
    ids=[
        "width", "small error", "error", "error of each", "far end", "large", "tens", "order",
        "minus zero", "constant", "none", "infinite", "nothing",
    ],
)  # fmt: skip
def test_digits_follow_the_interval_and_the_error_of_each_number(
    median, lower, upper, mcse, expected
):
    quantity = row("sigma[1]", median, lower, upper, mcse=mcse)
    assert f"{median_text(quantity)} ({ends_text(quantity)})" == expected


@pytest.mark.parametrize(
    ("width", "mcse", "expected"),
    [(4.0, 0.1, "2008.3"), (0.6, 0.01, "2008.34"), (0.6, 0.1, "2008.3"), (4.0, 0.6, "2008")],
)
def test_a_date_has_a_decimal_about_a_month_unless_its_error_is_larger(width, mcse, expected):
    lower, upper = 2008.34 - width / 2, 2008.34 + width / 2
    date = row("transition_year[cloud]", 2008.34, lower, upper, "year", mcse=mcse)
    assert median_text(date) == expected


amounts = st.floats(-1e4, 1e4, allow_subnormal=False)
errors = st.one_of(st.none(), st.floats(0, 1e3))


@given(st.tuples(amounts, amounts, amounts).map(sorted), st.tuples(errors, errors, errors))
@example([0.0, 0.0, 0.0], (None, None, 5e-324))
def test_rounding_keeps_the_order_and_no_digit_finer_than_the_error(values, mcse):
    lower, median, upper = values
    quantity = row("sigma", median, lower, upper, mcse=mcse)
    said = {end: float(text) for end, text in texts(quantity).items()}
    assert said["lower"] <= said["median"] <= said["upper"]
    for end, error, text in zip(ENDS, mcse, texts(quantity).values(), strict=True):
        if error:
            digits = len(text.partition(".")[2])
            assert error <= 5.01 * 10.0**-digits or digits == 0
        width = upper - lower
        assert abs(said[end] - quantity[end]) <= 0.051 * width + 1.6 * max(m or 0 for m in mcse) + 1


growths = st.floats(-3, 3).filter(lambda g: g == 0 or abs(g) > 1e-6)


@given(st.tuples(growths, growths, growths).map(sorted))
def test_growth_in_its_three_units_agrees_and_no_interval_is_inverted(values):
    """The same quantiles of growth, in each unit: in order, and the same statement."""
    lower, median, upper = values
    factor = row("growth_factor", *map(float, growth_factor([median, lower, upper])), "×/year")
    months = row("doubling_time", *map(float, doubling_time([median, upper, lower])), "months")
    for quantity in (row("growth", median, lower, upper, "OOM/year"), factor, months):
        said = [float(t.replace("unbounded", "inf")) for t in texts(quantity).values()]
        assert said == sorted(said)
    assert all(value >= 0 for value in (months["lower"], months["median"], months["upper"]))
    assert (texts(months)["upper"] == "unbounded") == (lower <= 0)
    for end, other in (("lower", "upper"), ("median", "median"), ("upper", "lower")):
        growth = {"lower": lower, "median": median, "upper": upper}[other]
        assert factor[other] == pytest.approx(10**growth)
        assert months[end] == (
            pytest.approx(12 * math.log10(2) / growth) if growth > 0 else math.inf
        )
