"""Facts about hardware, machines, prices and failures, as tables.

:func:`load_facts` takes the name of a shipped table that is none of systems and returns a data
frame, checked against its schema in ``datapackage.json``. What each table holds, and what is wrong
with it, stands in ``data/README.md``.
"""

import datetime as dt
import difflib
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from bayes_compute.cells import CellError, amount, date, flag, words
from bayes_compute.systems import day, read_shipped, resources
from bayes_compute.table import Table, refuse, shown


def load_facts(name: str, as_of: str | dt.date | None = None) -> pd.DataFrame:
    """Load a shipped table of facts.

    Parameters
    ----------
    name : str
        Name of the table, such as "accelerators" (see :func:`facts`).
    as_of : str or datetime.date, optional
        Keep the rows dated by then ("YYYY-MM-DD"). A row dated by a month, a quarter or a year
        counts from the last day of it; an undated row is dropped. By default all rows are kept.

    Returns
    -------
    pandas.DataFrame
        The rows in the file's order, perhaps none, in the columns and units of
        ``data/README.md``. What the source does not say is missing. ``attrs`` holds name, title,
        sources (their titles), sha256, as_of (ISO date or None), rows and dropped (by reason).

    Raises
    ------
    InputError
        The name or the date is wrong, or the table is not as its schema says.
    """
    tables = facts()
    if name not in tables:
        near = difflib.get_close_matches(str(name).replace("_", "-").lower(), tables, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "choose one of them"
        refuse("load_facts", repr(name), f"one of {', '.join(tables)}", remedy)
    entry = tables[name]
    until = None if as_of is None else day(as_of)
    table = read_shipped(entry)
    frame, dropped = _parse(table, entry["schema"]), {}
    if until is not None:
        dated = _last_day(frame, entry)
        rules = {f"dated after {until}": dated > pd.Timestamp(until), "undated": dated.isna()}
        dropped = {reason: int(rule.sum()) for reason, rule in rules.items() if rule.any()}
        frame = frame.loc[dated <= pd.Timestamp(until)].reset_index(drop=True)
    frame.attrs = {
        "name": name,
        "title": entry["title"],
        "sources": [source["title"] for source in entry["sources"]],
        "sha256": table.sha256,
        "as_of": until and until.isoformat(),
        "rows": len(frame),
        "dropped": dropped,
    }
    return frame


def facts() -> dict[str, dict[str, Any]]:
    """Give the shipped tables of facts: those that a model cannot be fitted to.

    Returns
    -------
    dict
        For each name its entry in ``datapackage.json``: title, description, path, hash, bytes,
        licenses, sources, schema, and ``asOfColumn``, the column that dates a row, or
        ``published``, the day that dates them all.
    """
    return {name: entry for name, entry in resources().items() if not name.startswith("systems-")}


def _last_day(frame: pd.DataFrame, entry: dict[str, Any]) -> pd.Series:
    """Last day of the day, month, quarter or year that dates each row."""
    if "asOfColumn" not in entry:
        return pd.Series(pd.Timestamp(entry["published"]), index=frame.index)
    dates = frame[entry["asOfColumn"]]
    if dates.dtype.kind == "M":
        return dates
    return dates.map(lambda text: pd.Period(str(text)).end_time.normalize(), na_action="ignore")


def _parse(table: Table, schema: dict[str, Any]) -> pd.DataFrame:
    """Turn text into typed columns, each cell within the constraints of its field."""
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
    read, dtype = _TYPES[field["type"]]
    constraints = field.get("constraints", {})
    values = []
    for (row, _), cell in zip(table.rows, cells, strict=True):
        try:
            values.append(_value(cell.strip(), read, constraints))
        except CellError as error:
            remedy = "correct the cell or its constraints in datapackage.json"
            refuse(table.file, shown(cell), str(error), remedy, row=row, column=field["name"])
    if dtype == "int64" and None in values:
        dtype = "float64"
    return pd.Series(values, dtype=dtype)


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
    if not re.fullmatch(r"\d+", cell, re.ASCII):
        raise CellError("a whole number, such as 1024, without unit or separator")
    return int(cell)


def _month(cell: str) -> str:
    if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[012])", cell, re.ASCII):
        raise CellError("a month as YYYY-MM")
    return cell


_TYPES: dict[str, tuple[Callable[[str], Any], str]] = {
    "string": (words, "str"),
    "number": (amount, "float64"),
    "integer": (_whole, "int64"),
    "year": (_whole, "int64"),
    "yearmonth": (_month, "str"),
    "date": (_day, "datetime64[s]"),
    "boolean": (flag, "boolean"),
}
