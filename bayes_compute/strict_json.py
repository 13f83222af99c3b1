"""Values as strict JSON takes them: no NaN, no infinity, no NumPy."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Strict JSON values; ten significant digits hide the last bits, which no seed fixes."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.10g}") if np.isfinite(value) else None
    return value
