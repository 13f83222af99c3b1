import numpy as np
import pandas as pd
import pytest

from bayes_compute.errors import InputError
from bayes_compute.observations import DOMAINS, Observations
from bayes_compute.systems import load_systems


def systems_table(n: int = 5, **columns) -> pd.DataFrame:
    """Give n plain systems of 2020, with some columns replaced."""
    frame = pd.DataFrame(
        {
            "system": [f"S{i}" for i in range(n)],
            "publication_date": pd.to_datetime(["2020-01-01"] * n),
            "training_compute_flop": 1e20,
            "training_compute_lower_flop": np.nan,
            "training_compute_upper_flop": np.nan,
            "confidence": "Likely",
            "parameters": 1e9,
            "domain": "Language",
        }
    )
    return frame.assign(**columns)


def sd(**columns) -> np.ndarray:
    return np.sqrt(Observations.from_systems(systems_table(**columns)).variance)


def test_march_2022_has_129_systems_with_compute_and_130_more_with_parameters():
    systems = load_systems("systems-2022-03")
    observations = Observations.from_systems(systems)
    assert observations.n == 259
    known = np.isfinite([observations.log10_flop, observations.log10_parameters])
    assert known.sum(axis=1).tolist() == [129, 237]
    assert known.all(axis=0).sum() == 107
    assert observations.source == {**systems.attrs["source"], "rows": 259}
    assert observations.with_compute.source["rows"] == observations.with_compute.n == 129


@pytest.mark.parametrize(("fine_tunes", "count", "all_"), [(True, 484, 589), (False, 429, 496)])
def test_august_2025_counts(fine_tunes, count, all_):
    observations = Observations.from_systems(load_systems("systems-2025-08", fine_tunes=fine_tunes))
    assert observations.n == len(set(observations.system)) == all_
    assert observations.with_compute.n == count
    assert observations.domains == DOMAINS
    assert (np.diff(observations.year) >= 0).all()


def test_theseus_is_40_flop_with_40_parameters_in_mid_1952():
    observations = Observations.from_systems(load_systems("systems-2022-03"))
    i = observations.system.index("Theseus")
    assert observations.log10_flop[i] == observations.log10_parameters[i] == np.log10(40)
    assert observations.year[i] == 1952 + 182 / 366


def test_decimal_year_counts_the_days_of_its_own_year():
    dates = ["2019-01-01", "2019-12-31", "2020-01-01", "2020-03-01", "2020-12-31"]
    observations = Observations.from_systems(systems_table(publication_date=pd.to_datetime(dates)))
    np.testing.assert_allclose(
        observations.year, [2019, 2019 + 364 / 365, 2020, 2020 + 60 / 366, 2020 + 365 / 366]
    )


def test_rows_come_in_the_order_of_their_dates():
    dates = pd.to_datetime(["2020", "2018", "2019", "2018", "2021"])
    observations = Observations.from_systems(systems_table(publication_date=dates))
    assert observations.system == ("S1", "S3", "S2", "S0", "S4")


def test_systems_without_date_or_both_numbers_are_left_out():
    dates = pd.to_datetime(["2020-01-01"] * 7 + [None])
    flop = [1e20] * 5 + [np.nan, np.nan, 1e20]
    parameters = [1e9] * 4 + [np.nan, 1e9, np.nan, 1e9]
    observations = Observations.from_systems(
        systems_table(8, publication_date=dates, training_compute_flop=flop, parameters=parameters)
    )
    assert observations.system == ("S0", "S1", "S2", "S3", "S4", "S5")
    for member in ("log10_flop", "variance"):
        assert np.isnan(getattr(observations, member)).tolist() == [False] * 5 + [True]
    assert np.isnan(observations.log10_parameters).tolist() == [False] * 4 + [True, False]


def test_a_subset_keeps_the_domains_that_are_left():
    labels = ["Language", "Vision", "Games", "Vision", "Games", "Language"]
    observations = Observations.from_systems(systems_table(6, domain=labels))
    some = observations.subset(np.array([False, True, True, True, False, False]))
    assert some.system == ("S1", "S2", "S3")
    assert some.domains == ("Vision", "Games")
    assert some.domain.tolist() == [0, 1, 0]
    assert some.source["rows"] == 3


def test_confidence_classes_are_90_percent_intervals():
    z = 1.6449
    classes = ["Confident", "Likely", "Speculative", "Unknown", None]
    likely = np.log10(10) / z
    np.testing.assert_allclose(
        sd(confidence=classes), [np.log10(3) / z, likely, np.log10(30) / z, likely, likely]
    )


def test_bounds_around_the_estimate_come_before_the_class():
    np.testing.assert_allclose(
        sd(training_compute_lower_flop=1e19, training_compute_upper_flop=1e22), 3 / (2 * 1.6449)
    )


@pytest.mark.parametrize(
    ("lower", "upper"),
    [(1e19, np.nan), (np.nan, 1e21), (1e21, 1e22), (1e18, 1e19), (1e20, 1e20), (0.0, 1e21)],
)
def test_bounds_that_do_not_enclose_the_estimate_are_not_used(lower, upper):
    np.testing.assert_allclose(
        sd(training_compute_lower_flop=lower, training_compute_upper_flop=upper), 1 / 1.6449
    )


def test_domain_is_the_first_label_and_only_present_ones_are_kept():
    labels = ["Multimodal,Vision", "Drawing", "VIsion", "Biology", None, "Video,Language"]
    observations = Observations.from_systems(systems_table(6, domain=labels))
    assert observations.domains == ("Language", "Vision", "Other")
    assert observations.domain.tolist() == [0, 1, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("label", "domain"),
    [("Image generation", "Vision"), ("Audio", "Speech"), ("Speech", "Speech"), ("Games", "Games")],
)
def test_domain_groups(label, domain):
    assert Observations.from_systems(systems_table(domain=label)).domains == (domain,)


def test_repeated_names_are_numbered_without_meeting_another_name():
    names = ["A", "A", "A (2)", "B", "A"]
    observations = Observations.from_systems(systems_table(system=names))
    assert observations.system == ("A", "A (3)", "A (2)", "B", "A (4)")


def test_unknown_parameters_are_nan():
    observations = Observations.from_systems(systems_table(parameters=[1e9, np.nan, 0, 10, 1]))
    np.testing.assert_array_equal(observations.log10_parameters, [9, np.nan, np.nan, 1, 0])


def test_arrays_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        Observations.from_systems(systems_table()).year[0] = 1


def test_arrays_of_unequal_length_are_refused():
    one = np.zeros(1)
    with pytest.raises(ValueError, match=r"year: shape \(2,\), expected \(1,\)"):
        Observations(("A",), np.zeros(2), one, one, one, one, ("Other",), {})


def test_fewer_than_five_systems():
    with pytest.raises(InputError, match="got 4 of 4 with a date and training compute"):
        Observations.from_systems(systems_table(4))


def test_table_that_is_not_of_systems():
    with pytest.raises(InputError, match="got no column confidence; expected a table from"):
        Observations.from_systems(systems_table().drop(columns="confidence"))


def test_table_without_provenance_says_so():
    source = Observations.from_systems(systems_table()).source
    assert source == {
        "name": "data frame",
        "sha256": "",
        "as_of": "2020-01-01",
        "selection": "all",
        "rows": 5,
    }
