"""Turn the text of one cell into a value, or say what was expected in its place."""

import datetime as dt
import math
import re

MOST_LOG10_FLOP = 60
"""Of one training run: more is a slip of units or of the pen."""


class CellError(ValueError):
    """A cell cannot be read; the message says what was expected in its place."""


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ISO = re.compile(r"((?:19|20)\d\d)(?:-(\d\d?)(?:-(\d\d?))?)?", re.ASCII)
_ROUNDED = 1e6  # from which on a count may be the result of an estimate, with a fraction
_SHORT_YEAR = re.compile(r"\d\d?([/.-])\d\d?\1\d\d", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d?)/(\d\d?)/((?:19|20)\d\d)", re.ASCII)


def words(cell: str) -> str:
    """Make every run of white space, line breaks included, one space."""
    return " ".join(cell.split())


def amount(cell: str) -> float:
    """Read a finite number that is not negative: a count, a time, a share."""
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    if not 0 <= value < math.inf:
        raise CellError("a finite number of 0 or more, such as 7.05e8, without unit or separator")
    return value


def count(cell: str) -> float:
    """Read a number of things: 1.5 parameters are a slip for as many millions or billions."""
    value = amount(cell)
    if value < _ROUNDED and value % 1:
        raise CellError("a count, such as 1.5e9 for 1.5 billion: fractions are of another unit")
    return value


def operations(cell: str) -> float:
    """Read a count of operations: at least one, and no more than any machine could do."""
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    if not 0 < value <= 10**MOST_LOG10_FLOP:
        raise CellError(
            f"a positive, finite number from 1 to 1e{MOST_LOG10_FLOP}, such as 7.05e8, without "
            "unit or separator"
        )
    if value < 1:
        raise CellError("FLOP, a count: less than one operation is of another unit")
    return value


def flag(cell: str) -> bool:
    """Read True or False, in any case."""
    if cell.lower() not in ("true", "false"):
        raise CellError("True or False")
    return cell.lower() == "true"


def criteria(cell: str) -> bool:
    """Read whether any criterion is named: an empty cell names none."""
    if cell.lower() in ("no", "false", "none", "n/a", "na", "-", "0"):
        raise CellError("the criteria that the system meets, or an empty cell if it meets none")
    return bool(cell)


def precision(cell: str) -> str:
    """Read how precisely a date is known: day, month or year."""
    if cell not in ("day", "month", "year"):
        raise CellError("day, month or year")
    return cell


def date(cell: str) -> tuple[dt.date, str]:
    """Read a date of 1900 to 2099.

    ``YYYY-MM-DD`` and, day first, ``DD/MM/YYYY`` name a day. Only a month gives its 15th,
    only a year its 1 July: the middle of what is known.

    Returns
    -------
    tuple of datetime.date and str
        The date and the form it was written in: "day", "day first", "month" or "year".

    Raises
    ------
    CellError
        If it is not such a date.
    """
    if (match := _DAY_FIRST.fullmatch(cell)) and int(match[2]) > 12 >= int(match[1]):
        raise CellError(
            "YYYY-MM-DD or, in every date of the column, DD/MM/YYYY: this has the month first"
        )
    if _SHORT_YEAR.fullmatch(cell):
        raise CellError("a year of four digits, as in 2021-02-13")
    try:
        if match:
            day, month, year = map(int, match.groups())
            return dt.date(year, month, day), "day first"
        if match := _ISO.fullmatch(cell):
            year, month, day = match.groups()
            if month is None:
                return dt.date(int(year), 7, 1), "year"
            return dt.date(int(year), int(month), int(day or 15)), "day" if day else "month"
    except ValueError:
        pass  # such as 31 February
    raise CellError("a date of 1900 to 2099 as YYYY-MM-DD, DD/MM/YYYY, YYYY-MM or YYYY")
