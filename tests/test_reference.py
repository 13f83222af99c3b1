"""The reference posterior of the table of 2022: what every change of code is held to."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import bayes_compute as bc
from bayes_compute.reference import SAMPLER, departures, reference

KEPT = json.loads((Path(__file__).parent / "reference" / "regimes.json").read_text("utf-8"))
CHANCE = 1e-4  # of a failure by chance, of all quantities together


def test_a_fit_agrees_with_the_reference():
    observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    z = departures(bc.fit("regimes", observations, seed=1, progress=False), KEPT)
    most = stats.norm.isf(CHANCE / 2 / len(z))
    far = z[z.abs() > most]
    assert far.empty, f"in standard errors, where {most:.1f} is the most:\n{far}"


def test_the_reference_is_what_it_says():
    assert KEPT["model"] == "regimes"
    assert KEPT["data"]["rows"] == 259
    assert {name: KEPT["sampler"][name] for name in SAMPLER} == SAMPLER
    assert KEPT["sampler"]["seed"] == 20220313
    assert KEPT["diagnostics"]["divergences"] == 0
    assert KEPT["diagnostics"]["worst_r_hat"] < 1.01
    assert min(KEPT["diagnostics"][f"smallest_ess_{kind}"] for kind in ("bulk", "tail")) >= 4000
    assert {"pymc", "nutpie", "bayes_compute"} <= KEPT["versions"].keys()
    date = KEPT["quantities"]["transition_year[cloud]"]
    assert date["mean"]["mcse"] < 0.05  # years: a hundredth of the interval


@pytest.fixture
def long_fit(datatree):
    """A fit that passes what a reference has to, with draws that are independent."""
    checks = {"worst_r_hat": 1.001, "smallest_ess_bulk": 9000, "smallest_ess_tail": 8000}
    datatree.attrs["diagnostics"] = json.dumps(checks | {"divergences": 0})
    return datatree


def test_a_fit_is_not_far_from_its_own_reference_and_a_shifted_one_is(long_fit):
    kept = reference(long_fit)
    assert kept == json.loads(json.dumps(kept, allow_nan=False))
    assert (departures(long_fit, kept).abs() < 1e-4).all()  # ten digits are kept
    posterior = long_fit["posterior"].dataset
    n = posterior["growth_mean"].size
    shift = 0.5 * float(posterior["growth_mean"].std())
    long_fit["posterior"] = posterior.assign(growth_mean=posterior["growth_mean"] + shift)
    z = departures(long_fit, kept)
    # both have n draws: half an sd is sqrt(n / 2) / 2 standard errors of a difference
    assert z["growth_mean", "mean"] == pytest.approx(0.5 * np.sqrt(n / 2), rel=0.2)
    assert abs(z["growth_mean", "sd"]) < 1e-4


@pytest.mark.parametrize(
    ("what", "changed"),
    [("model", {"model": "other"}), ("data", {"data": {"sha256": "1", "rows": 60}}),
     ("quantities", {"quantities": {"a": {}}})],
)  # fmt: skip
def test_another_model_or_other_data_have_no_such_reference(what, changed, long_fit):
    kept = reference(long_fit) | changed
    with pytest.raises(bc.InputError, match=rf"reference: {what}: got .*; expected .*; fit what"):
        departures(long_fit, kept)


@pytest.mark.parametrize("worse", [{"divergences": 1}, {"smallest_ess_tail": 3999}])
def test_a_reference_needs_better_diagnostics_than_a_fit(worse, long_fit):
    checks = json.loads(long_fit.attrs["diagnostics"]) | worse
    long_fit.attrs["diagnostics"] = json.dumps(checks)
    with pytest.raises(bc.NotConverged, match=r"reference: got .*; expected none, and at least"):
        reference(long_fit)
