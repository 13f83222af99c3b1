"""Work that is shared out among threads: compiled kernels release the lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


def in_threads(work: Callable[[np.ndarray], Any], n: int) -> list:
    """Results of parts of ``n`` pieces of work, in order, however many threads there are."""
    with ThreadPoolExecutor(os.process_cpu_count()) as pool:  # more threads than that by default
        return list(pool.map(work, np.array_split(np.arange(n), min(n, 8))))
