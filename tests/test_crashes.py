"""Runs that are cut off, disks that refuse, two runs at once: half a result never reads as whole.

Here a made-up result is looked at as a kill at every step would leave it, and one real fit is
killed; ``benchmarks/kills.py`` kills real runs at random moments.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import xarray as xr
from conftest import synthetic_fit, without_ceilings

import bayes_compute as bc
from bayes_compute import comparison_tables, files, report, studies
from bayes_compute.ceilings import kept
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.keys import draws_hash
from bayes_compute.page import render
from bayes_compute.report import write_failure, write_fit, write_projection, write_report
from bayes_compute.results_folder import check_folder, read_estimands, read_projected, read_record

HERE = Path(__file__).parent
FIT = {"posterior.nc", "diagnostics.json", "summary.json"}


def write_all(fit, folder):
    """What ``report`` writes, in its order."""
    write_report(fit.drop_nodes(["projection", "ceilings", "records"]), folder)
    write_projection(fit, folder)


def cheaply(patched):
    """Figures and a page that take no time, and say which draws they show."""

    def drawn(dt, folder, names):
        for name in names:
            shown = dt["projection" if "projection" in name else "posterior"].dataset
            files.write_text(folder, name, draws_hash(shown))

    def page(dt, record, projected, figures):
        return f"{record['posterior_sha256']} {(projected or {}).get('projection_sha256')}"

    patched.setattr(report, "_write_figures", drawn)
    patched.setattr(render, "page", page)
    without_ceilings(patched)


@pytest.fixture
def cheap(monkeypatch):
    cheaply(monkeypatch)


def killed_at_each_step(write, out, home):
    """Folders as a kill before each file is put in its place, or removed, would leave them."""
    left = []

    def after_a_look(step):
        def taken(path, *rest, **options):
            if Path(path).is_relative_to(out):
                left.append(shutil.copytree(out, home / f"left-{len(left)}"))
            return step(path, *rest, **options)

        return taken

    with pytest.MonkeyPatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(os, name, after_a_look(getattr(os, name)))
        write()
    return left


class Kills:
    """Results of two fits, and what kills leave on the way from the old to the new one."""

    def __init__(self, home):
        self.fits = [bc.project(synthetic_fit(dates), 2026) for dates in ((), (2000.0,))]
        self.old, self.new = home / "old", home / "new"
        for fit, folder in zip(self.fits, (self.old, self.new), strict=True):
            write_all(fit, folder)
        out = shutil.copytree(self.old, home / "out")
        self.left = killed_at_each_step(lambda: write_all(self.fits[1], out), out, home)


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        cheaply(patched)
        return Kills(tmp_path_factory.mktemp("kills"))


def texts(folder):
    """Bytes of every file, but those of draws, which hold the time that they were written at."""
    return {
        path.relative_to(folder).as_posix(): b"" if path.suffix == ".nc" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Killed


def test_a_kill_at_any_step_leaves_the_old_result_none_or_the_new_one(kills):
    old, new = texts(kills.old), texts(kills.new)
    known = {read_record(kills.old)["posterior_sha256"]: "old"}
    known[read_record(kills.new)["posterior_sha256"]] = "new"
    told = []
    for folder in kills.left:
        try:
            record = read_record(folder)
        except InputError as error:
            assert "got no readable summary.json" in str(error)
            told.append("none")
            continue
        told.append(known[record["posterior_sha256"]])
        expected = old if told[-1] == "old" else new
        found = {name: text for name, text in texts(folder).items() if not name.endswith(".part")}
        projected = "projection" in read_projected(folder).children
        assert projected == ("projection.json" in found), folder.name
        if projected:  # all of it is there, and nothing else
            assert found == expected, folder.name
        for name, text in found.items():
            before_projection = name in ("report.html", "diagnostics.json") and not projected
            assert before_projection or text == expected[name], (folder.name, name)
        if not projected:
            with pytest.raises(InputError, match="are there when bayes-compute project is done"):
                bc.quote(record, "record")
    assert told == sorted(told, key=["old", "none", "new"].index)
    assert told.count("old") == 1 and told.count("none") > 20 and told.count("new") > 10


def test_a_kill_of_a_projection_leaves_the_old_one_none_or_the_new_one(kills, cheap, tmp_path):
    other = bc.project(synthetic_fit((2000.0,)), 2027)
    out = shutil.copytree(kills.new, tmp_path / "out")
    old = texts(out)
    left = killed_at_each_step(lambda: write_projection(other, out), out, tmp_path)
    told = []
    for folder in left:
        assert read_record(folder) == read_record(kills.new), "the fit stands"
        found = texts(folder)
        if read_estimands(folder):
            read_projected(folder)
            told.append("new" if "2027" in found["projection.json"].decode() else "old")
            found = {name: text for name, text in found.items() if not name.endswith(".part")}
            assert found == (old if told[-1] == "old" else texts(out)), folder.name
        else:
            told.append("none")
    assert told == sorted(told, key=["old", "none", "new"].index)
    assert told.count("old") == 1 and told.count("none") > 10


def test_a_run_after_a_kill_leaves_what_a_run_alone_leaves(kills, cheap, tmp_path):
    with_parts = [folder for folder in kills.left if [*folder.rglob(".*.part")]]
    assert len(with_parts) > 20
    for folder in with_parts[:: len(with_parts) // 3]:
        out = shutil.copytree(folder, tmp_path / folder.name)
        for part in out.rglob(".*.part"):
            part.write_bytes(part.read_bytes()[:10])
        write_all(kills.fits[1], out)
        assert texts(out) == texts(kills.new)


def test_any_run_clears_what_a_kill_has_left(kills, cheap, tmp_path):
    last = kills.left[-1]
    out = shutil.copytree(last, tmp_path / "out")
    for name in (".table.tex.part", ".report.html.part", "figures/.projection.pdf.part"):
        (out / name).write_text("half")
    (out / ".mine.part").write_text("mine")
    write_fit(kills.fits[0], out)
    assert set(texts(out)) == FIT | {".mine.part"}
    (out / ".table.tex.part").write_text("half")
    write_failure(NotConverged("no", {}), out)
    assert set(texts(out)) == {"diagnostics.json", ".mine.part"}


def test_looking_at_a_folder_leaves_nothing_in_it(tmp_path, monkeypatch):
    def killed(*_):
        raise AssertionError("here a kill would leave a file")

    monkeypatch.setattr(os, "replace", killed)
    check_folder(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


KILLED = """
import os, signal, sys
from bayes_compute.cli import main
step, name = os.replace, {name!r}
def replace(source, target):
    if {before}: step(source, target)
    if os.path.basename(target) == name: os.kill(os.getpid(), signal.SIGKILL)
    if not {before}: step(source, target)
os.replace = replace
main(sys.argv[1:])
"""


def test_a_real_fit_that_is_killed_leaves_nothing_to_quote_and_runs_again(command, tmp_path):
    fit = ["fit", "one_era", "--draws", "500", "--tune", "300", "--quiet", "--out", "out"]
    for name, done in (("summary.json", False), ("summary.json", True)):
        code = KILLED.format(name=name, before=done)
        ran = subprocess.run(
            [sys.executable, "-c", code, *fit], cwd=tmp_path, timeout=300, capture_output=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
        )  # fmt: skip
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        status, _, err = command("quote", tmp_path / "out")
        if done:
            assert status == 0
            assert set(texts(tmp_path / "out")) == FIT
        else:
            assert (status, err.count("\n")) == (2, 1)
            assert "no readable summary.json, for its run was cut off or is still at work;" in err
            assert (tmp_path / "out" / f".{name}.part").exists()


# Refused by a disk


@pytest.mark.parametrize(
    "name", ["diagnostics.json", "posterior.nc", "macros.tex", "report.html", "summary.json"]
)
def test_a_full_disk_is_one_line_and_the_next_run_finishes(kills, cheap, tmp_path, name):
    out = shutil.copytree(kills.old, tmp_path / "out")
    write = Path.write_bytes

    def full(path, data):
        if path.name == f".{name}.part":
            write(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(path, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(
            InputError, match="got 'No space left on device'; expected a"
        ) as refusal:
            write_all(kills.fits[1], out)
    assert "\n" not in str(refusal.value)
    assert not [*out.rglob(".*")]
    with pytest.raises(InputError, match=r"no readable summary\.json"):
        read_record(out)
    write_all(kills.fits[1], out)
    assert texts(out) == texts(kills.new)


def test_a_projection_that_finds_the_disk_full_leaves_the_fit(kills, cheap, tmp_path, monkeypatch):
    out = shutil.copytree(kills.old, tmp_path / "out")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "projection_macros", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_projection(kills.fits[0], out)
    assert read_record(out) == read_record(kills.old)
    assert "projection" not in read_projected(out).children
    assert not {name for name in texts(out) if "figures/projection" in name}


@contextmanager
def as_nobody():
    """Without the rights of a superuser, to whom no folder is read-only."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_is_refused_before_the_fit_and_keeps_what_it_has(kills, cheap):
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        out = shutil.copytree(kills.old, Path(home) / "out")
        for folder in (out / "figures", out):
            folder.chmod(0o555)
        with as_nobody():
            for refused in (lambda: check_folder(out), lambda: write_fit(kills.fits[1], out)):
                with pytest.raises(InputError, match="got 'Permission denied'; expected a folder"):
                    refused()
        assert texts(out) == texts(kills.old)


def study(folder, number):
    studies.write_comparison({"number": number}, folder)


@pytest.fixture
def cheap_study(monkeypatch):
    monkeypatch.setattr(comparison_tables, "describe", lambda record, _: str(record["number"]))
    monkeypatch.setattr(
        studies,
        "write_figure",
        lambda name, record, folder, formats: files.write_text(
            folder, f"figures/{name}.svg", str(record["number"])
        ),
    )


def test_a_kill_of_a_study_leaves_the_old_one_none_or_the_new_one(cheap_study, tmp_path):
    out, told = tmp_path / "out", []
    out.mkdir()
    study(out, 1)
    for folder in killed_at_each_step(lambda: study(out, 2), out, tmp_path):
        record = files.read_json(folder / "comparison.json")
        told.append(record and record["number"])
        if record:
            names = ("comparison.md", "figures/comparison.svg")
            assert {(folder / name).read_text() for name in names} == {str(told[-1])}
    assert told == [1, *[None] * (len(told) - 2), 2] and len(told) > 4
    assert set(texts(out)) == {"comparison.md", "comparison.json", "figures/comparison.svg"}


@pytest.mark.parametrize("name", ["comparison.md", "comparison.json"])
def test_a_study_that_finds_the_disk_full_has_no_record(cheap_study, tmp_path, monkeypatch, name):
    study(tmp_path, 1)
    write = Path.write_bytes

    def full(path, data):
        if path.name == f".{name}.part":
            raise OSError(28, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match="got 'No space left on device'; expected a folder"):
            study(tmp_path, 2)
    assert not (tmp_path / "comparison.json").exists() and not [*tmp_path.rglob(".*")]
    study(tmp_path, 3)
    assert files.read_json(tmp_path / "comparison.json") == {"number": 3}


LIMITED = """
import resource, sys
sys.path.insert(0, {here!r})
from conftest import synthetic_fit
from bayes_compute.report import write_fit
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_fit(synthetic_fit(), "out")
"""


def test_what_the_system_refuses_while_writing_is_one_line(tmp_path):
    """HDF5 too: it crashes at exit when it may not write."""
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED.format(here=str(HERE))], cwd=tmp_path, timeout=300,
        text=True, env=os.environ | {"PYTHONPATH": str(HERE.parent)}, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    assert "InputError: out: got 'File too large'; expected a folder that can" in ran.stderr
    assert set(texts(tmp_path / "out")) == {"diagnostics.json"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_an_output_that_is_full_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "bayes_compute", "models"], stdout=full, timeout=100, text=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)}, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr == (
        "bayes-compute: standard output: got 'No space left on device'; expected one that can be "
        "written to; choose another\n"
    )


def test_a_kept_fit_that_is_damaged_or_half_written_is_fitted_again(tmp_path, monkeypatch):
    fits = []

    def fit(name, data, **_):
        fits.append(name)
        return xr.DataTree.from_dict({"posterior": xr.Dataset({"a": ("x", [1.0, 2.0])})})

    monkeypatch.setattr("bayes_compute.inference.fit", fit)
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "cache")
    kept.fitted("run_length", "2025-08-31")
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 5000):
        path.write_bytes(damaged)
        path.with_name(f".{path.name}.part").write_bytes(b"half")
        _, posterior = kept.fitted("run_length", "2025-08-31")
        assert posterior["a"].to_numpy().tolist() == [1.0, 2.0]
        assert [*path.parent.iterdir()] == [path], "and nothing beside it"
    assert len(fits) == 4
    kept.fitted("run_length", "2025-08-31")
    assert len(fits) == 4


# Two at once


def test_a_second_run_waits_for_the_first(kills, cheap, tmp_path, monkeypatch):
    out, figures = tmp_path / "out", report._write_figures
    fits = [synthetic_fit(()), synthetic_fit((2000.0,))]
    begun, go_on, failures = threading.Event(), threading.Event(), []

    def held(dt, folder, names):
        if dt is fits[0]:
            begun.set()
            go_on.wait(60)
        figures(dt, folder, names)

    monkeypatch.setattr(report, "_write_figures", held)

    def write(fit):
        try:
            write_report(fit, out)
        except BaseException as error:
            failures.append(error)

    first, second = (threading.Thread(target=write, args=[fit]) for fit in fits)
    first.start()
    assert begun.wait(60)
    second.start()
    second.join(4)  # it would have written its posterior
    between = draws_hash(fits[0]["posterior"].dataset)
    with xr.open_datatree(out / "posterior.nc", engine="h5netcdf") as there:
        assert draws_hash(there["posterior"].dataset) == between
    go_on.set()
    first.join(60)
    second.join(60)
    assert not failures
    assert read_record(out) == read_record(kills.new)
    names = {name for name in texts(kills.new) if "projection" not in name}
    assert set(texts(out)) == names


def test_a_projection_does_not_go_beside_another_fit(kills, cheap, tmp_path):
    out = shutil.copytree(kills.new, tmp_path / "out")
    with pytest.raises(InputError, match="got the results of another run; expected those of the"):
        write_projection(kills.fits[0], out)
    assert texts(out) == texts(kills.new)
