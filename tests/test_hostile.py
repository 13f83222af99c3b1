"""What comes from outside cannot act: names in tables, names on the command line, files of fits."""

import json
import os
import pickle
import re
import shutil
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from conftest import N_SYSTEMS, synthetic_fit, without_ceilings

import bayes_compute as bc
from bayes_compute import report
from bayes_compute.escaping import as_json, escape
from bayes_compute.files import netcdf, write_figure
from bayes_compute.keys import draws_hash
from bayes_compute.posterior import script
from bayes_compute.report import write_fit, write_projection, write_report
from bayes_compute.results_folder import read_fit, read_projected, sha256
from bayes_compute.stored import read_projection
from bayes_compute.terminal import tell

NAMES = {
    "HTML": '</script><img src=x onerror=alert(1)><a href="javascript:alert(2)">',
    "a template": "{{ 7 * 7 }}{% raw %}",
    "LaTeX": "\\input{/etc/passwd}\\write18{ls} % $a_b$ & # ~ ^",
    "mathematics": "$\\frac{1}{$",
    "a formula": "=cmd|' /C calc'!A0",
    "a sum": "@SUM(A1:A9)",
    "Markdown": "[x](javascript:alert(3)) ![x](http://x.y/z) `a` | b",
    "a terminal": "\x1b]0;title\x07\x1b[31m\x9b31m\x08\x7f\r",
    "lines": "one\ntwo\u2028three\x85four",
    "right to left": "\u202eevil\u2066\u200f\u202c",
    "long": "x" * 10_000,
    "emoji": "😀👩\u200d💻\ufeff",
    "NUL": "a\0b",
    "half a character": "a\udc80b",
}
EVERY = " ".join(NAMES.values())
JSON = (".json",)


def unseen(text):
    """Characters of a text that act and are not seen, line breaks and plotly.js aside."""
    return {c for c in text if c != "\n" and (unicodedata.category(c)[0] == "C" or c in "\u2028")}


def hostile_fit(build, **more):
    """A fit of systems with these names, of which the last holds the record."""
    tree = build()
    names = [*NAMES.values(), *(f"s{i}" for i in range(N_SYSTEMS - len(NAMES) - 1)), EVERY]
    names = [name.encode("utf-8", "replace").decode().replace("\0", "") for name in names]
    for group in ("membership", "constant_data", "posterior_predictive", "log_likelihood"):
        tree[group] = tree[group].dataset.assign_coords(system=names)
    tree["observed_data"] = tree["observed_data"].dataset.assign_coords(system=names)
    constant = tree["constant_data"].dataset
    log10_flop = constant["log10_flop"].to_numpy().copy()
    log10_flop[-1] = 30.0
    tree["constant_data"] = constant.assign(log10_flop=("system", log10_flop))
    tree.attrs["data"] = json.dumps(json.loads(tree.attrs["data"]) | {"name": EVERY} | more)
    return tree


@pytest.fixture(scope="module")
def written(make_regimes, tmp_path_factory):
    """A report of such a fit, projected; figures in SVG alone."""
    folder = tmp_path_factory.mktemp("hostile") / "out"
    with pytest.MonkeyPatch.context() as patched:
        without_ceilings(patched)
        tree = bc.project(hostile_fit(make_regimes), 2031)

        def figures(dt, folder, names):
            for name in {name.partition(".")[0].partition("/")[2] for name in names}:
                write_figure(name, dt, folder, ["svg"])

        patched.setattr(report, "_write_figures", figures)
        write_report(tree, folder)
        write_projection(tree, folder)
    return folder


def assert_refused(answer, message=""):
    status, out, err = answer
    assert (status, out) == (2, ""), (status, out, err)
    assert err.startswith("bayes-compute: ") and err.count("\n") == 1 and not unseen(err), err
    assert re.search(message, err), err


# Names in tables


def test_no_file_holds_characters_that_act(written):
    texts = [path for path in written.rglob("*.*") if path.suffix not in (".nc", ".html")]
    assert len(texts) > 15
    for path in texts:
        assert not unseen(path.read_text(encoding="utf-8")), path.name


def test_the_page_holds_no_markup_and_no_characters_of_names_that_act(written):
    html = (written / "report.html").read_text(encoding="utf-8")
    ours = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert unseen(ours) == set()
    assert "<img src=x" not in ours and 'href="javascript' not in ours
    title = re.search("<title>(.*?)</title>", ours)[1]
    assert "&lt;img src=x" in title and "{{ 7 * 7 }}" in title


def test_names_are_text_in_markdown_and_latex(written):
    for path in written.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert "<img" not in text and not re.search(r"(?<!\\)\]\(", text), path.name
    said = (written / "projection.md").read_text(encoding="utf-8").splitlines()[0]
    assert r"\[x\](javascript" in said and said.endswith(" FLOP."), "one line"
    for path in written.glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        assert "\\input" not in text and "\\write" not in text, path.name
        for line in text.splitlines():
            braces = re.findall(r"(?<!\\)[{}]", line)
            assert braces.count("{") == braces.count("}"), path.name


def test_no_figure_holds_a_name(written):
    for path in written.glob("figures/*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "alert" not in text and "frac" not in text and "SUM" not in text, path.name


def test_json_keeps_names_as_they_are_and_shows_no_character_that_acts(written):
    record = json.loads((written / "projection.json").read_text(encoding="utf-8"))
    assert record["record"]["system"] == read_projected(written)["records"]["system"][-1].item()
    for name in NAMES.values():
        text = as_json({"a": name}, indent=1)
        assert not unseen(text)
        assert json.loads(text) == {"a": name}


@pytest.mark.parametrize("format", ["text", "latex", "markdown", "json"])
def test_quotations_hold_no_characters_that_act(command, written, format):
    status, out, err = command("quote", written, "record", "growth", "--format", format)
    assert (status, err) == (0, "")
    assert not unseen(out)


def test_a_terminal_gets_no_characters_that_act(command, written, tmp_path):
    lines = (bc.systems.data_folder() / "systems_2022-03.csv").read_text(encoding="utf-8")
    path = tmp_path / "\x9b31m\n\u202ex\a.csv"
    path.write_text(lines, encoding="utf-8")
    status, out, err = command("data", path)
    assert (status, err) == (0, "")
    assert not unseen(out)
    assert re.match(r" 31m  x \.csv: \d+ of \d+ systems", out)
    status, out, err = command("compare", written, written)
    assert (status, err) == (0, "")
    assert not unseen(out)
    assert_refused(command("data", tmp_path / "\x9b31m\n\u202ey.csv"), "no such file")


def test_what_is_told_keeps_its_lines_and_no_characters_that_act(capsys):
    tell(f"two\nlines {NAMES['a terminal']}{NAMES['right to left']}")
    out = capsys.readouterr().out
    assert out.startswith("two\nlines ") and not unseen(out)


@pytest.mark.parametrize("what", ["NUL", "half a character"])
def test_names_that_no_file_holds_are_refused_before_a_fit(what):
    systems = bc.load_systems("systems-2022-03")
    systems["system"] = systems["system"].astype(object)  # text of pandas holds no halves
    systems.loc[systems["parameters"].first_valid_index(), "system"] = NAMES[what]
    with pytest.raises(bc.InputError, match=r"systems: got the name 'a.*b'; expected text"):
        bc.Observations.from_systems(systems)


def test_every_name_is_one_line_in_every_format():
    for name in NAMES.values():
        for format in ("text", "latex", "markdown"):
            assert not unseen(escape(name, format)) and "\n" not in escape(name, format)


# Names on the command line


@pytest.mark.parametrize(
    "model",
    ["../evil", "models/__init__", "__init__", "/etc/passwd", "os", "one_era.build", "one_era\n",
     "a\0b", "\x1b[31m\u202e", "x" * 10_000, "", "."],
)  # fmt: skip
def test_no_other_code_is_a_model(command, tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path.parent / "evil.py").write_text("raise SystemExit('run')")
    assert_refused(command("fit", model), "model: got .*expected one of")
    with pytest.raises(bc.InputError, match="model: got"):
        script(model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    ["../../x", "systems-2022-03/../..", "systems-2022-03/..", "../data/systems-2022-03", "a\0b",
     "x" * 10_000, "x/" * 5_000, "", ".", "/dev/zero", "\x9b31m\n.csv", "a\udc80b"],
)  # fmt: skip
def test_no_other_file_is_a_shipped_table(command, tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    assert_refused(command("fit", "one_era", "--data", data), "got")
    assert_refused(command("data", data), "got")
    assert not list(tmp_path.iterdir())


def test_a_paper_that_inputs_a_name_that_cannot_be_is_one_line(command, tmp_path):
    for name in ("x" * 10_000, "a\0b", "../" * 3000):
        (tmp_path / "paper.tex").write_text(rf"\input{{{name}}}")
        answer = command("quote", tmp_path, "--verify", tmp_path / "paper.tex")
        assert_refused(answer, "neither here nor beside it")


@pytest.mark.parametrize("folder", ["a\0b", "x" * 10_000, "/dev/null/x", "/proc/x"])
def test_a_folder_that_cannot_be_is_one_line(command, folder):
    status, _, err = command("fit", "one_era", "--out", folder)
    assert_refused((status, "", err), "expected a folder|null character in path")
    for reading in (["quote"], ["project"], ["compare"], ["quote", "--verify", folder]):
        assert_refused(command(*reading, folder), "got|null character in path")


# Files of fits


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Results of a made-up fit."""
    return write_fit(synthetic_fit(), tmp_path_factory.mktemp("good") / "good")


@pytest.fixture
def results(good, tmp_path, monkeypatch):
    """Put another posterior into a copy of these results, which then is the one of the summary."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(good, "good")
    shutil.copytree(good, "bad")
    Path("paper.tex").write_text("said % three_eras/sigma[1]@00000000-00000000\n")

    def put(change=lambda tree: None):
        tree = synthetic_fit()
        tree = change(tree) or tree
        Path("bad/posterior.nc").write_bytes(netcdf(tree))
        record = json.loads(Path("bad/summary.json").read_text(encoding="utf-8"))
        if "posterior" in tree.children:
            record["posterior_sha256"] = draws_hash(tree["posterior"].dataset)
        Path("bad/summary.json").write_text(json.dumps(record))
        seal()
        return Path("bad/posterior.nc")

    return put


def seal(folder="bad"):
    """Let the folder say that it is as a run wrote it: whoever made it may say so."""
    diagnostics = Path(folder, "diagnostics.json")
    told = json.loads(diagnostics.read_text(encoding="utf-8"))
    for name in told["sha256"]:
        if Path(folder, name).is_file():
            told["sha256"][name] = sha256(Path(folder, name).read_bytes())
    diagnostics.write_text(json.dumps(told))


def assert_not_read(path, message):
    seal()
    with pytest.raises(bc.InputError) as refusal:
        read_fit(path.parent)
    assert re.search(f"^bad/posterior.nc: got ({message}).*; expected the post", str(refusal.value))
    assert "\n" not in str(refusal.value)


def within(group, change):
    """Change a group of a fit."""

    def changed(tree):
        tree[group] = change(tree[group].dataset)

    return changed


def unnamed(tree):
    """Take away the names of domains."""
    for group in ("prior", "posterior"):
        tree[group] = tree[group].dataset.drop_vars("domain")


def values(group, name, change):
    """Change a variable of a group."""
    return within(group, lambda d: d.assign({name: change(d[name])}))


READERS = (
    ["compare", "good", "bad"],
    ["project", "bad"],
    ["quote", "bad", "--verify", "paper.tex"],
)


def attr(**values):
    return lambda tree: tree.attrs.update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (attr(model="../evil"), "the model '../evil'"),
        (attr(model="os.path"), "the model 'os.path'"),
        (attr(model="x\x1b[31m\n"), "the model"),
        (attr(model=3), "data, units or a model without a name"),
        (attr(data="{"), "an attribute data that is no JSON object"),
        (attr(sampler="[]"), "an attribute sampler that is no JSON object"),
        (attr(priors='{"a":' * 9000), "an attribute priors that is no JSON object"),
        (attr(units='{"growth": 1}'), "data, units or a model without a name"),
        (attr(data='{"name": {}}'), "data, units or a model without a name"),
        (attr(interval_prob=2.0), "an interval_prob"),
        (attr(interval_prob="0.9"), "an interval_prob"),
        (attr(interval_kind="x"), "intervals of another kind"),
        (attr(converged="no"), "an interval_prob or converged"),
        (attr(flat_dates="no"), "a flat_dates"),
        (lambda tree: tree.drop_nodes("posterior"), "no group posterior"),
        (lambda tree: tree.drop_nodes("prior"), "no group prior"),
        (lambda tree: tree.drop_nodes("membership"), "constant_data alone"),
        (values("posterior", "growth", lambda v: v * np.nan), "posterior/growth with"),
        (values("posterior", "growth", lambda v: v + np.inf), "posterior/growth with"),
        (values("posterior", "growth", lambda v: v.astype(str)), "posterior/growth without"),
        (within("posterior", lambda d: d.isel(chain=0)), "posterior/.* without draws"),
        (within("posterior", lambda d: d.isel(draw=slice(3))), ".* chains and draws"),
        (within("posterior", lambda d: d.drop_vars("offset")), "posterior/offset of other"),
        (values("posterior", "level", lambda v: v.isel(era=0, drop=True)), "'level' without its"),
        (within("prior", lambda d: d.drop_vars("growth")), "'growth' without its"),
        (within("constant_data", lambda d: d.drop_vars("year")), "constant_data/year"),
        (values("constant_data", "year", lambda v: v * 1e300), "constant_data/year"),
        (values("constant_data", "domain_index", lambda v: v + 9), "systems of a domain"),
        (values("constant_data", "variance", lambda v: -v), "log10 FLOP"),
        (within("constant_data", lambda d: d.assign_coords(system=["a"] * N_SYSTEMS)), "systems"),
        (within("posterior", lambda d: d.drop_vars([*d.data_vars])), "a group posterior without"),
        (unnamed, "no coordinate domain"),
        (values("posterior", "growth_sd", lambda v: v + 1e300), "posterior/growth_sd that are"),
        (within("constant_data", lambda d: d.drop_vars("system")), "systems without names"),
        (values("constant_data", "year", lambda v: (v.dims, v.to_numpy()[::-1])), "years of"),
        (values("constant_data", "year", lambda v: v - 200), "years of"),
        (within("membership", lambda d: d + 9), "systems of an era"),
        (within("membership", lambda d: d.isel(system=slice(9))), "systems of an era"),
    ],
)  # fmt: skip
def test_a_posterior_of_another_form_is_refused(results, change, message):
    assert_not_read(results(change), message)


def test_no_command_takes_a_posterior_of_another_form(command, results):
    results(attr(model="../evil"))
    for call in READERS:
        assert_refused(
            command(*call), r"^bayes-compute: bad/posterior\.nc: got the model '../evil'"
        )


def test_a_posterior_of_another_run_is_refused(command, results):
    results().write_bytes(netcdf(synthetic_fit(seed=2)))
    for call in READERS:
        assert_refused(command(*call), r"posterior\.nc: got a file whose hash is not in")


def test_a_hostile_label_is_text(command, results, no_ceilings, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)

    def change(tree):
        for group in ("posterior", "prior"):
            tree[group] = tree[group].dataset.assign_coords(
                era=[EVERY.replace("\0", "")[:200], "\x9b\n", "$x"]
            )

    results(change)
    for call in (["compare", "good", "bad"], ["quote", "bad", "--verify", "paper.tex"]):
        status, out, err = command(*call)
        assert status < 2 and not unseen(out) and not err


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("protocol", [0, 4])
def test_a_pickle_is_not_opened(results, protocol):
    path = results()
    path.write_bytes(pickle.dumps(Bomb(), protocol))
    assert_not_read(path, "OSError")
    assert not Path("exploded").exists()


def huge(file):
    file["posterior"].create_dataset("huge", (1 << 20, 1 << 20, 100), "f8", chunks=(1, 1, 100))


def elsewhere(file):
    Path("secret").write_bytes(b"x" * 800)
    file["posterior"].create_dataset("s", (100,), "f8", external=[("secret", 0, 800)])


def linked(file):
    file["posterior/s"] = h5py.ExternalLink("good/posterior.nc", "/posterior/sigma")


def soft(file):
    file["posterior/s"] = h5py.SoftLink("/prior/sigma")


def doubled(file):
    file["posterior/again"] = file["posterior"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (huge, "arrays of [0-9,]+ bytes in a file"),
        (elsewhere, "'posterior/s', which lies in another file"),
        (linked, "a link at 'posterior/s'"),
        (soft, "a link at 'posterior/s'"),
        (doubled, "'posterior.*' in two places"),
    ],
)
def test_a_posterior_that_is_more_than_its_file_is_refused(results, change, message):
    path = results()
    with h5py.File(path, "r+") as file:
        change(file)
    assert_not_read(path, message)


def test_a_cut_off_or_damaged_posterior_is_refused(results):
    path = results()
    whole = path.read_bytes()
    for part in (b"", whole[:7], whole[: len(whole) // 2], whole[:-1000], b"\0" * 5000):
        path.write_bytes(part)
        assert_not_read(path, r"\w+")
    unreadable = r"^bad: got no readable posterior\.nc; expected the folder of a finished run"
    path.unlink()
    for put in (lambda _: None, os.mkfifo, Path.mkdir):  # whoever opens a pipe waits
        put(path)
        with pytest.raises(bc.InputError, match=unreadable):
            read_fit("bad")
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()


def test_a_summary_that_is_a_pipe_is_not_waited_for(command, results):
    Path("bad/summary.json").unlink()
    os.mkfifo("bad/summary.json")
    assert_refused(command("quote", "bad"), r"got no readable summary\.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"quantities": ' * 50_000, "null", "\x1b[31m"])
def test_a_summary_that_is_no_record_is_refused(command, results, text):
    Path("bad/summary.json").write_text(text)
    seal()
    assert_refused(command("quote", "bad"), r"got no readable summary\.json")


def test_the_form_of_a_projection_is_checked(tmp_path, no_ceilings, monkeypatch):
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    tree, out = bc.project(synthetic_fit(), 2030), tmp_path / "out"
    write_fit(tree.drop_nodes(["projection", "ceilings", "records"]), out)
    write_projection(tree, out)
    kept = {name: tree[name].dataset for name in ("projection", "ceilings", "records")}
    for name, change, message in (
        ("projection", lambda d: d.drop_vars("record"), "projection/record of other"),
        ("projection", lambda d: d.assign(record=d["record"] * np.nan), "projection/record with"),
        ("projection", lambda d: d.assign_attrs(unknown="{}"), "an attribute unknown"),
        ("projection", lambda d: d.assign_coords(date=range(d.sizes["date"])), "dates or what"),
        ("ceilings", lambda d: None, "no group ceilings"),
        ("records", lambda d: d.drop_vars("system"), "records/system of other"),
        ("records", lambda d: d.assign(since=d["since"] | True), "no record"),
    ):
        changed = kept | {name: change(kept[name])}
        other = xr.DataTree.from_dict({n: d for n, d in changed.items() if d is not None})
        (out / "projection.nc").write_bytes(netcdf(other))
        seal(out)
        with pytest.raises(bc.InputError, match=rf"projection\.nc: got {message}"):
            read_projection(out / "projection.nc")
    kept["projection"] = kept["projection"].assign(record=kept["projection"]["record"] + 1)
    (out / "projection.nc").write_bytes(netcdf(xr.DataTree.from_dict(kept)))
    with pytest.raises(bc.InputError, match=r"projection\.nc: got a file whose hash is not in"):
        read_projected(out)
