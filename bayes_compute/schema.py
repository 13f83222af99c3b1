"""The columns of a table of systems: their names here and in downloads, and how they are read."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayes_compute.cells import (
    CellError,
    amount,
    count,
    criteria,
    date,
    flag,
    operations,
    precision,
    words,
)
from bayes_compute.slips import unit_slips
from bayes_compute.table import Table, refuse, shown


class Column(NamedTuple):
    """How to read one column, and what downloads call it, newest name first."""

    read: Callable[[str], Any]
    downloads: Sequence[str] = ()


COLUMNS = {
    "system": Column(words, ["Model", "System"]),
    "publication_date": Column(date, ["Publication date"]),
    "organization": Column(words, ["Organization", "Organization(s)"]),
    "sector": Column(words, ["Organization categorization", "Organization Categorization"]),
    "country": Column(words, ["Country (of organization)", "Country (from Organization)"]),
    "domain": Column(words, ["Domain"]),
    "task": Column(words, ["Task"]),
    "notable": Column(flag, ["Notability criteria", "Inclusion criteria"]),
    "parameters": Column(count, ["Parameters"]),
    "training_compute_flop": Column(
        operations, ["Training compute (FLOP)", "Training compute (FLOPs)"]
    ),
    "training_compute_lower_flop": Column(operations, ["Training compute lower bound"]),
    "training_compute_upper_flop": Column(operations, ["Training compute upper bound"]),
    "confidence": Column(words, ["Confidence"]),
    "estimation_method": Column(words, ["Training compute estimation method"]),
    "training_dataset_size": Column(count, ["Training dataset size (datapoints)"]),
    "epochs": Column(amount, ["Epochs"]),
    "training_time_hours": Column(amount, ["Training time (hours)"]),
    "training_hardware": Column(words, ["Training hardware"]),
    "hardware_quantity": Column(count, ["Hardware quantity"]),
    "hardware_utilization": Column(amount, ["Hardware utilization (MFU)", "Hardware utilization"]),
    "training_power_w": Column(amount, ["Training power draw (W)"]),
    "training_cost_usd_2023": Column(amount, ["Training compute cost (2023 USD)"]),
    "base_model": Column(words, ["Base model"]),
    "finetune_compute_flop": Column(amount, ["Finetune compute (FLOP)"]),
    "accessibility": Column(words, ["Model accessibility"]),
    "link": Column(words, ["Link"]),
    "date_precision": Column(precision),
}
# What a name says if it is of another unit than FLOP or a plain count.
_UNIT = re.compile(
    r"(?:kilo|mega|giga|tera|peta|exa|zetta|\b[kMGTPEZ])[ -]?FLOP|/ ?s|-days?"
    r"|thousand|million|billion|trillion|per cent|%|\((?:k|M|B|bn|T)\)",
    re.IGNORECASE,
)
_NEEDED = ("system", "publication_date", "training_compute_flop")


def parse(table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Parse every known column of a table.

    Returns
    -------
    pandas.DataFrame
        All rows of the file in its order: the columns of ``COLUMNS``, and ``fine_tune`` (bool).
    list of str
        What was assumed or lacking.
    """
    headers = {name: _header(name, table) for name in COLUMNS}
    cells = {name: _cells(name, header, table) for name, header in headers.items()}
    unnamed = cells["system"].count(None)
    cells["system"] = [
        name or f"unnamed system (row {row})"
        for name, (row, _) in zip(cells["system"], table.rows, strict=True)
    ]
    dates = [cell or (None, None) for cell in cells["publication_date"]]
    _check_order(table, headers["publication_date"], dates)
    cells["publication_date"] = [day for day, _ in dates]
    cells["date_precision"] = [
        form if form in ("month", "year") else stated
        for (_, form), stated in zip(dates, cells["date_precision"], strict=True)
    ]
    frame = pd.DataFrame(
        {name: pd.Series(values, dtype=_dtype(name)) for name, values in cells.items()}
    )
    frame["fine_tune"] = frame["base_model"].notna()
    placeholder = frame["parameters"] == 0
    frame.loc[placeholder, "parameters"] = float("nan")

    forms = Counter(form for _, form in dates)
    lacking = [name for name in COLUMNS if name != "date_precision" and not headers[name]]
    notes = {
        "systems without a name": unnamed,
        "repeated names": np.count_nonzero(frame["system"].duplicated()),
        "dates read as DD/MM/YYYY": forms["day first"],
        "dates of a month only: the 15th taken": forms["month"],
        "dates of a year only: 1 July taken": forms["year"],
        "parameter counts of 0: taken as unknown": np.count_nonzero(placeholder),
        f"columns lacking: {', '.join(lacking)}": len(lacking),
    }
    said = [f"{count} {note}" for note, count in notes.items() if count]
    said += [f"column {shown(header)} is not read: {why}" for header, why in _near(table, lacking)]
    return frame, said + unit_slips(frame, table.file, headers)


def _dtype(name: str) -> str:
    if name == "publication_date":
        return "datetime64[s]"
    if name == "notable":
        return "boolean"
    return "float64" if COLUMNS[name].read in (operations, amount, count) else "str"


def _header(name: str, table: Table) -> str | None:
    """Find the one header that stands for a column, or None where the file lacks it."""
    accepted = [name, *COLUMNS[name].downloads]
    found = [header for header in table.header if header in accepted]
    if len(found) > 1:
        refuse(
            table.file,
            f"{len(found)} columns for {name}: {', '.join(map(repr, found))}",
            "one",
            "remove or rename the others",
            row=1,
        )
    if not found and name in _NEEDED:
        near = [
            close for word in accepted for close in get_close_matches(word, table.header, 1, 0.8)
        ]
        refuse(
            table.file,
            f"no column {name!r} among {shown(', '.join(table.header))}",
            f"one of {', '.join(map(repr, accepted))}",
            _renamed(near[0], accepted) if near else "add it, or rename the column that holds it",
            row=1,
        )
    return found[0] if found else None


def _renamed(near: str, accepted: list[str]) -> str:
    """What to do with a column whose name is almost one of those accepted."""
    if _UNIT.search(near) and not any(_UNIT.search(name) for name in accepted):
        return f"convert {near!r}, which names another unit, and call it {accepted[-1]!r}"
    return f"rename {near!r}"


def _near(table: Table, lacking: list[str]) -> Iterator[tuple[str, str]]:
    """Columns that begin with the name of one that is lacking, and what to do with each."""
    for name in lacking:
        accepted = [name, *COLUMNS[name].downloads]
        starts = tuple(word.lower() for word in accepted)
        for header in table.header:
            if header.lower().startswith(starts):
                yield header, _renamed(header, accepted)


def _check_order(
    table: Table, column: str | None, dates: list[tuple[dt.date, str] | tuple[None, None]]
) -> None:
    """Refuse dates with strokes if none of them shows which number is the day."""
    days = [day for day, form in dates if day is not None and form == "day first"]
    if any(day.day > 12 for day in days):
        return
    for (row, cells), (day, form) in zip(table.rows, dates, strict=True):
        if day is not None and form == "day first" and day.day != day.month:
            refuse(
                table.file,
                f"{shown(cells[table.header.index(str(column))].strip())}, which may be {day} or "
                f"{day.replace(month=day.day, day=day.month)}",
                "YYYY-MM-DD, or a day above 12 in one date, which shows the order of all",
                "write the dates of the column as YYYY-MM-DD",
                row=row,
                column=column,
            )


def _cells(name: str, header: str | None, table: Table) -> list[Any]:
    """Parse one column; an empty cell is None."""
    if header is None:
        return [None] * len(table.rows)
    column, values = table.header.index(header), []
    # A download lists the criteria that a notable system meets.
    read = criteria if name == "notable" and header != name else COLUMNS[name].read
    for row, cells in table.rows:
        cell = cells[column].strip()
        if not cell and read is not criteria:
            values.append(None)
            continue
        try:
            values.append(read(cell))
        except CellError as error:
            remedy = "correct the cell, or leave it empty if the value is not known"
            refuse(table.file, shown(cell), str(error), remedy, row=row, column=header)
    return values
