import json

import numpy as np
import pytest
import xarray as xr

from bayes_compute.errors import NotConverged
from bayes_compute.sensitivity import INFORMATIVE, describe, power_scaling, prior_check
from bayes_compute.strict_json import plain
from bayes_compute.summaries import summary


def with_log_prior(tree, **values):
    """Add the log prior density of some variables."""
    found = {name: (tree["posterior"][name].dims, array) for name, array in values.items()}
    tree["log_prior"] = xr.Dataset(found, tree["posterior"].dataset.coords)
    return tree


def row_of(check, name):
    return next(row for row in check["quantities"] if row["name"] == name)


def test_each_quantity_stands_beside_its_prior_and_the_flat_fit(datatree, make_fit):
    flat = make_fit(seed=5)
    check = prior_check(datatree, flat)
    assert check["flat_converged"]
    stated, other = summary(datatree), summary(flat)
    for name in ("transition_year[1→2]", "growth[3]"):
        row = row_of(check, name)
        assert row["stated"]["median"] == stated.loc[name, "median"]
        assert row["flat"]["upper"] == other.loc[name, "upper"]
        variable, _, label = name.rstrip("]").partition("[")
        draws = datatree["prior"][variable].to_numpy()[..., 0 if "→" in label else 2]
        assert row["prior"]["lower"] == pytest.approx(np.quantile(draws, 0.05))
    assert not any(row["name"].startswith("sigma") for row in check["quantities"])
    json.dumps(plain(check), allow_nan=False)


def test_a_flat_fit_that_failed_gives_its_reason_and_no_number(datatree):
    check = prior_check(datatree, NotConverged("three_eras: R-hat 2.0", {}))
    assert not check["flat_converged"]
    assert all(row["flat"] is None for row in check["quantities"])
    assert "no answer to quote: three_eras: R-hat 2.0" in describe(check, "90 %")


def test_a_posterior_that_is_its_prior_is_found_sensitive_and_one_that_is_not_is_not(datatree):
    """Where draws follow the prior itself, its power moves them; where it is flat, nothing does."""
    date = datatree["posterior"]["transition_year"]
    z = (date - date.mean(("chain", "draw"))) / date.std(("chain", "draw"))
    tight = with_log_prior(datatree, transition_year=(-0.5 * z**2).to_numpy())
    value = power_scaling(tight)["dates"]["transition_year[1→2]"]
    # A normal posterior of sd s that is its prior's becomes one of sd s / sqrt(alpha)
    assert value > INFORMATIVE
    flat = with_log_prior(datatree, transition_year=np.full(date.shape, 3.0))
    assert power_scaling(flat)["dates"]["transition_year[1→2]"] == 0


def test_marks_say_what_the_prior_does(regimes_tree):
    prior = regimes_tree["prior"].dataset
    regimes_tree["prior"] = prior.assign(capacity=prior["capacity"] + 5.0)
    posterior = regimes_tree["posterior"].dataset
    drift = posterior["drift"] / posterior["drift"].std() * float(prior["drift"].std())
    regimes_tree["posterior"] = posterior.assign(drift=drift)
    text = describe(prior_check(regimes_tree, None), "90 %")
    (capacity,) = [line for line in text.splitlines() if line.startswith("| capacity")]
    (drifting,) = [line for line in text.splitlines() if line.startswith("| drift")]
    assert "outside its prior" in capacity
    assert "largely set by the prior" in drifting
