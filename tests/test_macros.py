import re

from made_up_record import growth_rows, projected, record

from bayes_compute.macros import macros, projection_macros
from bayes_compute.summary_record import summary_record


def test_macros_have_unique_names_of_letters_and_are_explained(datatree):
    text = macros(summary_record(datatree))
    names = re.findall(r"^\\newcommand\{\\([^}]*)\}", text, flags=re.MULTILINE)
    assert all(re.fullmatch("[A-Za-z]+", name) for name in names)
    assert len(names) == len(set(names))
    assert text.startswith(r"% \bcTransitionYearOneTwo, \bcGrowthTwo: median")
    assert {"bcTransitionYearOneTwo", "bcGrowthFactorTwoUpper", "bcOffsetLanguage"} <= set(names)


def test_macros_hold_the_interval_the_bare_numbers_and_the_key():
    lines = macros(record(*growth_rows(2, 0.47, -0.03, 0.82, largely_prior=True))).splitlines()
    behind = " % three_eras/{}@7d2e9b04-51c3aa18"
    growth, factor = behind.format("growth[2]"), behind.format("growth_factor[2]")
    for expected in (
        r"\newcommand{\bcGrowthTwo}{0.47 OOM/year (90\,\% equal-tailed interval $-$0.03 to 0.82, "
        r"largely set by the prior)}" + growth,
        r"\newcommand{\bcGrowthTwoUnit}{OOM/year}" + growth,
        r"\newcommand{\bcGrowthTwoLower}{\bcNumber{-0.03}}" + growth,
        r"\newcommand{\bcGrowthFactorTwoMedian}{\bcNumber{3.0}}" + factor,
        r"\newcommand{\bcDoublingTimeTwoUpper}{unbounded}" + behind.format("doubling_time[2]"),
        r"\newcommand{\bcDataName}{systems\_2025}" + behind.format("fit"),
    ):
        assert expected in lines
    assert any(r"{$\times$3.0/year (90\,\%" in line for line in lines)


def test_macros_of_a_projection_say_what_binds():
    lines = projection_macros(record(projections=[projected()])).splitlines()
    key = " % three_eras/record[2030]@7d2e9b04-51c3aa18"
    name = r"\newcommand{\bcRecordTwoZeroThreeZero"
    for expected in (
        name + r"}{$10^{28.0}$ FLOP (90\,\% equal-tailed interval $10^{27.4}$ to $10^{28.8}$)}",
        name + r"Median}{\bcNumber{28.0}}",
        name + r"Unit}{log10 FLOP}",
        name + r"Binding}{the longest useful run}",
        name + r"BindingShare}{40\,\%}",
    ):
        assert expected + key in lines
