"""What the sentences about quantities say."""

from bayes_compute.rounding import ends_text, median_text

_LARGELY_PRIOR, _OUTSIDE_PRIOR = "largely set by the prior", "outside its prior"
BINDING = {
    "demand": "demand alone",
    "hardware": "the largest machine",
    "money": "money",
    "reliability": "failures",
    "run_length": "the longest useful run",
    "power": "power",
}
"""What sets a projected system, in words."""
_GROWTH = ("growth", "growth_factor", "doubling_time")
_ESTIMANDS = {
    "record": "The record by the end of",
    "frontier": "What the top 5 % exceed of the systems of",
    "typical": "A typical system of",
}
_SUBJECTS = {
    "capacity": "Capacity of shared hardware in 2020",
    "drift": "Its drift",
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
    "growth_mean": "Mean growth of eras",
    "growth_sd": "Spread of growth between eras",
    "offset_sd": "Spread of the domain offsets",
}


def sentence(record: dict, rows: dict[str, dict], name: str) -> str:
    """One quantity in plain words, as in ``Growth in era 2: 0.24 OOM/year (90 % ...)``.

    Parameters
    ----------
    record : dict
        Of the fit.
    rows : dict of dict
        Its quantities by name.
    name : str
        Of one of them. Growth is stated in its three units at once.
    """
    variable, label = split(name)
    row = rows[name]
    if variable in _GROWTH and all(unit + label in rows for unit in _GROWTH):
        row, factor, months = (rows[unit + label] for unit in _GROWTH)
        text = (
            f"Growth{_where(label)}: {stated(row)} ({interval(record)} {ends(row)}), "
            f"which is {stated(factor)} ({ends(factor)}), {_doubling(months)}"
        )
    else:
        text = (
            f"{_subject(record, variable, label)}: {stated(row)} ({interval(record)} {ends(row)})"
        )
    if "binding" in row:
        text += binding(row)
    mark = prior_mark(row)
    return f"{text}; {mark}" if mark else text


def prior_mark(row: dict) -> str:
    """What is to be known of a quantity's prior: nothing, mostly."""
    if row.get("largely_prior"):
        return _LARGELY_PRIOR
    return _OUTSIDE_PRIOR if row.get("outside_prior") else ""


def interval(record: dict) -> str:
    """Level and kind of a record's intervals, as ``90 % equal-tailed interval``."""
    return f"{level(record)} {kind(record)} interval"


def level(record: dict) -> str:
    """Probability of the record's intervals, as ``90 %``."""
    return f"{100 * record['interval']['prob']:.10g} %"


def kind(record: dict) -> str:
    """Kind of the record's intervals, as ``equal-tailed``."""
    return {"eti": "equal-tailed", "hdi": "highest-density"}[record["interval"]["kind"]]


def stated(row: dict) -> str:
    """Median of a row with its unit, as ``0.24 OOM/year``, ``×1.72/year``, ``10^28.0 FLOP``."""
    text, unit = median_text(row), row["unit"]
    if is_estimand(row):
        return f"10^{text} FLOP"
    if unit.startswith("×"):
        return f"×{text}{unit.removeprefix('×')}"
    return text if unit in ("", "year") or text == "unbounded" else f"{text} {unit}"


def ends(row: dict) -> str:
    """Ends of the interval of a row, as ``0.22 to 0.25`` or ``10^27.4 to 10^28.8``."""
    text = ends_text(row)
    return f"10^{text.replace(' to ', ' to 10^')}" if is_estimand(row) else text


def is_estimand(row: dict) -> bool:
    """Whether a row is of a projection: log10 FLOP of one system or year."""
    return "binding" in row


def binding(row: dict) -> str:
    """What sets a projected system in most draws, and in how many nothing new does."""
    text = ""
    if row["unchanged"] > 0.005:
        text = f", in {percent(row['unchanged'])} of draws still that of today"
    if row["binding"]:
        (first, most), (second, next_most), *_ = sorted(
            row["binding"].items(), key=lambda item: -item[1]
        )
        new = "a new one is set" if split(row["name"])[0] == "record" else "set"
        text += f"; {new} by {BINDING[first]} in {percent(most)}, by {BINDING[second]} in "
        text += percent(next_most)
    return text


def percent(share: float) -> str:
    """A share as ``59 %``."""
    return f"{100 * share:.0f} %"


def named(record: dict, name: str) -> str:
    """A quantity within a sentence, as ``mean growth of eras (growth_mean)``."""
    if "counts" not in record:  # of a model that is not of eras, whose words these are not
        return name
    subject = _subject(record, *split(name))
    return name if subject == name else f"{subject[0].lower()}{subject[1:]} ({name})"


def split(name: str) -> tuple[str, str]:
    """``growth[2]`` as ``("growth", "[2]")``."""
    variable, bracket, label = name.partition("[")
    return variable, bracket + label


def _subject(record: dict, variable: str, label: str) -> str:
    inner = label.strip("[]")
    if variable in _ESTIMANDS:
        return f"{_ESTIMANDS[variable]} {inner}"
    if variable == "transition_year":
        before, arrow, after = inner.partition("→")
        if arrow:
            return f"The transition from era {before} to era {after}"
        return f"The {inner} transition".replace("  ", " ")
    if variable == "level":
        return f"Level{_where(label)}, read at {record['reference_year']:g}"
    if variable == "offset":
        return f"Offset of the domain {inner}"
    subject = _SUBJECTS.get(variable)
    return variable + label if subject is None else subject + _where(label)


def _where(label: str) -> str:
    label = label.strip("[]")
    if not label:
        return ""
    return f" in era {label}" if label.isdigit() else f" in the {label} regime"


def _doubling(row: dict) -> str:
    if row["lower"] is None:
        return "no doubling"
    return f"doubling time {stated(row)} ({ends(row)})"
