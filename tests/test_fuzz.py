"""Tables and results with faults are read as they say, or refused in one line.

Tables of systems are drawn row by row, and parts of real downloads are damaged at random. What a
table says is read here a second time, by a parser of a few lines. Every mutation has a seed, which
a failure names, and seconds to finish in. A few hundred are tried; ten thousand by

    FUZZ=10000 pytest tests/test_fuzz.py
"""

import csv
import datetime as dt
import io
import json
import math
import os
import random
import re
import shutil
import signal
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from conftest import synthetic_fit, without_ceilings
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_compute import fields
from bayes_compute.cli import main
from bayes_compute.errors import InputError
from bayes_compute.facts import tables
from bayes_compute.observations import Observations
from bayes_compute.readings import Readings
from bayes_compute.report import write_fit
from bayes_compute.systems import data_folder, load_systems, read_shipped
from bayes_compute.table import Table

MUTATIONS = int(os.environ.get("FUZZ", "200"))
CHUNKS = 10  # tests among which mutations are shared out
SECONDS = 10.0

# --- what a table says, read again

NAMES = {
    "system": ["system", "Model", "System"],
    "publication_date": ["publication_date", "Publication date"],
    "training_compute_flop": [
        "training_compute_flop", "Training compute (FLOP)", "Training compute (FLOPs)",
    ],
    "parameters": ["parameters", "Parameters"],
    "training_compute_lower_flop": ["training_compute_lower_flop", "Training compute lower bound"],
    "training_compute_upper_flop": ["training_compute_upper_flop", "Training compute upper bound"],
    "training_dataset_size": ["training_dataset_size", "Training dataset size (datapoints)"],
    "epochs": ["epochs", "Epochs"],
    "training_time_hours": ["training_time_hours", "Training time (hours)"],
    "hardware_quantity": ["hardware_quantity", "Hardware quantity"],
    "hardware_utilization": [
        "hardware_utilization", "Hardware utilization (MFU)", "Hardware utilization",
    ],
    "confidence": ["confidence", "Confidence"],
    "domain": ["domain", "Domain"],
    "base_model": ["base_model", "Base model"],
}  # fmt: skip
FLOP = [name for name in NAMES if name.endswith("_flop")]
COUNTS = ["parameters", "training_dataset_size", "hardware_quantity"]
AMOUNTS = [*COUNTS, "epochs", "training_time_hours", "hardware_utilization"]
# Refusals of what single cells do not show.
OF_THE_WHOLE = (
    "which may be ", "orders of magnitude", "parameters so few", "no system left", "the criteria",
    "True or False", "day, month or year", "a finite number of 0 or more", "columns separated by",
    "columns for ", "text; expected a CSV",
)  # fmt: skip


def says(raw: bytes) -> list[tuple] | None:
    """Values of each row that is published by today, or None if the table is faulty."""
    try:
        lines = io.StringIO(raw.decode("utf-8-sig"), newline="")
        rows = [row for row in csv.reader(lines, strict=True) if row]
        header = [name.strip() for name in rows[0]]
        at = {name: header.index(n) for name, known in NAMES.items() for n in known if n in header}
        found = [
            tuple(value(n, row[at[n]]) if n in at else None for n in NAMES) for row in rows[1:]
        ]
    except (ValueError, IndexError, csv.Error):
        return None
    unequal = any(len(row) != len(header) for row in rows)
    if unequal or not found or b"\0" in raw or not {*list(NAMES)[:3]} <= at.keys():
        return None
    day = [row[1] or dt.date.min for row in found]
    return sorted(repr(row) for row, d in zip(found, day, strict=True) if d <= dt.date.today())


def value(name: str, cell: str):
    """What a cell says; ValueError if it does not."""
    cell = cell.strip()
    if not cell:
        return None
    if name == "publication_date":
        return date(cell)
    if name not in (*FLOP, *AMOUNTS):
        return " ".join(cell.split())
    if not re.fullmatch(r"[-+0-9.eE]+", cell, re.ASCII):
        raise ValueError(cell)
    number = float(cell)
    whole = number.is_integer() or number > 1e6
    inside = 1 <= number <= 1e60 if name in FLOP else 0 <= number < math.inf
    if not (inside and (whole or name not in COUNTS)):
        raise ValueError(cell)
    return None if number == 0 and name == "parameters" else number


def date(cell: str) -> dt.date:
    numbers = [int(part) for part in re.split("[-/]", cell)]
    if not re.fullmatch(r"\d{4}(-\d\d?){0,2}|\d\d?/\d\d?/\d{4}", cell, re.ASCII):
        raise ValueError(cell)
    year, month, day = (
        reversed(numbers) if "/" in cell else [*numbers, *[7, 1][len(numbers) - 1 :], 15][:3]
    )
    if len(numbers) == 2:
        day = 15
    if not 1900 <= year <= 2099:
        raise ValueError(cell)
    return dt.date(year, month, day)


def loaded(systems) -> list[str]:
    """Values that were loaded, as :func:`says` has them."""
    rows = []
    for _, row in systems.iterrows():
        values = [None if row[name] != row[name] else row[name] for name in NAMES]
        values[0] = None if str(values[0]).startswith("unnamed system (row ") else values[0]
        values[1] = values[1] and values[1].date()
        rows.append(
            repr(tuple(v if isinstance(v, str | dt.date | None) else float(v) for v in values))
        )
    return sorted(rows)


@contextmanager
def limit(what: str):
    """Fail if it takes too long."""

    def late(*_):
        raise TimeoutError(f"{what}: more than {SECONDS:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check_line(message: str, file: str) -> None:
    assert message.isprintable(), message
    assert len(message) < 1000 + len(file), message
    place = r"(, row \d+)?(, column ['\"].+['\"])?"
    assert re.fullmatch(rf"{re.escape(file)}{place}: got .+; expected .+; .+", message), message


def read_or_refuse(path: Path, what: str) -> str:
    """Load a table; it must say what it says, or be refused for a reason that it has."""
    expected = says(path.read_bytes())
    with limit(what):
        try:
            systems = load_systems(path, selection="all", fine_tunes=True)
        except InputError as error:
            check_line(str(error), str(path))
            refused_as_a_whole = any(words in str(error) for words in OF_THE_WHOLE)
            assert expected is None or refused_as_a_whole, f"{what}: nothing is wrong: {error}"
            return "refused"
        assert expected is not None, f"{what}: read, though faulty"
        once = [list(dict.fromkeys(rows)) for rows in (loaded(systems), expected)]  # no copies
        assert once[0] == once[1], f"{what}: read otherwise"
        Readings.from_systems(systems)
        try:
            Observations.from_systems(systems)
        except InputError as error:
            assert "systems: got " in str(error)
    return "read"


# --- tables drawn row by row

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
flop = st.floats(1, 1e30).map(repr)
sizes = st.integers(0, 10**15).map(str)
VALID = {
    "Model": names,
    "Publication date": st.dates(dt.date(1950, 1, 1), dt.date(2024, 12, 31)).map(str)
    | st.sampled_from(["2019", "2020-03", "15/10/2018", ""]),
    "Training compute (FLOP)": flop | st.just(""),
    "Parameters": sizes | st.just(""),
    "Domain": names,
    "Base model": names,
    "Epochs": st.floats(0, 1e6).map(repr),
    "Training dataset size (datapoints)": sizes,
    "Hardware utilization (MFU)": st.floats(0, 1).map(repr),
    "Notes": names,
}
SHIPPED = dict(zip(VALID, [
    "system", "publication_date", "training_compute_flop", "parameters", "domain", "base_model",
    "epochs", "training_dataset_size", "hardware_utilization", "notes",
], strict=True))  # fmt: skip
FAULTS = {
    "Publication date": [
        "2020-13-01", "2020-02-30", "10/15/2018", "15/10/18", "15.10.2018", "2020-1-1T00:00",
        "44119", "Oct 2018", "2020–01–01", "-2020", "20200101", "0020-01-01", "now",
    ],
    "Training compute (FLOP)": [
        "0", "-1e20", "1,5e20", "1e20 FLOP", "3.1e8 petaFLOP", "nan", "inf", "1e400", "0.31",
        "1e-9", "1e", "e20", "1.2.3", "10^20", "1e20.5", "0x10", "1_000", "１e9", "~1e20",
        "1e20-2e20", "٣",
    ],
    "Parameters": ["175B", "1.5", "0.125", "-1", "1 000", "1.000.000", "7e9 (MoE)", "—", "?"],
    "Epochs": ["-1", "two", "1;2", "1e309"],
    "Hardware utilization (MFU)": ["46 %", "0,46", "-0.1"],
}  # fmt: skip
table = st.lists(st.fixed_dictionaries(VALID), min_size=1, max_size=4)


def written(path: Path, rows: list[dict], shipped: bool) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SHIPPED.values() if shipped else VALID)
        writer.writerows([row[name] for name in VALID] for row in rows)
    return path


@settings(max_examples=40, deadline=None)
@given(rows=table, shipped=st.booleans())
def test_a_valid_table_is_read_as_it_says(rows, shipped, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("valid") / "mine.csv", rows, shipped)
    assert says(path.read_bytes()) is not None, "the drawn table is valid"
    assert read_or_refuse(path, str(rows)) == "read"


faults = st.sampled_from([(name, cell) for name, cells in FAULTS.items() for cell in cells])


@settings(max_examples=60, deadline=None)
@given(rows=table, shipped=st.booleans(), fault=faults, row=st.integers(0, 3))
def test_a_faulty_cell_is_refused_by_row_and_column(rows, shipped, fault, row, tmp_path_factory):
    (column, cell), row = fault, row % len(rows)
    rows = [dict(each) for each in rows]
    rows[row][column] = cell
    path = written(tmp_path_factory.mktemp("faulty") / "mine.csv", rows, shipped)
    with pytest.raises(InputError) as caught:
        load_systems(path, selection="all", fine_tunes=True)
    message, column = str(caught.value), SHIPPED[column] if shipped else column
    check_line(message, str(path))
    assert f", row {row + 2}, column {column!r}: got {cell!r}; expected " in message


# --- damaged downloads


@cache
def sources() -> list[list[list[str]]]:
    """Header and rows of real downloads beside the checkout, or else of the shipped tables."""
    beside = sorted(Path(__file__).parents[2].glob("*/raw/*.csv"))
    found = beside or sorted(data_folder().glob("systems_*.csv"))
    return [list(csv.reader(io.StringIO(path.read_text(encoding="utf-8")))) for path in found]


HOSTILE = [
    "", " ", "0", "-0", "-1", "+1e20", "1e20", "1E+20", "1e400", "-1e400", "1e308", "5e-324",
    "nan", "NaN", "inf", "-inf", "Infinity", "None", "null", "1,5", "1.5", "1,000,000", "1e-5",
    "1.000.000,5", "1 000", "1\u00a0000", "1_000", "１２", "٣٤", "1e", "e5", ".", ".5", "5.",
    "1e+-5", "--5", "0x1F", "1e5e5", "1e20 FLOP", "3.14e8 petaFLOP", "175B", "7 billion", "30 %",
    "$5", "1/2", "true", "No", "2020", "2020-1", "2020-01-01", "2020-02-30", "01/02/2020",
    "13/01/2020", "01/13/2020", "1/1/20", "20-01-01", "2020.01.01", "44000", "1899-12-31",
    "2100-01-01", "9999-99-99", "2020-01-01 00:00", "=1+1", "a\nb", "a\r\nb", "\x1b[31m",
    "\u202e", "\ufeff", "\u2028", "é" * 300, "9" * 5000, "'", '"', '""', "a,b", "a;b", "a\tb",
    "😀", "<script>", "%s", "{0}", "\\", "\x7f",
]  # fmt: skip
NEWLINES = ["\n", "\r\n", "\r", "\n\n", "\n \n", "\x0b", "\u2028", "\n\r"]
SEPARATORS = [";", "\t", "|", ", ", ",,", "\x1f", " "]
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig", "utf-7", "cp037"]


def text(rows: list[list[str]], **style) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **{"lineterminator": "\n"} | style).writerows(rows)
    return file.getvalue()


def known_columns(rows: list[list[str]]) -> list[int]:
    every = {name for known in NAMES.values() for name in known}
    return [i for i, name in enumerate(rows[0]) if name in every]


def a_cell(rng, rows):
    columns = known_columns(rows) if rng.random() < 0.8 else range(len(rows[0]))
    return rng.randrange(1, len(rows)), rng.choice(columns)


def hostile_cell(rng, rows):
    row, column = a_cell(rng, rows)
    rows[row][column] = rng.choice(HOSTILE)
    return text(rows).encode()


def cell_edited(rng, rows):
    """Another sign, exponent, decimal mark, unit, or order of a date."""
    row, column = a_cell(rng, rows)
    full = [r for r in range(1, len(rows)) if rows[r][column].strip()]
    row = rng.choice(full) if full else row
    cell = rows[row][column]
    edits = [
        f"-{cell}", f"+{cell}", f"{cell}0", f"{cell}e5", f"{cell}E15", f"{cell} FLOP", f"{cell}B",
        cell.replace(".", ","), cell.replace("E", "e"), cell.replace("E+", "E-"), cell.lower(),
        "/".join(reversed(cell.split("-"))), "-".join(reversed(cell.split("/"))), cell[::-1],
        re.sub(r"(\d+)/(\d+)/", r"\2/\1/", cell), re.sub(r"(\d\d)(\d\d)", r"\2", cell, count=1),
        re.sub(r"-(\d\d)-(\d\d)$", r"-\2-\1", cell), f" {cell}\n", f"\u00a0{cell}", f"{cell}\x0c",
        cell[:-1], cell[1:], cell * 2,
    ]  # fmt: skip
    rows[row][column] = rng.choice(edits)
    return text(rows).encode()


def cells_exchanged(rng, rows):
    (a, b), (c, d) = a_cell(rng, rows), a_cell(rng, rows)
    c, d = rng.choice([(a, d), (c, b), (c, d)])
    rows[a][b], rows[c][d] = rows[c][d], rows[a][b]
    return text(rows).encode()


def column_scaled(rng, rows):
    column, factor = rng.choice(known_columns(rows)), rng.choice([1e-15, 1e-12, 1e-9, 1e-6, 1e15])
    for row in rows[1:]:
        try:
            row[column] = repr(float(row[column]) * factor)
        except ValueError:
            continue
    return text(rows).encode()


def columns_changed(rng, rows):
    a, b = rng.sample(known_columns(rows), 2)
    name = rows[0][a]
    kind = rng.randrange(7)
    if kind == 0:
        rows[0][a], rows[0][b] = rows[0][b], name
    elif kind == 1:
        names = [
            name.upper(),
            name.lower(),
            f"{name} ",
            f"{name}s",
            name[:-1],
            f"{name} (billions)",
        ]
        rows[0][a] = rng.choice([*names, "", rows[0][b], "Training compute (petaFLOP)", "\ufeff"])
    for row in rows:
        if kind == 2:
            del row[a]
        elif kind == 3:
            row.insert(b, row[a])
        elif kind == 4:
            row[a], row[b] = row[b], row[a]
        elif kind == 5:
            row.append("")
        elif kind == 6:
            row.reverse()
    return text(rows).encode()


def rows_changed(rng, rows):
    at = rng.randrange(len(rows))
    kind = rng.randrange(6)
    if kind == 0:
        rows[at] = rows[at][: rng.randrange(len(rows[at]))]
    elif kind == 1:
        rows[at] += rng.choice([[""], ["x", "y"], rows[at]])
    elif kind == 2:
        rows.insert(rng.randrange(len(rows)), rows[at])
    elif kind == 3:
        rows.insert(at, rng.choice([[], [""], [" "], [""] * len(rows[0])]))
    elif kind == 4:
        del rows[at]
    else:
        rng.shuffle(rows)
    return text(rows).encode()


def written_otherwise(rng, rows):
    kind = rng.randrange(5)
    if kind == 0:
        return text(rows).encode(rng.choice(ENCODINGS), errors="ignore")
    if kind == 1:
        return b"\xef\xbb\xbf" * rng.choice([1, 2]) + text(rows).encode()
    if kind == 2:
        return text(rows, lineterminator=rng.choice(NEWLINES)).encode()
    if kind == 3:
        return text(rows).replace(",", rng.choice(SEPARATORS)).encode()
    style = rng.choice([{"quoting": csv.QUOTE_ALL}, {"quotechar": "'"}, {"delimiter": ";"}])
    return text(rows, **style).encode()


def bytes_changed(rng, rows):
    raw = bytearray(text(rows, lineterminator=rng.choice(["\n", "\r\n"])).encode())
    for _ in range(rng.choice([1, 1, 1, 2, 5, 40])):
        at, size = rng.randrange(len(raw) or 1), rng.choice([1, 1, 3, 200])
        kind = rng.randrange(7)
        if kind == 0 and raw:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del raw[at : at + size]
        elif kind == 2:
            raw[at:at] = raw[at : at + size]
        elif kind == 3:
            raw[at:at] = rng.choice(
                [b'"', b"'", b",", b";", b"\n", b"\r", b"\t", b"\0", b"\\", b"-"]
            )
        elif kind == 4 and raw:
            raw[at] = rng.choice(b'0123456789.,eE+-/" \n')
        elif kind == 5:
            raw[at : at + size] = bytes(rng.randrange(256) for _ in range(size))
        elif rng.random() < 0.1:
            del raw[at:]
    return bytes(raw)


def not_much(rng, rows):
    header, all_rows = text(rows[:1]).encode(), text(rows).encode()
    return rng.choice([
        b"", b"\n", b" \n \n", header, header.strip(), b"\xef\xbb\xbf", b"\0" * 10, all_rows * 2,
        b'"', b"," * 10_000, b'"' * 9999, b"\xff\xfe" + all_rows, b"PK\x03\x04" + all_rows,
        header + b"," * 100, b"a\n" * 1000, header + b'"' + b"x" * 200_000, all_rows[1:],
        b"\x1f\x8b" + all_rows, b"%PDF" + all_rows, all_rows[:-1], all_rows + b'"',
    ])  # fmt: skip


KINDS = [
    hostile_cell, hostile_cell, hostile_cell, cell_edited, cell_edited, cell_edited,
    cells_exchanged, column_scaled, columns_changed, rows_changed, written_otherwise,
    bytes_changed, bytes_changed, bytes_changed, not_much,
]  # fmt: skip


def damaged(seed: int) -> tuple[str, bytes]:
    """What was done to a part of a download, and the result."""
    rng = random.Random(seed)
    header, *rows = rng.choice(sources())
    n = len(rows) if rng.random() < 0.01 else rng.choice([2, 6, 12, 30])
    start = rng.randrange(len(rows) - n + 1)
    kind = rng.choice(KINDS)
    part = [list(row) for row in [header, *rows[start : start + n]]]
    return f"seed {seed}, {kind.__name__}", kind(rng, part)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_damaged_download_is_read_as_it_says_or_refused(chunk, tmp_path, capsys):
    found, failures = {"read": 0, "refused": 0}, []
    for seed in range(chunk, MUTATIONS, CHUNKS):
        what, raw = damaged(seed)
        path = tmp_path / "mine.csv"
        path.write_bytes(raw)
        try:
            found[read_or_refuse(path, what)] += 1
        except Exception as failure:  # all of them are told at once
            failures.append(f"{what}: {type(failure).__name__}: {str(failure)[:300]}")
    with capsys.disabled():
        if "FUZZ" in os.environ:
            print(f"\n{found}, {len(failures)} failures", end=" ")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("seed", range(0, min(MUTATIONS, 1000), 25))
def test_the_command_checks_a_damaged_download(seed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    what, raw = damaged(seed)
    Path("mine.csv").write_bytes(raw)
    with limit(what), pytest.raises(SystemExit) as stop:
        main(["data", "mine.csv"])
    out, err = capsys.readouterr()
    assert stop.value.code in (0, 2), what
    assert err.count("\n") == (stop.value.code == 2)
    assert bool(out) == (stop.value.code == 0)


def says_no_order(header: list[str], rows: list[list[str]]) -> bool:
    """Whether no date with strokes has a day above 12."""
    names = NAMES["publication_date"]
    at = next(i for i, name in enumerate(header) if name in names)
    dates = [row[at] for row in rows]
    days = [date.partition("/")[0] for date in dates if "/" in date]
    return bool(days) and max(map(int, days)) <= 12


def test_one_changed_cell_changes_no_other_row(tmp_path):
    path = tmp_path / "mine.csv"
    for seed in range(MUTATIONS // 5):
        rng = random.Random(seed)
        header, *rows = rng.choice(sources())
        start = rng.randrange(len(rows) - 12)
        part = [header, *rows[start : start + 12]]
        path.write_bytes(text(part).encode())
        if says_no_order(header, rows[start : start + 12]):
            continue
        before = loaded(load_systems(path, selection="all", fine_tunes=True))
        raw = rng.choice([hostile_cell, cell_edited])(rng, [list(row) for row in part])
        path.write_bytes(raw)
        try:
            after = loaded(load_systems(path, selection="all", fine_tunes=True))
        except InputError:
            continue
        gone = [row for row in before if row not in after]
        assert len(gone) <= 1, f"seed {seed}"


# --- damaged tables of facts, whose hash was renewed


@pytest.mark.parametrize("name", tables())
def test_a_damaged_table_of_facts_is_read_as_it_says_or_refused(name):
    shipped, schema = read_shipped(tables()[name]), tables()[name]["schema"]
    kinds = {field["name"]: field["type"] for field in schema["fields"]}
    for seed in range(max(10, MUTATIONS // 30)):
        rng = random.Random(seed)
        rows = [(row, list(cells)) for row, cells in shipped.rows[:20]]
        at, column = rng.randrange(len(rows)), rng.randrange(len(shipped.header))
        rows[at][1][column] = cell = rng.choice(HOSTILE)
        damaged = Table(shipped.file, shipped.header, rows, "")
        with limit(f"{name}, seed {seed}"):
            try:
                frame = fields.parse(damaged, schema)
            except InputError as error:
                check_line(str(error), shipped.file)
                continue
        read = frame.iloc[at, column]
        if kinds[shipped.header[column]] in ("number", "integer", "year"):
            assert read == float(cell) if cell.strip() else read != read


# --- damaged results


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_fit(synthetic_fit(), folder)
    return folder


def bytes_damaged(rng, raw: bytes) -> bytes:
    found = bytearray(raw)
    for _ in range(rng.choice([1, 1, 3, 30])):
        at, size = rng.randrange(len(found) or 1), rng.choice([1, 4, 400])
        kind = rng.randrange(5)
        if kind == 0 and found:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at : at + size]
        elif kind == 2:
            found[at:at] = found[at : at + size]
        elif kind == 3:
            found[at : at + size] = bytes(size)
        elif rng.random() < 0.2:
            del found[at:]
    return bytes(found)


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("quote", "summary.json"),
        ("quote", "diagnostics.json"),
        ("compare", "summary.json"),
        ("compare", "posterior.nc"),
        ("compare", "diagnostics.json"),
        ("project", "summary.json"),
        ("project", "posterior.nc"),
    ],
)
def test_damaged_results_are_refused(file, command, finished, tmp_path, monkeypatch, capsys):
    without_ceilings(monkeypatch)
    monkeypatch.setattr("bayes_compute.report._write_figures", lambda *_: None)
    whole = (finished / file).read_bytes()
    for seed in range(max(3, MUTATIONS // 100)):
        shutil.rmtree(tmp_path)
        shutil.copytree(finished, tmp_path)
        raw = bytes_damaged(random.Random(seed), whole)
        if raw == whole:
            continue
        (tmp_path / file).write_bytes(raw)
        given = [finished, tmp_path] if command == "compare" else [tmp_path]
        with limit(f"{file}, seed {seed}"), pytest.raises(SystemExit) as stop:
            main([command, *map(str, given)])
        out, err = capsys.readouterr()
        # Nothing else of diagnostics is asked, and a quote asks for the summary alone.
        asked = ["summary.json"] if command == "quote" else ["summary.json", "posterior.nc"]
        if file != "diagnostics.json" or hashes(raw, asked) != hashes(whole, asked):
            assert (stop.value.code, out) == (2, ""), f"seed {seed}"
        assert err.count("\n") == (stop.value.code == 2)


def hashes(raw: bytes, of: list[str]) -> list[str] | None:
    try:
        return [json.loads(raw)["sha256"][name] for name in of]
    except (ValueError, KeyError, TypeError):
        return None
