"""Readings of a table: what is read, and what is not."""

import numpy as np
import pandas as pd
import pytest

import bayes_compute as bc
from bayes_compute.models import calibration
from bayes_compute.observations import DOMAINS
from bayes_compute.readings import CHIPS, CLASSES, Readings


@pytest.fixture(scope="module")
def systems():
    return bc.load_systems("systems-2025-08", selection="all", fine_tunes=True)


@pytest.fixture(scope="module")
def readings(systems):
    return calibration.readings_of(systems)


def row(systems, name):
    return systems.loc[systems["system"] == name].iloc[0]


def at(readings, name):
    return readings.system.index(name)


def test_gpt3_is_read_by_operations(systems, readings):
    i = at(readings, "GPT-3 175B (davinci)")
    known = row(systems, "GPT-3 175B (davinci)")
    assert readings.published[i] == pytest.approx(np.log10(3.14e23))
    operations = 6 * 175e9 * known["training_dataset_size"]
    epochs = 1 if np.isnan(known["epochs"]) else known["epochs"]
    assert readings.operations[i] == pytest.approx(np.log10(operations * epochs), abs=0.01)
    assert DOMAINS[readings.domain[i]] == "Language"


def test_hardware_is_read_at_the_peak_of_its_tensor_units(systems, readings):
    known = (
        (systems["training_hardware"] == "NVIDIA A100 SXM4 80 GB")
        & systems["hardware_quantity"].gt(0)
        & systems["training_time_hours"].gt(0)
        & systems["base_model"].isna()
    )
    of_table = systems.loc[known].iloc[0]
    i = at(readings, of_table["system"])
    work = of_table["hardware_quantity"] * of_table["training_time_hours"] * 3600 * 312e12
    assert readings.hardware[i] == pytest.approx(np.log10(work))
    assert CHIPS[readings.chip[i]] == "A100"


def test_what_cannot_be_read_is_left_out(systems, readings):
    fine_tuned = set(systems.loc[systems["base_model"].notna(), "system"])
    whole = set(systems.loc[systems["base_model"].isna(), "system"])
    assert not set(readings.system) & (fine_tuned - whole)
    assert systems["hardware_utilization"].max() > 1, "a share in per cent"
    used = readings.utilization[np.isfinite(readings.utilization)]
    assert np.all(used <= 0)
    several = (
        systems["training_hardware"].str.contains(",", na=False) & systems["base_model"].isna()
    )
    for name in systems.loc[several, "system"]:
        if systems["system"].eq(name).sum() == 1:
            assert np.isnan(readings.hardware[at(readings, name)])


def test_earlier_figures_are_those_that_older_tables_had_first(readings):
    i = at(readings, "DeepStack")
    assert readings.earlier[i] == pytest.approx(np.log10(1.5e14))
    assert readings.revised[i]
    assert readings.published[i] - readings.earlier[i] == pytest.approx(4.98, abs=0.01)
    assert CLASSES[readings.earlier_confidence[i]] == "none"
    assert 100 < readings.revised.sum() < 300


def test_operations_are_of_the_table_that_had_no_figure_yet(readings):
    i = at(readings, "GLIDE")
    assert readings.undisclosed[i]
    assert readings.published[i] == pytest.approx(22.67, abs=0.01)
    assert readings.operations[i] == pytest.approx(18.72, abs=0.01)
    assert not readings.copied[readings.undisclosed].any()
    since = readings.undisclosed & np.isfinite(readings.published)
    assert since.sum() == 7
    without = readings.undisclosed & ~since
    assert np.array_equal(without, np.isfinite(readings.operations) & np.isnan(readings.published))
    then = calibration.observe("2022-03-13")
    assert not np.any(then.undisclosed & np.isfinite(then.published))


def test_no_older_figure_is_from_after_the_table():
    then = calibration.readings_of(bc.load_systems("systems-2022-11", selection="all"))
    assert np.isnan(then.earlier).all()


def test_a_copy_is_a_figure_that_equals_operations(readings):
    apart = np.abs(readings.published - readings.operations)[readings.copied]
    assert apart.max() < 0.02
    assert 230 < readings.copied.sum() < 330


def test_a_subset_counts_its_rows(readings):
    part = readings.subset(readings.revised)
    assert part.n == part.source["rows"] == readings.revised.sum()
    assert part.source["sha256"] == readings.source["sha256"]


def test_rows_without_dates_are_left_out(systems):
    undated = systems.head(10).copy()
    undated.loc[undated.index[0], "publication_date"] = pd.NaT
    assert Readings.from_systems(undated).n <= 9


def test_mixtures_of_experts_are_taken_by_their_active_parameters(systems, readings):
    of_table, i = row(systems, "DeepSeek-V3"), at(readings, "DeepSeek-V3")
    expected = 6 * 37e9 * of_table["training_dataset_size"]
    assert readings.operations[i] == pytest.approx(np.log10(expected), abs=0.01)


def test_a_table_that_lacks_a_column_is_refused_in_one_line(systems):
    with pytest.raises(bc.InputError, match=r"systems: got no column epochs; .* load_systems$"):
        Readings.from_systems(systems.drop(columns="epochs"))


def test_a_data_frame_from_elsewhere_is_read(systems):
    plain = systems.head(30).copy()
    plain.attrs = {}
    readings = calibration.readings_of(plain)
    assert readings.source["name"] == "data frame"
    assert np.array_equal(np.sort(readings.row), np.unique(readings.row))


def test_sizes_too_large_to_multiply_are_no_reading(systems):
    first = bc.load_systems("systems-2025-08").dropna(subset=["training_hardware"]).head(1)
    sizes = ["parameters", "training_dataset_size", "hardware_quantity", "training_time_hours"]
    readings = Readings.from_systems(first.assign(**dict.fromkeys(sizes, 1e300), base_model=None))
    assert not np.isfinite([readings.operations, readings.hardware]).any()
