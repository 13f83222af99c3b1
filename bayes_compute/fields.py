"""The fields of a table of facts: how ``datapackage.json`` says that they are read and checked."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from bayes_compute.cells import CellError, amount, date, flag, words
from bayes_compute.table import Table, refuse, shown


def parse(table: Table, schema: dict[str, Any]) -> pd.DataFrame:
    """Turn text into typed columns, each cell within the constraints of its field.

    Parameters
    ----------
    table : Table
        A file as text.
    schema : dict
        Its Frictionless table schema: every column in order, with type and constraints (required,
        unique, enum, pattern, minimum, maximum), and perhaps a primary key.

    Returns
    -------
    pandas.DataFrame
        All rows in the file's order. An empty cell is missing; months are text.

    Raises
    ------
    InputError
        A column or a cell is not as the schema says, or a key repeats.
    """
    fields = {field["name"]: field for field in schema["fields"]}
    if table.header != list(fields):
        refuse(
            table.file,
            f"the columns {shown(', '.join(table.header))}",
            shown(", ".join(fields)),
            "make table and datapackage.json agree",
            row=1,
        )
    columns = zip(*(cells for _, cells in table.rows), strict=True)
    frame = pd.DataFrame(
        {
            name: _column(table, fields[name], cells)
            for name, cells in zip(fields, columns, strict=True)
        }
    )
    unique = [[name] for name in fields if fields[name].get("constraints", {}).get("unique")]
    for key in [*unique, *([schema["primaryKey"]] if "primaryKey" in schema else [])]:
        repeated = frame.duplicated(key)
        if repeated.any():
            row, cells = table.rows[int(repeated.argmax())]
            found = " and ".join(shown(cells[table.header.index(name)]) for name in key)
            refuse(
                table.file,
                f"{found} again",
                "each once",
                "remove or rename one of the rows",
                row=row,
                column=", ".join(key),
            )
    return frame


def _column(table: Table, field: dict[str, Any], cells: tuple[str, ...]) -> pd.Series:
    read, dtype, dtype_of_some = _TYPES[field["type"]]
    constraints = field.get("constraints", {})
    values = []
    for (row, _), cell in zip(table.rows, cells, strict=True):
        try:
            values.append(_value(cell.strip(), read, constraints))
        except CellError as error:
            remedy = "correct the cell or its constraints in datapackage.json"
            refuse(table.file, shown(cell), str(error), remedy, row=row, column=field["name"])
    return pd.Series(values, dtype=dtype_of_some if None in values else dtype)


def _value(cell: str, read: Callable[[str], Any], constraints: dict[str, Any]) -> Any:
    if not cell:
        if constraints.get("required"):
            raise CellError("a value: the column must be filled")
        return None
    value = read(cell)
    if "enum" in constraints and value not in constraints["enum"]:
        raise CellError(f"one of {', '.join(constraints['enum'])}")
    if "pattern" in constraints and not re.fullmatch(constraints["pattern"], value):
        raise CellError(f"text of the form {constraints['pattern']}")
    if value < constraints.get("minimum", value) or value > constraints.get("maximum", value):
        low, high = constraints.get("minimum", "any"), constraints.get("maximum", "any")
        raise CellError(f"a value between {low} and {high}")
    return value


def _day(cell: str) -> dt.date:
    value, form = date(cell)
    if form != "day":
        raise CellError("a date as YYYY-MM-DD")
    return value


def _whole(cell: str) -> int:
    if not re.fullmatch(r"\d{1,18}", cell, re.ASCII):  # more digits than an int64 holds
        raise CellError("a whole number, such as 1024, without unit or separator")
    return int(cell)


def _month(cell: str) -> str:
    if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[012])", cell, re.ASCII):
        raise CellError("a month as YYYY-MM")
    return cell


# How to read a type, the dtype of a column of it, and the dtype where cells are empty.
_TYPES: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "string": (words, "str", "str"),
    "number": (amount, "float64", "float64"),
    "integer": (_whole, "int64", "float64"),
    "year": (_whole, "int64", "float64"),
    "yearmonth": (_month, "str", "str"),
    "date": (_day, "datetime64[s]", "datetime64[s]"),
    "boolean": (flag, "bool", "boolean"),
}
