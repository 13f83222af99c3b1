import json
import re

import pytest
from made_up_record import KEY, TRANSITION, growth_rows, projected, record, row

from bayes_compute.answer import remarks
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.quoting import quote, sentences, table
from bayes_compute.summary_record import summary_record


def test_a_date_is_a_decimal_year_with_its_interval():
    assert sentences(record(TRANSITION), "transition_year[1→2]") == (
        "The transition from era 1 to era 2: 2000.8 (90 % equal-tailed interval 1997.3 to 2007.3)"
    )


def test_a_date_known_within_a_year_has_two_decimals():
    narrow = row("transition_year[1→2]", 2000.84, 2000.71, 2001.0, "year")
    assert "2000.84 (90 % equal-tailed interval 2000.71 to 2001.00)" in quote(record(narrow))


@pytest.mark.parametrize("name", ["growth[2]", "growth_factor[2]", "doubling_time[2]", "growth"])
def test_growth_comes_in_three_units_whichever_is_asked_for(name):
    assert sentences(record(*growth_rows(2, 0.2352, 0.2201, 0.2499)), name) == (
        "Growth in era 2: 0.235 OOM/year (90 % equal-tailed interval 0.220 to 0.250), "
        "which is ×1.72/year (1.66 to 1.78), doubling time 15.4 months (14.5 to 16.4)"
    )


def test_growth_that_may_be_none_has_no_upper_doubling_time():
    text = quote(record(*growth_rows(2, 0.47, -0.03, 0.82)))
    assert "-0.03 to 0.82" in text
    assert "doubling time 7.7 months (4.4 to unbounded)" in text


def test_decline_has_no_doubling_time():
    text = sentences(record(*growth_rows(2, -0.3, -0.5, -0.1)))
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


@pytest.mark.parametrize(
    ("format", "beside"),
    [
        ("text", f" [{KEY.format('growth[2]')}]"),
        ("latex", f" % {KEY.format('growth[2]')}"),
        ("markdown", f" <!-- {KEY.format('growth[2]')} -->"),
    ],
)
def test_every_sentence_and_line_of_a_table_ends_with_its_key(format, beside):
    made_up = record(*growth_rows(2, 0.2352, 0.2201, 0.2499))
    assert quote(made_up, format=format).endswith(beside)
    (line,) = [line for line in table(made_up, format).splitlines() if beside in line]
    assert line.removesuffix(" |").endswith(beside)


def test_json_rows_carry_their_key():
    assert json.loads(quote(record(TRANSITION), format="json"))[0]["key"] == (
        "three_eras/transition_year[1→2]@7d2e9b04-51c3aa18"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "record[2030]",
            "The record by the end of 2030: 10^28.0 FLOP (90 % equal-tailed interval 10^27.4 to "
            "10^28.8); a new one is set by the longest useful run in 40 %, by demand alone in 30 %",
        ),
        (
            "frontier[2030]",
            "What the top 5 % exceed of the systems of 2030: 10^28.0 FLOP (90 % equal-tailed "
            "interval 10^27.4 to 10^28.8); set by the longest useful run in 40 %, by demand alone "
            "in 30 %",
        ),
        (
            "typical[2030]",
            "A typical system of 2030: 10^28.0 FLOP (90 % equal-tailed interval 10^27.4 to "
            "10^28.8); set by the longest useful run in 40 %, by demand alone in 30 %",
        ),
    ],
)
def test_a_projection_is_quoted_with_what_binds(name, expected):
    made_up = record(TRANSITION, projections=[projected(name)])
    assert sentences(made_up, name) == expected
    assert sentences(made_up) == sentences(record(TRANSITION)), "not unless it is asked for"
    assert "$10^{28.0}$ FLOP" in quote(made_up, name, format="latex")


def test_a_record_that_may_stand_says_so():
    made_up = record(projections=[projected(unchanged=0.31)])
    assert "), in 31 % of draws still that of today; a new one is set by" in (
        sentences(made_up, "record")
    )


def test_what_is_largely_the_priors_is_said_in_words_of_models_of_eras_alone():
    marked = {**record(TRANSITION), "quantities": [
        {"name": name, "largely_prior": True} for name in ("share_before", "level[run]")
    ]}  # fmt: skip
    marked = {"reference_year": 2010, "counts": {}, **marked}
    (_, said) = remarks(marked)
    assert said == (
        "Largely set by the prior: share of bespoke systems before the bespoke transition "
        "(share_before); level in the run regime, read at 2010 (level[run])"
    )
    of_power = {name: marked[name] for name in marked if name not in ("counts", "reference_year")}
    assert remarks(of_power) == ["Largely set by the prior: share_before, level[run]"]


NUMBER = r"-?\d+(?:\.\d+)?"
SAID = rf": ({NUMBER})[^()]*\(90 % equal-tailed interval ({NUMBER}) to ({NUMBER})\)"
CELLS = rf"({NUMBER})[ &|]+({NUMBER}) to ({NUMBER})"


@pytest.mark.parametrize("format", ["text", "latex", "markdown"])
def test_every_number_of_a_rendering_is_that_of_the_record_rounded(datatree, format):
    """Tables, sentences and macros say what summary.json says, to the digits that they print."""
    found = summary_record(datatree)
    lines = table(found, format).splitlines()
    for quantity in found["quantities"]:
        (line,) = [line for line in lines if quantity["key"] in line.replace("&#62;", ">")]
        wanted = [quantity[end] for end in ("median", "lower", "upper")]
        cells = re.search(CELLS, line.replace("$-$", "-"))
        assert cells, line
        numbers = list(cells.groups())
        for text, value in zip(numbers, wanted, strict=True):
            assert abs(float(text) - value) <= 0.5 * 10.0 ** -len(text.partition(".")[2]), line
        if quantity["name"].partition("[")[0] not in ("growth_factor", "doubling_time"):
            said = re.search(SAID, sentences(found, quantity["name"]))
            assert said and list(said.groups()) == numbers


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


@pytest.mark.parametrize(
    ("mark", "words"),
    [("largely_prior", "largely set by the prior"), ("outside_prior", "outside its prior")],
)
def test_tables_and_sentences_say_what_is_to_be_known_of_the_prior(mark, words):
    of = record(row("sigma[1]", 1.0, 0.9, 1.1, **{mark: True}))
    for format in ("text", "latex", "markdown"):
        assert table(of, format).count(words) == 1
        assert quote(of, "sigma", format=format).count(words) == 1
