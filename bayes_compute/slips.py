"""Slips of units: numbers that lie where those of another unit would.

Training compute is held against that of systems of the same dates, and against parameters and data.
A whole column that no systems can have is refused. Of single systems, and where it is only likely,
a note says so: published tables hold such figures too, which later ones revise.
"""

import numpy as np
import pandas as pd

from bayes_compute.observations import FEWEST_SYSTEMS, decimal_year
from bayes_compute.operations import amounts, six_operations
from bayes_compute.table import refuse, shown

# About the medians of the newest table, log10.
_YEARS = (1955, 1990, 2010, 2015, 2019, 2021, 2025)
_FLOP = (6.0, 10.5, 15.0, 18.0, 19.1, 21.2, 23.0)
_PARAMETERS = (2.0, 3.6, 6.6, 7.4, 8.0, 8.6, 9.9)
_FLOP_EACH = 12.0
# Orders of magnitude that a median may be off: tables of small models alone are far below.
_BELOW, _ABOVE, _FEW = -12.0, 7.0, -4.5
# FLOP a parameter, log10: of the median system, and of single ones since 1990 (10^3.4 to 10^16.4).
_SINCE = 1990
_MEDIAN_EACH = (1.0, 16.5)
_SINGLE_EACH = (2.0, 17.0)
_OF_SIX = -7.5  # of six a parameter and data point: tables that are looked up take 10^-6.3
_UNITS = {
    9: ("gigaFLOP", "1e9"),
    12: ("teraFLOP", "1e12"),
    15: ("petaFLOP", "1e15"),
    18: ("exaFLOP", "1e18"),
    20: ("petaFLOP/s-days", "8.64e19"),
}
_UNSURE = 2.0  # orders of magnitude
_NAMED = 3


def unit_slips(systems: pd.DataFrame, file: str, columns: dict[str, str | None]) -> list[str]:
    """Refuse columns that are in another unit, and note what may be.

    Parameters
    ----------
    systems : pandas.DataFrame
        Every row of a table of systems.
    file : str
        How messages name it.
    columns : dict of str
        What the file calls each column.

    Returns
    -------
    list of str
        Notes: how many figures may have another unit, and of which systems.

    Raises
    ------
    InputError
        The training compute of the table is no FLOP, or its parameters are no plain count.
    """
    year = decimal_year(systems["publication_date"])
    flop, parameters, data_flop = (
        np.log10(values)
        for values in (
            amounts(systems, "training_compute_flop"),
            amounts(systems, "parameters"),
            six_operations(systems),
        )
    )
    beyond, each = flop - np.interp(year, _YEARS, _FLOP), flop - parameters
    _check_columns(file, columns, _median(beyond), _median(each))
    few = _median(parameters - np.interp(year, _YEARS, _PARAMETERS))
    notes = {
        "training compute so far below parameters and data that it may not be in FLOP": (
            (each < _SINGLE_EACH[0]) & (year >= _SINCE) | (flop - data_flop < _OF_SIX)
        ),
        "training compute so far above others of its date that it may not be in FLOP": (
            beyond > _ABOVE
        ),
        "so few parameters for the training compute that they may be in millions or billions": (
            (each > _SINGLE_EACH[1]) & (beyond <= _ABOVE)
        ),
        "so few parameters for the date that they may be in millions or billions": (
            np.isfinite(parameters) & (few < _FEW)
        ),
        "hardware utilisation above 1, perhaps per cent: not used": (
            amounts(systems, "hardware_utilization") > 1
        ),
    }
    names = systems["system"].to_numpy()
    return [_note([*names[which]], text) for text, which in notes.items() if which.any()]


def _check_columns(file: str, columns: dict[str, str | None], beyond: float, each: float) -> None:
    """Refuse what cannot be, given medians, log10: FLOP over that of a date, FLOP a parameter."""
    column, low = columns["training_compute_flop"], beyond < _BELOW
    if low or each < _MEDIAN_EACH[0]:
        short = -beyond if low else _FLOP_EACH - each
        likely = [told for order, told in _UNITS.items() if abs(order - short) < _UNSURE]
        refuse(
            file,
            f"training compute about {short:.0f} orders of magnitude below what systems of "
            f"{'these dates' if low else 'so many parameters'} take",
            "FLOP",
            " or ".join(f"multiply by {factor} if it is in {unit}" for unit, factor in likely)
            or "correct its unit",
            column=column,
        )
    if beyond > _ABOVE:
        refuse(
            file,
            f"training compute about {beyond:.0f} orders of magnitude above what systems of these "
            "dates take",
            "FLOP",
            "correct its unit, or the dates",
            column=column,
        )
    if each > _MEDIAN_EACH[1]:
        refuse(
            file,
            f"parameters so few that training takes 1e{each:.0f} FLOP for each",
            "a plain count",
            "multiply by 1e6 if they are in millions, by 1e9 if in billions",
            column=columns["parameters"],
        )


def _median(values: np.ndarray) -> float:
    """Median of what is known, if it is of as many systems as a model needs."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) >= FEWEST_SYSTEMS else np.nan


def _note(names: list[str], text: str) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return f"{len(names)} {text}: {', '.join(map(shown, names[:_NAMED]))}{more}"
