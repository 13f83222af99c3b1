"""Models of the same systems, side by side: leave-one-out scores, evidence, and P(K) beside them.

Models of training compute alone and models of compute and parameters meet on log10 FLOP
(:mod:`bayes_compute.leave_one_out`). Their evidence is of unlike data, and is compared within a
kind only (:mod:`bayes_compute.model_evidence`).
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from bayes_compute.changepoint.evidence import Transitions, transitions
from bayes_compute.comparison_tables import describe
from bayes_compute.errors import InputError
from bayes_compute.observations import Observations


@dataclass(frozen=True)
class Row:
    """What is said of one model.

    Attributes
    ----------
    name : str
        Of the model, and of its priors where those of dates are flat.
    elpd, se : float
        Expected log density of log10 FLOP of all systems, each left out, and its standard error.
    elpd_diff, dse : float
        How much less that is than the best, and the standard error of the difference.
    weight : float
        In the average of all that foretells best (stacking: Yao et al. 2018,
        doi:10.1214/17-BA1091).
    refitted : int
        Systems that a fit without them has scored, since their Pareto k was too high.
    high_k : int
        Systems whose Pareto k is too high, and of which no fit without them may be quoted.
    log_evidence, log_evidence_error : float
    evidence_of : str
        Of what that is the density: only models with the same are compared by it.
    also_saw : str
        What the model was given besides the systems' compute.
    """

    name: str
    elpd: float
    se: float
    elpd_diff: float
    dse: float
    weight: float
    refitted: int
    high_k: int
    log_evidence: float
    log_evidence_error: float
    evidence_of: str
    also_saw: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """What :func:`compare` found.

    Attributes
    ----------
    rows : tuple of Row
        The best by leave-one-out first.
    data : dict
        Provenance; ``rows`` is the number of systems with training compute.
    transitions : Transitions
        How many transitions these systems have, exactly: the conjugate model.
    """

    rows: tuple[Row, ...]
    data: dict[str, Any]
    transitions: Transitions

    def log_bayes_factor(self, model: str, other: str) -> float:
        """Log evidence of a model over another.

        Parameters
        ----------
        model, other : str
            Names of :attr:`rows`.

        Returns
        -------
        float

        Raises
        ------
        InputError
            If one of them is not here, or what they are densities of is unlike.
        """
        rows = {row.name: row for row in self.rows}
        for name in (model, other):
            if name not in rows:
                raise InputError(
                    f"model: got {name!r}; expected one of {', '.join(rows)}; name one of these"
                )
        a, b = rows[model], rows[other]
        if a.evidence_of != b.evidence_of:
            raise InputError(
                f"evidence: got {model}, of {a.evidence_of}, and {other}, of {b.evidence_of}; "
                "expected models of the same data; compare these two by elpd"
            )
        return a.log_evidence - b.log_evidence

    @cached_property
    def record(self) -> dict[str, Any]:
        """All of it as plain values (``comparison.json``)."""
        few = self.transitions
        return {
            "data": self.data,
            "models": [asdict(row) for row in self.rows],
            "transitions": {
                "probability": few.probability.tolist(),
                "log_evidence": few.log_evidence.tolist(),
                "min_systems": few.min_systems,
                "prior": asdict(few.prior),
                "sensitivity": {n: each.probability.tolist() for n, each in few.sensitivity()},
            },
        }

    def describe(self, format: str = "text") -> str:
        """Tables, and how to read them.

        Parameters
        ----------
        format : {"text", "markdown"}
            How to write them.

        Returns
        -------
        str
        """
        return describe(self.record, format)


def compare(*fits: xr.DataTree, seed: int = 1, progress: bool = True) -> Comparison:
    """Set models of the same systems side by side.

    Parameters
    ----------
    *fits : xarray.DataTree
        What :func:`bayes_compute.fit` returned for two or more models of systems. Systems whose
        leave-one-out weights fail are left out of further fits, which take as long as the first.
    seed : int
        Of the draws that bridge sampling needs.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If there are fewer than two, one is no model of systems, or their systems differ.
    """
    from arviz_stats.loo import compare as stacked
    from rich.console import Console
    from rich.progress import track

    from bayes_compute.leave_one_out import leave_one_out
    from bayes_compute.model_evidence import model_evidence

    names = _checked(fits)
    of_each = zip(names, fits, strict=True)
    if progress:
        terminal, said = Console(stderr=True), "Leave-one-out and evidence"
        of_each = track(of_each, said, len(fits), console=terminal, transient=True)
    scores, evidences = {}, {}
    for name, dt in of_each:
        scores[name], evidences[name] = leave_one_out(dt), model_evidence(dt, seed)
    table: Any = stacked({n: elpd for n, (elpd, _) in scores.items()}, round_to="none")
    rows = []
    for name in map(str, table.index):
        dt = fits[names.index(name)]
        (elpd, refitted), evidence = scores[name], evidences[name]
        elpd_diff, dse, weight = table.loc[name, ["elpd_diff", "dse", "weight"]]
        rows.append(
            Row(
                name,
                elpd.elpd,
                elpd.se,
                float(elpd_diff),
                float(dse),
                float(weight),
                refitted=refitted,
                high_k=int((elpd.pareto_k > elpd.good_k).sum()),
                log_evidence=evidence.log,
                log_evidence_error=evidence.error,
                **_given(dt),
            )
        )
    systems = Observations.from_fit(fits[0]).with_compute
    return Comparison(tuple(rows), systems.source, transitions(systems))


def _checked(fits: tuple[xr.DataTree, ...]) -> list[str]:
    """Names of models, all of which are of the same systems with training compute."""
    if len(fits) < 2:
        raise InputError(f"compare: got {len(fits)} fits; expected two or more; add one")
    names: list[str] = []
    for dt in fits:
        name = dt.attrs["model"]
        if "log_likelihood" not in dt.children:
            raise InputError(
                f"compare: got {name}; expected models of systems, such as regimes; leave it out"
            )
        name += ", flat priors" if int(dt.attrs["flat_dates"]) else ""
        if name in names:
            raise InputError(
                f"compare: got {name} twice; expected each once; leave one of them out"
            )
        names.append(name)
    for name, dt in zip(names[1:], fits[1:], strict=True):
        differs = _difference(fits[0], dt)
        if differs:
            raise InputError(
                f"compare: got {names[0]} and {name}, which differ in {differs}; expected fits of "
                "the same systems; fit both to one table"
            )
    return names


def _difference(dt: xr.DataTree, other: xr.DataTree) -> str:
    """In what the data of two fits differ, if they do."""
    sources = [json.loads(each.attrs["data"]) for each in (dt, other)]
    for key in dict.fromkeys([*sources[0], *sources[1]]):
        a, b = (source.get(key) for source in sources)
        if key != "rows" and a != b:
            return f"{key} ({a} and {b})"
    a, b = (Observations.from_fit(each).with_compute for each in (dt, other))
    if a.n != b.n:
        return f"the number of systems with training compute ({a.n} and {b.n})"
    for name in ("system", "year", "log10_flop", "variance"):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            return f"the {name} of systems"
    return ""


def _given(dt: xr.DataTree) -> dict[str, str]:
    """What a model is a density of, and what it was given besides compute."""
    every = Observations.from_fit(dt)
    if "parameters_sd" not in dt["posterior"]:
        return {"evidence_of": f"log10 FLOP of {every.n} systems", "also_saw": ""}
    seen, known = (np.isfinite(v) for v in (every.log10_flop, every.log10_parameters))
    return {
        "evidence_of": f"log10 FLOP and log10 parameters of {every.n} systems",
        "also_saw": f"parameters of {np.sum(seen & known)} of these systems, and of "
        f"{np.sum(~seen)} systems of undisclosed compute",
    }
