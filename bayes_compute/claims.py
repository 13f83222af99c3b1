"""Claims that moved between two results of one model: which, by how much, and why."""

import json
import os
from math import copysign, hypot, inf
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.escaping import escape
from bayes_compute.layout import tabulate
from bayes_compute.observations import Observations
from bayes_compute.results_folder import read_estimands, read_fit, read_record
from bayes_compute.rounding import ends_text, median_text
from bayes_compute.wording import split

_MOVED = 3.0  # Monte Carlo errors of the difference: what a change of seed seldom exceeds
_NAMED = 5  # systems of each kind of change
_OTHER_UNITS = ("growth_factor", "doubling_time")  # of growth, and so the same claims
_OF_A_SYSTEM = {
    "log10_flop": "compute",
    "variance": "how sure it is",
    "year": "date",
    "log10_parameters": "parameters",
}


def compare(earlier: str | os.PathLike[str], later: str | os.PathLike[str]) -> dict[str, Any]:
    """Set the claims of two results folders side by side.

    Parameters
    ----------
    earlier, later : path
        Results of one model, with other data, code or settings.

    Returns
    -------
    dict
        ``model``; of ``earlier`` and ``later`` the provenance of the data; ``moved``, for each
        claim whose median changed by more than three Monte Carlo errors its ``name``, ``unit``,
        both rows and ``shift``, the change over the half-widths of both intervals, added as
        errors are; it is in the order of shifts; ``claims``, the number of those in both, and
        ``only`` in one of them; ``systems`` that are ``new``, ``removed`` and ``revised`` (what of
        them), in order of date, and ``changed``, versions and settings before and after.

    Raises
    ------
    InputError
        If a folder holds no finished run, or they are of different models.
    """
    records = [read_record(folder) for folder in (earlier, later)]
    models = [record["model"] for record in records]
    if models[0] != models[1]:
        raise InputError(
            f"compare: got {models[0]} and {models[1]}; expected two results of one model; fit "
            "the same model to both tables"
        )
    before, after = (
        _rows(record, read_estimands(folder))
        for record, folder in zip(records, (earlier, later), strict=True)
    )
    both = [name for name in after if name in before]
    moved = [_move(name, before[name], after[name]) for name in both]
    return {
        "model": models[0],
        "earlier": records[0]["data"],
        "later": records[1]["data"],
        "moved": sorted(filter(None, moved), key=lambda row: -abs(row["shift"])),
        "claims": len(both),
        "only": {
            "earlier": [name for name in before if name not in after],
            "later": [name for name in after if name not in before],
        },
        "systems": _systems(*(read_fit(folder) for folder in (earlier, later))),
        "changed": _changed(*(_settings(record) for record in records)),
    }


def describe(found: dict[str, Any]) -> str:
    """Say what moved and why, with the hashes that end the keys of both claims.

    Parameters
    ----------
    found : dict
        What :func:`compare` returned.
    """
    named = [
        escape(f"{data['name']} as of {data['as_of']} ({data['rows']} rows)", "text")
        for data in (found["earlier"], found["later"])
    ]
    lines = [f"{found['model']}: from {named[0]} to {named[1]}", ""]
    systems, changed = found["systems"], found["changed"]
    reasons = []
    if systems["new"] or systems["removed"] or systems["revised"]:
        what: dict[str, int] = {}
        for parts in systems["revised"].values():
            for part in parts:
                what[part] = what.get(part, 0) + 1
        of = f" ({', '.join(f'{part} {n}' for part, n in what.items())})" if what else ""
        reasons.append(
            f"systems: {len(systems['new'])} new, {len(systems['removed'])} removed, "
            f"{len(systems['revised'])} revised{of}{_latest(systems)}"
        )
    reasons += [f"{name}: {old} → {new}" for name, (old, new) in changed.items()]
    lines += ["What changed:", *(f"  {reason}" for reason in reasons or ["nothing"])]
    if len(reasons) > 1:
        lines.append("  which of these moved a claim, only another fit with one of them can tell")
    lines += [
        "",
        f"{len(found['moved'])} of {found['claims']} claims moved by more than Monte Carlo error",
    ]
    for side, names in found["only"].items():
        if names:
            lines.append(f"only in the {side}: {', '.join(names)}")
    if not found["moved"]:
        return "\n".join(lines)
    head = ("claim", "unit", "earlier", "later", "shift")
    body = [
        (
            row["name"],
            row["unit"],
            *(f"{median_text(row[s])} ({ends_text(row[s])})" for s in ("earlier", "later")),
            f"{row['shift']:+.2f}",
        )
        for row in found["moved"]
    ]
    keys = [
        " → ".join(f"@{row[side]['key'].rpartition('@')[2]}" for side in ("earlier", "later"))
        for row in found["moved"]
    ]
    note = "shift: change of the median over the half-widths of both intervals, added as errors are"
    return "\n".join([*lines, "", tabulate([head, *body], "text", "llllr", ["", *keys]) + note])


def _latest(systems: dict[str, Any]) -> str:
    """Lines that name the latest systems that are new, removed or revised, and in what."""
    lines = []
    for kind, names in systems.items():
        what = names if kind == "revised" else dict.fromkeys(names, ())
        said = [
            escape(name, "text") + (f" ({', '.join(parts)})" if parts else "")
            for name, parts in list(what.items())[: -_NAMED - 1 : -1]
        ]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines += [f"\n    {kind}: {', '.join(said)}{more}"] if said else []
    return "".join(lines)


def _rows(record: dict, estimands: dict[str, list[dict]]) -> dict[str, dict]:
    rows = [*record["quantities"], *(row for of in estimands.values() for row in of)]
    return {row["name"]: row for row in rows if split(row["name"])[0] not in _OTHER_UNITS}


def _move(name: str, earlier: dict, later: dict) -> dict[str, Any] | None:
    """A claim whose median differs by more than its draws explain."""
    change = later["median"] - earlier["median"]
    error = hypot(*(row["mcse_median"] or 0.0 for row in (earlier, later)))
    if abs(change) <= _MOVED * error or change == 0:
        return None
    half = hypot(*((row["upper"] - row["lower"]) / 2 for row in (earlier, later)))
    shift = change / half if half > 0 else copysign(inf, change)
    unit = later["unit"]
    return {"name": name, "unit": unit, "earlier": earlier, "later": later, "shift": shift}


def _systems(earlier: xr.DataTree, later: xr.DataTree) -> dict[str, Any]:
    """Systems that only one fit knows, and what is said otherwise of those that both know."""
    if "constant_data" not in later.children:
        return {"new": [], "removed": [], "revised": {}}
    before, after = (_by_name(Observations.from_fit(fit)) for fit in (earlier, later))
    revised = {}
    for name in (name for name in after if name in before):
        parts = [
            part
            for part, old in before[name].items()
            if not (old == after[name][part] or _close(old, after[name][part]))
        ]
        if parts:
            revised[name] = parts
    return {
        "new": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "revised": revised,
    }


def _by_name(observations: Observations) -> dict[str, dict[str, Any]]:
    columns: dict[str, Any] = {
        part: getattr(observations, name).tolist() for name, part in _OF_A_SYSTEM.items()
    }
    columns["domain"] = [observations.domains[d] for d in observations.domain]
    return {
        name: dict(zip(columns, values, strict=True))
        for name, *values in zip(observations.system, *columns.values(), strict=True)
    }


def _close(old: Any, new: Any) -> bool:
    numbers = isinstance(old, float) and isinstance(new, float)
    return numbers and bool(np.isclose(old, new, rtol=1e-9, equal_nan=True))


def _settings(record: dict) -> dict[str, str]:
    """Whatever but the data may move a claim."""
    sampler = {f"sampler's {name}": value for name, value in record["sampler"].items()}
    priors = {f"prior of {name}": value for name, value in record["priors"].items()}
    found = record["versions"] | sampler | priors
    found |= {name: record["data"].get(name) for name in ("selection", "as_of")}
    found |= {"table": record["data"].get("sha256", "")[:8], "flat dates": record.get("flat_dates")}
    return {name: json.dumps(value, ensure_ascii=False).strip('"') for name, value in found.items()}


def _changed(earlier: dict[str, str], later: dict[str, str]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys([*earlier, *later])
    pairs = {name: (earlier.get(name, "none"), later.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
