from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from dense import made_up, many, small
from pytensor import gradient as differentiation
from pytensor.compile import maker
from pytensor.compile.mode import Mode
from scipy import stats

from bayes_compute.changepoint.continuous import (
    ContinuousHyperparameters,
    ContinuousRegression,
)
from bayes_compute.changepoint.era_prior import EraPrior
from bayes_compute.changepoint.hyperparameters import Hyperparameters
from bayes_compute.changepoint.op import collapsed_log_likelihood
from bayes_compute.changepoint.regimes import (
    RegimeHyperparameters,
    RegimePrior,
    ThresholdRegimes,
)
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations

PRIOR = EraPrior(level_mean=16.0, level_sd=3.0, sigma_median=1.2, log_sigma_sd=0.5)
compile_graph: Any = maker.function
grad: Any = differentiation.grad
DATES: Any = (stats.norm(2008, 5), stats.norm(2014, 4))
POINTS = (
    Hyperparameters(0.35, 0.2, np.array([0.4, -0.4])),
    Hyperparameters(-0.1, 1.5, np.array([-2.0, 1.0])),
)
MODES = {"default": None, "NUMBA": "NUMBA", "Python": Mode(linker="py", optimizer="fast_compile")}


def regression_of(seed: int, n: int = 8) -> CollapsedRegression:
    return CollapsedRegression.of(small(seed, n), DATES, PRIOR, per_year=None)


def compiled(regression, mode, scale=1.0):
    """A function from growth_mean, growth_sd and offset to the value and its gradient."""
    inputs = [pt.dscalar("growth_mean"), pt.dscalar("growth_sd"), pt.dvector("offset")]
    value = scale * collapsed_log_likelihood(regression, *inputs)
    return compile_graph(inputs, [value, *grad(value, inputs)], mode=mode)


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return MODES[request.param]


@pytest.fixture(scope="module")
def function(mode):
    return compiled(regression_of(1), mode)


@pytest.mark.parametrize("at", POINTS)
def test_graph_is_numpy(function, at):
    value, *gradient = function(*at)
    expected, slope = regression_of(1).log_likelihood(at)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(np.hstack(gradient), slope, rtol=1e-12, atol=1e-12)


@cache
def regimes_of_few() -> ThresholdRegimes:
    """Of 8 systems, one of which has undisclosed parameters."""
    o = small(1, 8)
    parameters = 6 + np.arange(8.0) % 5
    parameters[5] = np.nan
    prior = RegimePrior(
        (16, 17, 19), (3, 2, 2), (6.0, 7.0, 9.0), 1.0, (0.1, 0.15), (1.0, 0.4),
        capacity=stats.norm(8, 0.3), drift=stats.norm(0, 0.1),
    )  # fmt: skip
    o = replace(o, log10_parameters=parameters)
    return ThresholdRegimes.of(o, DATES, prior, widest=1.0, n_drifts=1)


def continuous_of_few() -> ContinuousRegression:
    return ContinuousRegression.of(small(1, 8), DATES, PRIOR, widest=2.0)


@pytest.mark.parametrize(
    ("likelihood", "at"),
    [
        (
            regimes_of_few,
            RegimeHyperparameters(0.35, 0.2, 0.6, np.array([1.0, 0.8, 1.2]), np.array([0.4, -0.4])),
        ),
        (
            continuous_of_few,
            ContinuousHyperparameters(0.35, 0.2, np.array([1.0, 0.8, 1.2]), np.array([0.4, -0.4])),
        ),
    ],
    ids=["regimes", "continuous"],
)
def test_graph_of_other_likelihoods_is_numpy(likelihood, at, mode):
    few = likelihood()
    inputs = [pt.dscalar() if np.ndim(member) == 0 else pt.dvector() for member in at]
    node = collapsed_log_likelihood(few, *inputs)
    value, *gradient = compile_graph(inputs, [node, *grad(node, inputs)], mode=mode)(*at)
    expected, slope = few.log_likelihood(at)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(np.hstack(gradient), slope, rtol=1e-11, atol=1e-11)


def test_gradient_follows_the_chain_rule():
    at = POINTS[0]
    value, *gradient = compiled(regression_of(1), MODES["Python"], scale=-3.0)(*at)
    expected, slope = regression_of(1).log_likelihood(at)
    assert value == pytest.approx(-3 * expected, rel=1e-12)
    np.testing.assert_allclose(np.hstack(gradient), -3 * slope, rtol=1e-12)


def test_gradient_reaches_what_an_offset_is_made_of():
    both: Any = pt.dvector("both")
    value = collapsed_log_likelihood(regression_of(1), 0.35, 0.2, pt.stack([both[1], -both[0]]))
    gradient = compile_graph([both], grad(value, both), mode=MODES["Python"])
    _, slope = regression_of(1).log_likelihood(POINTS[0])
    np.testing.assert_allclose(gradient([0.4, 0.4]), [-slope[3], slope[2]], rtol=1e-12)


def test_a_compiled_graph_takes_other_data(function):
    other = regression_of(2, n=10)
    before = {
        variable.name: variable.get_value()
        for variable in function.get_shared()
        if variable.name in other.data
    }
    assert set(before) == set(other.data)
    for variable in function.get_shared():
        variable.set_value(other.data[variable.name])
    value, *gradient = function(*POINTS[0])
    for variable in function.get_shared():
        variable.set_value(before[variable.name])
    expected, slope = other.log_likelihood(POINTS[0])
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(np.hstack(gradient), slope, rtol=1e-12, atol=1e-12)


def observations() -> Observations:
    o = many(40)
    return made_up(o.year, o.log10_flop, o.variance, np.arange(40) % 3)


@pytest.mark.parametrize("flat_dates", [False, True])
def test_the_model_adds_its_priors_to_the_likelihood(flat_dates):
    model = three_eras.build(observations(), flat_dates)
    assert [variable.name for variable in model.free_RVs] == [
        "growth_mean",
        "growth_sd",
        "offset_sd",
        "offset",
    ]
    point = model.initial_point()
    point = {name: np.asarray(value) + 0.1 for name, value in point.items()}
    total, offset, growth_sd, *priors = compile_graph(
        list(model.value_vars),
        model.replace_rvs_by_values(
            [model.logp(), model["offset"], model["growth_sd"]]
        ) + model.logp(vars=model.free_RVs, sum=False),
        mode=MODES["Python"],
        on_unused_input="ignore",
    )(**point)  # fmt: skip
    regression = three_eras.regression(observations(), flat_dates)
    regression = regression.focused(regression.SAMPLED_WITHOUT)
    at = Hyperparameters(float(point["growth_mean"]), float(growth_sd), offset)
    value, _ = regression.log_likelihood(at)
    assert total == pytest.approx(value + sum(map(np.sum, priors)), rel=1e-10)


def test_the_model_s_gradient_is_that_of_its_log_density():
    model = three_eras.build(observations())
    logp = model.compile_logp(mode=MODES["Python"])
    dlogp = model.compile_dlogp(mode=MODES["Python"])
    start = model.initial_point()
    assert np.isfinite(logp(start))
    gradient, found = dlogp(start), []
    for variable in model.value_vars:
        value = np.asarray(start[variable.name], float)
        for i in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[i] = 1e-4
            ahead, back = (logp({**start, variable.name: value + s}) for s in (step, -step))
            found.append((ahead - back) / 2e-4)
    assert np.all(np.isfinite(gradient))
    np.testing.assert_allclose(gradient, found, rtol=1e-4, atol=1e-4)
