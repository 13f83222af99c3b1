"""Read a CSV file strictly: a header and rows of text, or one sentence on what is wrong.

Nothing here knows what a system is. Rows are numbered as a spreadsheet shows them, the header
being row 1.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from bayes_compute.errors import InputError

LIMIT_MIB = 64

_SAVE_AS_CSV = "save it as CSV with commas, in UTF-8"
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"PK\x03\x04": "a zip archive or Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True)
class Table:
    """A CSV file as text: its rows hold as many cells as its header.

    Attributes
    ----------
    file : str
        The file as the user named it.
    header : list of str
        Column names.
    rows : list of (int, list of str)
        Row numbers, as a spreadsheet shows them, and cells. Blank lines are left out.
    sha256 : str
        Hash of the file's bytes.
    """

    file: str
    header: list[str]
    rows: list[tuple[int, list[str]]]
    sha256: str

    def only(self, column: str, cell: str) -> "Table":
        """Keep the rows that hold a given text in a column."""
        at = self.header.index(column)
        return replace(self, rows=[row for row in self.rows if row[1][at] == cell])


def refuse(
    file: str,
    got: str,
    expected: str,
    remedy: str,
    *,
    row: int | None = None,
    column: str | None = None,
) -> NoReturn:
    """Raise the one-line :class:`InputError` that names the place, the fault and the remedy."""
    place = file + (f", row {row}" if row else "") + (f", column {shown(column)}" if column else "")
    line = f"{place}: got {got}; expected {expected}; {remedy}"
    printable = "".join(letter if letter.isprintable() else " " for letter in line)
    raise InputError(" ".join(printable.split()))


def shown(text: str, width: int = 60) -> str:
    """Quote a piece of a file for a message, on one line and not too long."""
    return repr(text if len(text) <= width else text[: width - 1] + "…")


def read_table(path: Path, file: str) -> Table:
    """Read a comma-separated UTF-8 file, with or without a byte-order mark.

    Parameters
    ----------
    path : Path
        Where the file is.
    file : str
        How messages name it.

    Raises
    ------
    InputError
        The file cannot be read, is too large, not text, not UTF-8, not separated by commas,
        or has no header, no rows, or rows of unequal length.
    """
    raw = _bytes(path, file)
    records = _records(_decoded(raw, file), file)
    row, header = next(records, (1, []))
    if not any(cell.strip() for cell in header):
        refuse(file, "an empty file", "a header and one row a system", "fill it or name another")
    header = [cell.strip() for cell in header]
    line = ",".join(header)
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if line.count(separator) > line.count(","):
            refuse(file, f"columns separated by {name}", "commas", _SAVE_AS_CSV, row=row)
    rows = []
    for row, cells in records:
        if len(cells) != len(header):
            refuse(
                file,
                f"{len(cells)} cells",
                f"{len(header)}, as in the header",
                "quote cells that hold commas, and close every quote",
                row=row,
            )
        rows.append((row, cells))
    if not rows:
        refuse(file, "a header without rows", "one row a system", "fill it or name another")
    return Table(file, header, rows, hashlib.sha256(raw).hexdigest())


def _bytes(path: Path, file: str) -> bytes:
    expected = "a CSV file"
    try:
        if path.is_dir():
            refuse(file, "a directory", expected, "name a file in it")
        if path.exists() and not path.is_file():
            refuse(file, "a device or pipe", expected, "save it as a file first")
        size = path.stat().st_size
        if size > LIMIT_MIB * 2**20:
            refuse(
                file,
                f"{size / 2**20:.0f} MiB",
                f"at most {LIMIT_MIB} MiB",
                "remove rows or columns that are not needed",
            )
        return path.read_bytes()
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        refuse(file, f"no access ({reason})", expected, "check the path and its permissions")


def _decoded(raw: bytes, file: str) -> str:
    for signature, kind in _SIGNATURES.items():
        if raw.startswith(signature):
            refuse(file, kind, "a CSV file in UTF-8", _SAVE_AS_CSV)
    fault, reason = raw.find(b"\0"), "a NUL byte"
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = ""
        if fault < 0:
            fault, reason = error.start, f"the byte 0x{raw[error.start]:02x}, which is not UTF-8"
    if fault < 0:
        return text
    before = io.StringIO(raw[:fault].decode("utf-8", errors="replace") + "?", newline="")
    try:
        row = sum(1 for _ in csv.reader(before))
    except csv.Error:
        row = None
    refuse(file, reason, "a CSV file in UTF-8", _SAVE_AS_CSV, row=row)


def _records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = 0
    try:
        for row, cells in enumerate(reader, 1):
            if cells:
                yield row, cells
    except csv.Error as error:
        refuse(
            file, f"broken CSV ({error})", "quotes that close", "correct the quotes", row=row + 1
        )
