"""NUTS on the density of a PyMC model, compiled once on a machine rather than once a run."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from nutpie.compile_pymc import CompiledPyMCModel
from pymc.blocking import DictToArrayBijection
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.compile.maker import function
from pytensor.compile.mode import NUMBA, Mode
from pytensor.configdefaults import config
from pytensor.graph.replace import graph_replace, vectorize_graph
from pytensor.graph.traversal import ancestors, toposort
from pytensor.link.numba.linker import NumbaLinker
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.type import tensor

from bayes_compute.density_callback import addresses, density_callback, evaluate, same_point

PRIOR_DRAWS = 4000


class _Written(NumbaLinker):
    """Write the function that Numba would compile, and its key in the cache."""

    def jit_compile(self, fn_and_cache):
        fn, key = fn_and_cache
        return fn.py_func, key


_WRITTEN: Any = Mode(linker=_Written(), optimizer=NUMBA._optimizer)
# Python is faster where a graph is evaluated once; some Ops compile C++ even so, if they may
_ONCE: Any = "FAST_COMPILE"
_without_cxx: Any = config.change_flags(cxx="")
# Compiled with freedom to round, a function rounds otherwise than when it is read from a cache
_as_written: Any = config.change_flags(numba__fastmath=False)


class CompiledDensity:
    """Posterior density of a PyMC model of continuous variables, compiled.

    Parameters
    ----------
    model : pm.Model
        Its shared variables are its data.
    """

    @_as_written
    def __init__(self, model: pm.Model):
        start = model.initial_point()  # slow: asked for once
        with warnings.catch_warnings():
            # Said where there is no C++ compiler, of NumPy's limit, which Numba does not have
            warnings.filterwarnings("ignore", "Loop fusion failed", UserWarning)
            compiled: Any = model.logp_dlogp_function(
                initial_point=start, ravel_inputs=True, mode=_WRITTEN
            )
        written = compiled._pytensor_function
        self._data = written.get_shared()
        self._callback = density_callback(*written.vm.jit_fn, self._data)
        self._start = DictToArrayBijection.map(start)
        self._model, self._constrain = model, _constrain(model, start)

    def _given(self, data: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Data in order, of the types and in the layout that was compiled for."""
        return [
            np.asarray(variable.type.filter(data[variable.name]), order="C")
            for variable in self._data
        ]

    def log_density(self, points: np.ndarray, data: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log density of unconstrained points (m, n), shape (m,), with the Jacobian's in it."""
        given = self._given(data)
        return np.array([evaluate(self._callback, point, given)[0] for point in points])

    def sample(
        self,
        data: Mapping[str, np.ndarray],
        *,
        draws: int,
        tune: int,
        chains: int,
        cores: int,
        seed: int,
        progress: bool,
        target_accept: float,
    ) -> tuple[xr.Dataset, xr.Dataset]:
        """Sample with nutpie.

        Parameters
        ----------
        data : mapping of str to ndarray
            Value of each shared variable.
        draws, tune, chains, cores, seed : int
        progress : bool
            Show a progress bar.
        target_accept : float
            Acceptance that steps are adapted to.

        Returns
        -------
        posterior, sample_stats : xarray.Dataset
        """
        start, given = self._start.data, self._given(data)

        def near_start(chain_seed):
            return start + np.random.default_rng(chain_seed).uniform(-1, 1, len(start))

        evaluate(self._callback, start, given)  # a density that raises errors does so here
        sampled = nutpie.sample(
            CompiledPyMCModel(
                dims={},
                compiled_logp_func=self._callback,
                compiled_expand_func=same_point,
                initial_point_func=near_start,
                # Kept as long as any chain runs, after an interrupt too
                shared_data={str(i): each for i, each in enumerate(given)},
                shared_var_keys={},
                user_data=addresses(given),
                n_expanded=len(start),
                shape_info=(["point"], [len(start)], [start.shape]),
                logp_func=None,
                expand_func=None,
                _n_dim=len(start),
                _shapes={"point": start.shape},
                _coords={},
            ),
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            seed=seed,
            progress_bar=progress,
            target_accept=target_accept,
            save_warmup=False,  # to convert it takes as long as to convert the draws
        )
        points = sampled["posterior"]["point"].to_numpy()
        posterior = _labelled(self._model, self._constrain(points))
        sample_stats = sampled["sample_stats"].to_dataset()
        sample_stats.attrs.pop("created_at", None)  # so that the same draws make the same file
        return posterior, sample_stats.assign_attrs(target_accept=target_accept)


@_without_cxx
def _constrain(model: Any, start: dict[str, np.ndarray]):
    """Compile what takes points, shape (chain, draw, n), to the model's variables."""
    value = model.continuous_value_vars
    shapes = [np.shape(start[variable.name]) for variable in value]
    part = [
        tensor(variable.name, dtype=variable.dtype, shape=(None, None, *shape))
        for variable, shape in zip(value, shapes, strict=True)
    ]
    one: Any = model.replace_rvs_by_values([model[name] for name in names(model)])
    many = vectorize_graph(one, dict(zip(value, part, strict=True)))
    constrained = function(part, many, mode=_ONCE, on_unused_input="ignore")
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])

    def constrain(points):
        leading = points.shape[:2]
        flat = zip(np.split(points, ends[:-1], axis=2), shapes, strict=True)
        found: Any = constrained(*(piece.reshape(*leading, *shape) for piece, shape in flat))
        return _led(found, one, leading)

    return constrain


def _led(found: list[np.ndarray], one: list, leading: tuple[int, ...]) -> list[np.ndarray]:
    """Values of variables with leading dimensions, which constants lack."""
    every = []
    for values, variable in zip(found, one, strict=True):
        shape = values.shape[values.ndim - variable.ndim :]
        every.append(np.array(np.broadcast_to(values, (*leading, *shape))))  # to write to
    return every


@_without_cxx
def unconstrained(model: Any, draws: xr.Dataset) -> np.ndarray:
    """Draws of a model's variables as points of the space that is sampled.

    Parameters
    ----------
    model : pm.Model
    draws : xarray.Dataset
        With its free variables.

    Returns
    -------
    ndarray, shape (chain, draw, n)
    """
    dims, lead = model.named_vars_to_dims, ("chain", "draw")
    values = [draws[rv.name].transpose(*lead, *dims.get(rv.name, ())) for rv in model.free_RVs]
    one = []
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms[rv]
        one.append(rv if transform is None else transform.forward(rv, *rv.owner.inputs))
    many = [
        tensor(rv.name, dtype=rv.dtype, shape=(None, None, *rv.type.shape)) for rv in model.free_RVs
    ]
    moved: Any = vectorize_graph(one, dict(zip(model.free_RVs, many, strict=True)))
    found: Any = function(many, moved, mode=_ONCE, on_unused_input="ignore")(
        *(np.ascontiguousarray(each, dtype=float) for each in values)
    )
    shape = tuple(draws.sizes[dim] for dim in lead)
    return np.concatenate([each.reshape(*shape, -1) for each in found], axis=2)


@_without_cxx
def prior_draws(model: pm.Model, seed: int, n: int = PRIOR_DRAWS) -> xr.Dataset:
    """Draw every variable of a model from its prior.

    Parameters
    ----------
    model : pm.Model
    seed : int
    n : int
        The first draws of more are those of fewer.

    Returns
    -------
    xarray.Dataset
        One chain of n draws.
    """
    one: Any = [model[name] for name in names(model)]
    each = one
    spelt_out: dict = {}  # zero sums and the like, which PyMC keeps as functions of what is drawn
    for hidden in model.free_RVs:
        if isinstance(hidden.owner.op, SymbolicRandomVariable):
            within = hidden.owner.op.fgraph.bind(hidden.owner.inputs)
            spelt_out[hidden] = within[hidden.owner.outputs.index(hidden)]
    if spelt_out:
        one = graph_replace(one, spelt_out)
    many: dict = {}  # all draws at once: each random variable with one dimension more, in front
    node: Any
    for node in toposort(one):
        if isinstance(node.op, RandomVariable):
            rng, size, *given = node.inputs
            rv: Any = node.outputs[1]
            shape = node.op._infer_shape(size, given)[: rv.ndim - node.op.ndim_supp]
            given = vectorize_graph(given, many) if many else given
            many[rv] = node.op.make_node(rng, (n, *shape), *given).outputs[1]
    together: Any = vectorize_graph(one, many)
    if any(
        variable in many or isinstance(getattr(variable.owner, "op", None), SymbolicRandomVariable)
        for variable in ancestors(together)
    ):  # such as functions of functions of what is drawn: one after the other, slowly
        drawn: Any = pm.draw(each, n, random_seed=seed, mode=_ONCE)
        return _labelled(model, [np.reshape(v, (1, n, *np.shape(v)[n > 1 :])) for v in drawn])
    drawn = pm.draw(together, random_seed=seed, mode=_ONCE)
    return _labelled(model, _led(drawn, one, (1, n)))


def names(model: pm.Model) -> list[str]:
    """Names of a model's variables."""
    return [variable.name for variable in (*model.free_RVs, *model.deterministics)]


def _labelled(model: Any, values) -> xr.Dataset:
    named = zip(names(model), values, strict=True)
    dims = model.named_vars_to_dims
    found = xr.Dataset({name: (("chain", "draw", *dims.get(name, ())), v) for name, v in named})
    return found.assign_coords(
        {name: list(labels) for name, labels in model.coords.items() if name in found.dims}
        | {name: np.arange(found.sizes[name]) for name in ("chain", "draw")}
    )
