import json

import numpy as np
import pytest

from bayes_compute.seed import COUNTS, applies, comparison, describe
from bayes_compute.strict_json import plain


@pytest.fixture
def fit(regimes_tree):
    source = json.loads(regimes_tree.attrs["data"]) | {"name": "systems-2022-03"}
    regimes_tree.attrs["data"] = json.dumps(source)
    return regimes_tree


def test_only_regimes_of_the_table_of_the_post_are_compared(fit, datatree):
    assert applies(fit)
    datatree.attrs["data"] = fit.attrs["data"]
    assert not applies(datatree), "its eras are numbered"
    fit.attrs["data"] = json.dumps({"name": "systems-2022-03", "evidence": {}})
    assert not applies(fit), "more of its systems have compute"
    fit.attrs["data"] = json.dumps({"name": "systems-2025-08"})
    assert not applies(fit)


def test_counts_are_over_systems_with_compute_and_parameters(fit):
    found = comparison(fit)
    constant = fit["constant_data"].dataset
    known = np.isfinite(constant["log10_flop"] + constant["log10_parameters"]).to_numpy()
    era = fit["membership"]["era"].to_numpy()[..., known]
    for k, (regime, count) in enumerate(COUNTS.items()):
        row = found["counts"][regime]
        assert row["post"] == count
        assert row["expected"] == pytest.approx((era == k).sum(axis=-1).mean())
    assert sum(row["modal"] for row in found["counts"].values()) == known.sum()


def test_the_date_and_the_gap_are_shares_of_draws(fit):
    found = comparison(fit)
    date = fit["posterior"]["transition_year"].sel(transition="cloud").to_numpy()
    assert found["cloud"]["around_jump"] == pytest.approx(np.mean(abs(date - 2008) < 1))
    assert found["cloud"]["by_launch"] == pytest.approx(np.mean(date < 2007))
    capacity = fit["posterior"]["capacity"].to_numpy()
    assert found["gap"] == pytest.approx(np.mean((capacity > 10.23) & (capacity < 11.14)))


def test_borderline_systems_are_those_less_than_nine_tenths_certain(fit):
    era = fit["membership"]["era"].to_numpy().copy()
    era[...] = 1
    known = np.isfinite(
        fit["constant_data"]["log10_flop"] + fit["constant_data"]["log10_parameters"]
    ).to_numpy()
    unsure, sure = np.flatnonzero(known)[:2]
    era[0, :, unsure] = 2  # one chain of two
    era[0, :20, sure] = 2  # 20 of 400 draws
    membership = fit["membership"].dataset
    fit["membership"] = membership.assign(era=(membership["era"].dims, era))
    (row,) = comparison(fit)["borderline"]
    assert row["system"] == fit["constant_data"]["system"].to_numpy()[unsure]
    assert (row["DIY"], row["cloud"], row["bespoke"]) == (0.0, 0.5, 0.5)


def test_it_is_said_in_words_and_kept_as_strict_json(fit):
    found = comparison(fit)
    assert json.loads(json.dumps(plain(found), allow_nan=False))["counts"]["cloud"]["post"] == 74
    text = describe(found)
    for regime, count in COUNTS.items():
        assert f"{regime}: {count} in the post" in text
