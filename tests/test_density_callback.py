"""Densities as functions of C: the same numbers as PyTensor's, read from where the data lie."""

import os
import subprocess
import sys

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.compile.sharedvalue import shared as pt_shared
from pytensor.graph.op import Op
from pytensor.raise_op import Assert

from bayes_compute.density_callback import evaluate
from bayes_compute.sampling import CompiledDensity


def regression() -> pm.Model:
    """Data of every kind: real and whole numbers, truths, and of no, one, two and three axes."""
    with pm.Model(coords={"side": ["low", "high"]}) as model:
        scale = pm.Data("scale", 2.0)
        x = pm.Data("x", np.ones((1, 1)))
        y = pm.Data("y", np.ones(1))
        group = pm.Data("group", np.zeros(1, dtype=int))
        kept = pm.Data("kept", np.ones(1, dtype=bool))
        block = pm.Data("block", np.ones((1, 1, 1)))
        slope = pm.Normal("slope", 0, scale, dims="side")
        sd = pm.HalfNormal("sd", 1)
        mean = (x * slope).sum(axis=1) + slope[group] + block.sum(axis=(1, 2)) * sd
        pm.Potential("likelihood", pt.switch(kept, -(((y - mean) / sd) ** 2), 0.0).sum())
    return model


def given(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    return {
        "scale": np.array(1.5),
        "x": rng.normal(size=(2, n)).T,  # column by column
        "y": rng.normal(size=2 * n)[::2],
        "group": rng.integers(2, size=n).astype("int32"),
        "kept": rng.random(n) < 0.7,
        "block": rng.normal(size=(n, 2, 3)),
    }


def test_value_and_gradient_are_those_of_pytensor_for_data_of_every_kind_and_size():
    model = regression()
    compiled = CompiledDensity(model)
    in_python = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    for n in (1, 4, 30):
        data, point = given(n), np.random.default_rng(n).normal(size=3)
        with model:
            pm.set_data(data)
        value, gradient = evaluate(compiled._callback, point, compiled._given(data))
        expected, slope = in_python(point)
        assert value == pytest.approx(expected.item(), rel=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-12)
        assert compiled.log_density(point[None], data)[0] == value


def test_forty_data_some_of_one_name():
    with pm.Model() as model:
        x = pm.Normal("x")
        data = [pt_shared(np.ones(2), name=f"d{i // 2}") for i in range(40)]
        pm.Potential("p", x * sum((i + 1) * each.sum() for i, each in enumerate(data)))
    found = CompiledDensity(model).log_density(
        np.ones((1, 1)), {f"d{i}": np.full(3, float(i)) for i in range(20)}
    )
    expected = sum((i + 1) * 3 * (i // 2) for i in range(40)) - 0.5 - 0.5 * np.log(2 * np.pi)
    assert found[0] == pytest.approx(expected, rel=1e-12)


def test_data_of_another_type_are_refused():
    compiled = CompiledDensity(regression())
    for name, wrong in [("group", np.array([0.5])), ("x", np.ones(3)), ("scale", np.ones(1))]:
        with pytest.raises(TypeError):
            compiled.log_density(np.zeros((1, 3)), given(1) | {name: wrong})


def test_a_density_that_raises_an_error_does_so_before_sampling():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("never", Assert("x is never above -100")(x, x < -100))
    compiled = CompiledDensity(model)
    with pytest.raises(RuntimeError, match="raises an error"):
        compiled.sample(
            {}, draws=5, tune=5, chains=1, cores=1, seed=1, progress=False, target_accept=0.8
        )


class Raising(Op):
    """Evaluated by Python, which Numba calls; with a slope of nought."""

    itypes, otypes = (pt.dscalar,), (pt.dscalar,)
    __props__ = ()

    def perform(self, node, inputs, output_storage):
        raise ValueError("never")

    def pullback(self, inputs, outputs, cotangents):
        return [pt.zeros_like(inputs[0])]


@pytest.mark.filterwarnings("ignore:Numba will use object mode")
def test_an_error_of_python_in_a_density_is_one_of_the_density():
    with pm.Model() as model:
        pm.Potential("never", Raising()(pm.Normal("x")))
    with pytest.raises(RuntimeError, match="raises an error"):
        CompiledDensity(model).log_density(np.zeros((1, 1)), {})


def test_data_stay_where_they_lie_as_long_as_a_chain_may_run(monkeypatch):
    """Of an interrupted run chains go on for a while, and look data up by their addresses."""
    models = []

    def interrupted(model, **_):
        models.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr("nutpie.sample", interrupted)
    compiled = CompiledDensity(regression())
    with pytest.raises(KeyboardInterrupt):
        compiled.sample(
            given(4), draws=5, tune=5, chains=1, cores=1, seed=1, progress=False, target_accept=0.8
        )
    kept = [each.ctypes.data for each in models[0].shared_data.values()]
    table = models[0].user_data
    assert [table[0], *table[1:7]] == [table.ctypes.data, *kept]


def test_what_is_not_finite_is_a_divergence():
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("half", pt.switch(x > 0.0, -np.inf, 0.0))
    compiled = CompiledDensity(model)
    draws, stats = compiled.sample(
        {}, draws=200, tune=200, chains=2, cores=1, seed=1, progress=False, target_accept=0.8
    )
    assert (draws["x"] <= 0).all()
    assert stats["diverging"].any()


def test_another_process_finds_what_is_compiled_in_the_cache(tmp_path):
    """All of it: a search with a sorter is done in Python, of which the code holds pointers."""
    code = """
import gc
import numpy as np, pymc as pm, pytensor.tensor as pt
from bayes_compute.density_callback import evaluate
from bayes_compute.sampling import CompiledDensity
with pm.Model() as model:
    x = pm.Normal("x", 0, 1)
    place = pt.searchsorted(np.array([3.0, 1, 2]), pt.stack([x, x]), sorter=np.array([1, 2, 0]))
    pm.Potential("place", place.sum() * 0.1)
compiled = CompiledDensity(model)
gc.collect()
other = [bytes(size) for size in range(100, 20000, 7)]
print(compiled._callback.cache_hits, *evaluate(compiled._callback, np.array([1.5]), []))
"""
    here = os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}

    def found() -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", code], env=here, capture_output=True, text=True, check=True
        ).stdout.split(" ", 1)

    (none, first), (one, second) = found(), found()
    assert (none, one, first) == ("0", "1", second)
