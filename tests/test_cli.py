import ast
import io
import json
import os
import re
import subprocess
import sys
import types
from concurrent.futures import Future
from pathlib import Path

import pytest
from PIL import Image

import bayes_compute
from bayes_compute import report
from bayes_compute.beside import Beside
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.report import write_fit
from bayes_compute.results_folder import read_record
from bayes_compute.scripts import models_by_line

ROOT = Path(bayes_compute.__file__).parent.parent
NO_NETWORK = os.pathsep.join([str(ROOT / "tests" / "no_network"), str(ROOT)])
HEAVY = (
    "numpy",
    "pandas",
    "pint",
    "xarray",
    "matplotlib",
    "arviz",
    "arviz_stats",
    "pymc",
    "pytensor",
    "nutpie",
    "jinja2",
    "plotly",
)


def run(*arguments, encoding="utf-8", **environment):
    """Run the command in a process of its own, with the network blocked there."""
    return subprocess.run(
        [sys.executable, "-m", "bayes_compute", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding=encoding,
        timeout=600,
        env={**os.environ, "PYTHONPATH": NO_NETWORK, "PYTHONIOENCODING": encoding, **environment},
    )


def test_the_same_seed_gives_the_same_bytes_on_other_cores(tmp_path):
    fit = ["fit", "regimes", "--data", "systems-2022-03", "--quiet"]
    compiles = run(*fit, "--draws", 20, "--tune", 20, "--out", tmp_path / "compiles")
    assert compiles.returncode == 1, compiles.stderr
    written = []
    for cores in ("1", "2"):
        given = {"PYTHON_CPU_COUNT": cores, "PYTHONHASHSEED": cores}
        done = run(*fit, "--draws", 500, "--tune", 300, "--out", tmp_path / cores, **given)
        assert done.returncode == 0, done.stderr
        files = ("summary.json", "diagnostics.json", "posterior.nc")
        written.append([(tmp_path / cores / name).read_bytes() for name in files])
    assert written[0] == written[1]


def test_the_network_is_blocked_where_commands_run():
    asks = "import socket; socket.create_connection(('localhost', 9), 1)"
    environment = {**os.environ, "PYTHONPATH": NO_NETWORK}
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, env=environment)
    assert done.returncode == 97
    assert b"asked for the network: socket." in done.stderr


class Here(Beside):
    """This process in place of one beside it, where nothing would be faked."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, work, *args, **kwargs):
        found = Future()
        try:
            found.set_result(work(*args, **kwargs))
        except Exception as error:
            found.set_exception(error)
        return found.result


@pytest.fixture
def fake_fit(monkeypatch, datatree, no_ceilings):
    """Stand in for the sampler and the figures; returns what was asked of it."""
    asked = types.SimpleNamespace(failure=None)

    def fit(model, observations, **options):
        asked.model, asked.n, asked.options = model, observations.n, options
        if asked.failure is not None:
            raise asked.failure
        return datatree

    module = types.ModuleType("bayes_compute.inference")
    monkeypatch.setattr(module, "fit", fit, raising=False)
    monkeypatch.setitem(sys.modules, "bayes_compute.inference", module)
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    monkeypatch.setattr("bayes_compute.beside.Beside", Here)
    monkeypatch.setattr("bayes_compute.ceilings.kept.missing", lambda _: [])
    return asked


@pytest.fixture
def csv(tmp_path):
    """Every other system of the newest table, in the shipped schema: enough to be fitted."""
    return half_a_table(tmp_path / "mine.csv")


def half_a_table(path):
    lines = (ROOT / "data" / "systems_2025-08.csv").read_text(encoding="utf-8").splitlines()
    dated = [line for line in lines[1:] if re.search(r"^[^,\"\n]+,\d{4}-\d\d-\d\d,", line)]
    path.write_text("\n".join([lines[0], *dated[::2]]) + "\n", encoding="utf-8")
    return path


def assert_one_line(err):
    assert err.startswith("bayes-compute: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"bayes-compute {bayes_compute.__version__}\n")


def test_help_names_every_command_and_loads_nothing_heavy():
    code = f"""
import sys
from bayes_compute.cli import main
try:
    main(["--help"])
finally:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0
    for name in ("report", "fit", "quote", "compare", "transitions", "flop", "data", "models"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_is_what_one_gets_without_a_command(command):
    assert command()[:2] == command("--help")[:2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "No such command 'fly'"),
        (["report", "--draws", "0"], "'--draws'"),
        (["report", "--chains", "1"], "'--chains'"),
        (["report", "--tune", "none"], "'--tune'"),
        (["report", "--ci", "1"], "1 is not between 0 and 1"),
        (["report", "--ci", "nan"], "nan is not between 0 and 1"),
        (["report", "--selection", "best"], "'--selection'"),
        (["report", "--drawz", "5"], "--drawz"),
        (["report", "one", "two"], "unexpected extra argument"),
        (["fit"], "MODEL"),
        (["quote"], "results"),
        (["report", "no_such_model"], "model: got 'no_such_model'; expected one of .*three_eras"),
        (["report", "--data", "no_such.csv"], r"no_such\.csv: got no such file"),
        (["report", "--as-of", "yesterday"], "as_of: got 'yesterday'"),
        (["data", "no\nsuch\x1b[31m.csv"], r"no such \[31m\.csv: got no such file"),
        (["data", "top500", "--fine-tunes"], "top500: got --selection or --fine-tunes; expected"),
        (["fit", "one_era", "--data", "top500"], "top500: got a table of facts; expected a table"),
        (["fit", "calibration", "--data", "mine.csv"], "data: got 'mine.csv'; expected none"),
        (["fit", "calibration", "--as-of", "never"], "as_of: got 'never'"),
        (["fit", "calibration", "--as-of", "1951-01-01"], "as_of 1951-01-01; .* 2022-03-13"),
        (["fit", "break_even", "--as-of", "1990-01-01"], "prices: got 0 prices of accelerators"),
        (["report", "calibration", "--evidence"], "evidence: got True; expected none"),
        (["report", "--as-of", "1950-01-01", "--evidence"], "as_of|systems: got 0"),
        (["report", "--as-of", "2022-03-12", "--evidence"], "as_of 2022-03-12; .* 2022-03-13"),
        (["compare"], "RESULTS RESULTS"),
        (["quote", "no_such_folder"], "no_such_folder: got no such folder"),
        (["quote", "no_such_folder", "--verify", "none.tex"], "none.tex: got 'No such file"),
        (["compare", "no_such_folder"], "no_such_folder: got no such folder"),
        (["compare", "no_such_folder", "other"], "no_such_folder: got no such folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(command, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(*arguments)
    assert status == 2
    assert out == ""
    assert_one_line(err)
    assert re.search(message, err), err
    assert not list(tmp_path.iterdir()), "a wrong call leaves nothing behind"


def test_status_2_reaches_the_shell():
    done = run("report", "no_such_model")
    assert done.returncode == 2
    assert_one_line(done.stderr)


def test_report_answers_in_words(command, fake_fit, csv, tmp_path):
    status, out, err = command("report", "--data", csv, "--out", tmp_path / "out", "--ci", "0.9")
    assert (status, err) == (0, "")
    assert "mine.csv" in out
    assert re.search(r"^The transition from era 1 to era 2: 2000\.\d \(90 % eq", out, re.M)
    assert len(re.findall(r"^Growth in era [123]: .* OOM/year .*×.* months", out, re.M)) == 3
    assert "Largely set by the prior: mean growth of eras (growth_mean)" in out
    assert out.count("Selection floor at ") == 2
    assert re.search(rf"Everything is in {re.escape(str(tmp_path / 'out'))}; \d+ s", out)
    assert read_record(tmp_path / "out")["model"] == "three_eras"
    assert (tmp_path / "out" / "macros.tex").exists()


def test_a_report_stands_where_ceilings_have_no_data(command, fake_fit, csv, tmp_path, monkeypatch):
    def too_early(*_, **__):
        raise InputError("prices: got 1 price by 2009-01-01; expected at least 10")

    monkeypatch.setattr("bayes_compute.projection.projection.available", too_early)
    status, out, err = command("report", "--data", csv, "--out", tmp_path / "out")
    assert status == 0
    assert_one_line(err)
    assert "no projection: prices: got 1 price" in err
    assert "Everything is in" in out
    assert read_record(tmp_path / "out")["converged"]
    assert not (tmp_path / "out" / "projection.json").exists()


def test_a_projection_is_one_command_after_its_fit(command, fake_fit, csv, tmp_path):
    out = tmp_path / "out"
    assert command("fit", "three_eras", "--data", csv, "--out", out, "--quiet")[0] == 0
    status, said, _ = command("project", out, "--horizon", "2025", "--assume", "leap=3")
    assert status == 0
    assert "By the end of 2025 it is likely 10^" in said
    assert len(json.loads((out / "projection.json").read_text())["estimands"]["record"]) == 4
    assert "| `leap` | 3 |" in (out / "projection.md").read_text(encoding="utf-8")
    for wrong in (["--horizon", "2000"], ["--assume", "leap"], ["--as-of", "2023-01-01"]):
        status, _, err = command("project", out, *wrong)
        assert status == 2
        assert_one_line(err)


def test_fit_writes_no_tables(command, fake_fit, csv, tmp_path):
    assert command("fit", "three_eras", "--data", csv, "--out", tmp_path / "out")[0] == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "diagnostics.json",
        "posterior.nc",
        "summary.json",
    ]


def test_options_reach_the_fit(command, fake_fit, csv, tmp_path):
    options = [
        "--draws",
        "50",
        "--tune",
        "60",
        "--chains",
        "3",
        "--seed",
        "7",
        "--ci",
        "0.5",
        "--flat-dates",
        "--quiet",
    ]
    _, out, _ = command("report", "--data", csv, "--out", tmp_path / "out", *options)
    assert out == "", "--quiet prints errors only"
    assert fake_fit.options == {
        "draws": 50,
        "tune": 60,
        "chains": 3,
        "seed": 7,
        "prob": 0.5,
        "flat_dates": True,
        "progress": False,
    }


def test_defaults_are_the_newest_table_and_a_folder_for_the_model(
    command, fake_fit, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("report")
    assert status == 0
    assert out.startswith("systems-2025-08: ")
    assert fake_fit.model == "regimes"
    assert (tmp_path / "results" / "regimes" / "summary.json").exists()


def test_data_options_choose_the_systems(command, fake_fit, tmp_path):
    seen = {}
    for name, options in {
        "default": [],
        "earlier": ["--as-of", "2020-01-01"],
        "all": ["--selection", "all"],
        "tunes": ["--fine-tunes"],
    }.items():
        command("fit", "three_eras", "--out", tmp_path / name, *options)
        seen[name] = fake_fit.n
    assert seen["earlier"] < seen["default"] < seen["tunes"] < seen["all"]


def test_a_fit_that_fails_is_status_1_and_leaves_nothing_to_quote(
    command, fake_fit, csv, datatree, tmp_path
):
    write_fit(datatree, tmp_path / "out")
    fake_fit.failure = NotConverged("three_eras: R-hat 2.0 > 1.01", {"failures": ["R-hat"]})
    status, _, err = command("report", "--data", csv, "--out", tmp_path / "out")
    assert status == 1
    assert_one_line(err)
    assert "R-hat 2.0 > 1.01; nothing quotable was written, see" in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["diagnostics.json"]
    assert command("quote", tmp_path / "out")[0] == 2


def test_an_unwritable_folder_is_refused_before_the_fit(command, fake_fit, csv, tmp_path):
    (tmp_path / "out").write_text("mine")
    status, _, err = command("report", "--data", csv, "--out", tmp_path / "out")
    assert status == 2
    assert_one_line(err)
    assert not hasattr(fake_fit, "model"), "the fit was started"


def test_ctrl_c_is_one_line_and_status_130(command, fake_fit, csv, tmp_path):
    fake_fit.failure = KeyboardInterrupt()
    status, _, err = command("report", "--data", csv, "--out", tmp_path / "out")
    assert (status, err) == (130, "bayes-compute: interrupted\n")


def test_transitions_describe_what_they_found(command, csv, monkeypatch):
    def transitions(observations, max_k):
        return types.SimpleNamespace(describe=lambda prob: f"{max_k} {prob} {observations.n > 5}")

    module = types.ModuleType("bayes_compute.changepoint.evidence")
    monkeypatch.setattr(module, "transitions", transitions, raising=False)
    monkeypatch.setitem(sys.modules, "bayes_compute.changepoint.evidence", module)
    status, out, _ = command("transitions", "--data", csv, "--max-k", 3, "--ci", 0.8)
    assert status == 0
    assert out.startswith("mine.csv: ")
    assert out.endswith("\n3 0.8 True\n")


@pytest.mark.parametrize("format", ["text", "latex", "markdown", "json"])
def test_quote_in_every_format(command, datatree, tmp_path, format):
    write_fit(datatree, tmp_path)
    status, out, _ = command("quote", tmp_path, "growth[2]", "transition_year", "--format", format)
    assert status == 0
    statements = [row["text"] for row in json.loads(out)] if format == "json" else out.splitlines()
    assert len(statements) == 3
    assert all("equal-tailed interval" in statement for statement in statements)


def test_quote_reads_the_projection_too(command, datatree, no_ceilings, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    write_fit(datatree, tmp_path)
    assert command("quote", tmp_path, "record")[0] == 2
    assert command("project", tmp_path, "--horizon", "2030", "--quiet")[0] == 0
    status, out, _ = command("quote", tmp_path, "record[2030]")
    assert status == 0
    assert out.startswith("The record by the end of 2030: 10^")
    assert re.search(r" set by .* in \d+ %, by .* \[three_eras/record\[2030\]@0{8}-\w{8}\]\n$", out)
    assert "\\bcRecordTwoZeroThreeZero}" in (tmp_path / "projection_macros.tex").read_text()


def test_verify_is_status_0_only_if_every_claim_holds(command, datatree, tmp_path):
    write_fit(datatree, tmp_path / "out")
    paper = tmp_path / "paper.tex"
    claim = command("quote", tmp_path / "out", "growth[2]", "--format", "latex")[1]
    paper.write_text(claim)
    assert command("quote", tmp_path / "out", "--verify", paper) == (0, "1 of 1 claims hold\n", "")
    paper.write_text(claim + claim.replace("OOM", "dex"))
    status, out, err = command("quote", "--verify", paper, tmp_path / "out")
    assert (status, err) == (1, "")
    assert "paper.tex:2: differs: three_eras/growth[2]@" in out
    assert out.endswith("1 of 2 claims hold\n")


def test_compare_says_which_claims_moved(command, make_fit, tmp_path):
    for name, date in (("earlier", 2000.0), ("later", 2005.0)):
        write_fit(make_fit((date, 2016.0)), tmp_path / name)
    status, out, _ = command("compare", tmp_path / "earlier", tmp_path / "later")
    assert status == 0
    assert re.search(r"^transition_year\[1→2\] +year +2000\.0 .* 2005\.0 .* \+\d", out, re.M)


def test_quote_refuses_an_unknown_quantity(command, datatree, tmp_path):
    write_fit(datatree, tmp_path)
    status, out, err = command("quote", tmp_path, "growht")
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "growth[1]" in err


def test_data_lists_the_shipped_tables_with_their_origin(command):
    status, out, _ = command("data")
    assert status == 0
    for expected in ("systems-2022-03", "systems-2025-08", "Epoch AI", "CC-BY-4.0", "sha256:"):
        assert expected in out


def test_data_keeps_facts_apart_from_tables_of_systems(command):
    systems, facts = command("data")[1].split("\nTables of facts, for bayes_compute.load_facts\n")
    assert systems.startswith("Tables of systems, for --data\n")
    for expected in ("\nsystems-2022-11: ", "\nsystems-2025-08: "):
        assert expected in systems
    for expected in ("\naccelerators: ", "\ntop500: ", "\nsystem-vintages: ", "TOP500.org"):
        assert expected in facts
        assert expected not in systems


def test_data_tells_of_one_table_of_facts(command):
    status, out, _ = command("data", "top500", "--as-of", "2022-03-13")
    assert status == 0
    assert out.startswith("top500: The TOP500 lists in summary, 58 rows as of 2022-03-13\n")
    assert re.search(r"^  n1_rmax_flop_s \[FLOP/s\], 58 of 58: Its rate in LINPACK", out, re.M)


def test_the_newest_table_of_systems_is_the_default(command):
    _, out, _ = command("transitions", "--max-k", "1")
    assert out.startswith("systems-2025-08: ")


def test_data_checks_one_table(command, csv):
    status, out, _ = command("data", csv, "--selection", "all")
    assert status == 0
    assert out.startswith("mine.csv: ")
    assert re.search(r"^a model would see \d+ systems with training compute, and a", out, re.M)


def test_models_are_listed_by_their_docstring_without_running_them(command):
    status, out, _ = command("models")
    assert status == 0
    assert set(models_by_line()) == {p.stem for p in (ROOT / "models").glob("[!_]*.py")}
    for line in out.splitlines():
        name, _, text = line.partition(": ")
        script = (ROOT / "models" / f"{name}.py").read_text(encoding="utf-8")
        assert text == (ast.get_docstring(ast.parse(script)) or "").partition("\n")[0] != ""


def test_json_survives_a_terminal_without_arrows(datatree, tmp_path):
    write_fit(datatree, tmp_path)
    done = run("quote", tmp_path, "--format", "json", encoding="cp1252")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["name"] == "transition_year[1→2]"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A report of small data, really fitted: how it ended and its folder."""
    folder = tmp_path_factory.mktemp("real")
    csv = half_a_table(folder / "mine.csv")
    # As of a day whose ceilings other tests have fitted
    day = ("--as-of", "2025-08-31")
    return run("report", "three_eras", "--data", csv, *day, "--out", folder / "out"), folder / "out"


def test_report_really_fits_small_data(real):
    done, out = real
    assert done.returncode == 0, done.stderr
    assert "By the end of 2030 it is likely 10^" in done.stdout
    assert len(re.findall(r"^The transition from era \d to era \d: \d{4}", done.stdout, re.M)) == 2
    assert read_record(out)["diagnostics"]["worst_r_hat"] < 1.01
    assert (out / "figures" / "compute_over_time.pdf").exists()
    (row,) = re.findall(r"^\| transition_year\[1→2\] \|.*$", done.stdout, re.M)
    assert row.count(" to ") == 3, "prior, posterior, and posterior under flat priors"
    again = run("quote", out, "growth[2]", "--format", "latex")
    assert again.stdout.count(r"90\,\% equal-tailed interval") == 1


def test_the_page_of_a_real_report_opens_and_shows_its_systems_and_figures(real, open_page):
    tab = open_page(real[1] / "report.html", viewport={"width": 1280, "height": 900})
    tab.wait_for_selector("#chart .points path")
    for details in tab.locator("details").all():
        details.locator("summary").click()
    assert tab.complaints == []
    drawn = tab.evaluate("[...document.querySelectorAll('img')].map(i => i.naturalWidth)")
    assert drawn and min(drawn) > 0
    counts = read_record(real[1])["counts"]
    assert tab.locator("#chart .points path").count() == sum(
        era["modal"] for era in counts.values()
    )
    picture = Image.open(io.BytesIO(tab.locator("#chart").screenshot())).convert("RGB")
    colours = picture.getcolors(picture.width * picture.height)
    most, commonest = max(colours)
    assert commonest == (255, 255, 255), "the ground"
    assert 0.6 < most / (picture.width * picture.height) < 0.99, "the rest is drawn"


def test_readings_are_fitted_and_weighed(csv, tmp_path):
    done = run("report", "calibration", "--out", tmp_path / "readings")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^figure_sd\[Confident\]: 0\.\d+ log10 FLOP", done.stdout, re.M)
    record = read_record(tmp_path / "readings")
    assert record["data"]["selection"] == "all"
    assert "counts" not in record
    assert not (tmp_path / "readings" / "priors.md").exists()
    options = ("--as-of", "2025-08-31", "--evidence", "--out", tmp_path / "out")
    done = run("report", "three_eras", "--data", csv, *options)
    assert done.returncode == 0, done.stderr
    (row,) = re.findall(r"^\| growth\[2\] \| .* times as wide.*$", done.stdout, re.M)
    assert row.count(" to ") == 2, "all evidence, and published figures"
    record = read_record(tmp_path / "out")
    assert record["data"]["evidence"]["calibration"]["name"] == "mine.csv"
    assert record["evidence"]["systems"]["evidence"] >= record["evidence"]["systems"]["published"]
    text = (tmp_path / "out" / "evidence.md").read_text(encoding="utf-8")
    assert "learned from mine.csv as of 20" in text
