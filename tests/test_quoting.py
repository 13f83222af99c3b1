import json
import re

import numpy as np
import pytest

from bayes_compute.errors import InputError, NotConverged
from bayes_compute.quoting import escape, macros, quote, table
from bayes_compute.summaries import summary_record


def row(name, median, lower, upper, unit="OOM", sd=None, ess=4000, largely_prior=False):
    sd = (upper - lower) / 3.3 if sd is None and upper is not None else sd
    return {
        "name": name,
        "unit": unit,
        "median": median,
        "mean": median,
        "sd": sd,
        "lower": lower,
        "upper": upper,
        "r_hat": 1.0,
        "ess_bulk": ess,
        "ess_tail": ess,
        "largely_prior": largely_prior,
    }


def record(*rows, prob=0.9):
    return {
        "model": "three_eras",
        "data": {"name": "systems_2025", "rows": 484},
        "interval": {"kind": "eti", "prob": prob},
        "reference_year": 2010.0,
        "quantities": list(rows),
    }


def growth_rows(era, median, lower, upper, largely_prior=False):
    def months(growth):
        return 12 * np.log10(2) / growth if growth > 0 else None

    mark = {"largely_prior": largely_prior}
    return (
        row(f"growth[{era}]", median, lower, upper, "OOM/year", **mark),
        row(f"growth_factor[{era}]", 10**median, 10**lower, 10**upper, "×/year", **mark),
        row(
            f"doubling_time[{era}]", months(median), months(upper), months(lower), "months", **mark
        ),
    )


TRANSITION = row("transition_year[1→2]", 2000.84, 1997.31, 2007.28, "year")


def test_a_date_is_a_decimal_year_with_its_interval():
    assert quote(record(TRANSITION), "transition_year[1→2]") == (
        "The transition from era 1 to era 2: 2000.8 (90 % equal-tailed interval 1997.3 to 2007.3)"
    )


def test_a_date_known_within_a_year_has_two_decimals():
    narrow = row("transition_year[1→2]", 2000.84, 2000.71, 2001.0, "year")
    assert "2000.84 (90 % equal-tailed interval 2000.71 to 2001.00)" in quote(record(narrow))


@pytest.mark.parametrize("name", ["growth[2]", "growth_factor[2]", "doubling_time[2]", "growth"])
def test_growth_comes_in_three_units_whichever_is_asked_for(name):
    assert quote(record(*growth_rows(2, 0.2352, 0.2201, 0.2499)), name) == (
        "Growth in era 2: 0.235 OOM/year (90 % equal-tailed interval 0.220 to 0.250), "
        "which is ×1.72/year (1.66 to 1.78), doubling time 15.4 months (14.5 to 16.4)"
    )


def test_growth_that_may_be_none_has_no_upper_doubling_time():
    text = quote(record(*growth_rows(2, 0.47, -0.03, 0.82)))
    assert "-0.03 to 0.82" in text
    assert "doubling time 7.7 months (4.4 to unbounded)" in text


def test_decline_has_no_doubling_time():
    text = quote(record(*growth_rows(2, -0.3, -0.5, -0.1)))
    assert text.endswith("which is ×0.50/year (0.32 to 0.79), no doubling")


@pytest.mark.parametrize("format", ["text", "latex", "markdown", "json"])
def test_every_format_states_kind_level_and_the_share_of_the_prior(format):
    rows = (
        row("transition_year[1→2]", 2008.0, 2004.0, 2012.0, "year", largely_prior=True),
        *growth_rows(2, 0.2, 0.1, 0.3, largely_prior=True),
        row("sigma[1]", 1.0, 0.9, 1.1),
    )
    text = quote(record(*rows, prob=0.89), "transition_year", "growth", "sigma", format=format)
    statements = [r["text"] for r in json.loads(text)] if format == "json" else text.split("\n")
    assert len(statements) == 3
    for statement in statements:
        assert re.search(r"\(89( |\\,\\)% equal-tailed interval ", statement), statement
        assert ("largely set by the prior" in statement) == ("Scatter" not in statement)


def test_json_rows_carry_the_interval():
    quoted = json.loads(quote(record(TRANSITION), format="json"))
    assert quoted[0]["interval"] == {"kind": "eti", "prob": 0.9}
    assert quoted[0]["median"] == 2000.84


def test_ascii_arrow_names_a_transition():
    assert quote(record(TRANSITION), "transition_year[1->2]").startswith(
        "The transition from era 1"
    )


def test_unknown_names_and_formats_are_refused():
    with pytest.raises(
        InputError, match=r"quantity: got 'growht'; expected one of transition_year"
    ):
        quote(record(TRANSITION), "growht")
    with pytest.raises(InputError, match="format: got 'html'; expected one of text, latex"):
        quote(record(TRANSITION), format="html")
    with pytest.raises(
        InputError, match=r"format: got 'json'; expected one of text, latex, markdown$"
    ):
        table(record(TRANSITION), "json")


@pytest.mark.parametrize(
    ("median", "lower", "upper", "ess", "expected"),
    [
        (0.23519, 0.22011, 0.24987, 4000, "0.235 OOM (90 % equal-tailed interval 0.220 to 0.250)"),
        (0.23519, 0.22011, 0.24987, 10, "0.24 OOM (90 % equal-tailed interval 0.22 to 0.25)"),
        (1234.5, 1000.1, 1999.9, 4000, "1234 OOM (90 % equal-tailed interval 1000 to 2000)"),
        (-0.0001, -0.2, 0.2, 4000, "0.00 OOM (90 % equal-tailed interval -0.20 to 0.20)"),
        (2.0, 2.0, 2.0, 4000, "2.000 OOM (90 % equal-tailed interval 2.000 to 2.000)"),
    ],
    ids=["width", "Monte Carlo error", "large", "minus zero", "constant"],
)
def test_digits_follow_the_interval_and_the_error_of_the_median(
    median, lower, upper, ess, expected
):
    assert quote(record(row("sigma[1]", median, lower, upper, ess=ess)), "sigma").endswith(expected)


def test_a_tree_and_its_record_are_quoted_alike(datatree):
    assert quote(datatree, "growth") == quote(summary_record(datatree), "growth")


def test_a_fit_that_failed_is_not_quoted(datatree):
    datatree.attrs["converged"] = 0
    with pytest.raises(NotConverged, match="nothing of it can be quoted"):
        quote(datatree)


def test_every_quantity_of_a_fit_has_a_sentence(datatree):
    found = summary_record(datatree)
    for quantity in found["quantities"]:
        assert "90 % equal-tailed interval" in quote(found, quantity["name"])


HOSTILE = "<b>&\n\\input{x}_$%#~^|[y]`*\x1b[31m"


def test_hostile_names_are_inert_in_latex():
    text = escape(HOSTILE, "latex")
    assert "\n" not in text
    assert "\x1b" not in text
    assert r"\input" not in text
    for c in "_$%#&":
        assert re.search(rf"(?<!\\){re.escape(c)}", text) is None, c


def test_hostile_names_are_inert_in_markdown():
    text = escape(HOSTILE, "markdown")
    assert "<" not in text
    assert "\n" not in text
    for c in "`*_|[]":
        assert re.search(rf"(?<!\\){re.escape(c)}", text) is None, c


@pytest.mark.parametrize("format", ["text", "latex", "markdown"])
def test_hostile_names_do_not_break_a_table(format):
    name = f"offset[{HOSTILE}]"
    plain = table(record(row("offset[x]", 0.1, 0.0, 0.2)), format)
    assert table(record(row(name, 0.1, 0.0, 0.2)), format).count("\n") == plain.count("\n")


def test_a_line_of_a_latex_table_cannot_start_with_an_option():
    assert "\n{[}x{]}y &" in table(record(row("[x]y", 0.1, 0.0, 0.2)), "latex")


def test_latex_table_uses_booktabs_and_a_column_each():
    lines = table(record(TRANSITION, *growth_rows(2, 0.47, -0.03, 0.82)), "latex").splitlines()
    assert lines[0] == r"\begin{tabular}{llrlrrrl}"
    assert [line for line in lines if line.endswith("rule")] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    cells = [re.split(r"(?<!\\)&", line) for line in lines if line.endswith(r"\\")]
    assert {len(line) for line in cells} == {8}
    assert r"90\,\% equal-tailed interval" in lines[2]
    assert "$-$0.03 to 0.82" in table(record(*growth_rows(2, 0.47, -0.03, 0.82)), "latex")


def test_table_marks_what_the_prior_sets():
    for format in ("text", "latex", "markdown"):
        text = table(record(row("sigma[1]", 1.0, 0.9, 1.1, largely_prior=True)), format)
        assert text.count("largely set by the prior") == 1


def test_macros_have_unique_names_of_letters_and_are_explained(datatree):
    text = macros(summary_record(datatree))
    names = re.findall(r"^\\newcommand\{\\([^}]*)\}", text, flags=re.MULTILINE)
    assert all(re.fullmatch("[A-Za-z]+", name) for name in names)
    assert len(names) == len(set(names))
    assert text.startswith(r"% \bcTransitionYearOneTwo, \bcGrowthTwo, ...:")
    assert {"bcTransitionYearOneTwo", "bcGrowthFactorTwoUpper", "bcOffsetLanguage"} <= set(names)


def test_macros_hold_the_interval_and_the_bare_numbers():
    text = macros(record(*growth_rows(2, 0.47, -0.03, 0.82, largely_prior=True)))
    assert (
        r"\newcommand{\bcGrowthTwo}"
        r"{0.47 (90\,\% equal-tailed interval $-$0.03 to 0.82, largely set by the prior)}" in text
    )
    assert r"\newcommand{\bcGrowthTwoLower}{$-$0.03}" in text
    assert r"\newcommand{\bcDataName}{systems\_2025}" in text
