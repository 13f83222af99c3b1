import numpy as np
import pytest
from dense import REFERENCE_YEAR as DENSE_REFERENCE_YEAR
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_compute.changepoint.statistics import (
    MAX_VARIANCE_CLASSES,
    REFERENCE_YEAR,
    cumulative_sums,
    quantise,
)

VARIANCES = st.lists(st.sampled_from(np.geomspace(0.001, 4, 30).tolist()), min_size=1, max_size=60)


def test_years_count_from_2010():
    assert REFERENCE_YEAR == DENSE_REFERENCE_YEAR == 2010.0


def test_there_are_at_most_eight_classes():
    assert MAX_VARIANCE_CLASSES == 8
    value, index = quantise(np.linspace(0.01, 3, 200))
    assert len(value) == 8
    assert set(index) == set(range(8))


@given(VARIANCES)
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
def test_classes_are_ranges_of_variance_at_their_members_mean(variances):
    variance = np.array(variances)
    value, index = quantise(variance)
    assert len(value) == min(len(set(variances)), 8)
    assert np.all(np.diff(value) > 0)
    assert np.all(np.diff(index[np.argsort(variance)]) >= 0)
    for c in range(len(value)):
        assert value[c] == pytest.approx(np.mean(variance[index == c]), rel=1e-12)
    assert all(len(set(index[variance == v])) == 1 for v in variances)


@given(st.lists(st.sampled_from([0.01, 0.04, 0.08, 0.1, 0.37, 0.4, 0.8, 2.0]), min_size=1))
@settings(deadline=None, max_examples=50, derandomize=True, database=None)
def test_up_to_eight_values_are_kept_as_they_are(variances):
    variance = np.array(variances)
    value, index = quantise(variance)
    np.testing.assert_allclose(value[index], variance, rtol=1e-14)


def test_common_values_keep_their_class_among_many_rare_ones():
    common = np.array([0.0841, 0.3697, 0.8065])
    rare = np.linspace(0.9, 3.0, 20)  # each within 0.03 of its neighbours' sd
    value, index = quantise(np.concatenate([np.repeat(common, 40), rare]))
    np.testing.assert_allclose(value[:3], common, rtol=1e-14)
    assert set(index[:120]) == {0, 1, 2}
    assert not set(index[120:]) & {0, 1, 2}


def test_merging_weighs_how_many_systems_a_value_has():
    # 0.5 is nearer to 0.54 in sd than 0.9 to 0.95 is, but 0.5 and 0.54 are common
    sd = np.concatenate([np.repeat([0.5, 0.54], 30), [0.9, 0.95], np.arange(2, 7)])
    value, index = quantise(sd**2)
    np.testing.assert_allclose(value[:2], [0.25, 0.2916])
    assert index[60] == index[61]


def test_cumulative_sums_are_sums_over_the_systems_before_each_date():
    rng = np.random.default_rng(1)
    n, shape = 12, (2, 3)
    year = np.sort(rng.choice([1998.2, 2004.9, 2004.95, 2015.5, 2020.1], n))
    date = np.floor(year)  # several years on one date
    y = rng.normal(20, 3, n)
    variance_class, domain = rng.integers(0, 2, n), rng.integers(0, 3, n)
    found = cumulative_sums(date, year, y, variance_class, domain, shape)
    distinct = sorted(set(date))
    assert found.shape == (len(distinct) + 1, *shape, 6)
    for p in range(len(distinct) + 1):
        for c in range(2):
            for d in range(3):
                rows = [
                    i
                    for i in range(n)
                    if date[i] in distinct[:p] and (variance_class[i], domain[i]) == (c, d)
                ]
                x = [year[i] - 2010 for i in rows]
                f = [y[i] for i in rows]
                expected = [
                    len(rows),
                    sum(x),
                    sum(a * a for a in x),
                    sum(f),
                    sum(a * b for a, b in zip(x, f, strict=True)),
                    sum(b * b for b in f),
                ]
                np.testing.assert_allclose(found[p, c, d], expected, rtol=1e-12, atol=1e-11)


def test_cumulative_sums_do_not_depend_on_the_order_of_systems():
    rng = np.random.default_rng(2)
    year, y = rng.uniform(2000, 2020, 15).round(1), rng.normal(20, 3, 15)
    variance_class, domain = rng.integers(0, 2, 15), rng.integers(0, 2, 15)
    order = rng.permutation(15)
    found = [
        cumulative_sums(year[o], year[o], y[o], variance_class[o], domain[o], (2, 2))
        for o in (np.arange(15), order)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-11)
