"""Readings of training compute: every way in which a table tells how much a system took.

A system may be read three times: a published figure; the rule of six operations a parameter and
token; and accelerators times hours at their peak rate. The table's own figure was often worked out
from one of the others, and an older table may hold another figure for the same system.
"""

import re
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_compute.confidence import Z90
from bayes_compute.errors import InputError
from bayes_compute.hardware import peak_rates
from bayes_compute.observations import (
    DOMAINS,
    decimal_year,
    domain_of,
    known,
    source_of,
    unique_labels,
)
from bayes_compute.operations import amounts, six_operations
from bayes_compute.systems import with_active_parameters

CLASSES = ("Confident", "Likely", "Speculative", "none")
"""Classes of confidence of a published figure; any other label counts as none."""

_CHIP_FAMILIES = {
    "TPU": r"TPU",
    "V100": r"V100",
    "A100": r"A[18]00",
    "H100": r"H[18]00|H200|GH200",
}
CHIPS = (*_CHIP_FAMILIES, "other")
"""Families of accelerators with a utilisation of their own."""

_COLUMNS = (
    "system",
    "publication_date",
    "domain",
    "parameters",
    "training_compute_flop",
    "training_compute_lower_flop",
    "training_compute_upper_flop",
    "confidence",
    "estimation_method",
    "training_dataset_size",
    "epochs",
    "training_time_hours",
    "training_hardware",
    "hardware_quantity",
    "hardware_utilization",
    "base_model",
)
_SINCE = ("operations", "one_pass", "undisclosed")
_SECONDS = 3600.0
_ROUNDING = 0.02  # log10 FLOP: figures are given to two digits
_UNCHANGED = 0.005  # log10 FLOP


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings of n systems; log10 of a FLOP count, NaN where there is no such reading.

    Attributes
    ----------
    system : tuple of str
    year : (n,) float array
        Decimal year of publication.
    published : (n,) float array
        The table's own figure.
    stated_sd : (n,) float array
        Sd of its error, where both of its bounds are given and enclose it: a central 90 % interval.
    earlier : (n,) float array
        The figure of an older table.
    operations : (n,) float array
        Six operations a parameter, token and epoch; one epoch where none is given.
    hardware : (n,) float array
        Accelerators times time at the peak rate: training compute over utilisation.
    utilization : (n,) float array
        log10 of the reported utilisation of the hardware.
    domain : (n,) int array
        Index into :data:`~bayes_compute.observations.DOMAINS`.
    one_pass : (n,) bool array
        Whether the number of epochs is not given.
    confidence, earlier_confidence : (n,) int array
        Index into :data:`CLASSES`.
    chip : (n,) int array
        Index into :data:`CHIPS`.
    from_hardware : (n,) bool array
        Whether the published figure may have been worked out from hardware: its method says so,
        or is not given.
    undisclosed : (n,) bool array
        Whether there was no published figure when operations were read.
    row : (n,) int array
        Position in the table.
    source : dict
        Provenance: name, rows (= n), sha256, as_of and selection of the table.
    """

    system: tuple[str, ...]
    year: np.ndarray
    published: np.ndarray
    stated_sd: np.ndarray
    earlier: np.ndarray
    operations: np.ndarray
    hardware: np.ndarray
    utilization: np.ndarray
    domain: np.ndarray
    one_pass: np.ndarray
    confidence: np.ndarray
    earlier_confidence: np.ndarray
    chip: np.ndarray
    from_hardware: np.ndarray
    undisclosed: np.ndarray
    row: np.ndarray
    source: dict[str, Any]

    @property
    def n(self) -> int:
        """Number of systems."""
        return len(self.system)

    @property
    def read(self) -> np.ndarray:
        """Whether there is any reading."""
        found = (self.published, self.operations, self.hardware)
        return np.isfinite(found).any(axis=0)

    @property
    def compared(self) -> np.ndarray:
        """Whether there are two readings or more, none of which stands for another."""
        found = (self.published, np.where(self.copied, np.nan, self.operations), self.hardware)
        return np.isfinite(found).sum(axis=0) > 1

    @property
    def copied(self) -> np.ndarray:
        """Whether the published figure is that of operations, worked out from the same numbers."""
        return (np.abs(self.published - self.operations) < _ROUNDING) & ~self.undisclosed

    @property
    def revised(self) -> np.ndarray:
        """Whether an older table has another figure."""
        return np.abs(self.published - self.earlier) > _UNCHANGED

    @property
    def stood(self) -> np.ndarray:
        """Whether an older table has the same figure."""
        return np.abs(self.published - self.earlier) <= _UNCHANGED

    @property
    def entered_as(self) -> np.ndarray:
        """Class of confidence that the published figure was entered with."""
        return np.where(self.stood, self.earlier_confidence, self.confidence)

    def subset(self, kept: np.ndarray) -> "Readings":
        """Some of the systems.

        Parameters
        ----------
        kept : (n,) bool array
            Which to keep.

        Returns
        -------
        Readings
            In the same order.
        """
        arrays = {f.name: getattr(self, f.name)[kept] for f in fields(self) if f.type is np.ndarray}
        return replace(
            self,
            system=tuple(name for name, keep in zip(self.system, kept, strict=True) if keep),
            source={**self.source, "rows": int(np.sum(kept))},
            **arrays,
        )

    def disclosed_since(self, older: "Readings") -> "Readings":
        """Read operations by an older table, where that had no figure and this one has.

        Nothing else but the figure is kept of these systems: they tell how often it is far off.

        Parameters
        ----------
        older : Readings
            Of a table without some of the figures.

        Returns
        -------
        Readings
            All systems; of those, the figure and the older table's operations.
        """
        at = {name: i for i, name in enumerate(older.system) if older.undisclosed[i]}
        since = np.isin(self.system, [*at]) & np.isfinite(self.published)
        then = [at[name] for name, it in zip(self.system, since, strict=True) if it]
        arrays = {name: getattr(self, name).copy() for name in _SINCE}
        for name, values in arrays.items():
            values[since] = getattr(older, name)[then]
        for name in ("hardware", "utilization", "earlier"):
            arrays[name] = np.where(since, np.nan, getattr(self, name))
        return replace(self, **arrays)

    @classmethod
    def from_systems(cls, systems: pd.DataFrame, older: pd.DataFrame | None = None) -> "Readings":
        """Take every reading of the systems that have a date.

        Mixtures of experts are taken by their active parameters, where these are known.
        Fine-tuned systems are left out: their figure often includes the base model, and the other
        readings do not. Of hardware that the table of accelerators does not know, or of several
        kinds, nothing is read. Data sizes are tokens for language models only; elsewhere they
        count images, pairs or frames, which the calibration has to find out.

        Parameters
        ----------
        systems : pandas.DataFrame
            What :func:`bayes_compute.load_systems` returned.
        older : pandas.DataFrame, optional
            An older table, with the columns ``system``, ``training_compute_flop`` and
            ``confidence``.

        Raises
        ------
        InputError
            A column is missing.
        """
        missing = [name for name in _COLUMNS if name not in systems]
        if missing:
            raise InputError(
                f"systems: got no column {', '.join(missing)}; expected a table from "
                "load_systems; load it with load_systems"
            )
        rows = with_active_parameters(systems).assign(row=np.arange(len(systems)))
        rows = rows.loc[rows["publication_date"].notna() & rows["base_model"].isna()]
        rows = rows.sort_values("publication_date", kind="stable")
        operations, epochs = six_operations(rows), amounts(rows, "epochs")
        rate = rows["training_hardware"].map(peak_rates()).to_numpy(float)
        with np.errstate(over="ignore"):  # what is infinite is no reading
            busy = amounts(rows, "hardware_quantity") * amounts(rows, "training_time_hours")
            hardware = busy * _SECONDS * rate
        utilization = amounts(rows, "hardware_utilization")
        method = rows["estimation_method"].fillna("")
        earlier, earlier_confidence = _older(rows, older)
        domains = [domain_of(label) for label in rows["domain"]]
        return cls(
            unique_labels(rows["system"].tolist()),
            decimal_year(rows["publication_date"]),
            np.log10(amounts(rows, "training_compute_flop")),
            _stated_sd(rows),
            np.where(known(rows, "training_compute_flop"), earlier, np.nan),
            np.log10(operations),
            np.log10(hardware),
            np.log10(np.where(utilization <= 1, utilization, np.nan)),  # 72 would be per cent
            np.array([DOMAINS.index(domain) for domain in domains], dtype=int),
            np.isnan(epochs),
            _class(rows["confidence"]),
            earlier_confidence,
            np.array([_chip(label) for label in rows["training_hardware"]], dtype=int),
            ((method == "") | method.str.contains("Hardware")).to_numpy(bool),
            np.isfinite(operations) & ~known(rows, "training_compute_flop"),
            rows["row"].to_numpy(),
            source_of(systems) | {"rows": len(rows)},
        )


def _stated_sd(rows: pd.DataFrame) -> np.ndarray:
    figure, lower, upper = (
        np.log10(amounts(rows, f"training_compute_{name}flop")) for name in ("", "lower_", "upper_")
    )
    enclosed = (lower <= figure) & (figure <= upper) & (lower < upper)
    return np.where(enclosed, (upper - lower) / (2 * Z90), np.nan)


def _class(labels: pd.Series) -> np.ndarray:
    named = [label if label in CLASSES else "none" for label in labels]
    return np.array([CLASSES.index(label) for label in named], dtype=int)


def _older(rows: pd.DataFrame, older: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Figure and class of confidence that an older table has for the same names."""
    if older is None:
        return np.full(len(rows), np.nan), np.full(len(rows), CLASSES.index("none"))
    found = older.loc[known(older, "training_compute_flop")].drop_duplicates("system")
    found = found.set_index("system").reindex(rows["system"])
    return np.log10(amounts(found, "training_compute_flop")), _class(found["confidence"])


def _chip(hardware: object) -> int:
    for name, pattern in _CHIP_FAMILIES.items():
        if isinstance(hardware, str) and re.search(pattern, hardware):
            return CHIPS.index(name)
    return CHIPS.index("other")
