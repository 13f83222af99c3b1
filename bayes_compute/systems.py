"""Load a table of trained machine-learning systems, checked cell by cell.

:func:`load_systems` takes the name of a shipped table, or a CSV file in the shipped schema or as
downloaded from Epoch AI, and returns a data frame that says in its ``attrs`` where it comes from
and what was left out; :func:`describe` puts that into a few lines. :func:`read_shipped` is the
only reader of the project's data, of facts too.
"""

import datetime as dt
import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_compute.escaping import escape
from bayes_compute.schema import parse
from bayes_compute.table import Table, read_table, refuse


def load_systems(
    name_or_path: str | os.PathLike[str],
    as_of: str | dt.date | None = None,
    selection: str | None = None,
    fine_tunes: bool = False,
) -> pd.DataFrame:
    """Load the systems of a shipped table or of a CSV file.

    Systems without training compute are kept. An undated system is kept (its date is ``NaT``)
    unless `as_of` is earlier than the table itself: being in the table, it was published by
    the table's date, and nothing more is known.

    Parameters
    ----------
    name_or_path : str or path
        Name of a shipped table (see :func:`shipped`), or a CSV file in the same schema or with
        the columns of an Epoch AI download.
    as_of : str or datetime.date, optional
        Keep what was published by then ("YYYY-MM-DD"). A date later than the table's own, which
        is also the default, is taken as the table's: its vintage date, or today for a file.
    selection : {"notable", "all"}, optional
        Keep notable systems or all. By default notable, or all if the source has no such flag.
    fine_tunes : bool
        Keep systems that have a base model. Their training compute often includes that of the
        base model, so they are left out by default.

    Returns
    -------
    pandas.DataFrame
        One row a system, by publication date: the columns of ``data/README.md`` (FLOP, hours,
        watts, USD of 2023) and ``fine_tune`` (bool). ``attrs["source"]`` holds name, rows,
        sha256, as_of, vintage (the day of the table) and selection; ``attrs["report"]`` holds
        the counts read, kept and dropped (by reason) and notes.

    Raises
    ------
    InputError
        A cell, the file or an argument is wrong, or no system is left.

    Examples
    --------
    >>> import bayes_compute as bc
    >>> systems = bc.load_systems("systems-2025-08", as_of="2022-03-12")
    >>> len(systems), systems.attrs["source"]["selection"]
    (506, 'notable')
    >>> systems.attrs["report"]["dropped"]["fine-tuned from a base model"]
    20
    """
    table, name, table_date = _open(name_or_path)
    frame, notes = parse(table)
    until = table_date if as_of is None else day(as_of)
    if until > table_date:
        notes.append(f"as_of {until} is later than the table: {table_date} taken")
        until = table_date
    selection = _selection(selection, frame, table.file)

    published = frame["publication_date"]
    rules = {
        f"published after {until}": (
            published > pd.Timestamp(until),
            f"give a later as_of: the first is of {str(published.min())[:10]}",
        ),
        "undated": (published.isna() & (until < table_date), "fill in dates or leave out as_of"),
        "not notable": (
            ~frame["notable"].fillna(False) & (selection == "notable"),
            'choose the selection "all"',
        ),
        "fine-tuned from a base model": (
            frame["fine_tune"] & (not fine_tunes),
            "ask for fine-tunes too",
        ),
        # Counted again, a system would speak again: intervals would shrink for nothing
        "in the same words as another row": (frame.duplicated(), "leave out the copies"),
    }
    kept, dropped = frame, {}
    for reason, (rule, _) in rules.items():
        drop = rule.loc[kept.index].astype(bool)
        if drop.any():
            dropped[reason] = int(np.count_nonzero(drop))
        kept = kept.loc[~drop]
    if kept.empty:
        counts = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        _, remedy = rules[max(dropped, key=lambda reason: dropped[reason])]
        refuse(table.file, f"no system left ({counts})", "at least one", remedy)
    if undated := np.count_nonzero(kept["publication_date"].isna()):
        notes.append(f"{undated} undated systems kept: they were known by {until}")
    kept = kept.sort_values("publication_date", kind="stable", ignore_index=True)
    kept.attrs["source"] = {
        "name": name,
        "rows": len(kept),
        "sha256": table.sha256,
        "as_of": until.isoformat(),
        "vintage": table_date.isoformat(),
        "selection": selection,
    }
    kept.attrs["report"] = {
        "read": len(frame),
        "kept": len(kept),
        "dropped": dropped,
        "notes": notes,
    }
    return kept


def with_active_parameters(systems: pd.DataFrame) -> pd.DataFrame:
    """Count the parameters at work on one input, where that number is published.

    A mixture of experts holds many times more: memory holds them all, while training compute goes
    with those at work.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`load_systems` returned.

    Returns
    -------
    pandas.DataFrame
        The same with ``parameters`` replaced for the systems of ``data/active_parameters.csv``.
    """
    table = read_shipped(resources()["active-parameters"])
    name, count = map(table.header.index, ("system", "active_parameters"))
    active = {cells[name]: float(cells[count]) for _, cells in table.rows}
    named = zip(systems["system"], systems["parameters"], strict=True)
    return systems.assign(parameters=[active.get(system, total) for system, total in named])


def describe(systems: pd.DataFrame) -> str:
    """Say in a few lines where a table comes from, what was kept and what was not.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`load_systems` returned.
    """
    source, report = systems.attrs["source"], systems.attrs["report"]
    compute = systems.dropna(subset=["training_compute_flop", "publication_date"])
    dates = systems["publication_date"].dropna().dt.strftime("%Y-%m-%d")
    lines = [
        f"{source['name']}: {report['kept']} of {report['read']} systems, "
        f"selection {source['selection']}, as of {source['as_of']}",
        f"published {dates.min()} to {dates.max()}" if len(dates) else "all undated",
        f"{len(compute)} with training compute and date, "
        f"{compute['parameters'].notna().sum()} of them with parameters",
        *(f"left out: {n} {reason}" for reason, n in report["dropped"].items()),
        *(f"note: {note}" for note in report["notes"]),
        f"sha256 {source['sha256']}",
    ]
    return "\n".join(lines)


def data_folder() -> Path:
    """Find the shipped data: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    for folder in (package / "_data", package.parent / "data"):
        if (folder / "datapackage.json").is_file():
            return folder
    refuse("datapackage.json", "no such file", "the shipped data", "reinstall bayes_compute")


def shipped() -> dict[str, dict[str, Any]]:
    """Give the shipped tables of systems, oldest vintage first.

    Returns
    -------
    dict
        For each name its entry in ``datapackage.json``: title, description, vintage (ISO date),
        path, hash, bytes, licenses, sources and schema. One file may hold several vintages.
    """
    tables = {}
    for name, entry in resources().items():
        if name.startswith("systems-"):
            tables[name] = entry
        for part, told in entry.get("vintages", {}).items():
            tables[part] = entry | told | {"name": part}
    return dict(sorted(tables.items(), key=lambda item: item[1]["vintage"]))


def resources() -> dict[str, dict[str, Any]]:
    """Give every entry of ``datapackage.json`` by its name: tables of systems and of facts."""
    package = json.loads((data_folder() / "datapackage.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in package["resources"]}


def read_shipped(entry: dict[str, Any]) -> Table:
    """Read the table of an entry of ``datapackage.json``, if it is the one with the hash there."""
    table = read_table(data_folder() / entry["path"], entry["name"])
    if f"sha256:{table.sha256}" != entry["hash"]:
        refuse(
            entry["path"],
            f"sha256 {table.sha256}",
            entry["hash"].removeprefix("sha256:"),
            "the shipped table was changed: reinstall, or load a table of systems by its path",
        )
    return table


def _open(name_or_path: str | os.PathLike[str]) -> tuple[Table, str, dt.date]:
    """Find and read a table; give it with its name and the date it speaks for."""
    tables = shipped()
    if isinstance(name_or_path, str) and name_or_path in tables:
        entry = tables[name_or_path]
        table = read_shipped(entry)
        if "vintages" in entry:
            table = table.only("vintage", entry["vintage"])
        return table, name_or_path, dt.date.fromisoformat(entry["vintage"])
    if not isinstance(name_or_path, str | os.PathLike):
        refuse("load_systems", repr(name_or_path), "a name or a path", f"try {[*tables][-1]!r}")
    path, file = Path(name_or_path), os.fspath(name_or_path) or "."
    if not os.path.lexists(path):
        if name_or_path in resources():
            refuse(
                file,
                "a table of facts",
                f"a table of systems: {', '.join(tables)}",
                "name one of them, or a CSV file",
            )
        near = difflib.get_close_matches(path.stem.lower(), tables, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "check the path"
        refuse(file, "no such file", f"a CSV file or one of {', '.join(tables)}", remedy)
    return read_table(path, file), escape(path.name, "text"), dt.date.today()


def day(as_of: str | dt.date) -> dt.date:
    """Read the day up to which something was known."""
    if isinstance(as_of, dt.datetime) and not pd.isna(as_of):
        return as_of.date()
    if isinstance(as_of, dt.date) and not pd.isna(as_of):
        return as_of
    try:
        if isinstance(as_of, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", as_of.strip()):
            return dt.date.fromisoformat(as_of.strip())
    except ValueError:
        pass
    refuse("as_of", repr(as_of), "a date as YYYY-MM-DD", "such as 2022-03-13")


def _selection(selection: str | None, frame: pd.DataFrame, file: str) -> str:
    has_flag = bool(frame["notable"].notna().any())
    if selection is None:
        return "notable" if has_flag else "all"
    if selection not in ("notable", "all"):
        refuse("selection", repr(selection), '"notable" or "all"', "choose one of them")
    if selection == "notable" and not has_flag:
        refuse(file, 'selection "notable"', "a source that flags them", 'choose "all"')
    return selection
