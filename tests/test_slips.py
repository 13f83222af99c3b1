from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_compute.errors import InputError
from bayes_compute.observations import decimal_year
from bayes_compute.slips import _FLOP, _PARAMETERS, _YEARS
from bayes_compute.systems import load_systems, shipped

COLUMNS = ["system", "publication_date", "training_compute_flop", "parameters"]
COLUMNS += ["training_dataset_size", "epochs", "hardware_utilization"]
SLIP = "may not be in FLOP|may be in millions|per cent"


@pytest.fixture(scope="module")
def newest():
    return load_systems("systems-2025-08")[COLUMNS].dropna(subset=COLUMNS[1:4])


@pytest.fixture
def load(tmp_path):
    def written(systems, **columns):
        systems.rename(columns=columns).to_csv(tmp_path / "mine.csv", index=False)
        return load_systems(tmp_path / "mine.csv")

    return written


def notes(systems):
    return [
        note for note in systems.attrs["report"]["notes"] if pd.Series([note]).str.contains(SLIP)[0]
    ]


def refusal(load, systems, **columns):
    with pytest.raises(InputError) as caught:
        load(systems, **columns)
    message = str(caught.value)
    assert message.isprintable()
    return message


# --- no false alarms

TRUE = {  # later tables revised both, by 11 and 12 orders of magnitude
    "systems-2022-11": "'LiMoE', 'PCL-BAIDU Wenxin (ERNIE 3.0 Titan)'",
    "systems-2025-08": "'GPT3-2.7B (FlashAttention-2)'",  # 72 per cent
}


@pytest.mark.parametrize("name", shipped())
def test_shipped_tables_raise_true_alarms_only(name):
    found = notes(load_systems(name, selection="all", fine_tunes=True))
    assert len(found) == (name in TRUE)
    assert all(note.endswith(f": {TRUE[name]}") for note in found)


def test_both_slips_of_2022_were_revised():
    then, now = (
        load_systems(name, selection="all").set_index("system")["training_compute_flop"]
        for name in ("systems-2022-11", "systems-2023-12")
    )
    assert now["LiMoE"] / then["LiMoE"] > 1e10
    assert now["ERNIE 3.0 Titan"] / then["PCL-BAIDU Wenxin (ERNIE 3.0 Titan)"] > 1e11


@pytest.mark.parametrize("pattern", ["all_ml_systems_2022-11", "notable_ai_models_2025-02-24"])
def test_downloads_raise_true_alarms_only(pattern):
    found = sorted(Path(__file__).parents[2].glob(f"*/raw/{pattern}.csv"))
    if not found:
        pytest.skip(f"no {pattern} beside the checkout")
    expected = TRUE["systems-2022-11"] if "2022-11" in pattern else ""
    said = notes(load_systems(found[0], selection="all", fine_tunes=True))
    assert [note.partition("FLOP: ")[2] for note in said] == ([expected] if expected else [])


@pytest.mark.parametrize("first", ["1950", "1990", "2005", "2015", "2018", "2021", "2024"])
@pytest.mark.parametrize("domain", ["Games", "Speech", "Biology", "Vision", "Language"])
def test_no_part_of_the_newest_table_is_refused(load, first, domain):
    systems = load_systems("systems-2025-08", selection="all", fine_tunes=True)
    part = systems[systems["domain"].fillna("").str.contains(domain)]
    part = part.loc[part["publication_date"] >= first, COLUMNS]
    assert len(load(part)) == len(part.drop_duplicates())


def test_small_models_of_late_are_no_slip(load, newest):
    digits = newest.head(20).assign(  # perceptrons on MNIST
        publication_date="2022-05-01", parameters=1e5, training_dataset_size=6e4, epochs=10.0,
        training_compute_flop=3.6e11,
    )  # fmt: skip
    assert not [note for note in notes(load(digits)) if "FLOP" in note]


@pytest.mark.parametrize(
    ("column", "line"), [("training_compute_flop", _FLOP), ("parameters", _PARAMETERS)]
)
def test_what_is_typical_is_the_median_of_the_newest_table(column, line):
    systems = load_systems("systems-2025-08", selection="all").dropna(subset=["publication_date"])
    year = decimal_year(systems["publication_date"])
    off = np.log10(systems[column]) - np.interp(year, _YEARS, line)
    by_era = off.groupby(np.digitize(year, [1985, 2000, 2012, 2016, 2020, 2023])).median()
    assert by_era.abs().max() < 0.8


# --- whole columns


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("teraFLOP", "1e12"), ("petaFLOP", "1e15"), ("petaFLOP/s-days", "8.64e19")],
)
def test_compute_in_another_unit_is_refused_with_its_factor(load, newest, unit, factor):
    slipped = newest[newest["training_compute_flop"] > float(factor)]
    slipped = slipped.assign(training_compute_flop=slipped["training_compute_flop"] / float(factor))
    message = refusal(load, slipped, training_compute_flop="Training compute (FLOP)")
    assert "mine.csv, column 'Training compute (FLOP)': got training compute about" in message
    assert "; expected FLOP; " in message
    assert f"multiply by {factor} if it is in {unit}" in message


def test_compute_in_petaflop_is_refused_without_parameters(load, newest):
    slipped = newest.drop(columns="parameters")[newest["training_compute_flop"] > 1e15]
    slipped["training_compute_flop"] /= 1e15
    assert "multiply by 1e15 if it is in petaFLOP" in refusal(load, slipped)


def test_compute_in_petaflop_is_refused_without_dates(load, newest):
    slipped = newest.assign(publication_date="")[newest["training_compute_flop"] > 1e15]
    slipped["training_compute_flop"] /= 1e15
    assert "systems of so many parameters take" in refusal(load, slipped)


def test_compute_multiplied_twice_is_refused(load, newest):
    slipped = newest.assign(training_compute_flop=newest["training_compute_flop"] * 1e15)
    assert "orders of magnitude above what systems of these dates take" in refusal(load, slipped)


@pytest.mark.parametrize("factor", [1e6, 1e9])
def test_parameters_in_millions_or_billions_are_refused(load, newest, factor):
    large = newest[newest["parameters"] > 1e10]
    slipped = large.assign(parameters=(large["parameters"] / factor).round())
    message = refusal(load, slipped, parameters="Parameters")
    assert "column 'Parameters': got parameters so few that training takes 1e" in message
    assert message.endswith("multiply by 1e6 if they are in millions, by 1e9 if in billions")


def test_a_fraction_of_a_parameter_is_refused(load, newest):
    message = refusal(load, newest.head(1).assign(parameters="1.5"))
    assert "row 2, column 'parameters': got '1.5'; expected a count, such as 1.5e9" in message


def test_a_fraction_of_an_operation_is_refused(load, newest):
    message = refusal(load, newest.head(1).assign(training_compute_flop="0.314"))
    assert "got '0.314'; expected FLOP, a count: less than one operation" in message


@pytest.mark.parametrize("name", ["Training compute (petaFLOP)", "Training compute (PFLOP)"])
def test_a_name_with_another_unit_is_to_be_converted_not_renamed(load, newest, name):
    message = refusal(load, newest, training_compute_flop=name)
    assert message.endswith(
        f"convert {name!r}, which names another unit, and call it 'Training compute (FLOPs)'"
    )


def test_an_optional_column_with_another_unit_is_named(load, newest):
    found = load(newest, parameters="Parameters (billions)").attrs["report"]["notes"]
    assert (
        "column 'Parameters (billions)' is not read: convert 'Parameters (billions)', which names "
        "another unit, and call it 'Parameters'"
    ) in found


# --- single systems: noted


def one_changed(systems, **values):
    systems = systems.sort_values("publication_date", ignore_index=True)
    row = systems["training_dataset_size"].last_valid_index()
    return systems.astype(dict.fromkeys(values, float)).assign(
        system=[f"s{i}" for i in systems.index],
        **{
            n: systems[n].where(systems.index != row, f(systems.loc[row]))
            for n, f in values.items()
        },
    ), f"s{row}"


@pytest.mark.parametrize(
    ("slip", "text"),
    [
        (
            {"training_compute_flop": lambda s: s["training_compute_flop"] / 1e15},
            "so far below parameters and data that it may not be in FLOP",
        ),
        (
            {
                "training_compute_flop": lambda s: s["training_compute_flop"] / 1e9,
                "training_dataset_size": lambda s: 1e15,
            },
            "so far below parameters and data that it may not be in FLOP",
        ),
        (
            {"training_compute_flop": lambda s: s["training_compute_flop"] * 1e15},
            "so far above others of its date that it may not be in FLOP",
        ),
        ({"parameters": lambda s: 175.0}, "so few parameters for the training compute"),
        ({"hardware_utilization": lambda s: 46.0}, "above 1, perhaps per cent: not used"),
    ],
)
def test_a_single_slip_is_a_note_that_names_it(load, newest, slip, text):
    usual = newest[newest["hardware_utilization"].fillna(0) < 1]
    usual = usual[usual["training_compute_flop"] > 1e22]
    assert not notes(load(usual))
    changed, name = one_changed(usual, **slip)
    (note,) = notes(load(changed))
    assert note.startswith("1 ")
    assert text in note
    assert note.endswith(f": '{name}'")


def test_few_parameters_alone_are_a_note(load, newest):
    few = newest[newest["parameters"] > 1e9].drop(columns="training_compute_flop")
    few = few.assign(parameters=(few["parameters"] / 1e9).round(), training_compute_flop="")
    (note,) = notes(load(few))
    assert "so few parameters for the date that they may be in millions or billions" in note
    assert note.endswith(", ...")


# --- dates


@pytest.fixture
def dated(tmp_path):
    def load(*dates):
        rows = "".join(f"A,{date},1e20\n" for date in dates)
        path = tmp_path / "mine.csv"
        path.write_text(f"system,publication_date,training_compute_flop\n{rows}")
        return load_systems(path)["publication_date"].astype(str).tolist()

    return load


def test_one_day_above_12_shows_the_order_of_all(dated):
    assert dated("03/04/2021", "13/02/2021") == ["2021-02-13", "2021-04-03"]


def test_dates_that_show_no_order_are_refused(dated):
    with pytest.raises(InputError) as caught:
        dated("2020-01-05", "05/05/2021", "03/04/2021")
    assert (
        "row 4, column 'publication_date': got '03/04/2021', which may be 2021-04-03 or 2021-03-04"
        in str(caught.value)
    )


def test_a_date_that_is_the_same_in_both_orders_is_read(dated):
    assert dated("05/05/2021") == ["2021-05-05"]


def test_the_month_first_is_named(dated):
    with pytest.raises(InputError, match=r"got '02/13/2021'; expected .*this has the month first"):
        dated("13/02/2021", "02/13/2021")


@pytest.mark.parametrize("date", ["13/02/21", "21-02-13", "2/3/21", "13.02.21"])
def test_a_year_of_two_digits_is_named(dated, date):
    with pytest.raises(InputError, match="expected a year of four digits, as in 2021-02-13"):
        dated(date)


@pytest.mark.parametrize("cell", ["No", "FALSE", "none", "-", "n/a"])
def test_a_system_without_criteria_is_not_notable_by_saying_so(tmp_path, cell):
    path = tmp_path / "mine.csv"
    path.write_text(
        "Model,Publication date,Training compute (FLOP),Notability criteria\n"
        f"A,2020-01-01,1e20,Highly cited\nB,2020-01-01,1e20,{cell}\n"
    )
    with pytest.raises(
        InputError, match="expected the criteria that the system meets, or an empty"
    ):
        load_systems(path)
