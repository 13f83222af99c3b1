"""Read quantities as people write them: ``"3640 petaFLOP/s-days"``, ``"175B"``, ``"34 days"``.

FLOP is a count of floating-point operations and FLOP/s a rate. "FLOPS" is written for both, so it
is refused. Only units of an exact length are known: a year has 365.25 days, a month has none.
"""

import re
from dataclasses import dataclass
from functools import cache
from math import isfinite, prod
from typing import TYPE_CHECKING

from bayes_compute.table import refuse, shown

if TYPE_CHECKING:
    import pint
    from pint.util import UnitsContainer

SECONDS_PER_HOUR = 3600.0
HOURS_PER_YEAR = 365.25 * 24
_UNITS = """
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
exa- = 1e18 = E-
zetta- = 1e21 = Z-
yotta- = 1e24 = Y-
second = [time] = s = sec
minute = 60 * second = min
hour = 60 * minute = h = hr
day = 24 * hour = d
week = 7 * day
year = 365.25 * day = yr
FLOP = [operation]
parameter = [parameter] = param
token = [token]
accelerator = [accelerator] = accelerator = GPU = TPU = NPU = chip
"""


@dataclass(frozen=True)
class Kind:
    """What a quantity can be.

    Attributes
    ----------
    words : str
        What messages call it.
    unit : str
        Unit of its values; a text without a unit is taken in it where `bare` is true.
    example : str
        How a user may write it.
    bare : bool
        Whether a number without a unit cannot be misread.
    option : str
        Where a quantity of this kind belongs.
    """

    words: str
    unit: str
    example: str
    bare: bool
    option: str


COUNT = Kind("a count of operations", "FLOP", "3.14e23 FLOP", True, "published")
RATE = Kind("a rate", "FLOP/s", "312 TFLOP/s", False, "peak_rate, rmax or rpeak")
RATE_EACH = Kind("a rate", "FLOP/s/accelerator", "312 TFLOP/s/GPU", False, "peak_rate")
TIME = Kind("a time", "s", "34 days", False, "time")
DEVICE_TIME = Kind("accelerator time", "accelerator s", "30.84M GPU-hours", False, "time")
PARAMETERS = Kind("a number of parameters", "parameter", "175B", True, "parameters")
TOKENS = Kind("a number of tokens", "token", "300B", True, "tokens")
ACCELERATORS = Kind("a number of accelerators", "accelerator", "16384", True, "accelerators")
NUMBER = Kind("a number", "", "2", True, "epochs")
_KINDS = (COUNT, RATE, RATE_EACH, TIME, DEVICE_TIME, PARAMETERS, TOKENS, ACCELERATORS)

_SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "b": 1e9, "bn": 1e9, "T": 1e12}
_SUFFIXES |= {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_TEXT = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"\s*(?:({'|'.join(sorted(_SUFFIXES, key=len, reverse=True))})(?![A-Za-z]))?"
    r"\s*(.*)"
)
_OPERATOR = re.compile(r"\s*(?:(/|\bper\b)|[*·-])\s*|\s+")
_FLOPS = re.compile(r"flops(?:\s*/\s*s(?:ec(?:ond)?)?\b)?", re.IGNORECASE)
# Nobody means a milliFLOP.
_LOWER_PREFIX = re.compile(r"\b[mgtpezy](?=flop)", re.IGNORECASE)


def quantity(name: str, value: float | str, *kinds: Kind) -> tuple[float, Kind]:
    """Read a quantity and check what it is.

    Parameters
    ----------
    name : str
        How messages call it.
    value : float or str
        A number, or text such as "442 PFLOP/s", "1.5T", "7e9", "30.84M GPU-hours".
    *kinds : Kind
        What it may be, the first being what messages say is expected.

    Returns
    -------
    float, Kind
        The value in the unit of its kind, positive and finite.

    Raises
    ------
    InputError
        It is not a positive number, its unit is unknown, missing or of another kind, or it says
        "FLOPS".
    """
    expected = f"{kinds[0].words}, such as '{kinds[0].example}'"
    got = shown(value) if isinstance(value, str) else shown(repr(value))[1:-1]
    number, unit = _parts(name, value, got, expected)
    if not (isfinite(number) and number > 0):
        refuse(name, got, f"{expected}; it is positive and finite", "correct it")
    if not unit:
        bare = [kind for kind in kinds if kind.bare]
        if not bare:
            refuse(name, f"{got} without a unit", expected, "add the unit")
        return number, bare[0]
    measured = _measured(name, unit, got, expected)
    for kind in kinds:
        if kind.unit and measured.dimensionality == _dimension(kind):
            return number * float(measured.to_root_units().magnitude), kind
    other = [kind for kind in _KINDS if measured.dimensionality == _dimension(kind)]
    is_what = f"{other[0].words} ({other[0].unit})" if other else "something else"
    refuse(name, f"{got}, {is_what}", expected, _remedy(other[0] if other else None, kinds[0]))


def share(name: str, value: float | str) -> float:
    """Read a share, such as ``0.46``, ``"0.46"`` or ``"46 %"``: above 0, at most 1."""
    got = shown(value) if isinstance(value, str) else shown(repr(value))[1:-1]
    expected = "a share above 0 and at most 1, such as 0.46 or '46 %'"
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        refuse(name, got, expected, "write a number")
    if isinstance(value, bool) or not 0 < number <= 1:
        remedy = f"write '{number:g} %'" if 1 < number <= 100 else "correct it"
        refuse(name, got, expected, remedy)
    return number


def _parts(name: str, value: float | str, got: str, expected: str) -> tuple[float, str]:
    """Number, its suffix applied, and what stands after it."""
    if not isinstance(value, str):
        if isinstance(value, bool):
            refuse(name, got, expected, "give a number or text")
        try:
            return float(value), ""
        except (TypeError, ValueError, OverflowError):
            refuse(name, got, expected, "give a number or text")
    text = _LOWER_PREFIX.sub(lambda prefix: prefix.group().upper(), value.strip())
    if flops := _FLOPS.search(text):
        rate, count = (shown(_FLOPS.sub(unit, text)) for unit in ("FLOP/s", "FLOP"))
        refuse(
            name,
            got,
            'FLOP, a count, or FLOP/s, a rate: "FLOPS" is written for both',
            f"write {rate} if it is a rate, {count} if a count"
            if flops.end() == len(text)
            else f"write {rate}",
        )
    found = _TEXT.fullmatch(text)
    if found is None:
        refuse(name, got, expected, "write a number first, as 3.14e23 or 16384")
    number, suffix, unit = found.groups()
    if re.match(r"[,_]\d", unit):
        refuse(name, got, expected, "write the number without separators, as 16384")
    if re.match(r"[x×*·^]\s*\d", unit):
        refuse(name, got, expected, "write powers of ten as 3.14e23")
    return prod((float(number), _SUFFIXES.get(suffix, 1.0))), unit


def _measured(name: str, unit: str, got: str, expected: str) -> "pint.Quantity":
    """One of a unit; products and quotients are taken from left to right."""
    from pint.errors import UndefinedUnitError

    registry = _registry()
    measured, divide, at = registry.Quantity(1.0), False, 0
    for operator in [*_OPERATOR.finditer(unit), None]:
        word = unit[at : operator.start() if operator else len(unit)]
        if re.fullmatch(r"months?", word, re.IGNORECASE):
            refuse(name, got, expected, "a month has no exact length: give days")
        try:
            if not re.fullmatch(r"[A-Za-z]+", word):
                raise UndefinedUnitError(word)
            one = registry.Quantity(1.0, word)
        except UndefinedUnitError:
            refuse(
                name,
                f"{got}, whose unit {shown(word or unit)} is unknown",
                expected,
                "units are FLOP with k to Y, s, min, h, d, weeks, years, GPU, tokens, parameters",
            )
        measured = measured / one if divide else measured * one
        if operator:
            divide, at = bool(operator.group(1)), operator.end()
    return measured


def _dimension(kind: Kind) -> "UnitsContainer":
    return _measured(kind.words, kind.unit, "", "").dimensionality


def _remedy(got: Kind | None, expected: Kind) -> str:
    if (got, expected) == (COUNT, RATE):
        return "a rate is a count a second: write FLOP/s"
    if (got, expected) == (RATE, COUNT):
        return "a count is a rate times a time, such as '3640 petaFLOP/s-days'"
    return f"{got.words} goes with {got.option}" if got else "correct the unit"


@cache
def _registry() -> "pint.UnitRegistry":
    import pint

    registry = pint.UnitRegistry(None, case_sensitive=False)
    for line in _UNITS.strip().splitlines():
        registry.define(line)
    return registry
