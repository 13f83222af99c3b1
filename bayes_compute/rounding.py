"""Digits that are worth printing: none beyond the Monte Carlo error, few beyond the interval."""

from math import ceil, floor, isfinite, log10

ENDS = ("lower", "median", "upper")
ROUNDED = ("unit", *ENDS, *(f"mcse_{end}" for end in ENDS))
"""What of a row of a summary its rounding needs."""
_UNSURE = 5  # units of the last digit that its Monte Carlo error may be


def median_text(row: dict) -> str:
    """Median of one row of a summary, with the digits that its interval and error support."""
    return texts(row)["median"]


def ends_text(row: dict) -> str:
    """Ends of the interval of one row of a summary, as ``1.4 to 1.6``."""
    said = texts(row)
    return f"{said['lower']} to {said['upper']}"


def texts(row: dict) -> dict[str, str]:
    """Round the median and both ends, so that they keep their order.

    The last digit is 1 to 10 % of the interval; it is coarser where the Monte Carlo error of the
    number itself would be more than five of its units. Dates carry one decimal, about a month, or
    two where the interval is narrower than a year.

    Parameters
    ----------
    row : dict
        With :data:`ROUNDED`; errors may be missing, and ends infinite or None, which is unbounded.

    Returns
    -------
    dict of str
        ``lower``, ``median`` and ``upper``.
    """
    finite = {end: row[end] for end in ENDS if row[end] is not None and isfinite(row[end])}
    finest = (
        _decimals_of_width(row["unit"], max(finite.values()) - min(finite.values()))
        if finite
        else 0
    )
    decimals = {
        end: min(finest, _decimals_of_error(row.get(f"mcse_{end}"), finest)) for end in finite
    }
    rounded = [round(value, decimals[end]) for end, value in finite.items()]
    if rounded != sorted(rounded):
        decimals = dict.fromkeys(finite, min(decimals.values()))
    said = {end: _number(value, decimals[end]) for end, value in finite.items()}
    return {end: said.get(end, "unbounded") for end in ENDS}


def _number(value: float, decimals: int) -> str:
    text = f"{round(value, decimals):.{max(0, decimals)}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _decimals_of_width(unit: str, width: float) -> int:
    if unit == "year":
        return 1 if width >= 1 else 2
    return 3 if width == 0 else max(0, 1 - floor(log10(width)))


def _decimals_of_error(error: float | None, otherwise: int) -> int:
    if error is None or not isfinite(error) or error <= 0:
        return otherwise
    return -ceil(log10(error) - log10(_UNSURE))
