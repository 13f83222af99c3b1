import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_compute.errors import InputError
from bayes_compute.units import (
    ACCELERATORS,
    COUNT,
    DEVICE_TIME,
    NUMBER,
    PARAMETERS,
    RATE,
    RATE_EACH,
    TIME,
    TOKENS,
    quantity,
    share,
)

PREFIXES = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24}
LONG = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
SECONDS = {"s": 1, "min": 60, "hours": 3600, "d": 86400, "weeks": 604800, "year": 31557600}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3640 petaFLOP/s-days", COUNT, 3640e15 * 86400),
        ("3640 PFLOP/s-day", COUNT, 3640e15 * 86400),
        ("3640 PFlop/s * days", COUNT, 3640e15 * 86400),
        ("3.14e23 FLOP", COUNT, 3.14e23),
        ("3.14e23", COUNT, 3.14e23),
        (3.14e23, COUNT, 3.14e23),
        ("442 PFLOP/s", RATE, 442e15),
        ("442 pflop/s", RATE, 442e15),
        ("1 TFLOP per second", RATE, 1e12),
        ("34 days", TIME, 34 * 86400),
        ("34d", TIME, 34 * 86400),
        ("1 Year", TIME, 365.25 * 86400),
        ("175B", PARAMETERS, 175e9),
        ("175 billion parameters", PARAMETERS, 175e9),
        ("175B params", PARAMETERS, 175e9),
        ("7e9", PARAMETERS, 7e9),
        (7, PARAMETERS, 7.0),
        ("1.5T", TOKENS, 1.5e12),
        ("1.5 trillion tokens", TOKENS, 1.5e12),
        ("300M", TOKENS, 3e8),
        ("16k", ACCELERATORS, 16e3),
        ("8 GPUs", ACCELERATORS, 8),
        (" .5 ", NUMBER, 0.5),
    ],
)
def test_quantity_as_people_write_it(text, kind, value):
    assert quantity("x", text, kind) == (pytest.approx(value, rel=1e-15), kind)


def test_gpt_3_took_3640_petaflop_s_days():
    assert quantity("x", "3640 petaFLOP/s-days", COUNT)[0] == pytest.approx(3.14e23, rel=0.002)


@pytest.mark.parametrize("text", ["30.84M GPU-hours", "30.84M TPU h", "30.84 million chip-hours"])
def test_time_that_counts_the_accelerators(text):
    assert quantity("x", text, TIME, DEVICE_TIME) == (pytest.approx(30.84e6 * 3600), DEVICE_TIME)


def test_rate_of_each():
    assert quantity("x", "312 TFLOP/s/GPU", RATE, RATE_EACH) == (312e12, RATE_EACH)


@pytest.mark.parametrize(
    ("text", "rate", "count"),
    [
        ("312 TFLOPS", "'312 TFLOP/s'", "'312 TFLOP'"),
        ("312 tflops", "'312 TFLOP/s'", "'312 TFLOP'"),
        ("312 TFLOPS/s", "'312 TFLOP/s'", "'312 TFLOP'"),
        ("3e23 FLOPs", "'3e23 FLOP/s'", "'3e23 FLOP'"),
        ("3640 petaflops-days", "'3640 petaFLOP/s-days'", None),
    ],
)
@pytest.mark.parametrize("kind", [COUNT, RATE, TIME, PARAMETERS])
def test_flops_is_refused_with_the_right_forms(text, rate, count, kind):
    with pytest.raises(InputError) as refusal:
        quantity("option", text, kind)
    message = str(refusal.value)
    assert message.startswith(f"option: got {text!r}; expected FLOP, a count, or FLOP/s, a rate")
    assert '"FLOPS" is written for both' in message
    assert rate in message and (count is None or count in message)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("442 PFLOP/s", COUNT, "a rate (FLOP/s); expected a count of operations"),
        ("442 PFLOP/s", COUNT, "a count is a rate times a time"),
        ("3e23 FLOP", RATE, "a count of operations (FLOP); expected a rate, such as '312 TFLOP/s'"),
        ("3e23 FLOP", RATE, "write FLOP/s"),
        ("312 TFLOP/s", TIME, "a rate (FLOP/s); expected a time, such as '34 days'"),
        ("300B tokens", PARAMETERS, "expected a number of parameters"),
        ("300B tokens", PARAMETERS, "a number of tokens goes with tokens"),
        ("3 hours", ACCELERATORS, "a time goes with time"),
        ("3 s*s", TIME, "something else"),
        ("2 days", NUMBER, "expected a number"),
        ("34", TIME, "'34' without a unit; expected a time, such as '34 days'; add the unit"),
        (34, TIME, "got 34 without a unit"),
        (312e12, RATE, "without a unit"),
        ("1.5 months", TIME, "a month has no exact length: give days"),
        ("5 m", TIME, "whose unit 'm' is unknown"),
        ("3 parsecs", TIME, "whose unit 'parsecs' is unknown"),
        ("3 s^2", TIME, "is unknown"),
        ("3 s/", TIME, "is unknown"),
        ("3 /s", TIME, "is unknown"),
        ("1,000", PARAMETERS, "without separators"),
        ("1_000", PARAMETERS, "without separators"),
        ("3.14 × 10^23", COUNT, "write powers of ten as 3.14e23"),
        ("10^23 FLOP", COUNT, "write powers of ten as 3.14e23"),
        ("many", PARAMETERS, "write a number first"),
        ("", PARAMETERS, "write a number first"),
        ("nan", PARAMETERS, "write a number first"),
        ("-3", PARAMETERS, "positive and finite"),
        ("0", PARAMETERS, "positive and finite"),
        ("1e400", PARAMETERS, "positive and finite"),
        (float("nan"), PARAMETERS, "positive and finite"),
        (True, PARAMETERS, "give a number or text"),
        ([1], PARAMETERS, "give a number or text"),
        (10**400, PARAMETERS, "give a number or text"),
    ],
)
def test_quantity_that_is_refused(text, kind, message):
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        quantity("option", text, kind)
    assert str(refusal.value).startswith("option: got ")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


@settings(deadline=None)  # the first reading of a unit imports pint
@given(st.floats(1e-3, 1e6), st.sampled_from([*PREFIXES]))
def test_prefix_is_a_power_of_ten(number, prefix):
    long = LONG[[*PREFIXES].index(prefix)]
    expected = pytest.approx(number * 10.0 ** PREFIXES[prefix], rel=1e-12)
    assert quantity("x", f"{number!r} {prefix}FLOP/s", RATE)[0] == expected
    assert quantity("x", f"{number!r} {long}FLOP/s", RATE)[0] == expected


@settings(deadline=None)  # the first reading of a unit imports pint
@given(st.floats(1e-3, 1e6), st.sampled_from([*SECONDS]), st.sampled_from([*SECONDS]))
def test_unit_of_time_does_not_matter(number, one, other):
    converted = number * SECONDS[one] / SECONDS[other]
    expected = quantity("x", f"{number!r} {one}", TIME)[0]
    assert quantity("x", f"{converted!r} {other}", TIME)[0] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)  # the first reading of a unit imports pint
@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,3} ?[A-Za-z/*. -]{1,12}", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    for kind in (COUNT, TIME):
        try:
            value, _ = quantity("x", text, kind)
        except InputError as refusal:
            assert "\n" not in str(refusal)
        else:
            assert value > 0


@pytest.mark.parametrize(("text", "value"), [("0.46", 0.46), ("46 %", 0.46), ("46%", 0.46), (1, 1)])
def test_share(text, value):
    assert share("x", text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("46", "write '46 %'"),
        (46, "write '46 %'"),
        ("0", "above 0 and at most 1"),
        ("-0.1", "above 0"),
        ("460 %", "write"),
        ("nan", "above 0"),
        ("half", "write a number"),
        (True, "above 0"),
    ],
)
def test_share_that_is_refused(text, message):
    with pytest.raises(InputError, match=f"^x: got .*{re.escape(message)}"):
        share("x", text)
