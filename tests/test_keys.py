import json
import re

import pytest

from bayes_compute.keys import draws_hash, key
from bayes_compute.provenance import code_hash
from bayes_compute.report import write_fit
from bayes_compute.results_folder import read_fit, read_record
from bayes_compute.summary_record import summary_record


def test_a_key_names_quantity_model_data_and_draws():
    assert key("regimes", "growth[cloud]", {"sha256": "7d2e9b04aa"}, "51c3aa18bb") == (
        "regimes/growth[cloud]@7d2e9b04-51c3aa18"
    )
    assert key("regimes", "drift", {"sha256": ""}, "51c3aa18bb") == (
        "regimes/drift@00000000-51c3aa18"
    ), "of a data frame without a table"


def test_every_quantity_of_a_record_has_a_key_of_its_own(datatree):
    record = summary_record(datatree)
    keys = [row["key"] for row in record["quantities"]]
    assert len(set(keys)) == len(keys)
    pattern = rf"three_eras/.+@0{{8}}-{record['posterior_sha256'][:8]}"
    assert all(re.fullmatch(pattern, key) for key in keys)


def test_the_hash_of_draws_is_theirs_and_not_the_file_s(datatree, tmp_path):
    write_fit(datatree, tmp_path)
    again = read_fit(tmp_path)["posterior"].dataset
    wanted = read_record(tmp_path)["posterior_sha256"]
    assert draws_hash(again) == draws_hash(datatree["posterior"].dataset) == wanted
    assert json.loads((tmp_path / "summary.json").read_text())["posterior_sha256"] == wanted


@pytest.mark.parametrize("variable", ["growth", "sigma", "transition_year"])
def test_any_other_draw_is_another_hash(datatree, variable):
    draws = datatree["posterior"].dataset
    before = draws_hash(draws)
    changed = draws[variable].copy()
    changed[{"chain": 1, "draw": 7}] += 1e-9
    assert draws_hash(draws.assign({variable: changed})) != before
    assert draws_hash(draws.rename({variable: "other"})) != before


def test_the_hash_of_the_code_is_of_the_package_and_its_models(monkeypatch, tmp_path):
    of_code = code_hash.__wrapped__  # it is read once
    before = of_code()
    assert before == of_code()
    (tmp_path / "model.py").write_text("x = 1")
    monkeypatch.setattr("bayes_compute.models.__path__", [str(tmp_path)])
    other = of_code()
    assert other != before
    (tmp_path / "model.py").write_text("x = 2")
    assert of_code() != other
