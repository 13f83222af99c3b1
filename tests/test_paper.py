"""The sample paper, and whatever else we write for LaTeX, as LaTeX sets it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from made_up_record import growth_rows, projected, record, row

from bayes_compute import report
from bayes_compute.macros import macros, projection_macros
from bayes_compute.projection.projection import project
from bayes_compute.quoting import quote, table
from bayes_compute.report import write_projection, write_report
from bayes_compute.verification import verify

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "docs" / "paper" / "paper.tex"
HOSTILE = "<b>&\n\\input{x}_$%#~^|[y]`* naïve → 網 10^5 \x1b[31m"

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")


def compiled(path, folder):
    """Pages that LaTeX makes of a file when it runs in a folder; what it says if it fails."""
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return (folder / path.name).with_suffix(".pdf")


def test_the_sample_paper_compiles_in_a_results_folder_and_its_claims_hold(
    regimes_tree, no_ceilings, tmp_path, monkeypatch
):
    write_figures = report._write_figures
    drawn = "figures/compute_over_time.pdf"
    monkeypatch.setattr(
        report, "_write_figures",
        lambda dt, folder, names: write_figures(dt, folder, [n for n in names if n == drawn]),
    )  # fmt: skip
    write_report(regimes_tree, tmp_path)
    write_projection(project(regimes_tree, horizon=2030), tmp_path)
    pdf = compiled(PAPER, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF")
    log = pdf.with_suffix(".log").read_text(errors="replace")
    assert "(1 page," in log
    assert "Overfull" not in log
    monkeypatch.chdir(tmp_path)
    hold, text = verify(PAPER, [tmp_path])
    assert hold, text


@pytest.mark.parametrize("siunitx", [False, True], ids=["plain", "siunitx"])
def test_latex_sets_what_names_from_data_and_odd_numbers_give(tmp_path, siunitx):
    there = subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True).returncode == 0
    if siunitx and not there:
        pytest.skip("no siunitx here")
    made_up = record(
        row(f"offset[{HOSTILE}]", -0.1, -0.2, 12345.678),
        *growth_rows(2, 0.47, -0.03, 0.82, largely_prior=True),
        projections=[projected()],
    )
    made_up["data"]["name"] = HOSTILE
    parts = [r"\documentclass{article}\usepackage{booktabs}"]
    parts += [r"\usepackage{siunitx}"] if siunitx else []
    parts += [macros(made_up), projection_macros(made_up), r"\begin{document}"]
    parts += [r"\bcDataName: \bcGrowthTwo, \bcGrowthTwoLower, \bcDoublingTimeTwoUpper, "]
    parts += [
        quote(made_up, "offset", "growth", "record", format="latex"),
        "",
        table(made_up, "latex"),
    ]
    parts += [r"\section{\bcRecordTwoZeroThreeZero}", r"\end{document}"]
    (tmp_path / "all.tex").write_text("\n".join(parts), encoding="utf-8")
    assert compiled(tmp_path / "all.tex", tmp_path).read_bytes().startswith(b"%PDF")
