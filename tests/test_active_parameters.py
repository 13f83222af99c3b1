import csv
import hashlib
import json

import pytest

from bayes_compute.systems import data_folder, load_systems, shipped, with_active_parameters

FOLDER = data_folder()


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "active_parameters.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tables():
    return [load_systems(name, selection="all", fine_tunes=True) for name in reversed(shipped())]


def test_datapackage_agrees_with_the_file(rows):
    package = json.loads((FOLDER / "datapackage.json").read_text(encoding="utf-8"))
    (entry,) = (each for each in package["resources"] if each["name"] == "active-parameters")
    raw = (FOLDER / entry["path"]).read_bytes()
    fields = entry["schema"]["fields"]
    assert entry["bytes"] == len(raw)
    assert entry["hash"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert list(rows[0]) == [field["name"] for field in fields]
    assert all(("unit" in field) == (field["type"] == "number") for field in fields)
    assert entry["description"].startswith(f"{len(rows)} ")


def test_every_cell_is_filled_and_every_system_given_once(rows):
    assert all(value and value.strip() == value for row in rows for value in row.values())
    assert len({row["system"] for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} <= {"mixture of experts", "embedding"}


def test_systems_are_those_of_the_tables_of_systems(rows, tables):
    for row in rows:
        found = [table[table["system"] == row["system"]] for table in tables]
        newest = next(each for each in found if len(each))
        assert all(len(each) <= 1 for each in found), row["system"]
        assert f"{newest['publication_date'].item():%Y-%m-%d}" == row["publication_date"]
        if row["system"] != "Phi-3.5-MoE":  # the table has 16 times 3.8e9
            assert newest["parameters"].item() == pytest.approx(float(row["parameters"]), rel=0.03)


def test_fewer_are_active_than_there_are(rows):
    assert all(float(row["active_parameters"]) < float(row["parameters"]) / 2 for row in rows)


def test_active_parameters_replace_the_total_of_these_systems_only(rows, tables):
    for systems in tables:
        changed = with_active_parameters(systems)
        mixtures = systems["system"].isin([row["system"] for row in rows])
        assert mixtures.any()
        expected = {row["system"]: float(row["active_parameters"]) for row in rows}
        assert changed.loc[mixtures, "parameters"].tolist() == [
            expected[name] for name in systems.loc[mixtures, "system"]
        ]
        assert (changed.loc[mixtures, "parameters"] < systems.loc[mixtures, "parameters"]).all()
        assert changed.loc[~mixtures].equals(systems.loc[~mixtures])
        assert changed.attrs == systems.attrs
