"""The largest machines on record: lists of TOP500, designs of accelerators, clusters of them."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from bayes_compute.ceilings.provenance import source_of
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.observations import decimal_year

CLUSTERS_SINCE = 2019.0  # Pilz et al. 2025 begin here; coverage before is thin
LEAST_FP64 = 0.25  # of the 32-bit rate: units for scientific computing have 1/3 to 1, others 1/8


@dataclass(frozen=True, eq=False)
class Capacity:
    """Machines as the model sees them. Arrays are read-only; rates are log10 FLOP/s.

    Attributes
    ----------
    list_year : (L,) array
        Middle of the month of each TOP500 list [decimal year].
    log10_sum, log10_first, log10_first_peak : (L,) array
        Rmax of all systems, and Rmax and Rpeak of the first, in 64 bits.
    design_year, log10_ratio : (D,) array
        Release of designs of accelerators made for 64 bits too, and the ratio of their best rate
        in 16 (or else 32) bits to that in 64.
    vendor : (D,) int array
        Index into ``vendors``.
    vendors : tuple of str
    record_year, log10_record : (R,) array
        When each cluster larger in 16 bits than all before began to work, and its peak rate.
    clusters_until : float
        Last date of an existing cluster [decimal year]; NaN if there is none.
    source : dict
        Provenance of all three tables: :func:`bayes_compute.ceilings.provenance.source_of`.
    """

    list_year: np.ndarray
    log10_sum: np.ndarray
    log10_first: np.ndarray
    log10_first_peak: np.ndarray
    design_year: np.ndarray
    log10_ratio: np.ndarray
    vendor: np.ndarray
    vendors: tuple[str, ...]
    record_year: np.ndarray
    log10_record: np.ndarray
    clusters_until: float
    source: dict[str, Any]

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type is np.ndarray:
                values = np.array(getattr(self, field.name))
                values.setflags(write=False)
                object.__setattr__(self, field.name, values)

    @property
    def entered(self) -> np.ndarray:
        """Which lists show a first system, or an extension of it, for the first time, (L,)."""
        new = np.diff(self.log10_first) > 1e-4  # rounding makes a machine rise and fall by less
        return np.concatenate([[True], new])


def observe(as_of: str | None = None) -> Capacity:
    """Read the lists, accelerators and clusters.

    Parameters
    ----------
    as_of : str, optional
        Take only what is dated by then ("YYYY-MM-DD"): lists by their month, accelerators by
        their release, clusters by their first day of operation. The tables of accelerators and
        clusters were compiled later, so theirs is an as-of by event date.

    Raises
    ------
    InputError
        If there are fewer than ten lists or two designs of accelerators by then.
    """
    lists = load_facts("top500", as_of)
    accelerators = load_facts("accelerators", as_of)
    clusters = load_facts("ai-clusters", as_of)
    designs = _designs(accelerators)
    if len(lists) < 10 or len(designs) < 2:
        raise InputError(
            f"as_of: got {as_of}, with {len(lists)} lists and {len(designs)} accelerators for 64 "
            "bits; expected at least 10 and 2; give a date from 2013 on"
        )
    vendors = tuple(sorted(set(designs["manufacturer"])))
    existing = clusters.loc[
        (clusters["status"] == "Existing")
        & (clusters["certainty"] != "Unlikely")
        & (clusters["op_s_16_bit"] > 0)
        & clusters["first_operational_date"].notna()
    ].sort_values("first_operational_date", kind="stable")
    rate = existing["op_s_16_bit"].to_numpy(float)
    record = np.diff(np.maximum.accumulate(np.append(0.0, rate))) > 0
    began = decimal_year(existing["first_operational_date"])
    log10 = {
        name: np.log10(lists[column].to_numpy(float))
        for name, column in (
            ("log10_sum", "sum_rmax_flop_s"),
            ("log10_first", "n1_rmax_flop_s"),
            ("log10_first_peak", "n1_rpeak_flop_s"),
        )
    }
    rows = len(lists) + len(designs) + int(record.sum())
    sources: Any = [table.attrs for table in (lists, accelerators, clusters)]
    return Capacity(
        list_year=decimal_year(lists["list_date"]) + 0.5 / 12,
        **log10,
        design_year=decimal_year(designs["release_date"]),
        log10_ratio=designs["log10_ratio"].to_numpy(float),
        vendor=np.array([vendors.index(name) for name in designs["manufacturer"]]),
        vendors=vendors,
        record_year=began[record],
        log10_record=np.log10(rate[record]),
        clusters_until=float(began.max()) if len(began) else np.nan,
        source=source_of(rows, *sources),
    )


def _designs(accelerators: pd.DataFrame) -> pd.DataFrame:
    """Accelerators with units for 64 bits, one row a design: variants share maker and rate."""
    columns = ["tensor_fp16_flop_s", "fp16_flop_s", "fp32_flop_s"]
    best = accelerators[columns].max(axis=1)  # before 16 bits came, training ran in 32
    made_for_64 = accelerators["fp64_flop_s"] >= LEAST_FP64 * accelerators["fp32_flop_s"]
    table = accelerators.assign(
        log10_ratio=np.log10(best / accelerators["fp64_flop_s"]),
        rate=np.log10(best).round(1),
    )
    table = table.loc[made_for_64 & table["release_date"].notna()]
    table = table.sort_values("release_date", kind="stable")
    return table.drop_duplicates(["manufacturer", "rate"])
