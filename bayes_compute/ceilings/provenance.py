"""Where the data of a ceiling come from, if from several tables."""

import hashlib
from collections.abc import Mapping
from typing import Any


def source_of(rows: int, *tables: Mapping[Any, Any]) -> dict[str, Any]:
    """Put the sources of several tables into one.

    Parameters
    ----------
    rows : int
        Rows that are used, of all tables.
    *tables : mapping
        Of each its name, rows, sha256 and as_of.

    Returns
    -------
    dict
        name, rows, sha256 (of the tables' in turn), as_of, and tables: the same of each.
    """
    each = [{key: table[key] for key in ("name", "rows", "sha256", "as_of")} for table in tables]
    digest = hashlib.sha256("".join(table["sha256"] for table in each).encode())
    return {
        "name": ", ".join(table["name"] for table in each),
        "rows": rows,
        "sha256": each[0]["sha256"] if len(each) == 1 else digest.hexdigest(),
        "as_of": max((t["as_of"] for t in each if t["as_of"]), default=None),
        "tables": each,
    }
