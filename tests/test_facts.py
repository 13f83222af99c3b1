import csv
import hashlib
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from bayes_compute import systems as reading
from bayes_compute.errors import InputError
from bayes_compute.facts import describe, load_facts, tables
from bayes_compute.systems import data_folder, load_systems, shipped

# Rows, and the first and last event that dates one.
TABLES = {
    "active-parameters": (31, "2020-06-30", "2025-05-07"),
    "accelerators": (176, "2008-06-16", "2026-03-11"),
    "accelerator-prices": (591, "2010-11-09", "2025-03-17"),
    "aws-prices": (28, "2006-08-24", "2025-06-30"),
    "ai-clusters": (786, "2010-11-15", "2025-10-15"),
    "data-centers": (424, "2018-12-18", "2030-01-01"),
    "supercomputer-costs": (29, "1997", "2025"),
    "reliability": (39, "2006", "2026-05"),
    "llama3-interruptions": (18, None, None),
    "titan-gpu-failures": (23, "2014Q1", "2019Q3"),
    "top500": (67, "1993-06", "2026-06"),
    "system-vintages": (3070, "2022-11-22", "2025-04-22"),
}
VINTAGES = {
    "systems-2022-11": (166, 99),
    "systems-2023-12": (419, 278),
    "systems-2024-05": (653, 390),
    "systems-2024-11": (861, 476),
    "systems-2025-04": (970, 489),
}


def refusal(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        load_facts(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def dates(table: pd.DataFrame, name: str) -> pd.Series:
    column = table[tables()[name]["asOfColumn"]].dropna()
    return column.dt.strftime("%Y-%m-%d") if column.dtype.kind == "M" else column.astype(str)


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Change a copy of a shipped table, as its maker would: with its hash."""
    shutil.copytree(data_folder(), tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(reading, "data_folder", lambda: tmp_path)

    def change(name, old, new, hashed=True):
        package = json.loads((tmp_path / "datapackage.json").read_text(encoding="utf-8"))
        (entry,) = (each for each in package["resources"] if each["name"] == name)
        path = tmp_path / entry["path"]
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
        if hashed:
            entry["hash"] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        (tmp_path / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")

    return change


# --- every table


def test_these_are_the_tables():
    assert set(tables()) == set(TABLES)
    assert not set(tables()) & set(shipped())


@pytest.mark.parametrize("name", TABLES)
def test_table_has_its_rows_and_dates(name):
    table = load_facts(name)
    rows, first, last = TABLES[name]
    assert len(table) == table.attrs["rows"] == rows
    if first is not None:
        assert (dates(table, name).min(), dates(table, name).max()) == (first, last)


@pytest.mark.parametrize("name", TABLES)
def test_attrs_say_where_a_table_comes_from(name):
    entry = tables()[name]
    raw = (data_folder() / entry["path"]).read_bytes()
    attrs = load_facts(name, as_of="2030-12-31").attrs
    assert attrs["name"] == name
    assert attrs["title"] == entry["title"]
    assert attrs["sources"] == [source["title"] for source in entry["sources"]] != []
    assert attrs["sha256"] == hashlib.sha256(raw).hexdigest()
    assert attrs["as_of"] == "2030-12-31"
    assert json.loads(json.dumps(attrs)) == attrs
    assert load_facts(name).attrs["as_of"] is None


@pytest.mark.parametrize("name", TABLES)
def test_datapackage_agrees_with_the_file(name):
    entry = tables()[name]
    raw = (data_folder() / entry["path"]).read_bytes()
    fields = entry["schema"]["fields"]
    header = next(csv.reader(raw.decode().splitlines()))
    assert entry["bytes"] == len(raw)
    assert entry["hash"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert header == [field["name"] for field in fields] == list(load_facts(name))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in header)
    assert all(("unit" in f) == (f["type"] in ("number", "integer")) for f in fields)
    assert ("asOfColumn" in entry) != ("published" in entry)
    assert b"\r" not in raw


@pytest.mark.parametrize("name", TABLES)
def test_readme_gives_every_column_with_its_unit(name):
    text = (data_folder() / "README.md").read_text(encoding="utf-8")
    entry = tables()[name]
    (section,) = re.findall(
        rf"^#+ `{re.escape(entry['path'])}` .*?(?=^##|\Z)", text, re.MULTILINE | re.DOTALL
    )
    for field in entry["schema"]["fields"]:
        unit = field.get("unit", "")
        assert f"| `{field['name']}` | {unit} | {field['description']} |" in section


def test_no_table_writes_flop_with_an_s():
    for entry in [*tables().values(), *shipped().values()]:
        text = (data_folder() / entry["path"]).read_text(encoding="utf-8")
        assert not re.search("FLOPS|_flops", text), entry["path"]


def test_missing_is_missing_and_types_are_those_of_the_schema():
    clusters = load_facts("ai-clusters")
    assert clusters["first_operational_date"].dtype.kind == "M"
    assert clusters["first_operational_date"].isna().sum() == 178
    assert clusters["standard_analysis"].dtype == bool
    assert clusters["max_op_s"].dtype == float
    assert clusters["owner"].isna().sum() == 284
    assert load_facts("titan-gpu-failures")["failures"].dtype.kind == "i"
    assert load_facts("supercomputer-costs")["year"].dtype.kind == "i"


# --- as_of


@pytest.mark.parametrize("name", TABLES)
def test_as_of_keeps_what_is_dated_by_then(name):
    whole = load_facts(name)
    early, late = load_facts(name, "2018-12-31"), load_facts(name, "2100-01-01")
    assert len(whole) - len(late) == late.attrs["dropped"].get("undated", 0)
    assert sum(early.attrs["dropped"].values()) == len(whole) - len(early) > 0
    assert load_facts(name, "1950-01-01").shape == (0, whole.shape[1])
    if "asOfColumn" in tables()[name] and len(early):
        assert dates(early, name).max()[:4] <= "2018"


def test_as_of_drops_a_planted_later_row(edit):
    edit("accelerators", "Meta MTIA 300,Meta,Other,2026-03-11", "Late,Meta,Other,2022-07-01")
    assert "Late" in set(load_facts("accelerators", "2022-07-01")["hardware"])
    assert "Late" not in set(load_facts("accelerators", "2022-06-30")["hardware"])


@pytest.mark.parametrize(
    ("name", "column", "value", "before", "by"),
    [
        ("top500", "list", "2022-06", "2022-06-29", "2022-06-30"),
        ("titan-gpu-failures", "quarter", "2016Q1", "2016-03-30", "2016-03-31"),
        ("supercomputer-costs", "year", 2022, "2022-12-30", "2022-12-31"),
        ("reliability", "published", "2024-07", "2024-07-30", "2024-07-31"),
        ("reliability", "published", "2025", "2025-12-30", "2025-12-31"),
        ("llama3-interruptions", "component", "NIC", "2024-07-30", "2024-07-31"),
        ("system-vintages", "vintage", pd.Timestamp("2023-12-20"), "2023-12-19", "2023-12-20"),
    ],
)
def test_a_period_counts_from_its_last_day(name, column, value, before, by):
    assert value not in set(load_facts(name, before)[column])
    assert value in set(load_facts(name, by)[column])


def test_as_of_that_is_no_date():
    assert "as_of: got 'soon'; expected a date as YYYY-MM-DD" in refusal("top500", as_of="soon")


# --- what is refused


@pytest.mark.parametrize("name", ["prices", "systems-2025-08", "", None, 3, ["top500"]])
def test_unknown_name_lists_what_there_is(name):
    message = refusal(name)
    assert f"load_facts: got {name!r}; expected one of " in message
    assert all(known in message for known in tables())


def test_unknown_name_suggests_a_near_one():
    assert "did you mean 'accelerator-prices'?" in refusal("Accelerator_prices")


def test_changed_table_is_refused(edit):
    edit("top500", "1.102e+18", "1.202e+18", hashed=False)
    assert re.search(
        "top500_lists.csv: got sha256 .*the shipped table was changed", refusal("top500")
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "text"),
    [
        ("top500", "2022-06,2022-06-01", "2022-6,2022-06-01", r"row 60, column 'list': .* YYYY-MM"),
        ("top500", "1993-06-01", "1993-06", r"row 2, column 'list_date': .* date as YYYY-MM-DD"),
        ("top500", ",71120,", ",71120.5,", r"row 2, column 'sum_cores': .* whole number"),
        ("top500", ",71120,", f",{'9' * 5000},", r"row 2, column 'sum_cores': .* whole number"),
        ("top500", ",71120,", f",{'9' * 30},", r"row 2, column 'sum_cores': .* whole number"),
        ("top500", ",71120,", ",,", r"row 2, column 'sum_cores': got ''; expected a value"),
        ("top500", ",71120,0,", ",71120,501,", r"'n_power_reported': .* between 0 and 500"),
        ("top500", "n1_name", "name", r"row 1: got the columns 'list, list_date, name"),
        ("top500", "1993-11,", "1993-06,", r"row 3, column 'list': got '1993-06' again"),
        ("accelerators", "GPU,2026-01-26,", "GPU,2026-01-26,-1", r"row 3, .*'release_price_usd'"),
        ("accelerators", "GPU,2026-01-26,", "GPU,2026-01-26,1 USD", r"got '1 USD'; .* number"),
        ("ai-clusters", "Planned", "Dreamt", r"'status': got 'Dreamt'; expected one of Existing"),
        ("ai-clusters", ",False,False", ",,False", r"'possible_duplicate': got ''"),
        ("ai-clusters", ",False,False", ",no,False", r"got 'no'; expected True or False"),
        ("titan-gpu-failures", "2014Q1", "2014-1", r"'quarter': got '2014-1'; expected text"),
        ("data-centers", "2025-09-08", "2025-02-28", r"'data_center, date': got .* again"),
        ("active-parameters", "Switch,", "GLaM,", r"row 4, column 'system': got 'GLaM' again"),
    ],
)
def test_bad_table_is_one_line(edit, name, old, new, text):
    edit(name, old, new)
    assert re.search(text, refusal(name))


# --- a figure or two of each against what is well known


def test_rates_of_the_a100_and_h100_are_dense():
    rates = load_facts("accelerators").set_index("hardware")
    assert rates.at["NVIDIA A100", "tensor_fp16_flop_s"] == 312e12
    assert rates.at["NVIDIA H100 SXM5 80GB", "tensor_fp16_flop_s"] == pytest.approx(989e12, 1e-3)
    assert rates.at["NVIDIA H100 SXM5 80GB", "int8_op_s"] == pytest.approx(1979e12, 1e-3)
    assert rates.at["NVIDIA Tesla V100 SXM2 32 GB", "tensor_fp16_flop_s"] == 125e12
    assert rates.at["Google TPU v4", "tensor_fp16_flop_s"] == 275e12
    assert rates.at["NVIDIA H100 SXM5 80GB", "tdp_w"] == 700


def test_rents_of_the_k80_and_h100():
    prices = load_facts("accelerator-prices")
    rent = prices[prices["vendor"] == "Amazon Web Services"].groupby("hardware")
    assert rent["usd_per_chip_hour_on_demand"].first()["NVIDIA Tesla K80"] == 0.9
    assert rent["usd_per_chip_hour_on_demand"].max()["NVIDIA H100 SXM5 80GB"] == 12.29
    known = ["usd_per_chip_hour_on_demand", "usd_per_chip_hour_1_year", "usd_per_chip_hour_3_year"]
    rented = prices[known].notna().any(axis=1)
    assert rented.sum() == 468
    assert not (rented & prices["purchase_price_usd"].notna()).any()


def test_first_and_large_machines_of_amazon():
    prices = load_facts("aws-prices").set_index(["date", "instance"])["usd_per_hour"]
    assert prices[pd.Timestamp("2006-08-24"), "m1.small"] == 0.10
    assert prices[pd.Timestamp("2023-07-27"), "p5.48xlarge"] == 98.32


def test_colossus_began_with_100_000_gpus():
    clusters = load_facts("ai-clusters").set_index("cluster")
    first = clusters.loc["xAI Colossus Memphis Phase 1"]
    assert (first["status"], first["accelerators"]) == ("Existing", 100_000)
    assert first["h100_equivalents"] == pytest.approx(100_000)
    assert clusters["status"].value_counts().to_dict() == {
        "Existing": 609,
        "Planned": 171,
        "Decommissioned": 6,
    }


def test_max_op_s_of_a_cluster_is_that_in_8_bits_where_there_is_one():
    clusters = load_facts("ai-clusters")
    first = clusters["op_s_8_bit"].fillna(clusters["op_s_16_bit"]).fillna(clusters["op_s_32_bit"])
    known = clusters["max_op_s"].notna()
    np.testing.assert_allclose(clusters["max_op_s"][known], first[known], rtol=1e-3)


def test_data_centers_cost_in_proportion_to_their_power():
    centers = load_facts("data-centers")
    assert centers["data_center"].nunique() == 76
    running = centers[centers["it_power_mw"] > 0]
    cost = running["capital_cost_billion_usd_2025"] / running["it_power_mw"]
    np.testing.assert_allclose(cost, 0.037882, rtol=1e-9)
    abilene = centers[centers["data_center"] == "OpenAI Stargate Abilene"]
    assert abilene["power_mw"].max() == 1180


def test_costs_of_frontier_and_titan():
    costs = load_facts("supercomputer-costs").set_index("system")
    assert costs.at["Frontier", "cost_usd_nominal"] == 600e6
    assert costs.at["Titan", "cost_usd_nominal"] == 97e6
    assert costs.at["Titan", "n_accelerators"] == 18_688


def test_costs_take_their_rates_from_the_lists():
    costs, lists = load_facts("supercomputer-costs"), load_facts("top500")
    both = costs[costs["rank"] == 1].merge(lists, left_on="list_used", right_on="list")
    assert len(both) == 14
    assert both["rmax_flop_s"].tolist() == both["n1_rmax_flop_s"].tolist()
    assert both["rpeak_flop_s"].tolist() == both["n1_rpeak_flop_s"].tolist()


def test_llama_3_was_interrupted_419_times_in_54_days():
    runs = load_facts("reliability").set_index("system")
    run = runs.loc["Llama 3 405B pre-training (unexpected only)"]
    assert (run["interruptions"], run["duration_days"], run["accelerators"]) == (419, 54, 16_384)
    assert load_facts("llama3-interruptions")["interruptions"].sum() == 419


def test_mean_times_are_durations_over_counts():
    runs = load_facts("reliability").set_index("system")
    exact = 24 * runs["duration_days"] / runs["interruptions"] / runs["mtbf_hours"]
    wrong = exact[(exact - 1).abs() > 0.015].index.tolist()
    assert wrong == ["BLOOM-176B", "HECToR (Cray XT, July 2010)"], "see data/README.md"


def test_failures_of_titan_add_up_and_agree_with_reliability():
    quarters = load_facts("titan-gpu-failures").set_index("quarter")
    assert (quarters["double_bit_errors"] + quarters["off_the_bus"]).equals(quarters["failures"])
    np.testing.assert_allclose(
        quarters["hours"] / quarters["failures"], quarters["mtbf_hours"], atol=0.005
    )
    runs = load_facts("reliability").set_index("system")
    of_2016 = quarters.loc["2016Q1":"2016Q4", "failures"].sum()
    assert runs.at["Titan GPUs 2016-01-01..2017-01-01", "interruptions"] == of_2016 == 2611


@pytest.mark.parametrize(
    ("month", "name", "rmax"),
    [("2012-11", "Titan", 17.59e15), ("2022-06", "Frontier", 1.102e18)],
)
def test_first_of_the_top500(month, name, rmax):
    first = load_facts("top500").set_index("list").loc[month]
    assert (first["n1_name"], first["n1_rmax_flop_s"]) == (name, rmax)


def test_top500_has_every_list_and_no_first_above_its_peak():
    lists = load_facts("top500")
    expected = [f"{year}-{month}" for year in range(1993, 2027) for month in ("06", "11")]
    assert lists["list"].tolist() == expected[:-1]
    assert (lists["n1_rmax_flop_s"] <= lists["n1_rpeak_flop_s"]).all()


# --- vintages, which are tables of systems too


@pytest.mark.parametrize("name", VINTAGES)
def test_vintage_loads_as_a_table_of_systems(name):
    systems = load_systems(name, selection="all")
    count, notable = VINTAGES[name]
    vintage = shipped()[name]["vintage"]
    assert (len(systems), int(systems["notable"].sum())) == (count, notable)
    assert systems["training_compute_flop"].notna().all()
    assert list(systems) == list(load_systems("systems-2025-08"))
    assert systems["training_hardware"].isna().all()
    assert systems.attrs["source"]["name"] == name
    assert systems.attrs["source"]["as_of"] == vintage
    assert systems["publication_date"].max() <= pd.Timestamp(vintage)
    rows = load_facts("system-vintages")["vintage"] == pd.Timestamp(vintage)
    copies = systems.attrs["report"]["dropped"].get("in the same words as another row", 0)
    assert rows.sum() == count + copies
    assert f"{count + copies} systems, {notable} of them notable" in shipped()[name]["description"]


def test_an_estimate_was_revised_between_vintages():
    then, now = (
        load_systems(name, selection="all").set_index("system")["training_compute_flop"]
        for name in ("systems-2022-11", "systems-2025-04")
    )
    assert now["DeepStack"] / then["DeepStack"] > 1e4


@pytest.mark.parametrize("name", ["accelerators", "system-vintages"])
def test_a_table_of_facts_is_no_table_of_systems(name):
    with pytest.raises(InputError, match=f"{name}: got a table of facts; expected a table of sys"):
        load_systems(name)


# --- in words


def test_describe_gives_provenance_and_columns():
    text = describe(load_facts("accelerators", "2022-03-13"))
    assert text.startswith("accelerators: Accelerators and their rates, ")
    assert "rows as of 2022-03-13\nleft out: " in text
    assert "left out: 14 undated" in text
    assert "from Epoch AI, 'Data on machine learning hardware'" in text
    assert re.search(r"^  tdp_w \[W\], \d+ of \d+: Thermal design power$", text, re.MULTILINE)
