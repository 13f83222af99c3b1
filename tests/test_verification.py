import re

import pytest

from bayes_compute import report
from bayes_compute.errors import InputError
from bayes_compute.projection.projection import project
from bayes_compute.quoting import quote
from bayes_compute.report import write_projection, write_report
from bayes_compute.results_folder import read_projected, read_record, write_json
from bayes_compute.verification import verify


@pytest.fixture
def results(regimes_tree, no_ceilings, tmp_path, monkeypatch):
    """A results folder with its projection, and no figures, which take long."""
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    folder = tmp_path / "results"
    write_report(regimes_tree, folder)
    write_projection(project(regimes_tree, horizon=2023), folder)
    return folder


@pytest.fixture
def paper(results, tmp_path):
    """Write a paper of these lines, and hold it against the results."""

    def written(*lines):
        path = tmp_path / "paper.tex"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return verify(path, [results])

    return written


INPUTS = (r"\input{results/macros}", r"\input{results/projection_macros.tex}")


def line_of(results, macro, file="macros.tex"):
    text = (results / file).read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if f"{{\\{macro}}}" in line]
    return line


def test_everything_that_is_written_holds(paper, results):
    sentences = quote(read_projected(results), "growth", "record", format="latex")
    table = (results / "table.tex").read_text(encoding="utf-8")
    hold, text = paper(*INPUTS, sentences, table)
    assert hold, text
    macros = [(results / name).read_text() for name in ("macros.tex", "projection_macros.tex")]
    keys = sum(
        len(re.findall(r"@[0-9a-f]{8}-[0-9a-f]{8}$", part, re.M))
        for part in (*macros, sentences, table)
    )
    assert text == f"{keys} of {keys} claims hold"
    assert keys > 100


@pytest.mark.parametrize(
    ("macro", "file"),
    [
        ("bcGrowthCloudMedian", "macros.tex"),
        ("bcRecordTwoZeroTwoThreeUpper", "projection_macros.tex"),
    ],
)
def test_a_number_that_was_changed_differs(paper, results, macro, file):
    line = line_of(results, macro, file)
    got = re.search(r"bcNumber\{([^}]*)\}", line)[1]
    hold, text = paper(line.replace(f"{{{got}}}", "{99.5}"), line)
    assert not hold
    wrong, count = text.splitlines()
    assert re.search(rf"paper\.tex:1: differs: three_eras/.*@.* \(\\{macro}\): got ", wrong)
    assert wrong.endswith(rf"got \bcNumber{{99.5}}; expected \bcNumber{{{got}}}")
    assert count == "1 of 2 claims hold"


def test_numbers_come_from_the_draws_and_not_from_the_summary(results, tmp_path):
    record = read_record(results)
    for row in record["quantities"]:
        row["median"] += 1
    write_json(results, "summary.json", record)
    (tmp_path / "paper.tex").write_text(quote(record, "growth[cloud]", format="latex"))
    hold, text = verify(tmp_path / "paper.tex", [results])
    assert not hold
    assert "differs: three_eras/growth[cloud]@" in text


def test_a_sentence_may_stand_in_another_and_a_word_of_it_may_not_change(paper, results):
    line = quote(read_record(results), "growth[cloud]", format="latex")
    assert paper(f"We find:   {line}")[0]
    hold, text = paper(line.replace("which is", "or"))
    assert not hold
    assert "differs: three_eras/growth[cloud]@" in text


def test_other_draws_are_an_unknown_key_with_what_they_say(paper, results, make_regimes):
    line = line_of(results, "bcGrowthCloudMedian")
    tree = make_regimes()
    tree["posterior"] = tree["posterior"].dataset.assign(growth=tree["posterior"]["growth"] + 1)
    write_report(tree, results)
    hold, text = paper(line)
    assert not hold
    key = read_record(results)["quantities"][2]["key"].partition("@")[2]
    assert re.search(
        r"paper\.tex:1: unknown key: three_eras/growth\[cloud\]@\S+ \(\\bcGrowthCloudMedian\) is "
        rf"of none of these results; three_eras/growth\[cloud\]@{key} has \\bcNumber",
        text,
    )


def test_a_macro_without_its_key_does_not_hold(paper, results):
    line = line_of(results, "bcGrowthCloudMedian")
    hold, text = paper(line.partition(" % ")[0], line)
    assert not hold
    assert r"unknown key: no key (\bcGrowthCloudMedian)" in text
    assert paper(f"% {line}", line) == (True, "1 of 1 claims hold"), "commented out"


def test_inputs_are_found_where_latex_runs_or_beside_the_file(results, tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "paper.tex").write_text("\\input{part}% \\input{nothing}\n\\input macros\n")
    (inner / "part.tex").write_text("\\include{paper}\\includegraphics{figure}\n")
    monkeypatch.chdir(results)
    assert verify(inner / "paper.tex", [results])[0]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"paper.tex: got \\input of macros, which is neither"):
        verify(inner / "paper.tex", [results])


def test_a_file_without_claims_is_refused(paper, results, tmp_path):
    with pytest.raises(InputError, match=r"paper.tex: got no line with a key; expected macros"):
        paper("Compute grows by 99 % a year.")
    with pytest.raises(InputError, match=r"none.tex: got FileNotFoundError; expected a LaTeX"):
        verify(tmp_path / "none.tex", [results])
