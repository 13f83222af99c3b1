"""Numbers as sentences and tables, each with its interval, what it rests on, and its key."""

from itertools import chain

import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.escaping import as_json, comment, escape
from bayes_compute.layout import tabulate
from bayes_compute.rounding import ends_text, median_text
from bayes_compute.summary_record import summary_record
from bayes_compute.wording import interval, prior_mark, sentence, split

FORMATS = ("text", "latex", "markdown", "json")


def quote(fit: xr.DataTree | dict, *names: str, format: str = "text") -> str:
    """State quantities in words, each with the kind and level of its interval, and its key.

    Growth is stated in its three units at once, whichever of them is asked for.

    Parameters
    ----------
    fit : xarray.DataTree or dict
        What :func:`bayes_compute.fit` or :func:`bayes_compute.project` returns, or its record
        (``summary.json``, with the ``estimands`` of ``projection.json`` if there is one).
    *names : str
        Quantities (``"growth[2]"``, ``"transition_year[1->2]"``, ``"record[2030]"``), or
        variables for all of their elements (``"growth"``). Transition dates, growth and capacity
        by default; everything of a model without them.
    format : {"text", "latex", "markdown", "json"}
        One quantity a line, with its key beside it, in a comment where there are comments; JSON
        is a list of the record's rows, with ``interval`` and ``text``.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a name or the format is unknown.
    NotConverged
        If the fit failed its diagnostics.

    Examples
    --------
    >>> import bayes_compute as bc
    >>> observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    >>> dt = bc.fit("one_era", observations, seed=1, progress=False)
    >>> print(bc.quote(dt, "growth"))  # doctest: +ELLIPSIS
    Growth in era 1: 0.27... OOM/year (90 % equal-tailed interval 0.2... to 0.29...), which is ...
    """
    _check_format(format, FORMATS)
    record = fit if isinstance(fit, dict) else _whole_record(fit)
    quoted = _quoted(record, names)
    if format == "json":
        rows = [row | {"interval": record["interval"], "text": text} for row, text in quoted]
        return as_json(rows, indent=1)
    first = {text: row["key"] for row, text in reversed(quoted)}
    lines = dict.fromkeys(text for _, text in quoted)
    return "\n".join(f"{escape(text, format)} {comment(first[text], format)}" for text in lines)


def sentences(record: dict, *names: str) -> str:
    """State quantities as :func:`quote` does, for a reader who needs no keys."""
    return "\n".join(dict.fromkeys(text for _, text in _quoted(record, names)))


def table(record: dict, format: str = "text") -> str:
    """Every quantity of a fit in one table, its key at the end of its line.

    Parameters
    ----------
    record : dict
        What :func:`~bayes_compute.summaries.summary_record` returns.
    format : {"text", "latex", "markdown"}
        LaTeX is a ``tabular`` for the ``booktabs`` package.

    Returns
    -------
    str
        Ends with a newline.

    Raises
    ------
    InputError
        If the format is unknown.
    """
    _check_format(format, FORMATS[:3])
    head = ("quantity", "unit", "median", interval(record))
    head += ("R-hat", "ESS bulk", "ESS tail", "note")
    rows = record["quantities"]
    body = [
        (
            row["name"],
            row["unit"],
            median_text(row),
            ends_text(row),
            f"{row['r_hat']:.3f}" if row["r_hat"] is not None else "-",
            str(row["ess_bulk"]),
            str(row["ess_tail"]),
            prior_mark(row),
        )
        for row in rows
    ]
    return tabulate([head, *body], format, "llrlrrrl", ["", *(row["key"] for row in rows)])


def _whole_record(fit: xr.DataTree) -> dict:
    """Record of a fit, with the estimands of its projection."""
    record = summary_record(fit)
    if "projection" in fit.children:
        from bayes_compute.projection.numbers import projection_record

        record["estimands"] = projection_record(fit)["estimands"]
    return record


def _check_format(format: str, formats: tuple) -> None:
    if format not in formats:
        raise InputError(f"format: got {format!r}; expected one of {', '.join(formats)}")


def _quoted(record: dict, names: tuple[str, ...]) -> list[tuple[dict, str]]:
    """Rows of the quantities that are asked for, each with its sentence."""
    projected = record.get("estimands", {}).values()
    rows = {row["name"]: row for row in chain(record["quantities"], *projected)}
    chosen: list[str] = []
    for asked in names or ("transition_year", "growth", "capacity"):
        asked = asked.replace("->", "→")
        found = [name for name in rows if asked in (name, split(name)[0])]
        if not found and names:
            known = escape(", ".join(rows), "text")
            more = ""
            if "counts" in record and not record.get("estimands"):
                more = "; record, frontier and typical are there when bayes-compute project is done"
            raise InputError(f"quantity: got {asked!r}; expected one of {known}{more}")
        chosen += found
    every = [row["name"] for row in record["quantities"]]  # of a model without any of these
    return [(rows[name], sentence(record, rows, name)) for name in chosen or every]
