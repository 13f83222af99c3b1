"""The collapsed likelihood as one node of a PyTensor graph, with its own gradient."""

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

from bayes_compute.changepoint import KERNEL_KEY
from bayes_compute.changepoint.collapse import log_likelihood
from bayes_compute.changepoint.regression import CollapsedRegression

_N_PARAMETERS = 3


class CollapsedLogLikelihood(Op):
    """Log marginal likelihood of hyperparameters, and its gradient as a second output."""

    __props__ = ()

    def make_node(self, *inputs):
        """Inputs as :func:`bayes_compute.changepoint.collapse.log_likelihood` takes them."""
        return Apply(self, [pt.as_tensor(x) for x in inputs], [pt.dscalar(), pt.dvector()])

    def perform(self, node, inputs, output_storage):
        """Evaluate in Python, for graphs that are not compiled with Numba."""
        value, gradient = log_likelihood(*inputs)
        output_storage[0][0], output_storage[1][0] = np.asarray(value), gradient

    def connection_pattern(self, node):
        """Only the value can be differentiated, and only in the hyperparameters."""
        fixed = len(node.inputs) - _N_PARAMETERS
        return [[True, False]] * _N_PARAMETERS + [[False, False]] * fixed

    def pullback(self, inputs, outputs, cotangents):
        """Hand each hyperparameter its part of the gradient."""
        gradient: Any = pt.mul(outputs[1], cotangents[0])
        parts = [gradient[0], gradient[1], gradient[2:]]
        return parts + [disconnected_type() for _ in inputs[_N_PARAMETERS:]]


@register_funcify_default_op_cache_key(CollapsedLogLikelihood)
def _compile(op, node=None, **kwargs):
    @numba_njit
    def collapsed(growth_mean, growth_sd, offset, sums, fixed, weight, mean, sd, mass, spans, rows):
        value, gradient = log_likelihood(
            growth_mean.item(), growth_sd.item(), offset,
            sums, fixed, weight, mean.item(), sd.item(), mass, spans, rows,
        )  # fmt: skip
        return np.asarray(value), gradient

    return collapsed, KERNEL_KEY


def collapsed_log_likelihood(
    regression: CollapsedRegression, growth_mean, growth_sd, offset
) -> Any:
    """Log marginal likelihood as a scalar of a PyTensor graph.

    The data are shared variables, so that one compiled graph serves other data too.

    Parameters
    ----------
    regression : CollapsedRegression
    growth_mean, growth_sd : scalar tensor [OOM/year]
    offset : vector tensor, shape (D,) [log10 FLOP]
    """
    data = [shared(value, name=name) for name, value in regression.data.items()]
    node: Any = CollapsedLogLikelihood().make_node(growth_mean, growth_sd, offset, *data)
    return node.outputs[0]
