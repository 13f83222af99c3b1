import re

import pytest

from bayes_compute import report
from bayes_compute.errors import InputError
from bayes_compute.macros import macros
from bayes_compute.projection.projection import project
from bayes_compute.quoting import quote, table
from bayes_compute.report import write_fit, write_projection
from bayes_compute.results_folder import read_record
from bayes_compute.verification import verify


@pytest.fixture
def results(datatree, tmp_path):
    """A results folder, and its macros beside it."""
    folder = tmp_path / "results"
    write_fit(datatree, folder)
    (tmp_path / "macros.tex").write_text(macros(read_record(folder)), encoding="utf-8")
    return folder


@pytest.fixture
def paper(results, tmp_path):
    """Write a paper of these lines, and hold it against the results."""

    def written(*lines):
        path = tmp_path / "paper.tex"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return verify(path, [results])

    return written


def line_of(results, macro, file="../macros.tex"):
    text = (results / file).read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if f"{{\\{macro}}}" in line]
    return line


def changed(line):
    """The line of a bare number with another number, and the one that it had."""
    got = re.search(r"bcNumber\{([^}]*)\}", line)[1]
    return line.replace(f"{{{got}}}", "{99.5}"), got


def test_all_that_is_written_holds_and_a_changed_number_does_not(
    paper, results, datatree, no_ceilings, monkeypatch
):
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    write_projection(project(datatree, horizon=2023), results)
    lines = [
        (results.parent / "macros.tex").read_text(encoding="utf-8"),
        quote(datatree, "growth", "record", format="latex"),
        table(read_record(results), "latex"),
    ]
    projected = (results / "projection_macros.tex").read_text(encoding="utf-8")
    text = "\n".join([*lines, projected])
    claims = len(re.findall(r"@[0-9a-f]{8}-[0-9a-f]{8}$", text, re.M))
    wrong, got = changed(line_of(results, "bcRecordTwoZeroTwoThreeUpper", "projection_macros.tex"))
    hold, said = paper(wrong, *lines, r"\input{results/projection_macros}")
    assert not hold
    assert claims > 100
    assert re.fullmatch(
        r".*paper\.tex:1: differs: three_eras/record\[2023\]@\S+ "
        r"\(\\bcRecordTwoZeroTwoThreeUpper\): "
        rf"got \\bcNumber\{{99\.5\}}; expected \\bcNumber\{{{re.escape(got)}\}}\n"
        rf"{claims} of {claims + 1} claims hold",
        said,
    )


def test_a_number_that_was_changed_differs(paper, results):
    line = line_of(results, "bcGrowthTwoMedian")
    wrong, got = changed(line)
    hold, text = paper(wrong, line)
    assert not hold
    assert text.endswith(
        rf"(\bcGrowthTwoMedian): got \bcNumber{{99.5}}; expected \bcNumber{{{got}}}"
        "\n1 of 2 claims hold"
    )


def test_numbers_come_from_the_draws_and_not_from_the_summary(results, tmp_path, monkeypatch):
    record = read_record(results)
    for row in record["quantities"]:
        row["median"] += 1
    monkeypatch.setattr("bayes_compute.results_folder.read_record", lambda folder: record)
    (tmp_path / "paper.tex").write_text(quote(record, "growth[2]", format="latex"))
    hold, text = verify(tmp_path / "paper.tex", [results])
    assert not hold
    assert "differs: three_eras/growth[2]@" in text


def test_a_sentence_may_stand_in_another_and_a_word_of_it_may_not_change(paper, results):
    line = quote(read_record(results), "growth[2]", format="latex")
    assert paper(f"We find:   {line}")[0]
    hold, text = paper(line.replace("which is", "or"))
    assert not hold
    assert "differs: three_eras/growth[2]@" in text


def test_other_draws_are_an_unknown_key_with_what_they_say(paper, results, make_fit):
    line = line_of(results, "bcGrowthTwoMedian")
    tree = make_fit()
    tree["posterior"] = tree["posterior"].dataset.assign(growth=tree["posterior"]["growth"] + 1)
    write_fit(tree, results)
    hold, text = paper(line)
    assert not hold
    key = read_record(results)["quantities"][2]["key"].partition("@")[2]
    assert re.search(
        r"paper\.tex:1: unknown key: three_eras/growth\[2\]@\S+ \(\\bcGrowthTwoMedian\) is "
        rf"of none of these results; three_eras/growth\[2\]@{key} has \\bcNumber",
        text,
    )


def test_a_macro_without_its_key_does_not_hold(paper, results):
    line = line_of(results, "bcGrowthTwoMedian")
    hold, text = paper(line.partition(" % ")[0], line)
    assert not hold
    assert r"unknown key: no key (\bcGrowthTwoMedian)" in text
    assert paper(f"% {line}", line) == (True, "1 of 1 claims hold"), "commented out"


def test_inputs_are_found_where_latex_runs_or_beside_the_file(results, tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "paper.tex").write_text("\\input{part}% \\input{nothing}\n\\input macros\n")
    (inner / "part.tex").write_text("\\include{paper}\\includegraphics{figure}\n")
    monkeypatch.setenv("PATH", "")  # no LaTeX
    monkeypatch.chdir(tmp_path)
    assert verify(inner / "paper.tex", [results])[0]
    monkeypatch.chdir(results)
    with pytest.raises(InputError, match=r"paper.tex: got \\input of macros, which is neither"):
        verify(inner / "paper.tex", [results])


def test_inputs_are_found_where_latex_finds_them(paper, results, tmp_path, monkeypatch):
    line = line_of(results, "bcGrowthTwoMedian")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "shared.tex").write_text("\\input{#1}\n\\input{nested}\n")
    (tmp_path / "far" / "nested.tex").write_bytes(changed(line)[0].encode() + b"\n\xed\n")
    found = tmp_path / "kpsewhich"
    found.write_text(  # whatever stands before -- is an option, and told about
        f"#!/bin/sh\n[ \"$1\" = -- ] || exit 0\n[ -f '{tmp_path}/far/'$2.tex ] && "
        f"echo '{tmp_path}/far/'$2.tex\n"
    )
    found.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    hold, text = paper(line, r"\input{shared}")
    assert not hold and "far/nested.tex:1: differs: " in text
    assert not paper(line, r'\input{"shared"}')[0]
    for name in ("other", "--help", "", "a\0b", "long" * 50_000):
        with pytest.raises(InputError, match=f"got .input of {name}, which is neither"):
            paper(line, rf"\input{{ {name}}}")


@pytest.mark.parametrize(
    "define",
    [
        r"\def\bcGrowthTwoMedian",
        r"\global \long\gdef \bcGrowthTwoMedian ",
        r"\providecommand*{\bcGrowthTwoMedian}",
        r"\DeclareRobustCommand\bcGrowthTwoMedian",
    ],
)
def test_macros_are_claims_however_they_are_defined(paper, results, define):
    line = line_of(results, "bcGrowthTwoMedian")
    defined = line.replace(r"\newcommand{\bcGrowthTwoMedian}", define)
    assert defined != line
    assert paper(defined) == (True, "1 of 1 claims hold")
    bare = changed(defined)[0].partition(" % ")[0]
    for end in ("", "%", r"\relax", "  % more"):
        hold, text = paper(bare + end, line)
        assert not hold and r"no key (\bcGrowthTwoMedian)" in text


def test_a_file_without_claims_is_refused(paper, results, tmp_path):
    with pytest.raises(InputError, match=r"paper.tex: got no line with a key; expected macros"):
        paper("Compute grows by 99 % a year.")
    with pytest.raises(InputError, match=r"none.tex: got 'No such file or .*'; expected a LaTeX"):
        verify(tmp_path / "none.tex", [results])
