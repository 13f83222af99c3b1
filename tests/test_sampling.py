"""Sampling: what is drawn from a model's prior, and densities as they are compiled."""

import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.configdefaults import config
from pytensor.link.c.basic import CLinker

from bayes_compute.sampling import CompiledDensity, names, prior_draws


def hierarchy() -> pm.Model:
    """Every kind of dependence: none, of scalars, of vectors, hidden, and of vectors on vectors."""
    with pm.Model(coords={"era": ["a", "b", "c"], "side": ["low", "high"]}) as model:
        mean = pm.Normal("mean", 0.3, 0.1)
        sd = pm.LogNormal("sd", -1.0, 0.5)
        each = pm.Normal("each", mean, sd, dims="era")
        pm.ZeroSumNormal("contrast", sigma=sd, dims="era")
        share = pm.Dirichlet("share", np.ones(3), dims="era")
        pm.MvNormal("pair", np.zeros(2), cov=np.array([[1.0, 0.5], [0.5, 2.0]]), dims="side")
        table = pm.Normal("table", each[:, None], np.array([0.1, 1.0]), dims=("era", "side"))
        pm.Gamma("rate", pm.math.exp(each), 2.0, dims="era")
        pm.Deterministic("mixed", (share[:, None] * table).sum(axis=0), dims="side")
        pm.Deterministic("known", pt.constant([1.0, 2.0]), dims="side")
    return model


@pytest.mark.parametrize("n", [1, 30])
def test_prior_draws_are_those_that_pymc_draws_one_by_one(n):
    model, mode = hierarchy(), "FAST_COMPILE"
    found = prior_draws(model, 5, n)
    one_by_one = pm.draw([model[name] for name in names(model)], n, random_seed=5, mode=mode)
    for name, expected in zip(names(model), one_by_one, strict=True):
        values = found[name].to_numpy()
        np.testing.assert_allclose(values.reshape(np.shape(expected)), expected, rtol=1e-12)
        assert values.shape[:2] == (1, n)
    assert found["table"].dims == ("chain", "draw", "era", "side")


def test_prior_draws_of_functions_of_functions_of_what_is_drawn_hang_together():
    with pm.Model(coords={"era": ["a", "b"]}) as model:
        contrast = pm.ZeroSumNormal("contrast", dims="era")
        pm.Censored("cut", pm.Normal.dist(contrast, 1e-6), lower=0.0, upper=None, dims="era")
    for n in (1, 20):
        found = prior_draws(model, 5, n)
        assert found["cut"].shape == (1, n, 2)
        np.testing.assert_allclose(found["cut"], np.maximum(found["contrast"], 0), atol=1e-4)


def test_the_first_of_many_prior_draws_are_those_of_fewer():
    few, many = (prior_draws(hierarchy(), 5, n) for n in (7, 40))
    for name in few:
        np.testing.assert_array_equal(few[name], many[name].isel(draw=slice(7)))


def test_what_is_evaluated_once_compiles_no_cpp(monkeypatch):
    """An Op with a graph within, as of a Dirichlet's transform, would: 7 s the first time."""
    monkeypatch.setattr(CLinker, "make_thunk", lambda *_, **__: pytest.fail("compiles C++"))
    model = hierarchy()
    prior_draws(model, 5, 3)
    CompiledDensity(model)


def test_without_a_compiler_of_cpp_a_density_is_compiled_in_silence():
    with pm.Model() as model:
        for i in range(40):  # more than NumPy's ufuncs take
            pm.Normal(f"x{i}", 0, 1)
    with config.change_flags(cxx=""), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        density = CompiledDensity(model)
    assert not said
    at_zero = density.log_density(np.zeros((1, 40)), {})
    np.testing.assert_allclose(at_zero, -20 * np.log(2 * np.pi), rtol=1e-12)
