"""Numbers as sentences, tables and LaTeX macros, each with its interval and what it rests on."""

import json
import re
from math import floor, isfinite, isinf, log10, sqrt

import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.escaping import escape
from bayes_compute.layout import tabulate
from bayes_compute.summaries import summary_record

FORMATS = ("text", "latex", "markdown", "json")
LARGELY_PRIOR = "largely set by the prior"
_KINDS = {"eti": "equal-tailed", "hdi": "highest-density"}
_GROWTH = ("growth", "growth_factor", "doubling_time")
_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def quote(fit: xr.DataTree | dict, *names: str, format: str = "text") -> str:
    """State quantities in words, each with the kind and level of its interval.

    Growth is stated in its three units at once, whichever of them is asked for.

    Parameters
    ----------
    fit : xarray.DataTree or dict
        What :func:`bayes_compute.fit` returns, or its record (``summary.json``).
    *names : str
        Quantities (``"growth[2]"``, ``"transition_year[1->2]"``), or variables for all of their
        elements (``"growth"``). Transition dates, growth and capacity by default; everything of
        a model without them.
    format : {"text", "latex", "markdown", "json"}
        One quantity a line; JSON is a list of the record's rows, with ``interval`` and ``text``.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a name or the format is unknown.
    NotConverged
        If the fit failed its diagnostics.
    """
    _check_format(format, FORMATS)
    record = fit if isinstance(fit, dict) else summary_record(fit)
    rows = _chosen(record, names)
    if format == "json":
        quoted = [
            row | {"interval": record["interval"], "text": sentence(record, row["name"])}
            for row in rows
        ]
        return json.dumps(quoted, ensure_ascii=False, allow_nan=False, indent=1)
    lines = dict.fromkeys(sentence(record, row["name"]) for row in rows)
    return "\n".join(escape(line, format) for line in lines)


def sentence(record: dict, name: str) -> str:
    """One quantity in plain words, as in ``Growth in era 2: 0.24 OOM/year (90 % ...)``."""
    rows = {row["name"]: row for row in record["quantities"]}
    variable, label = _split(name)
    interval = f"{level(record)} {kind(record)} interval"
    if variable not in _GROWTH or any(unit + label not in rows for unit in _GROWTH):
        row = rows[name]
        unit = "" if row["unit"] in ("", "year") else f" {row['unit']}"
        subject = _subject(record, variable, label)
        text = f"{subject}: {median_text(row)}{unit} ({interval} {ends_text(row)})"
    else:
        row, factor, months = (rows[unit + label] for unit in _GROWTH)
        text = (
            f"Growth{_where(label)}: {median_text(row)} OOM/year ({interval} {ends_text(row)}), "
            f"which is ×{median_text(factor)}/year ({ends_text(factor)}), {_doubling(months)}"
        )
    return f"{text}; {LARGELY_PRIOR}" if row["largely_prior"] else text


def table(record: dict, format: str = "text") -> str:
    """Every quantity of a record in one table.

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
    head = ("quantity", "unit", "median", f"{level(record)} {kind(record)} interval")
    head += ("R-hat", "ESS bulk", "ESS tail", "note")
    body = [
        (
            row["name"],
            row["unit"],
            median_text(row),
            ends_text(row),
            f"{row['r_hat']:.3f}" if row["r_hat"] is not None else "-",
            str(row["ess_bulk"]),
            str(row["ess_tail"]),
            LARGELY_PRIOR if row["largely_prior"] else "",
        )
        for row in record["quantities"]
    ]
    return tabulate([head, *body], format, "llrlrrrl")


def macros(record: dict) -> str:
    r"""LaTeX macros for every quantity: ``\bcGrowthTwo`` with its interval, and the bare numbers.

    Parameters
    ----------
    record : dict
        What :func:`~bayes_compute.summaries.summary_record` returns.

    Returns
    -------
    str
        The contents of ``macros.tex``; names hold letters only.
    """
    data = record["data"]
    lines = [
        r"% \bcTransitionYearOneTwo, \bcGrowthTwo, ...: median with its interval, as quoted;",
        r"% with Median, Lower, Upper appended: the bare numbers; units stand in the comments.",
        _macro("bcModel", escape(record["model"], "latex")),
        _macro("bcDataName", escape(str(data.get("name")), "latex")),
        _macro("bcSystems", str(data.get("rows"))),
        _macro("bcIntervalLevel", escape(level(record), "latex")),
        _macro("bcIntervalKind", kind(record)),
    ]
    for row in record["quantities"]:
        name = "bc" + _letters(row["name"])
        note = f", {LARGELY_PRIOR}" if row["largely_prior"] else ""
        interval = f"{level(record)} {kind(record)} interval {ends_text(row)}{note}"
        lines += [
            f"% {escape(row['name'], 'text')} [{row['unit']}]{note}",
            _macro(name, escape(f"{median_text(row)} ({interval})", "latex")),
            _macro(name + "Median", escape(median_text(row), "latex")),
            _macro(name + "Lower", escape(_number(row["lower"], row), "latex")),
            _macro(name + "Upper", escape(_number(row["upper"], row), "latex")),
        ]
    return "\n".join(lines) + "\n"


def level(record: dict) -> str:
    """Probability of the record's intervals, as ``90 %``."""
    return f"{100 * record['interval']['prob']:.10g} %"


def kind(record: dict) -> str:
    """Kind of the record's intervals, as ``equal-tailed``."""
    return _KINDS[record["interval"]["kind"]]


def median_text(row: dict) -> str:
    """Median of one row of a summary, with as many digits as its interval supports."""
    return _number(row["median"], row)


def ends_text(row: dict) -> str:
    """Ends of the interval of one row of a summary, as ``1.4 to 1.6``."""
    return f"{_number(row['lower'], row)} to {_number(row['upper'], row)}"


def _check_format(format: str, formats: tuple) -> None:
    if format not in formats:
        raise InputError(f"format: got {format!r}; expected one of {', '.join(formats)}")


def _chosen(record: dict, names: tuple[str, ...]) -> list[dict]:
    rows = record["quantities"]
    chosen = []
    for name in names or ("transition_year", "growth", "capacity"):
        name = name.replace("->", "→")
        found = [row for row in rows if name in (row["name"], _split(row["name"])[0])]
        if not found and names:
            known = ", ".join(row["name"] for row in rows)
            raise InputError(f"quantity: got {name!r}; expected one of {escape(known, 'text')}")
        chosen += found
    return chosen or rows  # a model without any of these is quoted whole


def _split(name: str) -> tuple[str, str]:
    """``growth[2]`` as ``("growth", "[2]")``."""
    variable, bracket, label = name.partition("[")
    return variable, bracket + label


def _where(label: str) -> str:
    label = label.strip("[]")
    if not label:
        return ""
    return f" in era {label}" if label.isdigit() else f" in the {label} regime"


def _subject(record: dict, variable: str, label: str) -> str:
    inner = label.strip("[]")
    if variable == "transition_year":
        before, arrow, after = inner.partition("→")
        return (
            f"The transition from era {before} to era {after}"
            if arrow
            else f"The {inner} transition".replace("  ", " ")
        )
    if variable == "level":
        return f"Level{_where(label)}, read at {record['reference_year']:g}"
    if variable in ("capacity", "drift"):
        return {"capacity": "Capacity of shared hardware in 2020", "drift": "Its drift"}[variable]
    subject = {
        "sigma": "Scatter of systems",
        "elasticity": "Elasticity of training compute on parameters",
        "level_given_parameters": "Level at the parameters that the prior expects",
        "growth_given_parameters": "Growth at the parameters that the prior expects",
        "parameters_level": "Parameters in 2010",
        "parameters_growth": "Growth of parameters",
        "parameters_sd": "Scatter of parameters",
        "share": "Share of bespoke systems after the bespoke transition",
        "share_before": "Share of bespoke systems before the bespoke transition",
        "share_after": "Share of bespoke systems after the bespoke transition",
        "offset": "Offset of the domain",
        "growth_mean": "Mean growth of eras",
        "growth_sd": "Spread of growth between eras",
        "offset_sd": "Spread of the domain offsets",
    }.get(variable)
    if subject is None:
        return variable + label
    return f"{subject} {inner}" if variable == "offset" else subject + _where(label)


def _doubling(row: dict) -> str:
    if row["lower"] is None:
        return "no doubling"
    unit = "" if row["median"] is None else " months"
    return f"doubling time {median_text(row)}{unit} ({ends_text(row)})"


def _number(value: float | None, row: dict) -> str:
    if value is None or isinf(value):
        return "unbounded"
    text = f"{value:.{_decimals(row)}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _decimals(row: dict) -> int:
    """Decimals whose last digit is 1 to 10 % of the interval, and no finer than its error.

    Dates carry one decimal, about a month, or two where the interval is narrower than a year.
    """
    ends = [row[key] for key in ("lower", "median", "upper")]
    finite = [end for end in ends if end is not None and isfinite(end)]
    width = max(finite) - min(finite) if finite else 0.0
    if row["unit"] == "year":
        return 1 if width >= 1 else 2
    if width == 0:
        return 3
    decimals = 1 - floor(log10(width))
    if row["ess_bulk"]:
        # 1.25 sd / sqrt(ess) of a normal distribution, whose sd is 0.3 of its 90 % interval.
        error_of_median = 0.4 * width / sqrt(row["ess_bulk"])
        decimals = min(decimals, floor(-log10(error_of_median)))
    return max(0, decimals)


def _macro(name: str, value: str) -> str:
    return f"\\newcommand{{\\{name}}}{{{value}}}"


def _letters(name: str) -> str:
    """``transition_year[1→2]`` as ``TransitionYearOneTwo``."""
    words = re.findall(r"[A-Za-z]+|[0-9]", name)
    return "".join(_DIGITS[int(w)] if w.isdigit() else w[0].upper() + w[1:] for w in words)
