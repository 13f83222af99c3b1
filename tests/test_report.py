import json
import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import synthetic_fit

from bayes_compute import report, results_folder
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.files import write_text
from bayes_compute.quoting import quote
from bayes_compute.report import write_failure, write_fit, write_report
from bayes_compute.results_folder import check_folder, read_fit, read_record

FIT = {"posterior.nc", "diagnostics.json", "summary.json"}
TEXTS = {
    "table.txt",
    "table.md",
    "table.tex",
    "macros.tex",
    "priors.md",
    "checks.md",
    "report.html",
}
FIGURES = {
    f"figures/{plot}.{format}"
    for plot in (
        "compute_over_time",
        "date_posterior",
        "selection_floor",
        "predictive_checks",
        "running_maximum",
    )
    for format in ("pdf", "svg", "png")
}
GAP = {f"figures/parameter_gap.{format}" for format in ("pdf", "svg", "png")}


def files(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Two folders with the report of the same fit, figures and all."""
    folders = [tmp_path_factory.mktemp("report") for _ in range(2)]
    for folder in folders:
        write_report(synthetic_fit(), folder)
    return folders


@pytest.fixture
def cheap(monkeypatch):
    """Stand-ins for the figures, which take most of the time of a report."""

    def write_figures(_, folder, names):
        for name in names:
            write_text(folder, name, "figure")

    monkeypatch.setattr(report, "_write_figures", write_figures)


def refused(message):
    assert "\n" not in str(message.value)
    assert "expected" in str(message.value)


def failed():
    diagnostics = {"worst_r_hat": 2.0, "failures": ["R-hat 2.0 > 1.01"], "remedies": ["more draws"]}
    return NotConverged("three_eras: R-hat 2.0 > 1.01", diagnostics)


def test_fit_writes_three_files(datatree, tmp_path):
    assert write_fit(datatree, tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert set(files(tmp_path / "a" / "b")) == FIT


def test_report_writes_tables_macros_figures_and_a_page(reports):
    found = files(reports[0])
    assert set(found) == FIT | TEXTS | FIGURES
    assert all(path.stat().st_size for path in found.values())
    assert found["figures/compute_over_time.pdf"].read_bytes().startswith(b"%PDF")


def test_one_era_has_no_figure_of_dates(datatree, one_era_tree, tmp_path, cheap):
    write_report(datatree, tmp_path)
    write_report(one_era_tree, tmp_path)
    assert set(files(tmp_path)) == FIT | TEXTS | {f for f in FIGURES if "date_posterior" not in f}


def test_regimes_have_a_figure_of_the_gap_and_are_set_beside_hardware(
    regimes_tree, tmp_path, cheap
):
    constant = regimes_tree["constant_data"].dataset
    dates = pd.to_datetime((constant["year"].to_numpy() - 1970) * 365.25, unit="D")
    systems = pd.DataFrame({"system": constant["system"].to_numpy(), "publication_date": dates})
    systems = systems.assign(
        training_compute_flop=1e20, parameters=1e9, hardware_quantity=np.arange(len(systems)) + 1.0,
        training_time_hours=1.0, training_power_w=np.nan, organization="A", sector="Industry",
        training_hardware=None, confidence="Likely", domain="Other",
        training_compute_lower_flop=np.nan, training_compute_upper_flop=np.nan,
    )  # fmt: skip
    write_report(regimes_tree, tmp_path, systems=systems)
    assert set(files(tmp_path)) == FIT | TEXTS | FIGURES | GAP
    record = read_record(tmp_path)
    assert {row["evidence"] for row in record["hardware"]} >= {"accelerators", "industry"}
    assert "seed" not in record, "this is another table"


def test_posterior_comes_back_as_it_was(datatree, tmp_path):
    write_fit(datatree, tmp_path)
    with xr.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as back:
        assert set(back.children) == set(datatree.children)
        for name in datatree.children:
            xr.testing.assert_identical(back[name].load().dataset, datatree[name].dataset)
        assert back.attrs["model"] == "three_eras"


def test_summary_is_strict_utf8_json_and_reads_back(datatree, tmp_path):
    write_fit(datatree, tmp_path)
    text = (tmp_path / "summary.json").read_bytes().decode("utf-8")
    assert "transition_year[1→2]" in text
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in summary.json"))
    assert read_record(tmp_path) == record
    assert quote(record) == quote(datatree)


def test_the_same_fit_gives_the_same_bytes(reports):
    first, second = (files(folder) for folder in reports)
    differing = {n for n in first if first[n].read_bytes() != second[n].read_bytes()}
    assert differing <= {"posterior.nc"}


def test_diagnostics_say_converged_and_list_the_files(datatree, tmp_path, cheap):
    write_report(datatree, tmp_path)
    diagnostics = json.loads((tmp_path / "diagnostics.json").read_text(encoding="utf-8"))
    assert diagnostics["converged"] is True
    assert diagnostics["worst_r_hat"] == 1.003
    assert set(diagnostics["files"]) == set(files(tmp_path))


def test_failure_leaves_diagnostics_only(datatree, tmp_path, cheap):
    write_report(datatree, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "figures" / "mine.png").write_text("mine")
    write_failure(failed(), tmp_path)
    assert set(files(tmp_path)) == {"diagnostics.json", "notes.txt", "figures/mine.png"}
    diagnostics = json.loads((tmp_path / "diagnostics.json").read_text(encoding="utf-8"))
    assert diagnostics["converged"] is False
    assert diagnostics["remedies"] == ["more draws"]
    with pytest.raises(InputError, match="a fit that failed its diagnostics") as message:
        read_record(tmp_path)
    refused(message)


def test_a_run_after_a_failure_is_whole_again(datatree, tmp_path):
    write_failure(failed(), tmp_path)
    write_fit(datatree, tmp_path)
    assert read_record(tmp_path)["converged"] is True


def test_a_fit_that_failed_writes_nothing(datatree, tmp_path):
    datatree.attrs["converged"] = 0
    with pytest.raises(NotConverged, match="nothing of it can be quoted"):
        write_fit(datatree, tmp_path)
    assert not files(tmp_path)


@pytest.mark.parametrize("stop", ["posterior.nc", "macros.tex", "report.html"])
def test_a_killed_run_never_reads_as_whole(datatree, tmp_path, cheap, monkeypatch, stop):
    write_report(datatree, tmp_path)
    replace = os.replace

    def kill(source, target):
        if str(target).endswith(stop):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(report.os, "replace", kill)
        write_report(datatree, tmp_path)
    assert "summary.json" not in files(tmp_path)
    assert not [name for name in files(tmp_path) if name.endswith(".part")]
    with pytest.raises(InputError, match=r"no readable summary\.json") as message:
        read_record(tmp_path)
    refused(message)
    write_report(datatree, tmp_path)
    assert set(files(tmp_path)) == FIT | TEXTS | FIGURES


@pytest.mark.parametrize("name", ["table.tex", "posterior.nc", "summary.json", "diagnostics.json"])
def test_files_that_no_run_left_are_not_touched(datatree, tmp_path, cheap, name):
    (tmp_path / name).write_text("mine")
    for write in (
        lambda: write_report(datatree, tmp_path),
        lambda: write_failure(failed(), tmp_path),
    ):
        with pytest.raises(InputError, match=f"got {name}, which no earlier run left") as message:
            write()
        refused(message)
    assert {n: p.read_text() for n, p in files(tmp_path).items()} == {name: "mine"}


def test_a_file_added_after_a_fit_is_not_touched(datatree, tmp_path, cheap):
    write_fit(datatree, tmp_path)
    (tmp_path / "table.tex").write_text("mine")
    with pytest.raises(InputError, match=r"got table\.tex"):
        write_report(datatree, tmp_path)
    assert (tmp_path / "table.tex").read_text() == "mine"
    assert read_record(tmp_path)["converged"], "the earlier results stay whole"


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(InputError, match="expected a folder that can be written to") as message:
            check_folder(out)
        refused(message)


def test_a_file_in_the_place_of_figures_is_refused(datatree, tmp_path, cheap):
    (tmp_path / "figures").write_text("mine")
    with pytest.raises(InputError, match="expected a folder that can be written to") as message:
        write_report(datatree, tmp_path)
    refused(message)
    assert "summary.json" not in files(tmp_path)
    assert (tmp_path / "figures").read_text() == "mine"


def test_a_full_disk_is_refused_in_one_line(datatree, tmp_path, monkeypatch):
    write = report.Path.write_bytes

    def full(path, data):
        if "posterior" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(report.Path, "write_bytes", full)
    with pytest.raises(InputError, match="got 'No space left on device'; expected") as message:
        write_fit(datatree, tmp_path)
    refused(message)
    assert set(files(tmp_path)) == {"diagnostics.json"}


def test_a_diagnostics_file_cannot_name_files_elsewhere(datatree, tmp_path):
    out = tmp_path / "out"
    write_fit(datatree, out)
    (tmp_path / "precious").write_text("mine")
    diagnostics = json.loads((out / "diagnostics.json").read_text(encoding="utf-8"))
    diagnostics["files"] += ["../precious", str(tmp_path / "precious")]
    (out / "diagnostics.json").write_text(json.dumps(diagnostics))
    write_failure(failed(), out)
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"quantities": [1]}', '{"model": "three_eras"'])
def test_a_summary_that_is_not_whole_is_refused(datatree, tmp_path, text):
    write_fit(datatree, tmp_path)
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match=r"summary\.json") as message:
        read_record(tmp_path)
    refused(message)


def test_a_number_changed_in_a_summary_is_refused(datatree, tmp_path):
    write_fit(datatree, tmp_path)
    summary = tmp_path / "summary.json"
    text = summary.read_text(encoding="utf-8")
    median = json.loads(text)["quantities"][0]["median"]
    summary.write_text(text.replace(str(median), str(median + 1), 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json: got a file whose hash is not") as message:
        read_record(tmp_path)
    refused(message)


def test_a_byte_changed_in_a_posterior_is_refused_before_hdf5_reads_it(
    datatree, tmp_path, monkeypatch
):
    write_fit(datatree, tmp_path)
    found = bytearray((tmp_path / "posterior.nc").read_bytes())
    found[-1] ^= 1
    (tmp_path / "posterior.nc").write_bytes(found)
    monkeypatch.setattr(xr, "open_datatree", lambda *_, **__: pytest.fail("HDF5 was asked"))
    with pytest.raises(InputError, match=r"posterior\.nc: got a file whose hash is not") as message:
        read_fit(tmp_path)
    refused(message)


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"converged": true, "files": 3}'])
def test_damaged_diagnostics_are_refused(datatree, tmp_path, text):
    write_fit(datatree, tmp_path)
    (tmp_path / "diagnostics.json").write_text(text)
    for read in (read_fit, check_folder):
        with pytest.raises(InputError) as message:
            read(tmp_path)
        refused(message)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="got no such folder") as message:
        read_record(tmp_path / "nowhere")
    refused(message)


def test_names_from_the_data_do_not_reach_tables_or_figures(reports):
    for name, path in files(reports[0]).items():
        if name != "posterior.nc":
            assert b"<script>alert" not in path.read_bytes(), name


def test_draws_that_are_not_finite_stay_strict_json(datatree, tmp_path, cheap):
    posterior = datatree["posterior"].dataset
    growth = posterior["growth"] * 0 + np.random.default_rng(0).normal(0, 0.1, (2, 200, 3))
    datatree["posterior"] = posterior.assign(growth=growth)
    write_report(datatree, tmp_path)
    assert "unbounded" in (tmp_path / "table.txt").read_text(encoding="utf-8")
    assert "Infinity" not in (tmp_path / "summary.json").read_text(encoding="utf-8")


def test_every_figure_of_a_report_can_be_drawn_and_every_model_has_one():
    from bayes_compute import plots
    from bayes_compute.scripts import scripts

    own = {need for needs in results_folder.FIGURES.values() for need in needs if " " in need}
    assert set(results_folder.FIGURES) <= set(plots.__all__)
    whole = {name for name, (_, functions) in scripts().items() if "regression" not in functions}
    assert own == {f"model {name}" for name in whole}
