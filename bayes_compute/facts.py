"""Facts about hardware, machines, prices and failures, as tables.

:func:`load_facts` takes the name of a shipped table that is none of systems and returns a data
frame, checked against its schema in ``datapackage.json``. What each table holds, and what is wrong
with it, stands in ``data/README.md``.
"""

import datetime as dt
import difflib
from typing import Any

import pandas as pd

from bayes_compute.fields import parse
from bayes_compute.systems import day, read_shipped, resources
from bayes_compute.table import refuse


def load_facts(name: str, as_of: str | dt.date | None = None) -> pd.DataFrame:
    """Load a shipped table of facts.

    Parameters
    ----------
    name : str
        Name of the table, such as "accelerators" (see :func:`tables`).
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

    Examples
    --------
    >>> import bayes_compute as bc
    >>> chips = bc.load_facts("accelerators", as_of="2022-03-13")
    >>> len(chips), chips.attrs["dropped"]["undated"]
    (96, 14)
    """
    known = tables()
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name).replace("_", "-").lower(), known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "choose one of them"
        refuse("load_facts", repr(name), f"one of {', '.join(known)}", remedy)
    entry = known[name]
    until = None if as_of is None else day(as_of)
    table = read_shipped(entry)
    frame, dropped = parse(table, entry["schema"]), {}
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


def tables() -> dict[str, dict[str, Any]]:
    """Give the shipped tables of facts: those that a model cannot be fitted to.

    Returns
    -------
    dict
        For each name its entry in ``datapackage.json``: title, description, path, hash, bytes,
        licenses, sources, schema, and ``asOfColumn``, the column that dates a row, or
        ``published``, the day that dates them all.
    """
    return {name: entry for name, entry in resources().items() if not name.startswith("systems-")}


def describe(table: pd.DataFrame) -> str:
    """Say in a line each where a table comes from, what was left out and what a column holds.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`load_facts` returned.
    """
    name, rows = table.attrs["name"], table.attrs["rows"]
    fields = tables()[name]["schema"]["fields"]
    until = f" as of {table.attrs['as_of']}" if table.attrs["as_of"] else ""
    lines = [
        f"{name}: {table.attrs['title']}, {rows} rows{until}",
        *(f"left out: {n} {reason}" for reason, n in table.attrs["dropped"].items()),
        f"from {'; '.join(table.attrs['sources'])}",
        f"sha256 {table.attrs['sha256']}",
    ]
    for field in fields:
        unit = f" [{field['unit']}]" if "unit" in field else ""
        filled = table[field["name"]].notna().sum()
        lines.append(f"  {field['name']}{unit}, {filled} of {rows}: {field['description']}")
    return "\n".join(lines)


def _last_day(frame: pd.DataFrame, entry: dict[str, Any]) -> pd.Series:
    """Last day of the day, month, quarter or year that dates each row."""
    if "asOfColumn" not in entry:
        return pd.Series(pd.Timestamp(entry["published"]), index=frame.index)
    dates = pd.Series(frame[entry["asOfColumn"]])
    if dates.dtype.kind == "M":
        return dates

    def last(text: object) -> pd.Timestamp:
        period: Any = pd.Period(str(text))
        return period.end_time.normalize()

    return pd.to_datetime(dates.map(last, na_action="ignore"))
