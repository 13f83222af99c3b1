"""How well is training compute known? Every reading of a system against the others.

A system took ``z`` = log10 FLOP. What a table says of it are readings with errors,

    published   = z + error of its class of confidence,
    operations  = z + bias[domain] + error[domain]:  six operations a parameter and token,
    hardware    = z - log10 utilisation:             accelerators, at their peak rate, times hours,

each error small or, now and then, gross (a unit mistaken, a stage of training left out). Nobody
has seen ``z``: readings are held against each other. A published figure that equals operations was
worked out from them: they hold for that system, and the two are one reading. One that was worked
out from hardware says nothing more of ``z`` than that. An older table's figure that was left as it
was is one with the newest, of the class it was entered with; one that was revised is a reading of
its own, and gross errors are revised at a rate of their own. Operations of a system without a
figure hold less often, which those tell that got one since. Which errors are gross and which
figures are from hardware is summed out, ``z`` is integrated out under a flat prior, and what is
sampled are biases, spreads and shares.

Utilisation depends on year and family of accelerators, with partial pooling, and so does the bias
of operations on the domain: data sizes are tokens in language models, where the rule holds (Kaplan
et al. 2020, arXiv:2001.08361); elsewhere they may be images or pairs.
"""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from pytensor.tensor.special import logsumexp

from bayes_compute.confidence import DEFAULT_CONFIDENCE, WITHIN_FACTOR, log10_sd
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.hardware_steps import UTILISATION
from bayes_compute.observations import DOMAINS, source_of
from bayes_compute.reading_mixture import (
    UTILIZATION_YEAR,
    Errors,
    counted_as,
    mixture,
)
from bayes_compute.readings import CHIPS, CLASSES, Readings
from bayes_compute.systems import day, load_systems, shipped

FEWEST = 30  # systems with two readings that can differ
ERRORS = ("fine", "gross")
COUNTED, TIMED = ("language", "other"), ("operations alone", "hardware too")
UNITS = {
    "bias": "log10 FLOP",
    "operations_sd": "log10 FLOP",
    "passes": "log10 FLOP",
    "utilization": "log10",
    "utilization_growth": "log10/year",
    "chip_effect": "log10",
    "utilization_sd": "log10",
    "figure_sd": "log10 FLOP",
    "gross_sd": "log10 FLOP",
    "assumed": "log10",
}


def observe(as_of: str | None = None, own: str | None = None) -> Readings:
    """Readings of the newest shipped table of a day that has enough of them, or of one's own.

    No shipped table is taken that was made later: what it says of older systems was not known yet.

    Parameters
    ----------
    as_of : str, optional
        The day ("YYYY-MM-DD"); by default the newest table is taken.
    own : str, optional
        Path of a table of systems, taken if it has enough, notable systems and others. If not,
        ``source["too_few"]`` says so of it.

    Raises
    ------
    InputError
        No table of that day has 30 systems with two readings that can differ.
    """
    too_few = {}
    if own is not None:
        readings = readings_of(load_systems(own, as_of, selection="all"))
        if enough(readings):
            return readings
        too_few = {"too_few": f"{readings.source['name']}: {readings.compared.sum()}"}
    tables = {name: day(entry["vintage"]) for name, entry in shipped().items()}
    for name in reversed(tables):
        if as_of is None or tables[name] <= day(as_of):
            readings = readings_of(load_systems(name, selection="all"))
            if enough(readings):
                return replace(readings, source=readings.source | too_few)
    raise InputError(
        f"calibration: got as_of {as_of}; expected a day on which a shipped table had {FEWEST} "
        f"systems with two readings that can differ; take {min(tables.values())} or later"
    )


def readings_of(systems: pd.DataFrame) -> Readings:
    """Readings of a table, with the first figures that older tables had, or lacked.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`bayes_compute.load_systems` returned.
    """
    until = source_of(systems)["as_of"]
    older = load_facts("system-vintages", until)
    older = older.loc[older["vintage"] < until].sort_values("vintage", kind="stable")
    readings = Readings.from_systems(systems, older)
    for name, entry in reversed(shipped().items()):
        if entry["vintage"] < until:
            then = load_systems(name, selection="all")
            readings = readings.disclosed_since(Readings.from_systems(then))
    return readings


def build(readings: Readings) -> pm.Model:
    """Assemble the model of errors; see the module's docstring.

    Parameters
    ----------
    readings : Readings

    Returns
    -------
    pm.Model
        Its variables are the members of :class:`Errors`.

    Raises
    ------
    InputError
        It got something else, or fewer than 30 systems have two readings that can differ.
    """
    if not isinstance(readings, Readings):
        raise InputError(
            f"calibration: got {type(readings).__name__}; expected Readings; take what "
            "models.calibration.observe or readings_of returns"
        )
    if not enough(readings):
        raise InputError(
            f"calibration: got {readings.compared.sum()} systems with two readings that can "
            f"differ; expected at least {FEWEST}; take a larger table or a later as_of"
        )
    coords = {
        "domain": DOMAINS,
        "confidence": CLASSES,
        "chip": CHIPS,
        "counted": COUNTED,
        "timed": TIMED,
        "error": ERRORS,
    }
    with pm.Model(coords=coords) as model:
        # log10: the rule holds for language models. An image counts as one but takes 30 times as
        # many operations as a token, 0.1 to 9,000 times (90 %)
        bias = pm.Normal("bias", _by_domain(0.0, -1.5), _by_domain(0.1, 1.5), dims="domain")
        # log10: within a factor of 2 of it, elsewhere of 300 (90 %); a quarter are far off, for
        # sizes are often of something else. Where readings are few it is this that says that
        # operations are in error rather than figures
        operations_sd = pm.LogNormal(
            "operations_sd", np.log(_by_domain(0.2, 1.5)), 0.5, dims="domain"
        )
        passes = pm.Normal("passes", -0.5, 0.5)  # log10: 3 epochs, 0.5 to 20 (90 %)
        operations_gross = pm.Beta("operations_gross", 1.0, 3.0, dims="counted")
        # log10: 35 % in 2021, 18 to 69 % (90 %)
        utilization = pm.Normal("utilization", np.log10(UTILISATION), 0.18)
        utilization_growth = pm.Normal("utilization_growth", 0.0, 0.05)  # by 12 % a year (sd)
        # log10: families of accelerators differ by a factor of 1.4 (sd)
        chip_effect = pm.ZeroSumNormal("chip_effect", 0.15, dims="chip")
        # log10: runs differ by a factor of 1.4, of 1.2 to 2 (90 %)
        utilization_sd = pm.LogNormal("utilization_sd", np.log(0.15), 0.4)
        hardware_gross = pm.Beta("hardware_gross", 2.0, 18.0)
        # log10: 90 % within a factor of 3, 10 or 30, as the classes say; unclassed as likely, and
        # more surely: where all are, nothing else tells their errors from those of operations
        unclassed = WITHIN_FACTOR[DEFAULT_CONFIDENCE]
        stated = [log10_sd(WITHIN_FACTOR.get(name, unclassed)) for name in CLASSES]
        figure_sd = pm.LogNormal(
            "figure_sd", np.log(stated), [0.5, 0.5, 0.5, 0.3], dims="confidence"
        )
        figure_gross = pm.Beta("figure_gross", 2.0, 18.0, dims="confidence")
        gross_sd = pm.LogNormal("gross_sd", np.log(1.5), 0.3)  # log10: by a factor of 30
        copied_operations = pm.Beta("copied_operations", 1.0, 1.0, dims=("counted", "timed"))
        copied_hardware = pm.Beta("copied_hardware", 1.0, 1.0)
        held = pm.Beta("held", 1.0, 1.0, dims="counted")
        # log10: who works with hardware takes it for 35 %, 24 to 51 % (90 %), by domain
        assumed = pm.Normal("assumed", np.log10(UTILISATION), 0.1, dims="domain")
        revised = pm.Beta("revised", 1.0, 1.0, dims=("confidence", "error"))
        errors = Errors(
            bias, operations_sd, passes, operations_gross, utilization, utilization_growth,
            chip_effect, utilization_sd, hardware_gross, figure_sd, figure_gross, gross_sd,
            copied_operations, copied_hardware, held, assumed, revised,
        )  # fmt: skip
        telling = readings.compared | readings.revised | readings.stood
        operations = np.isfinite(readings.operations) & ~readings.copied
        kinds = {
            "operations": operations,
            "hardware": np.isfinite(readings.hardware),
            "revised": readings.revised,
            "undisclosed": readings.undisclosed,
        }
        for there in itertools.product((True, False), repeat=len(kinds)):
            same = (np.transpose([*kinds.values()]) == there).all(axis=1)
            alike = readings.subset(telling & same)
            if alike.n:  # fewer ways than all together have
                name = " and ".join(itertools.compress(kinds, there))
                density: Any = logsumexp(mixture(alike, errors).log_weight, axis=0)
                pm.Potential(f"with {name}", density.sum())
        both = np.isfinite(readings.operations) & np.isfinite(readings.published)
        r = readings.subset(both & ~readings.undisclosed)
        timed = np.isfinite(r.hardware).astype(int)
        pm.Bernoulli("copied", copied_operations[counted_as(r), timed], observed=r.copied)
        r = readings.subset(np.isfinite(readings.utilization))
        use = utilization + utilization_growth * (r.year - UTILIZATION_YEAR) + chip_effect[r.chip]
        pm.Normal("reported", use, utilization_sd, observed=r.utilization)
    return model


def main() -> None:
    """Fit the newest table, and print what each way of knowing is worth."""
    from bayes_compute import fit, summary

    print(summary(fit("calibration", observe())).round(3).to_string())


def enough(readings: Readings) -> bool:
    """Whether enough systems have two readings that can differ."""
    return bool(readings.compared.sum() >= FEWEST)


def _by_domain(language: float, other: float) -> list[float]:
    return [language, *[other] * (len(DOMAINS) - 1)]


if __name__ == "__main__":
    main()
