r"""LaTeX macros: ``\bcGrowthTwo`` with its interval, and the bare numbers, each with its key."""

import re

from bayes_compute.escaping import comment, escape
from bayes_compute.keys import key
from bayes_compute.rounding import texts
from bayes_compute.wording import BINDING, ends, interval, kind, level, percent, prior_mark, stated

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_ABOUT = r"""% \bcTransitionYearOneTwo, \bcGrowthTwo: median, unit and interval, as quoted; with
% Median, Lower, Upper, Unit appended the bare numbers and their unit. Numbers go through
% siunitx if the paper loads it. At the end of each line stands the key of its claim, which
%   bayes-compute quote --verify FILE.tex RESULTS
% holds against the posterior.
\providecommand{\bcNumber}[1]{\ifdefined\sisetup\num{#1}\else\ensuremath{#1}\fi}
"""


def macros(record: dict) -> str:
    """Macros for a fit: ``macros.tex``.

    Parameters
    ----------
    record : dict
        What :func:`~bayes_compute.summaries.summary_record` returns.

    Returns
    -------
    str
        Names hold letters only.
    """
    data = record["data"]
    whole = key(record["model"], "fit", data, record["posterior_sha256"])
    facts = {
        "bcModel": record["model"],
        "bcDataName": str(data.get("name")),
        "bcSystems": str(data.get("rows")),
        "bcIntervalLevel": level(record),
        "bcIntervalKind": kind(record),
    }
    lines = [_macro(name, escape(fact, "latex"), whole) for name, fact in facts.items()]
    for row in record["quantities"]:
        lines += _of_row(record, row)
    return _ABOUT + "\n".join(lines) + "\n"


def projection_macros(record: dict) -> str:
    r"""Macros for a projection, such as ``\bcRecordTwoZeroThreeZero``: ``projection_macros.tex``.

    With ``Binding`` and ``BindingShare`` appended they say what sets it in most draws.

    Parameters
    ----------
    record : dict
        What :func:`~bayes_compute.projection.numbers.projection_record` returned.

    Returns
    -------
    str
    """
    lines = []
    for row in (row for rows in record["estimands"].values() for row in rows):
        lines += _of_row(record, row)
        if row["binding"]:
            first = max(row["binding"], key=lambda by: row["binding"][by])
            name = _letters(row["name"])
            share = escape(percent(row["binding"][first]), "latex")
            lines.append(_macro(f"{name}Binding", BINDING[first], row["key"]))
            lines.append(_macro(f"{name}BindingShare", share, row["key"]))
    return _ABOUT + "\n".join(lines) + "\n"


def _of_row(record: dict, row: dict) -> list[str]:
    note = f", {mark}" if (mark := prior_mark(row)) else ""
    quoted = f"{stated(row)} ({interval(record)} {ends(row)}{note})"
    name, bare = _letters(row["name"]), texts(row)
    parts = {
        "": escape(quoted, "latex"),
        "Unit": escape(row["unit"], "latex"),
        **{end.capitalize(): _number(bare[end]) for end in ("median", "lower", "upper")},
    }
    return [_macro(name + part, value, row["key"]) for part, value in parts.items()]


def _number(text: str) -> str:
    return text if text == "unbounded" else rf"\bcNumber{{{text}}}"


def _macro(name: str, value: str, of: str) -> str:
    return f"\\newcommand{{\\{name}}}{{{value}}} {comment(of, 'latex')}"


def _letters(name: str) -> str:
    """``transition_year[1→2]`` as ``bcTransitionYearOneTwo``."""
    words = re.findall(r"[A-Za-z]+|[0-9]", name)
    return "bc" + "".join(_DIGITS[int(w)] if w.isdigit() else w[0].upper() + w[1:] for w in words)
