"""What a model sees of a table of systems: years, log10 FLOP, how sure each is, and of what domain.

:meth:`Observations.from_systems` keeps the systems with a date and training compute or parameters,
and gives every estimate of compute a variance: from its own bounds, or from the class of its
confidence.
"""

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.confidence import DEFAULT_CONFIDENCE, WITHIN_FACTOR, Z90
from bayes_compute.errors import InputError

FEWEST_SYSTEMS = 5
MOST_SYSTEMS = 5000  # whose sum over eras takes 3 GB, which grow as the square

DOMAINS = ("Language", "Vision", "Games", "Speech", "Other")
_DOMAIN_OF = {
    "language": "Language",
    "multimodal": "Language",
    "vision": "Vision",
    "image generation": "Vision",
    "drawing": "Vision",
    "video": "Vision",
    "games": "Games",
    "speech": "Speech",
    "audio": "Speech",
}

_COLUMNS = (
    "system",
    "publication_date",
    "training_compute_flop",
    "training_compute_lower_flop",
    "training_compute_upper_flop",
    "confidence",
    "parameters",
    "domain",
)


@dataclass(frozen=True, eq=False)
class Observations:
    """Systems as a model sees them, ordered by year; n of them. Arrays are read-only.

    Attributes
    ----------
    system : tuple of str
        Unique labels; a repeated name gets " (2)", " (3)", ...
    year : (n,) float array
        Decimal year of publication: year + (day of year - 1) / days in the year.
    log10_flop : (n,) float array
        log10 of the training compute [FLOP]; NaN where it is not known.
    variance : (n,) float array
        Variance of the source's estimate of ``log10_flop``; NaN where that is not known.
    log10_parameters : (n,) float array
        log10 of the number of parameters; NaN where it is not known.
    domain : (n,) int array
        Index into ``domains``.
    domains : tuple of str
        Those of Language, Vision, Games, Speech, Other that occur, in this order.
    source : dict
        Provenance: name, rows (= n), sha256, as_of and selection.
    """

    system: tuple[str, ...]
    year: np.ndarray
    log10_flop: np.ndarray
    variance: np.ndarray
    log10_parameters: np.ndarray
    domain: np.ndarray
    domains: tuple[str, ...]
    source: dict[str, Any]

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type is np.ndarray:
                values = np.array(getattr(self, field.name))
                if values.shape != (self.n,):
                    raise ValueError(f"{field.name}: shape {values.shape}, expected ({self.n},)")
                values.setflags(write=False)
                object.__setattr__(self, field.name, values)

    @property
    def n(self) -> int:
        """Number of systems."""
        return len(self.system)

    @property
    def with_compute(self) -> "Observations":
        """The systems whose training compute is known."""
        return self.subset(np.isfinite(self.log10_flop))

    def subset(self, kept: np.ndarray) -> "Observations":
        """Some of the systems only.

        Parameters
        ----------
        kept : (n,) bool array
            Which to keep.

        Returns
        -------
        Observations
            In the same order.
        """
        if np.all(kept):
            return self
        arrays = {f.name: getattr(self, f.name)[kept] for f in fields(self) if f.type is np.ndarray}
        present = np.unique(self.domain[kept])
        arrays["domain"] = np.searchsorted(present, arrays["domain"])
        return replace(
            self,
            system=tuple(name for name, keep in zip(self.system, kept, strict=True) if keep),
            domains=tuple(self.domains[d] for d in present),
            source={**self.source, "rows": int(np.sum(kept))},
            **arrays,
        )

    @classmethod
    def from_systems(cls, systems: pd.DataFrame) -> "Observations":
        """Keep the systems that have a date and training compute or parameters.

        Models of compute alone take those with compute only: :attr:`with_compute`.

        The variance comes from the source's bounds where both are given and enclose the
        estimate, taken as a central 90 % interval: sd = log10(upper / lower) / (2 · 1.6449).
        Otherwise it comes from the confidence, whose classes are 90 % intervals too: Confident
        within a factor of 3, Likely of 10, Speculative of 30 (sd = log10(factor) / 1.6449). An
        estimate without a class is taken as Likely, the middle one: most unclassed estimates
        are older than the classes, so that the lack says nothing about how good they are.

        The domain is the first that the source names. Multimodal counts as Language; image
        generation ("Drawing" in older tables) and video as Vision; audio as Speech.

        Parameters
        ----------
        systems : pandas.DataFrame
            What :func:`bayes_compute.load_systems` returned, or rows of it.

        Raises
        ------
        InputError
            A column is missing, fewer than 5 systems have a date and training compute, more than
            5,000 have a date and training compute or parameters, or no file of results could hold
            the name of one.

        Examples
        --------
        >>> import bayes_compute as bc
        >>> observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
        >>> observations.n, observations.with_compute.n
        (259, 129)
        """
        missing = [name for name in _COLUMNS if name not in systems]
        if missing:
            raise InputError(
                f"systems: got no column {', '.join(missing)}; expected a table from "
                "load_systems; load it with load_systems"
            )
        dated = systems["publication_date"].notna().to_numpy()
        with_flop = dated & known(systems, "training_compute_flop")
        kept = systems.loc[with_flop | (dated & known(systems, "parameters"))]
        kept = kept.sort_values("publication_date", kind="stable")
        if with_flop.sum() < FEWEST_SYSTEMS:
            raise InputError(
                f"systems: got {with_flop.sum()} of {len(systems)} with a date and training "
                f"compute; expected at least {FEWEST_SYSTEMS}; use a larger table, a later as_of "
                'or selection="all"'
            )
        for name in kept["system"]:
            if "\0" in name or name != name.encode("utf-8", "replace").decode():
                raise InputError(
                    f"systems: got the name {name!r}; expected text that a file can hold, without "
                    "NUL or half of a character; rename the system"
                )
        if len(kept) > MOST_SYSTEMS:
            raise InputError(
                f"systems: got {len(kept)} with a date and training compute or parameters; "
                f"expected at most {MOST_SYSTEMS}; use an earlier as_of, selection="
                '"notable" or a part of the table'
            )
        flop, parameters = (
            np.where(known(kept, name), kept[name].to_numpy(float), np.nan)
            for name in ("training_compute_flop", "parameters")
        )
        domains = [domain_of(label) for label in kept["domain"]]
        source = {**source_of(systems), "rows": len(kept)}
        present = tuple(domain for domain in DOMAINS if domain in domains)
        return cls(
            system=unique_labels(kept["system"].tolist()),
            year=decimal_year(kept["publication_date"]),
            log10_flop=np.log10(flop),
            variance=np.where(np.isnan(flop), np.nan, _variance(kept)),
            log10_parameters=np.log10(parameters),
            domain=np.array([present.index(domain) for domain in domains]),
            domains=present,
            source=source,
        )

    @classmethod
    def from_fit(cls, dt: xr.DataTree) -> "Observations":
        """Take the systems that a model was fitted to out of its fit.

        Parameters
        ----------
        dt : xarray.DataTree
            What :func:`bayes_compute.fit` returned for a model of systems.
        """
        data = dt["constant_data"].dataset
        names = ("year", "log10_flop", "variance", "log10_parameters")
        return cls(
            system=tuple(map(str, data["system"].to_numpy())),
            **{name: data[name].to_numpy() for name in names},
            domain=data["domain_index"].to_numpy(),
            domains=tuple(map(str, dt["posterior"]["domain"].to_numpy())),
            source=json.loads(dt.attrs["data"]),
        )


def decimal_year(dates: Any) -> np.ndarray:
    """Dates as years: year + (day of year - 1) / days in the year."""
    at = pd.DatetimeIndex(dates)
    year: Any = at.year + (at.day_of_year - 1) / np.where(at.is_leap_year, 366, 365)
    return np.asarray(year, dtype=float)


def day_of(year: Any) -> np.ndarray:
    """Decimal years as days (datetime64[D]): what :func:`decimal_year` came from."""
    year = np.asarray(year, dtype=float)
    first = (np.floor(year).astype(int) - 1970).astype("datetime64[Y]")
    start = first.astype("datetime64[D]")
    length = (first + np.timedelta64(1, "Y")).astype("datetime64[D]") - start
    days = np.rint((year - np.floor(year)) * length.astype(int))
    return start + days.astype("timedelta64[D]")


def source_of(systems: pd.DataFrame) -> dict[str, Any]:
    """Provenance of a table; of a data frame from elsewhere, what can be said of it."""
    last: Any = systems["publication_date"].max()
    return systems.attrs.get("source") or {
        "name": "data frame",
        "sha256": "",
        "as_of": "" if pd.isna(last) else f"{last:%Y-%m-%d}",
        "selection": "all",
    }


def known(systems: pd.DataFrame, name: str) -> np.ndarray:
    """Which rows have an amount in a column."""
    values = systems[name].to_numpy(float)
    return np.isfinite(values) & (values > 0)


def _variance(systems: pd.DataFrame) -> np.ndarray:
    value = systems["training_compute_flop"].to_numpy(float)
    lower = systems["training_compute_lower_flop"].to_numpy(float)
    upper = systems["training_compute_upper_flop"].to_numpy(float)
    bounded = (lower > 0) & (lower <= value) & (value <= upper) & (lower < upper)
    ratio = np.divide(upper, lower, out=np.ones_like(value), where=bounded)
    unclassed = WITHIN_FACTOR[DEFAULT_CONFIDENCE]
    factor = np.array([WITHIN_FACTOR.get(label, unclassed) for label in systems["confidence"]])
    sd = np.where(bounded, np.log10(ratio) / 2, np.log10(factor)) / Z90
    return sd**2


def domain_of(label: object) -> str:
    """One of :data:`DOMAINS`, from what a source calls it."""
    first = label.split(",")[0].strip().lower() if isinstance(label, str) else ""
    return _DOMAIN_OF.get(first, "Other")


def unique_labels(names: list[str]) -> tuple[str, ...]:
    """Number repeated names."""
    taken: dict[str, None] = {}
    wanted = set(names)
    for name in names:
        label, copy = name, 1
        while label in taken or (copy > 1 and label in wanted):
            copy += 1
            label = f"{name} ({copy})"
        taken[label] = None
    return tuple(taken)
