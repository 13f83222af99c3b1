import re

import pytest

from bayes_compute.escaping import comment, escape

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10^28.0 FLOP", "$10^{28.0}$ FLOP"),
        ("10^-3", "$10^{-3}$"),
        ("x^2", r"x\textasciicircum{}2"),
        ("-0.03 to 0.82", "$-$0.03 to 0.82"),
        ("GPT-3", "GPT-3"),
        ("naïve Ångström", "naïve Ångström"),
        ("網 α 😀", "U+7DB2 U+03B1 U+1F600"),
        ("90 %", r"90\,\%"),
    ],
)
def test_latex_gets_what_it_can_set(text, expected):
    assert escape(text, "latex") == expected


@pytest.mark.parametrize("format", ["text", "latex", "markdown"])
def test_a_comment_is_one_line_that_nothing_ends_early(format):
    text = comment(HOSTILE + " --> |", format)
    assert "\n" not in text
    assert text.count("-->") == (format == "markdown") + (format != "markdown")
    if format == "markdown":
        assert "|" not in text
