"""How well is training compute known? Every reading of a system against the others.

A system took ``z`` = log10 FLOP. What a table says of it are readings with errors,

    published   = z + error of its class of confidence,
    operations  = z + bias[domain] + error[domain]:  six operations a parameter and token,
    hardware    = z - log10 utilisation:             accelerators, at their peak rate, times hours,

each error small or, now and then, gross (a unit mistaken, a stage of training left out). Nobody
has seen ``z``: readings are held against each other. A published figure that was worked out from
one of the other two is a copy of it and says nothing more of ``z``; so is the figure of an older
table that was not revised. Whether it is a copy is summed out, as whether an error is gross, and
``z`` is integrated out under a flat prior: what is sampled are biases, spreads and shares.

Utilisation depends on year and family of accelerators, with partial pooling, and so does the bias
of operations on the domain: data sizes are tokens in language models, where the rule holds (Kaplan
et al. 2020, arXiv:2001.08361); elsewhere they may be images or pairs.
"""

import itertools
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from bayes_compute.confidence import DEFAULT_CONFIDENCE, WITHIN_FACTOR, log10_sd
from bayes_compute.facts import load_facts
from bayes_compute.observations import DOMAINS
from bayes_compute.readings import CHIPS, CLASSES, Readings

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
UTILIZATION_YEAR = 2021.0  # where utilisation is read

_HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)

ASSUMED = 0.12  # log10: what who works with hardware takes for utilisation differs by a third
_NEVER, _NOTHING = 1e-300, 1e-12  # probability and precision of what cannot be: logs are finite
_REPORTED = 0.05  # log10: a reported utilisation is rounded, and counts operations in its own way


class Errors(NamedTuple):
    """Biases, spreads [log10] and shares of readings; tensors or arrays.

    Of operations: ``bias`` and ``operations_sd`` (domain), ``passes``, bias where epochs are not
    given outside language, and ``operations_gross`` (counted), the share of gross errors. Of
    hardware: ``utilization`` in 2021, ``utilization_growth`` a year, ``chip_effect`` (chip),
    ``utilization_sd`` and ``hardware_gross``. Of figures: ``figure_sd`` and ``figure_gross``
    (confidence). ``gross_sd`` of any gross error. Of copies: ``copied_operations`` (counted, timed) and
    ``copied_hardware``, shares of published figures; ``assumed`` (domain), the utilisation behind
    the latter where none is reported.
    """

    bias: Any
    operations_sd: Any
    passes: Any
    operations_gross: Any
    utilization: Any
    utilization_growth: Any
    chip_effect: Any
    utilization_sd: Any
    hardware_gross: Any
    figure_sd: Any
    figure_gross: Any
    gross_sd: Any
    copied_operations: Any
    copied_hardware: Any
    assumed: Any


class Mixture(NamedTuple):
    """Ways (W) in which the readings of each system (n) may have come about.

    ``log_weight`` of each, and ``mean`` and ``variance`` of log10 FLOP given it; each (W, n).
    """

    log_weight: Any
    mean: Any
    variance: Any


# Operations fine (0), gross (1) or what a published figure would be (2); hardware fine (0) or
# gross (1); the published figure of its own, fine (0) or gross (1), or from hardware (2)
_WAYS = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1, 2], indexing="ij")).reshape(3, -1)


def mixture(readings: Readings, errors: Errors) -> Mixture:
    """Weigh every way in which the newest readings of each system may have come about.

    Parameters
    ----------
    readings : Readings
    errors : Errors
        Tensors.

    Returns
    -------
    Mixture
        Its weights sum to the density of the readings under a flat prior of log10 FLOP.
    """
    r, e, n = readings, errors, np.zeros(readings.n)
    ways = possible_ways(readings)
    names = ("operations", "hardware", "published")
    there = {name: np.isfinite(getattr(r, name)) for name in names}
    read = {name: np.where(there[name], getattr(r, name), 0.0) for name in names}
    # A figure that equals operations says that they hold for this system, and stands for them
    copied, unheld = r.copied, there["operations"] & ~there["published"]
    there["operations"] &= ~copied
    counted = _counted(r)
    use = e.utilization + e.utilization_growth * (r.year - UTILIZATION_YEAR) + e.chip_effect[r.chip]
    reported = np.isfinite(r.utilization)
    use = pt.switch(reported, np.where(reported, r.utilization, 0.0), use)
    use_sd = pt.switch(reported, _REPORTED, e.utilization_sd)
    bias = e.bias[r.domain] + e.passes * (r.one_pass & (counted == 1))

    # Errors of their own: the integral over log10 FLOP of a product of normal densities
    holds = (ways[0] == 2)[:, None]
    own = (
        (read["operations"] - pt.switch(holds, 0.0, bias), e.operations_sd[r.domain],
         e.operations_gross[counted], e.figure_sd[CLASSES.index("Confident")]),
        (read["hardware"] + use, use_sd, e.hardware_gross, 1.0),
        (read["published"], e.figure_sd[r.confidence], e.figure_gross[r.confidence], 1.0),
    )  # fmt: skip
    absent = np.array([0.0, np.log(_NEVER), 0.0])  # what is not there is fine
    values, weights, log_weight = [], [], 0.0
    for name, (value, sd, gross, third_sd), way in zip(names, own, ways, strict=True):
        spread = pt.stack([sd + n, pt.sqrt(sd**2 + e.gross_sd**2) + n, third_sd + n])[way]
        log_share = pt.log(pt.stack([1 - gross + n, gross + n]))
        used = there[name] & ((way < 2)[:, None] | (unheld if name == "operations" else False))
        log_share = pt.switch((way < 2)[:, None], log_share[np.minimum(way, 1)], 0.0)
        log_weight += pt.switch(there[name] | (way == 2)[:, None], log_share, absent[way][:, None])
        log_weight -= pt.switch(used, pt.log(spread) + _HALF_LOG_2_PI, 0.0)
        weights.append(pt.switch(used, spread**-2.0, 0.0))
        values.append(value)
    precision = reduce(pt.add, weights) + _NOTHING
    mean = reduce(pt.add, [w * v for w, v in zip(weights, values, strict=True)]) / precision
    apart = reduce(pt.add, [w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True)])
    log_weight += _HALF_LOG_2_PI - 0.5 * pt.log(precision) - 0.5 * apart

    # Operations that nobody published hold as often as published ones did; a figure worked out
    # from hardware says nothing more of log10 FLOP
    copied_hardware = there["published"] & there["hardware"] & r.from_hardware & ~copied
    for way, share in (
        (ways[0] == 2, e.copied_operations[counted, there["hardware"].astype(int)] * unheld),
        (ways[2] == 2, e.copied_hardware * copied_hardware),
    ):
        log_weight += pt.log(pt.stack([1 - share, share]) + _NEVER)[way.astype(int)]
    used = copied_hardware & (ways[2] == 2)[:, None]
    assumed = pt.switch(reported, np.where(reported, r.utilization, 0.0), e.assumed[r.domain])
    apart = pt.where(used, read["published"] - read["hardware"] - assumed, 0.0)
    log_weight += pt.switch(used, _log_normal(apart, pt.as_tensor(ASSUMED)), 0.0)
    return Mixture(log_weight, mean, 1 / precision)


def possible_ways(readings: Readings) -> np.ndarray:
    """Ways that differ for some of the systems: what is not there is fine, and no copy."""
    r = readings
    operations, hardware, published = (
        np.isfinite(each) for each in (r.operations, r.hardware, r.published)
    )
    possible = np.ones(_WAYS.shape[1], dtype=bool)
    for there, way, limit in (
        (operations & ~r.copied, _WAYS[0], 0),
        (operations & ~published, _WAYS[0], 1),
        (hardware, _WAYS[1], 0),
        (published, _WAYS[2], 0),
        (published & hardware, _WAYS[2], 1),
    ):
        if not there.any():
            possible &= way <= limit
    return _WAYS[:, possible]


def log_revisions(readings: Readings, errors: Errors) -> Any:
    """Log density of older figures given the newer ones, which replace them.

    Parameters
    ----------
    readings : Readings
    errors : Errors
        Tensors.
    """
    e, r = errors, readings.subset(readings.revised)
    sd, older_sd = e.figure_sd[r.confidence], e.figure_sd[r.earlier_confidence]
    share, older_share = e.figure_gross[r.confidence], e.figure_gross[r.earlier_confidence]
    ways = []
    for gross, older_gross in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = pt.log(share if gross else 1 - share)
        weight += pt.log(older_share if older_gross else 1 - older_share)
        spread = pt.sqrt(sd**2 + older_sd**2 + (gross + older_gross) * e.gross_sd**2)
        ways.append(weight + _log_normal(r.earlier - r.published, spread))
    return pt.logsumexp(pt.stack(ways), axis=0)


def _counted(readings: Readings) -> np.ndarray:
    """0 where data are tokens of language, 1 elsewhere."""
    return (readings.domain != DOMAINS.index("Language")).astype(int)


def _log_normal(apart: Any, sd: Any) -> Any:
    return -0.5 * (apart / sd) ** 2 - pt.log(sd) - _HALF_LOG_2_PI


def observe(systems: pd.DataFrame) -> Readings:
    """Readings of a table, with the first figures that older tables had.

    Parameters
    ----------
    systems : pandas.DataFrame
        What :func:`bayes_compute.load_systems` returned.
    """
    until = systems.attrs["source"]["as_of"]
    older = load_facts("system-vintages", until)
    older = older.loc[older["vintage"] < until].sort_values("vintage", kind="stable")
    return Readings.from_systems(systems, older)


def build(readings: Readings) -> pm.Model:
    """Assemble the model of errors; see the module's docstring.

    Parameters
    ----------
    readings : Readings

    Returns
    -------
    pm.Model
        Its variables are the members of :class:`Errors`.
    """
    coords = {
        "domain": DOMAINS,
        "confidence": CLASSES,
        "chip": CHIPS,
        "counted": COUNTED,
        "timed": TIMED,
    }
    with pm.Model(coords=coords) as model:
        # log10: the rule holds for language models. An image counts as one but takes 30 times as
        # many operations as a token, 0.1 to 9,000 times (90 %)
        bias = pm.Normal("bias", _by_domain(0.0, -1.5), _by_domain(0.1, 1.5), dims="domain")
        # log10: within a factor of 2 of it, elsewhere of 45 (90 %)
        operations_sd = pm.LogNormal(
            "operations_sd", np.log(_by_domain(0.2, 1.0)), 0.5, dims="domain"
        )
        passes = pm.Normal("passes", -0.5, 0.5)  # log10: 3 epochs, 0.5 to 20 (90 %)
        operations_gross = pm.Beta("operations_gross", 2.0, 18.0, dims="counted")
        # log10: 35 % in 2021, 18 to 69 % (90 %)
        utilization = pm.Normal("utilization", np.log10(0.35), 0.18)
        utilization_growth = pm.Normal("utilization_growth", 0.0, 0.05)  # by 12 % a year (sd)
        # log10: families of accelerators differ by a factor of 1.4 (sd)
        chip_effect = pm.ZeroSumNormal("chip_effect", 0.15, dims="chip")
        # log10: runs differ by a factor of 1.4, of 1.2 to 2 (90 %)
        utilization_sd = pm.LogNormal("utilization_sd", np.log(0.15), 0.4)
        hardware_gross = pm.Beta("hardware_gross", 2.0, 18.0)
        # log10: 90 % within a factor of 3, 10 or 30, as the classes say; unclassed as likely
        unclassed = WITHIN_FACTOR[DEFAULT_CONFIDENCE]
        stated = [log10_sd(WITHIN_FACTOR.get(name, unclassed)) for name in CLASSES]
        figure_sd = pm.LogNormal("figure_sd", np.log(stated), 0.5, dims="confidence")
        figure_gross = pm.Beta("figure_gross", 2.0, 18.0, dims="confidence")
        gross_sd = pm.LogNormal("gross_sd", np.log(1.5), 0.3)  # log10: by a factor of 30
        copied_operations = pm.Beta("copied_operations", 1.0, 1.0, dims=("counted", "timed"))
        copied_hardware = pm.Beta("copied_hardware", 1.0, 1.0)
        # log10: who works with hardware takes it for 35 %, 24 to 51 % (90 %), by domain
        assumed = pm.Normal("assumed", np.log10(0.35), 0.1, dims="domain")
        errors = Errors(
            bias, operations_sd, passes, operations_gross, utilization, utilization_growth,
            chip_effect, utilization_sd, hardware_gross, figure_sd, figure_gross, gross_sd,
            copied_operations, copied_hardware, assumed,
        )  # fmt: skip
        for kinds in itertools.product((True, False), repeat=2):
            there = kinds == np.isfinite([readings.operations, readings.hardware]).T
            alike = readings.subset(readings.compared & there.all(axis=1))
            if alike.n:  # fewer ways than all together have
                name = " and ".join(np.array(["operations", "hardware"])[[*kinds]])
                log_weight = mixture(alike, errors).log_weight
                pm.Potential(f"with {name}", pt.logsumexp(log_weight, axis=0).sum())
        pm.Potential("older", log_revisions(readings, errors).sum())
        both = np.isfinite(readings.operations) & np.isfinite(readings.published)
        r = readings.subset(both)
        timed = np.isfinite(r.hardware).astype(int)
        pm.Bernoulli("copied", copied_operations[_counted(r), timed], observed=r.copied)
        r = readings.subset(np.isfinite(readings.utilization))
        use = utilization + utilization_growth * (r.year - UTILIZATION_YEAR) + chip_effect[r.chip]
        pm.Normal("reported", use, utilization_sd, observed=r.utilization)
    return model


def main() -> None:
    """Fit the newest table, and print what each way of knowing is worth."""
    from bayes_compute import fit, load_systems, summary

    readings = observe(load_systems("systems-2025-08", selection="all"))
    print(summary(fit("calibration", readings)).round(3).to_string())


def _by_domain(language: float, other: float) -> list[float]:
    return [language, *[other] * (len(DOMAINS) - 1)]


if __name__ == "__main__":
    main()
