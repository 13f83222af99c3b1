import json
import re

import numpy as np
import pytest

from bayes_compute import claims
from bayes_compute.errors import InputError
from bayes_compute.report import write_fit


@pytest.fixture
def folders(make_fit, tmp_path):
    """Results of one fit, and of another that `change` has made of it."""

    def written(change=lambda tree: None, dates=(2000.0, 2016.0)):
        write_fit(make_fit(), tmp_path / "earlier")
        tree = make_fit(dates)
        change(tree)
        write_fit(tree, tmp_path / "later")
        return tmp_path / "earlier", tmp_path / "later"

    return written


def assign(tree, group, **values):
    tree[group] = tree[group].dataset.assign(values)


def test_the_same_fit_moves_nothing(folders):
    found = claims.compare(*folders())
    assert (found["moved"], found["changed"]) == ([], {})
    assert found["systems"] == {"new": [], "removed": [], "revised": {}}
    text = claims.describe(found)
    assert "What changed:\n  nothing\n" in text
    assert f"0 of {found['claims']} claims moved" in text


def test_a_claim_that_moved_is_told_with_its_shift_and_both_keys(folders):
    def change(tree):
        assign(tree, "posterior", sigma=tree["posterior"]["sigma"] + [0.0, 0.2, 0.1])

    found = claims.compare(*folders(change))
    assert [row["name"] for row in found["moved"]] == ["sigma[2]", "sigma[3]"]
    row = found["moved"][0]
    halves = [(row[side]["upper"] - row[side]["lower"]) / 2 for side in ("earlier", "later")]
    assert row["shift"] == pytest.approx(0.2 / np.sqrt(2) / halves[0])
    assert halves[0] == pytest.approx(halves[1])
    assert row["earlier"]["key"] != row["later"]["key"]
    line = claims.describe(found).splitlines()[-3]
    hashes = [row[side]["key"].partition("sigma[2]")[2] for side in ("earlier", "later")]
    assert line.endswith(f"[{hashes[0]} → {hashes[1]}]")
    assert f"{row['shift']:+.2f}" in line


def test_another_seed_moves_next_to_nothing(folders, make_fit, tmp_path):
    """At three Monte Carlo errors, 0.3 % of claims: of some 17, none or one."""
    write_fit(make_fit(seed=1), tmp_path / "earlier")
    write_fit(make_fit(seed=2), tmp_path / "later")
    found = claims.compare(tmp_path / "earlier", tmp_path / "later")
    assert len(found["moved"]) <= 1
    assert found["changed"]["sampler's seed"] == ("1", "2")


def test_growth_is_one_claim_in_three_units(folders):
    def change(tree):
        growth = tree["posterior"]["growth"] + 0.5
        assign(tree, "posterior", growth=growth, growth_factor=10**growth)

    found = claims.compare(*folders(change))
    assert {row["name"] for row in found["moved"]} == {"growth[1]", "growth[2]", "growth[3]"}


def test_systems_are_new_removed_or_revised(folders, datatree):
    called = datatree["constant_data"]["system"].to_numpy()

    def change(tree):
        constant = tree["constant_data"].dataset
        names = constant["system"].to_numpy().astype(object)
        names[10] = "newcomer"
        log10_flop = constant["log10_flop"].to_numpy().copy()
        log10_flop[[20, 21]] += 1.0
        year = constant["year"].to_numpy().copy()
        year[21] += 0.1
        domain = constant["domain_index"].to_numpy().copy()
        domain[22] = 1 - domain[22]
        constant = constant.assign_coords(system=names.astype(str))
        tree["constant_data"] = constant.assign(
            log10_flop=("system", log10_flop), year=("system", year),
            domain_index=("system", domain),
        )  # fmt: skip

    found = claims.compare(*folders(change))
    systems = found["systems"]
    assert systems["new"] == ["newcomer"]
    assert systems["removed"] == [called[10]]
    assert systems["revised"] == {
        called[20]: ["compute"],
        called[21]: ["compute", "date"],
        called[22]: ["domain"],
    }
    assert (
        "  systems: 1 new, 1 removed, 3 revised (compute 2, date 1, domain 1)\n"
        f"    new: newcomer\n    removed: {called[10]}\n"
        f"    revised: {called[22]} (domain), {called[21]} (compute, date), "
        f"{called[20]} (compute)\n"
    ) in claims.describe(found)


def test_of_many_changed_systems_the_latest_are_named_and_the_rest_counted(folders):
    def change(tree):
        constant = tree["constant_data"].dataset
        names = [
            f"\x1b[2J{k}" if k < 7 else name for k, name in enumerate(constant["system"].to_numpy())
        ]
        tree["constant_data"] = constant.assign_coords(system=names)

    text = claims.describe(claims.compare(*folders(change)))
    assert re.search(r"\n    new: [^\n\x1b]*6, [^\n\x1b]*2 and 2 more\n", text)


def test_why_names_counts_versions_code_and_settings(folders):
    def change(tree):
        constant = tree["constant_data"].dataset
        assign(tree, "constant_data", log10_flop=constant["log10_flop"] + 0.1)
        tree.attrs["versions"] = json.dumps({"bayes_compute": "0", "code": "abc"})
        data = json.loads(tree.attrs["data"]) | {"name": "other", "sha256": "1" * 64}
        tree.attrs["data"] = json.dumps(data)

    text = claims.describe(claims.compare(*folders(change)))
    assert text.startswith(
        "three_eras: from made up as of 2022-01-01 (60 rows) to other as of 2022-01-01 (60 rows)\n"
    )
    assert "  systems: 0 new, 0 removed, 60 revised (compute 60)\n    revised: " in text
    assert "  code: none → abc\n" in text
    assert "  table: 00000000 → 11111111\n" in text
    assert "only another fit with one of them can tell" in text


def test_claims_of_one_side_only_are_named(folders, make_fit, tmp_path):
    def change(tree):
        for group in ("posterior", "prior"):
            assign(tree, group, share=tree[group]["growth_sd"])

    found = claims.compare(*folders(change))
    assert found["only"] == {"earlier": [], "later": ["share"]}
    assert "only in the later: share" in claims.describe(found)


def test_two_models_are_refused(folders):
    def change(tree):
        tree.attrs["model"] = "other"

    with pytest.raises(InputError, match="compare: got three_eras and other; expected two results"):
        claims.compare(*folders(change))
