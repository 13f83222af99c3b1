"""Failures of machines and runs on record: how many, on how many accelerators, for how long."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayes_compute.ceilings.provenance import source_of
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts

KINDS = ("memory", "accelerator", "node", "run")
"""What is counted, each with the one before: errors of memory, failures of accelerators, of nodes,
and whatever interrupts a run."""
# Rows whose events and accelerator-hours are both known, or a rate for each node: system, kind
RECORDS = {
    "Llama 3 405B pre-training (unexpected only)": ("Llama 3", "run"),
    "OPT-175B (paper)": ("OPT-175B", "run"),
    "BLOOM-176B": ("BLOOM", "run"),
    "GLM-130B": ("GLM-130B", "run"),
    "Meta RSC-1 cluster": ("RSC-1", "node"),
    "Meta RSC-2 cluster": ("RSC-2", "node"),
    "Imbue cluster": ("Imbue", "node"),
    "Crusoe H200 cluster": ("Crusoe", "node"),
    "Delta A100 (uncorrectable memory errors)": ("Delta A100", "memory"),
    "Delta H100 (uncorrectable memory errors)": ("Delta H100", "memory"),
    "Summit (GPU double-bit errors)": ("Summit", "memory"),
}
# Mean times to failure of the jobs of a shared cluster, the larger of which is the less small
SMALL_JOBS = {
    "Meta RSC-1/RSC-2 job of 8 GPUs (measured)": ("RSC-1", "node"),
    "Meta RSC-1/RSC-2 job of 1024 GPUs (measured)": ("RSC-1", "node"),
}
# A figure that was read in a quotation alone may be of other events or hours than it seems: it is
# taken to be off by half (sd), on top of how rates vary
READING_CV = {
    "source read": 0.0,
    "computed from raw data": 0.0,
    "quotation read": 0.5,
    "partly verified": 0.7,
    "unverified": 1.0,
}
TITAN_ACCELERATORS = 18_688
TITAN_LAST = ("2019Q3", 31 * 24.0)  # hours: it was switched off on 1 August
MEMORY = ("GPU HBM3 Memory", "GPU SRAM Memory")  # causes, as the paper on Llama 3 names them


@dataclass(frozen=True)
class Failures:
    """Records of failures.

    Attributes
    ----------
    system : tuple of str, length (n,)
        The machine or run; several records may be of one.
    kind : ndarray of int, shape (n,)
        Place in :data:`KINDS`.
    events : ndarray of float, shape (n,)
        Failures counted; NaN where only their rate is stated.
    exposure : ndarray of float, shape (n,)
        Accelerator-hours; NaN likewise.
    rate : ndarray of float, shape (n,)
        Failures per accelerator-hour.
    reading_cv : ndarray of float, shape (n,)
        How far off the reading may be: sd over mean.
    small : ndarray of bool, shape (n,)
        Whether it is of small jobs on a shared cluster.
    causes : ndarray of int, shape (4,)
        Interruptions of Llama 3 by cause: memory, else of an accelerator, else of a node, other.
    source : dict
    """

    system: tuple[str, ...]
    kind: np.ndarray
    events: np.ndarray
    exposure: np.ndarray
    rate: np.ndarray
    reading_cv: np.ndarray
    small: np.ndarray
    causes: np.ndarray
    source: dict[str, Any]

    @property
    def systems(self) -> tuple[str, ...]:
        """Each system once."""
        return tuple(dict.fromkeys(self.system))


def observe(as_of: str | None = None) -> Failures:
    """Collect the failures on record.

    Parameters
    ----------
    as_of : str, optional
        Only what is dated by then: a source by its publication, Titan's quarters by themselves.

    Raises
    ------
    InputError
        If there is no record by then.
    """
    table, causes, titan = (
        load_facts(name, as_of)
        for name in ("reliability", "llama3-interruptions", "titan-gpu-failures")
    )
    rows = [_record(row) for row in table.to_dict("records") if row["system"] in _USED]
    for quarter, failures, hours in zip(
        titan["quarter"], titan["failures"], titan["hours"], strict=True
    ):
        hours = TITAN_LAST[1] if quarter == TITAN_LAST[0] else hours
        exposure = hours * TITAN_ACCELERATORS
        rows.append(("Titan", "accelerator", failures, exposure, failures / exposure, 0.0, False))
    if not rows:
        raise InputError(
            f"reliability: got no failures on record by {as_of}; expected some; "
            "give a later date: Titan's quarters begin in 2014"
        )
    system, kind, *numbers, small = zip(*rows, strict=True)
    events, exposure, rate, reading_cv = np.array(numbers, dtype=float)
    return Failures(
        system, np.array([KINDS.index(name) for name in kind]), events, exposure, rate,
        reading_cv, np.array(small), _by_cause(causes),
        source_of(len(rows), table.attrs, causes.attrs, titan.attrs),
    )  # fmt: skip


# Rows whose goodput is a share of time on the accelerators of that row
GOODPUT = (
    "Llama 3 405B pre-training (unexpected only)",
    "OPT-175B (logbook)",
    "ByteRobust dense job",
    "ByteRobust MoE job",
)


def goodput(as_of: str | None = None) -> pd.DataFrame:
    """Shares of time that runs report to have been of use, which no model here is fitted to.

    Parameters
    ----------
    as_of : str, optional

    Returns
    -------
    pandas.DataFrame
        system, accelerators and share, the lower end where a range or a bound is reported.
    """
    table = load_facts("reliability", as_of)
    table = table[table["system"].isin(GOODPUT)]
    share = table["goodput"].str.extract(r"(0\.\d+)", expand=False).astype(float)
    return table[["system", "accelerators"]].assign(share=share).reset_index(drop=True)


_USED = RECORDS | SMALL_JOBS


def _record(row: dict[str, Any]) -> tuple:
    """One record: system, kind, events, accelerator-hours, rate, reading_cv, small."""
    system, kind = _USED[row["system"]]
    events, exposure = row["interruptions"], row["accelerators"] * row["duration_days"] * 24
    if pd.notna(events) and pd.notna(exposure):
        rate = events / exposure
    elif row["system"] in SMALL_JOBS:
        events, exposure = np.nan, np.nan
        rate = 1 / (row["mtbf_hours"] * row["accelerators"])
    else:
        events, exposure = np.nan, np.nan
        per_node_hour = row["failures_per_1000_node_days"] / 1000 / 24
        rate = per_node_hour * row["nodes"] / row["accelerators"]
    cv = READING_CV[row["verification"]]
    return system, kind, events, exposure, rate, cv, row["system"] in SMALL_JOBS


def _by_cause(causes: pd.DataFrame) -> np.ndarray:
    part = np.select(
        [
            causes["component"].isin(MEMORY),
            causes["category"] == "GPU",
            causes["category"] == "Host",
        ],
        [0, 1, 2],
        3,
    )
    counts = np.bincount(part, causes["interruptions"].to_numpy(float), minlength=4)
    return counts.astype(int)
