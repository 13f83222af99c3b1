import csv
import datetime as dt
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_compute import systems as reading
from bayes_compute.errors import InputError
from bayes_compute.schema import COLUMNS
from bayes_compute.systems import describe, load_systems, shipped

HEADER = "system,publication_date,training_compute_flop,parameters"
ROW = "Alpha,2020-01-02,1e20,1e9"


def with_compute(systems: pd.DataFrame) -> pd.DataFrame:
    return systems.dropna(subset=["training_compute_flop", "publication_date"])


@pytest.fixture
def write(tmp_path):
    def to_file(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


def refusal(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        load_systems(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- the shipped tables


def test_march_2022_has_493_systems_129_with_compute_and_107_with_parameters():
    systems = load_systems("systems-2022-03")
    compute = with_compute(systems)
    assert len(systems) == 493
    assert len(compute) == 129
    assert len(compute.dropna(subset=["parameters"])) == 107
    assert systems["publication_date"].dt.strftime("%Y-%m-%d").max() == "2022-03-01"


@pytest.mark.parametrize(
    ("as_of", "fine_tunes", "count"),
    [(None, True, 484), (None, False, 429), ("2022-03-12", True, 316), ("2022-03-12", False, 301)],
)
def test_august_2025_counts_of_notable_systems(as_of, fine_tunes, count):
    systems = load_systems("systems-2025-08", as_of=as_of, fine_tunes=fine_tunes)
    assert len(with_compute(systems)) == count


def test_august_2025_counts_of_all_systems():
    systems = load_systems("systems-2025-08", selection="all", fine_tunes=True)
    assert len(systems) == 1892
    assert len(with_compute(systems)) == 988


def test_columns_and_their_types():
    systems = load_systems("systems-2025-08")
    assert list(systems) == [*COLUMNS, "fine_tune"]
    assert systems["publication_date"].dtype.kind == "M"
    assert systems["fine_tune"].dtype == bool
    assert systems["training_compute_flop"].dtype == float
    assert systems["training_cost_usd_2023"].dtype == float
    assert systems["publication_date"].is_monotonic_increasing


def test_source_and_report_say_what_was_read():
    systems = load_systems("systems-2025-08", as_of=dt.date(2022, 3, 12))
    raw = (reading.data_folder() / "systems_2025-08.csv").read_bytes()
    assert systems.attrs["source"] == {
        "name": "systems-2025-08",
        "rows": 506,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "as_of": "2022-03-12",
        "vintage": "2025-08-31",
        "selection": "notable",
    }
    report = systems.attrs["report"]
    assert json.loads(json.dumps(systems.attrs)) == systems.attrs
    assert report["read"] == report["kept"] + sum(report["dropped"].values()) == 1892
    assert report["dropped"] == {
        "published after 2022-03-12": 1190,
        "not notable": 176,
        "fine-tuned from a base model": 20,
    }


def test_describe_gives_counts_and_provenance():
    text = describe(load_systems("systems-2022-03"))
    assert "systems-2022-03: 493 of 493 systems, selection all, as of 2022-03-13" in text
    assert "129 with training compute and date, 107 of them with parameters" in text
    assert "note: 2 undated systems kept" in text


def test_undated_systems_are_dropped_only_by_an_earlier_as_of():
    systems = load_systems("systems-2022-03", as_of="2022-03-12")
    assert systems.attrs["report"]["dropped"] == {"undated": 2}
    assert load_systems("systems-2022-03")["publication_date"].isna().tolist()[-3:] == [
        False,
        True,
        True,
    ]


def test_as_of_later_than_the_table_is_taken_as_the_table_date():
    systems = load_systems("systems-2022-03", as_of="2030-01-01")
    assert systems.attrs["source"]["as_of"] == "2022-03-13"
    assert any("2030-01-01 is later" in note for note in systems.attrs["report"]["notes"])


def test_as_of_keeps_what_was_published_on_that_day(write):
    path = write(f"{HEADER}\n{ROW}\nBeta,2020-01-03,1e20,")
    assert load_systems(path, as_of="2020-01-02")["system"].tolist() == ["Alpha"]


@pytest.mark.parametrize("as_of", [pd.Timestamp("2020-05-01 10:00"), "2020-05-01"])
def test_as_of_takes_dates_and_text(as_of):
    assert load_systems("systems-2022-03", as_of=as_of).attrs["source"]["as_of"] == "2020-05-01"


def test_datapackage_agrees_with_files_and_schema():
    folder = reading.data_folder()
    for entry in shipped().values():
        raw = (folder / entry["path"]).read_bytes()
        fields = entry["schema"]["fields"]
        header = raw.decode().splitlines()[0].split(",")
        assert entry["bytes"] == len(raw)
        assert entry["hash"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"
        assert header == [field["name"] for field in fields]
        assert header == [name for name in ["vintage", *COLUMNS] if name in header]
        assert ("vintage" in header) == ("vintages" in entry) == (len(header) < len(COLUMNS))
        assert all(("unit" in field) == (field["type"] == "number") for field in fields)


def test_shipped_tables_come_oldest_first():
    assert list(shipped()) == [
        "systems-2022-03",
        "systems-2022-11",
        "systems-2023-12",
        "systems-2024-05",
        "systems-2024-11",
        "systems-2025-04",
        "systems-2025-08",
    ]


def test_changed_shipped_table_is_refused(tmp_path, monkeypatch):
    for file in reading.data_folder().glob("*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    changed = tmp_path / "systems_2022-03.csv"
    changed.write_text(changed.read_text().replace("Theseus,1952", "Theseus,1951"))
    monkeypatch.setattr(reading, "data_folder", lambda: tmp_path)
    assert "the shipped table was changed" in refusal("systems-2022-03")


# --- what loads


def test_year_and_month_dates(write):
    systems = load_systems(write(f"{HEADER}\nA,2019,1e20,\nB,2020-03,1e20,\nC,2021-04-05,1e20,"))
    assert systems["publication_date"].astype(str).tolist() == [
        "2019-07-01",
        "2020-03-15",
        "2021-04-05",
    ]
    assert systems["date_precision"].tolist()[:2] == ["year", "month"]
    assert systems["date_precision"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("content", [f"{HEADER}\n{ROW}\n", f"{HEADER}\r\n{ROW}\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(write, content, mark):
    assert load_systems(write(mark + content))["system"].tolist() == ["Alpha"]


def test_names_are_put_on_one_line_kept_when_repeated_and_made_when_missing(write):
    rows = '"Al\n pha",2020,1,\n\nAlpha,2020,2,\nAl pha,2020,3,\n ,2020,4,'
    systems = load_systems(write(f"{HEADER}\n{rows}"))
    names = ["Al pha", "Alpha", "Al pha", "unnamed system (row 6)"]
    assert systems["system"].tolist() == names
    assert "1 repeated names" in systems.attrs["report"]["notes"]
    assert "1 systems without a name" in systems.attrs["report"]["notes"]


def test_future_systems_are_dropped_and_counted(write):
    systems = load_systems(write(f"{HEADER}\n{ROW}\nBeta,2099-09-13,1e20,"))
    assert systems["system"].tolist() == ["Alpha"]
    assert list(systems.attrs["report"]["dropped"].values()) == [1]


def test_unknown_columns_are_ignored(write):
    assert len(load_systems(write(f"Notes,{HEADER},Notes,\n,{ROW},,"))) == 1


def test_zero_parameters_are_unknown(write):
    systems = load_systems(write(f"{HEADER}\nAlpha,2020,1e20,0.00E+00"))
    assert systems["parameters"].isna().tolist() == [True]
    assert "1 parameter counts of 0: taken as unknown" in systems.attrs["report"]["notes"]


def test_old_download_columns(write):
    header = "System,Publication date,Parameters,Training compute (FLOPs),Inclusion criteria"
    rows = "A,20/01/2022,7.05E+08,7.10E+21,SOTA Improvement\nB,11/8/2021,,,"
    systems = load_systems(write(f"{header}\n{rows}"), selection="all")
    assert systems["publication_date"].astype(str).tolist() == ["2021-08-11", "2022-01-20"]
    assert systems["notable"].tolist() == [False, True]
    assert systems["parameters"].tolist()[1] == 7.05e8
    assert systems["training_compute_flop"].tolist()[1] == 7.1e21
    assert "2 dates read as DD/MM/YYYY" in systems.attrs["report"]["notes"]


def test_new_download_columns(write):
    header = "Model,Publication date,Training compute (FLOP),Notability criteria,Base model"
    rows = "A,2025-01-20,4e24,Training cost,\nB,2025-01-21,5e24,Highly cited,A\nC,2025-01-22,,,"
    path = write(f"{header}\n{rows}")
    assert load_systems(path)["system"].tolist() == ["A"]
    assert load_systems(path, fine_tunes=True)["fine_tune"].tolist() == [False, True]


table = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
        st.dates(dt.date(1950, 1, 1), dt.date(2020, 12, 31)),
        st.none() | st.floats(1, 1e60),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,  # so few that no median is held against their dates
    unique_by=lambda row: (" ".join(row[0].split()), *row[1:]),
)


@settings(max_examples=25, deadline=None)
@given(rows=table)
def test_what_is_written_is_read_back(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "publication_date", "training_compute_flop", "notable"])
        writer.writerows(rows)
    once = load_systems(path, selection="all", as_of="2020-12-31")
    once.to_csv(path, index=False)
    again = load_systems(path, selection="all", as_of="2020-12-31")
    pd.testing.assert_frame_equal(once, again, check_names=True)
    expected = sorted(rows, key=lambda row: row[1])
    named = [" ".join(name.split()) for name, *_ in expected]
    read = ["" if name.startswith("unnamed system (row") else name for name in once["system"]]
    assert read == named
    assert once["publication_date"].dt.date.tolist() == [day for _, day, _, _ in expected]
    flop = [np.nan if value is None else value for *_, value, _ in expected]
    np.testing.assert_array_equal(once["training_compute_flop"], flop)
    assert once["notable"].tolist() == [notable for *_, notable in expected]


# --- what is refused

NUMBER = "expected a positive, finite number"


@pytest.mark.parametrize(
    "value", ["0", "-1e20", "inf", "nan", "1e999", "1e-999", "1e61", "1_000", "N/A"]
)
def test_compute_that_is_not_a_positive_number(write, value):
    message = refusal(write(f"{HEADER}\n{ROW}\nBeta,2020-01-03,{value},"))
    assert f"mine.csv, row 3, column 'training_compute_flop': got '{value}'; {NUMBER}" in message
    assert "correct the cell, or leave it empty" in message


@pytest.mark.parametrize("value", ["1e24 (estimate)", '"1,000"', "１e9", "175B"])
def test_text_in_a_number_column(write, value):
    message = refusal(write(f"{HEADER}\nBeta,2020-01-03,1e20,{value}"))
    assert f"row 2, column 'parameters': got '{value.strip(chr(34))}'" in message
    assert "expected a finite number of 0 or more" in message


@pytest.mark.parametrize(
    "value", ["soon", "2020-02-30", "13/25/2022", "2019-13", "20220101", "1022-01-01"]
)
def test_text_that_is_no_date(write, value):
    message = refusal(write(f"{HEADER}\nBeta,{value},1e20,"))
    assert f"row 2, column 'publication_date': got '{value}'" in message
    assert "YYYY-MM-DD, DD/MM/YYYY, YYYY-MM or YYYY" in message


def test_row_is_counted_as_a_spreadsheet_does(write):
    message = refusal(write(f'{HEADER}\n"Al\npha",2020,1e20,\n\nBeta,2020,no,'))
    assert "row 4, column 'training_compute_flop': got 'no'" in message


def test_flags_and_precision_are_checked(write):
    header = "system,publication_date,training_compute_flop,notable,date_precision"
    assert "'notable': got 'maybe'; expected True or False" in refusal(
        write(f"{header}\nA,2020,1,maybe,")
    )
    assert "'date_precision': got 'week'; expected day, month or year" in refusal(
        write(f"{header}\nA,2020-01-01,1,True,week")
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "got an empty file"),
        (" \n\n", "got an empty file"),
        (f"{HEADER}\n", "got a header without rows"),
        (
            "system,publication_date,compute\nA,2020,1",
            "row 1: got no column 'training_compute_flop' among 'system, publication_date, compute'"
            "; expected one of 'training_compute_flop', 'Training compute (FLOP)'",
        ),
        (
            "System,Publication date,Training compute (flops)\nA,2020,1",
            "row 1: got no column 'training_compute_flop' among 'System, Publication date, "
            "Training compute (flops)'; expected one of 'training_compute_flop', "
            "'Training compute (FLOP)', 'Training compute (FLOPs)'; "
            "rename 'Training compute (flops)'",
        ),
        (f"{HEADER}\n{ROW}\nA,2020,1", "row 3: got 3 cells; expected 4"),
        (f"{HEADER}\nA,2020,1,000,000,", "row 2: got 6 cells; expected 4"),
        (f'{HEADER}\n{ROW}\nA,2020,1,"2\n{ROW}', "row 3: got broken CSV"),
        (f"{HEADER}\n{ROW}".replace(",", ";"), "row 1: got columns separated by semicolons"),
        (f"{HEADER}\n{ROW}".replace(",", "\t"), "row 1: got columns separated by tabs"),
        (
            f"{HEADER},parameters\n{ROW},1",
            "row 1: got 2 columns for parameters: 'parameters', 'parameters'; expected one",
        ),
        (
            f"{HEADER},Parameters\n{ROW},1",
            "row 1: got 2 columns for parameters: 'parameters', 'Parameters'; expected one",
        ),
        (f"{HEADER}\n{ROW}".encode("utf-16"), "got UTF-16 text; expected a CSV file in UTF-8"),
        (f"{HEADER}\n{ROW}".encode("utf-16-le"), "row 1: got a NUL byte"),
        (f"{HEADER}\n{ROW}\nCafé,2020,1,".encode("latin-1"), "row 3: got the byte 0xe9"),
        (f"{HEADER}\n{ROW}\nA\0,2020,1,", "row 3: got a NUL byte"),
        (b"\x89PNG\r\n\x1a\n\0\0", "got a PNG image"),
        (b"PK\x03\x04\x14\0", "got a zip archive or Excel workbook"),
        (b"PAR1\x15\0", "got a Parquet file"),
        (b"<!DOCTYPE html>\n<html></html>", "row 1: got no column 'system'"),
        (b"x" * 200_000 + b"\0", "got a NUL byte"),
    ],
)
def test_files_that_are_no_table(write, content, text):
    message = refusal(write(content))
    assert text in message
    assert "mine.csv" in message
    assert message.count(";") >= 2  # got; expected; remedy


def test_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    assert "got 65 MiB; expected at most 64 MiB" in refusal(path)


def test_directory(tmp_path):
    assert "got a directory; expected a CSV file" in refusal(tmp_path)
    assert ".: got a directory" in refusal("")


@pytest.mark.skipif(os.name != "posix", reason="needs a device file")
def test_device():
    assert "got a device or pipe" in refusal("/dev/null")


@pytest.mark.skipif(os.name != "posix", reason="needs such a name")
def test_a_name_that_is_not_printable_does_not_reach_a_message(write):
    message = refusal(write("", "a\x1b[31m\udcffb.csv"))
    assert message.isprintable()
    assert "a [31m b.csv: got an empty file" in message


def test_missing_file_suggests_a_shipped_name(tmp_path):
    assert "did you mean 'systems-2022-03'?" in refusal("systems-2022-3")
    assert "did you mean 'systems-2025-08'?" in refusal("data/systems_2025_08.csv")
    message = refusal(tmp_path / "none.csv")
    assert "none.csv: got no such file" in message
    assert f"one of {', '.join(shipped())}; check the path" in message


@pytest.mark.parametrize("thing", [None, 3, b"systems-2022-03"])
def test_neither_name_nor_path(thing):
    assert "expected a name or a path" in refusal(thing)


@pytest.mark.parametrize("as_of", ["soon", "2022", "13/03/2022", "2022-02-30", 2022, pd.NaT, ""])
def test_as_of_that_is_no_date(as_of):
    assert f"as_of: got {as_of!r}; expected a date as YYYY-MM-DD" in refusal(
        "systems-2022-03", as_of=as_of
    )


def test_as_of_before_every_system():
    message = refusal("systems-2022-03", as_of="1900-01-01")
    assert "got no system left (491 published after 1900-01-01, 2 undated)" in message
    assert "the first is of 1952-01-08" in message


def test_unknown_selection():
    message = refusal("systems-2025-08", selection="frontier")
    assert 'selection: got \'frontier\'; expected "notable" or "all"' in message


def test_notable_of_a_source_without_the_flag():
    message = refusal("systems-2022-03", selection="notable")
    assert 'got selection "notable"; expected a source that flags them; choose "all"' in message


def test_nothing_left(write):
    header = "Model,Publication date,Training compute (FLOP),Notability criteria,Base model"
    path = write(f"{header}\nA,2020,1,,\n")
    assert (
        'no system left (1 not notable); expected at least one; choose the selection "all"'
        in refusal(path)
    )
    path = write(f"{header}\nA,2020,1,Highly cited,B\n")
    assert "(1 fine-tuned from a base model); expected at least one; ask for fine-tunes" in refusal(
        path
    )
    path = write(f"{header}\nA,,1,Highly cited,\n")
    assert "(1 undated); expected at least one; fill in dates" in refusal(path, as_of="2020-01-01")


# --- whole downloads, where a folder beside the checkout holds them


def beside(pattern: str) -> Path:
    found = sorted(Path(__file__).parents[2].glob(f"*/{pattern}"))
    return found[0] if found else pytest.skip(f"no {pattern} beside the checkout")


def test_old_download_agrees_with_its_vintage():
    old = beside("raw/all_ml_systems_2022-11.csv")
    systems = with_compute(load_systems(old, as_of="2022-11-22", selection="all"))
    vintage = load_systems("systems-2022-11", selection="all")
    columns = ["system", "publication_date", "notable", "parameters", "training_compute_flop"]
    order = ["publication_date", "system"]
    pd.testing.assert_frame_equal(
        systems.loc[:, columns].sort_values(order, ignore_index=True),
        vintage.loc[:, columns].sort_values(order, ignore_index=True),
    )


def test_new_download_loads():
    new = beside("raw/notable_ai_models_2025-02-24.csv")
    systems = load_systems(new, as_of="2025-02-24", fine_tunes=True)
    assert len(systems) == 895
    assert len(with_compute(systems)) == 451
    assert systems["notable"].tolist() == [True] * 895
