"""Peak rates of accelerators by name, and what share of its peak a supercomputer reaches."""

import datetime as dt
import difflib
import re
from dataclasses import dataclass
from math import isfinite

from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.table import refuse, shown

# Columns of the accelerators table to look in, first to last, and what to call them. All are
# dense rates: those with structured sparsity are twice as high and no training run reaches them.
_TENSOR = ("tensor_fp16_flop_s", "dense 16-bit tensor rate")
_COLUMNS = {
    "fp64": (("fp64_flop_s", "64-bit rate without tensor cores"),),
    "fp32": (("fp32_flop_s", "32-bit rate without tensor cores"),),
    "tf32": (("tf32_flop_s", "dense TF32 tensor rate"),),
    "fp16": (_TENSOR, ("fp16_flop_s", "16-bit rate")),
    "fp8": (("fp8_flop_s", "dense 8-bit tensor rate"),),
}
PRECISIONS = ("bf16", *_COLUMNS)


@dataclass(frozen=True)
class Peak:
    """The peak rate of one accelerator.

    Attributes
    ----------
    hardware : str
        Its name in the accelerators table.
    flop_s : float
        The rate [FLOP/s].
    what : str
        Which rate it is, and when the accelerator was released.
    """

    hardware: str
    flop_s: float
    what: str


def peak_of(hardware: str, precision: str | None = None) -> Peak:
    """Look up the peak rate of an accelerator.

    Parameters
    ----------
    hardware : str
        Its name in ``load_facts("accelerators")``, or part of it: "A100", "TPU v4", "H100 SXM".
    precision : {"bf16", "fp64", "fp32", "tf32", "fp16", "fp8"}, optional
        Precision of the training run. By default the dense 16-bit tensor rate, or the highest
        rate of 16 bits or more (failing that, of 8) where there are no tensor cores.

    Raises
    ------
    InputError
        The name is unknown or stands for accelerators of different rates, or the table has no
        such rate.
    """
    if precision is not None and str(precision).lower() not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        refuse("precision", shown(str(precision)), f"one of {known}", "or leave it out")
    hardware = str(hardware)
    rows = _matches(hardware)
    peaks = {row["hardware"]: _peak(row, precision) for row in rows}
    listed = {name: peak for name, peak in peaks.items() if peak is not None}
    if not listed:
        refuse(
            "hardware",
            shown(hardware),
            f"an accelerator with a listed rate{f' in {precision}' if precision else ''}",
            "give peak_rate instead" + (" or leave out precision" if precision else ""),
        )
    if len({peak.flop_s for peak in listed.values()}) > 1 or len(listed) < len(peaks):
        rates = (f"{name} ({peak.flop_s / 1e12:.4g} TFLOP/s)" for name, peak in listed.items())
        refuse("hardware", shown(hardware), "one accelerator", f"say which: {', '.join(rates)}")
    return next(iter(listed.values()))


def peak_rates() -> dict[str, float]:
    """Peak rate [FLOP/s] of each accelerator that has one, as :func:`peak_of` finds it."""
    rows = load_facts("accelerators").to_dict("records")
    peaks = (_peak(row, None) for row in rows)
    return {peak.hardware: peak.flop_s for peak in peaks if peak is not None}


def rmax_share(as_of: str | dt.date | None = None) -> tuple[float, str]:
    """Share of their peak rates that the systems of a TOP500 list reach in LINPACK (HPL).

    Parameters
    ----------
    as_of : str or datetime.date, optional
        The newest list of this date is taken ("YYYY-MM-DD"); by default the newest of all.

    Returns
    -------
    float, str
        Rmax / Rpeak, each summed over the list, and the month of the list.

    Raises
    ------
    InputError
        The date is wrong or before the first list.
    """
    lists = load_facts("top500", as_of)
    if lists.empty:
        refuse("as_of", str(as_of), "a date since the first list, 1993-06", "give a later date")
    last = lists.iloc[-1]
    return float(last["sum_rmax_flop_s"] / last["sum_rpeak_flop_s"]), str(last["list"])


def _peak(row: dict, precision: str | None) -> Peak | None:
    """The rate that a row has at a precision, if it has one."""
    if precision is not None:
        wanted = _COLUMNS["fp16" if precision.lower() == "bf16" else precision.lower()]
        found = [(row[column], what) for column, what in wanted if isfinite(row[column])]
    elif isfinite(row[_TENSOR[0]]):
        found = [(row[_TENSOR[0]], _TENSOR[1])]
    else:
        wanted = [pair for name in ("fp16", "tf32", "fp32", "fp64") for pair in _COLUMNS[name]]
        rates = [(row[column], what) for column, what in wanted if isfinite(row[column])]
        eight = [(row[column], what) for column, what in _COLUMNS["fp8"] if isfinite(row[column])]
        found = [max(rates, key=lambda pair: pair[0])] if rates else eight
    if not found:
        return None
    rate, what = found[0]
    released = str(row["release_date"])[:10]
    when = "release date unknown" if released == "NaT" else f"released {released}"
    return Peak(row["hardware"], float(rate), f"{row['hardware']} ({when}), {what}")


def _matches(hardware: str) -> list[dict]:
    """Rows whose name is the given one, else those that hold its words, or their beginnings."""
    wanted = _words(hardware)
    if not wanted:
        raise InputError(f"hardware: got {shown(hardware)}; expected a name, such as 'A100'")
    rows = load_facts("accelerators").to_dict("records")
    makers = {row["hardware"]: set(_words(str(row["manufacturer"]))) for row in rows}
    words = {name: _words(name) for name in makers}
    for rule in (
        lambda name: wanted in (words[name], [w for w in words[name] if w not in makers[name]]),
        lambda name: set(wanted) <= set(words[name]),
        lambda name: all(any(w.startswith(part) for w in words[name]) for part in wanted),
        lambda name: "".join(wanted) in "".join(words[name]),
    ):
        if found := [row for row in rows if rule(row["hardware"])]:
            return found
    short = {
        " ".join(w for w in words[name] if spelled_without or w not in makers[name]): name
        for name in words
        for spelled_without in (True, False)
    }
    near = difflib.get_close_matches(" ".join(wanted), short, n=5, cutoff=0.5)
    names = list(dict.fromkeys(short[key] for key in near))[:3]
    remedy = f"did you mean {', '.join(names)}?" if names else "give peak_rate instead"
    refuse("hardware", shown(hardware), "the name of an accelerator in the table", remedy)


def _words(name: str) -> list[str]:
    """Words of a name in lower case; a size in GB is one word however it is spaced."""
    return re.findall(r"[a-z0-9]+", re.sub(r"(\d)\s+gb\b", r"\1gb", str(name).lower()))
