"""How kernels are compiled: to round the same, whoever calls them first.

What a function does not say for itself, Numba takes from the caller that it is first compiled for
(``error_model``, ``fastmath``), and keeps in the cache. A function of PyTensor's may reorder sums,
so that draws would depend on what was compiled before. And where sums may be reordered, a copy
that is inlined rounds otherwise than one that is not.
"""

import numba as nb

kernel = nb.njit(cache=True, error_model="numpy", fastmath=False, nogil=True)
