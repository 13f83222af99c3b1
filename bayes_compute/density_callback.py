"""A log density as a function of C, which nutpie calls without Python, compiled once a machine.

Python between two evaluations took a quarter of all time. ``nutpie.compile_pymc_model`` wraps a
density in C as well, but in functions that Numba cannot cache, and compiling them takes several
times as long as sampling does. Here data are found by where they lie, which is told at each call,
so that PyTensor's cache holds what is compiled, whatever the data.
"""

import ctypes
import hashlib
import warnings
from collections.abc import Callable, Sequence
from itertools import batched
from typing import Any

import numba as nb
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.errors import NumbaWarning
from numba.core.sigutils import normalize_signature
from numba.np.numpy_support import carray
from pytensor.graph.basic import Variable
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_njit

# nutpie goes on, as from a divergence, after what is above zero, and stops at what is below
NOT_FINITE, FAILED = 1, -1
_DOUBLES, _COUNT = nb.types.CPointer(nb.float64), nb.uint64
_SOURCE = """
def density_callback(n, point, gradient, value, data):
    try:
        known = carray(data[0], ({n_known},), intp)
{arrays}
        found, slope = density(*({given}))
        value[0] = found.item()
        finite = isfinite(value[0])
        for i in range(n):
            gradient[i] = slope[i]
            finite = finite and isfinite(slope[i])
        return 0 if finite else {NOT_FINITE}
    except Exception:
        return {FAILED}
"""


def density_callback(density: Callable, key: str | None, data: Sequence[Variable]) -> CFunc:
    """Compile a log density.

    Parameters
    ----------
    density : function
        From a point and data to value and gradient, as Numba takes it.
    key : str, optional
        Of PyTensor's cache; without one it is compiled in each process.
    data : sequence of Variable
        Their types.

    Returns
    -------
    CFunc
        As nutpie calls it: from the number of coordinates, a point, where its gradient and value
        are written, and :func:`addresses` of data, to a status.
    """
    arrays, given, place = "", ["carray(point, (n,))"], len(data) + 1
    for i, variable in enumerate(data):
        sizes = "".join(f"known[{place + axis}], " for axis in range(variable.type.ndim))
        arrays += f"        d{i} = carray(data[{i + 1}], ({sizes}), {variable.type.dtype})\n"
        given.append(f"d{i}")
        place += variable.type.ndim
    source = _SOURCE.format(
        n_known=place,
        arrays=arrays,
        # Numba compiles no call with more than 30 arguments, and no longer tuple either
        given=" + ".join(f"({', '.join(some)},)" for some in batched(given, 20, strict=False)),
        NOT_FINITE=NOT_FINITE,
        FAILED=FAILED,
    )
    names = {
        "__name__": __name__,  # from which the cache finds its way back
        "density": numba_njit(density, fastmath=False),
        "carray": carray,
        "isfinite": np.isfinite,
        "intp": np.intp,
        **{variable.type.dtype: np.dtype(variable.type.dtype).type for variable in data},
    }
    if key is not None:
        key = hashlib.sha256((key + source).encode()).hexdigest()
    written = compile_numba_function_src(source, "density_callback", names, cache_key=key)
    signature = nb.int64(_COUNT, _DOUBLES, _DOUBLES, _DOUBLES, nb.types.CPointer(nb.types.voidptr))
    callback = _Whole(written, normalize_signature(signature), {}, {})
    if key is not None:
        callback.enable_caching()
    with warnings.catch_warnings():  # of constants above 1 MB, as PyTensor is silent of its own
        warnings.filterwarnings("ignore", ".*Cannot cache compiled function", NumbaWarning)
        callback.compile()
    return callback


class _Whole(CFunc):
    """Keeps all of what is read from the cache, to which the code points, not the code alone."""

    _cache: Any
    _read: Any

    def enable_caching(self):
        super().enable_caching()
        load = self._cache.load_overload

        def load_and_keep(*given):
            self._read = load(*given)
            return self._read

        self._cache.load_overload = load_and_keep


def addresses(data: Sequence[np.ndarray]) -> np.ndarray:
    """Where this very array lies, where those of data lie, and the sizes of these.

    Addresses can be followed but not read as numbers, sizes read but not followed: therefore the
    first, from which all are read as numbers. The data must be contiguous, and outlive it.
    """
    lie = [each.ctypes.data for each in data]
    sizes = [size for each in data for size in each.shape]
    table = np.array([0, *lie, *sizes], dtype=np.intp)
    table[0] = table.ctypes.data
    return table


def evaluate(
    callback: CFunc, point: np.ndarray, data: Sequence[np.ndarray]
) -> tuple[float, np.ndarray]:
    """Value and gradient (n,) at one point (n,).

    Raises
    ------
    RuntimeError
        If the density raises an error.
    """
    point = np.ascontiguousarray(point, dtype=float)
    gradient, value, table = np.empty(len(point)), np.empty(1), addresses(data)
    doubles, pointers = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_void_p)
    failed = RuntimeError("the density raises an error where it is evaluated")
    try:
        status = callback.ctypes(
            len(point),
            *(each.ctypes.data_as(doubles) for each in (point, gradient, value)),
            table.ctypes.data_as(pointers),
        )
    except SystemError as error:  # of Python, called from the density
        raise failed from error
    if status == FAILED:
        raise failed
    return value.item(), gradient


@nb.cfunc(nb.int64(_COUNT, _COUNT, _DOUBLES, _DOUBLES, nb.types.voidptr), cache=True)
def same_point(n, n_kept, point, kept, data):
    """What nutpie keeps of a draw: its point."""
    for i in range(n):
        kept[i] = point[i]
    return 0
