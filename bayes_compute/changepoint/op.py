"""Collapsed likelihoods, each one node of a PyTensor graph, with their own gradients."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import shared
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import (
    numba_njit,
    register_funcify_default_op_cache_key,
)

from bayes_compute.changepoint import (
    KERNEL_KEY,
    coexistence,
    collapse,
    continuous,
    membership,
    mixture,
    regimes,
)
from bayes_compute.changepoint.hyperparameters import Hyperparameters
from bayes_compute.changepoint.regression import CollapsedRegression


@numba_njit(fastmath=False)
def _collapsed(growth_mean, growth_sd, offset, sums, fixed, weight, level_mean, level_sd, *rest):
    value, gradient = collapse.log_likelihood(
        growth_mean.item(), growth_sd.item(), offset,
        sums, fixed, weight, level_mean.item(), level_sd.item(), *rest,
    )  # fmt: skip
    return np.asarray(value), gradient


@numba_njit(fastmath=False)
def _regimes(growth_mean, growth_sd, elasticity, *rest):
    value, gradient = coexistence.log_likelihood(
        growth_mean.item(), growth_sd.item(), elasticity.item(), *rest
    )
    return np.asarray(value), gradient


@numba_njit(fastmath=False)
def _continuous(growth_mean, growth_sd, sigma, offset, *rest):
    value, gradient = continuous.log_likelihood(
        growth_mean.item(), growth_sd.item(), sigma, offset, *rest
    )
    return np.asarray(value), gradient


@numba_njit(fastmath=False)
def _mixture(level, growth, sigma, elasticity, offset, a, b, sd, share, *rest):
    value, gradient = membership.log_likelihood(
        level, growth, sigma, elasticity.item(), offset, a, b, sd, share.item(), *rest
    )
    return np.asarray(value), gradient


class CollapsedLogLikelihood(Op):
    """Log marginal likelihood of hyperparameters, and its gradient as a second output."""

    __props__ = ()
    kernel = staticmethod(collapse.log_likelihood)
    in_graph = staticmethod(_collapsed)
    n_hyperparameters = len(Hyperparameters._fields)

    def make_node(self, *inputs):
        """Inputs as :attr:`kernel` takes them."""
        return Apply(self, [pt.as_tensor(x) for x in inputs], [pt.dscalar(), pt.dvector()])

    def perform(self, node, inputs, output_storage):
        """Evaluate in Python, for graphs that are not compiled with Numba."""
        value, gradient = self.kernel(*inputs)
        output_storage[0][0], output_storage[1][0] = np.asarray(value), gradient

    def connection_pattern(self, node):
        """Only the value can be differentiated, and only in the hyperparameters."""
        fixed = len(node.inputs) - self.n_hyperparameters
        return [[True, False]] * self.n_hyperparameters + [[False, False]] * fixed

    def pullback(self, inputs, outputs, cotangents):
        """Hand each hyperparameter its part of the gradient."""
        gradient: Any = pt.mul(outputs[1], cotangents[0])
        parts: list[Any] = []
        start: Any = 0
        x: Any
        for x in inputs[: self.n_hyperparameters]:
            if x.type.ndim == 0:
                parts.append(gradient[start])
                start = start + 1
            else:
                parts.append(gradient[start : start + x.shape[0]])
                start = start + x.shape[0]
        return parts + [disconnected_type() for _ in inputs[self.n_hyperparameters :]]


class ContinuousLogLikelihood(CollapsedLogLikelihood):
    """The same for eras whose lines meet."""

    kernel = staticmethod(continuous.log_likelihood)
    in_graph = staticmethod(_continuous)
    n_hyperparameters = len(continuous.ContinuousHyperparameters._fields)


class RegimesLogLikelihood(CollapsedLogLikelihood):
    """The same for regimes that coexist."""

    kernel = staticmethod(coexistence.log_likelihood)
    in_graph = staticmethod(_regimes)
    n_hyperparameters = len(regimes.ThresholdRegimes.Point._fields)


class MixtureLogLikelihood(CollapsedLogLikelihood):
    """The same for regimes whose members are not known for sure."""

    kernel = staticmethod(membership.log_likelihood)
    in_graph = staticmethod(_mixture)
    n_hyperparameters = len(mixture.MixtureHyperparameters._fields)


@register_funcify_default_op_cache_key(CollapsedLogLikelihood)
def _compile(op, node=None, **kwargs):
    return op.in_graph, KERNEL_KEY


def collapsed_log_likelihood(
    likelihood: CollapsedRegression
    | continuous.ContinuousRegression
    | regimes.ThresholdRegimes
    | mixture.MixtureRegimes,
    *at,
) -> Any:
    """Log marginal likelihood as a scalar of a PyTensor graph.

    The data are shared variables, so that one compiled graph serves other data too.

    Parameters
    ----------
    likelihood : CollapsedRegression, ContinuousRegression, ThresholdRegimes or MixtureRegimes
    *at : tensors
        Its hyperparameters, in the order in which its ``log_likelihood`` takes them.
    """
    ops = {
        continuous.ContinuousRegression: ContinuousLogLikelihood,
        regimes.ThresholdRegimes: RegimesLogLikelihood,
        mixture.MixtureRegimes: MixtureLogLikelihood,
    }
    op = ops.get(type(likelihood), CollapsedLogLikelihood)()
    data = [shared(value, name=name) for name, value in likelihood.data.items()]
    node: Any = op.make_node(*at, *data)
    return node.outputs[0]
