"""How the readings of a system may have come about, and what each way says of its compute.

Readings have errors of their own, or are copies. Given which of them are gross and which are
copies, they are independent normal readings of log10 FLOP, which is integrated out under a flat
prior; there are at most 36 ways. A figure that an older table had is one reading with the newest if
it was left as it was, of the class that it was entered with, and a reading of its own if it was
revised: more often, where its error was gross.
"""

from typing import Any, NamedTuple

import numpy as np
from pytensor import tensor

from bayes_compute.observations import DOMAINS
from bayes_compute.readings import CLASSES, Readings

pt: Any = tensor  # of which types are not told exactly
UTILIZATION_YEAR = 2021.0  # where utilisation is read
ASSUMED = 0.12  # log10: those who work with hardware differ by a third in what they assume
REPORTED = 0.05  # log10: a reported utilisation is rounded, and counts operations in its own way
_NEVER, _NOTHING = 1e-300, 1e-12  # probability and precision of what cannot be: logs are finite
_HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)


class Errors(NamedTuple):
    """Biases, spreads [log10] and shares of readings; tensors or arrays.

    Of operations: ``bias`` and ``operations_sd`` (domain), ``passes``, bias where epochs are not
    given outside language, and ``operations_gross`` (counted), the share of gross errors. Of
    hardware: ``utilization`` in 2021, ``utilization_growth`` a year, ``chip_effect`` (chip),
    ``utilization_sd`` and ``hardware_gross``. Of figures: ``figure_sd`` and ``figure_gross``
    (confidence). ``gross_sd`` of any gross error. Of copies, as shares of published figures:
    ``copied_operations`` (counted, timed), by whether data are tokens and hardware is known, and
    ``copied_hardware``; ``held`` (counted), how often operations hold that nobody published,
    relative to those; ``assumed`` (domain), the utilisation behind the latter where none is
    reported. Of older figures, ``revised`` (confidence, error), the share that is revised of those
    with a fine and with a gross error.
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
    held: Any
    assumed: Any
    revised: Any


class Mixture(NamedTuple):
    """Ways (W) in which the readings of each system (n) may have come about.

    ``log_weight`` of each, and ``mean`` and ``variance`` of log10 FLOP given it; each (W, n).
    """

    log_weight: Any
    mean: Any
    variance: Any


# Operations fine (0), gross (1) or what a published figure would be (2); hardware fine (0) or
# gross (1); the published figure of its own, fine (0) or gross (1), or from hardware (2); the
# older figure that was revised fine (0) or gross (1)
_WAYS = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1, 2], [0, 1], indexing="ij")).reshape(4, -1)


def mixture(readings: Readings, errors: Errors) -> Mixture:
    """Weigh every way in which the readings of each system may have come about.

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
    names = ("operations", "hardware", "published", "earlier")
    there = {name: np.isfinite(getattr(r, name)) for name in names}
    there["earlier"] = r.revised
    read = {name: np.where(there[name], getattr(r, name), 0.0) for name in names}
    # A figure that equals operations says that they hold for this system, and stands for them
    copied, unheld = r.copied, there["operations"] & r.undisclosed
    there["operations"] &= ~copied
    counted = counted_as(r)
    use = e.utilization + e.utilization_growth * (r.year - UTILIZATION_YEAR) + e.chip_effect[r.chip]
    reported = np.isfinite(r.utilization)
    use = pt.switch(reported, np.where(reported, r.utilization, 0.0), use)
    use_sd = pt.switch(reported, REPORTED, e.utilization_sd)
    bias = e.bias[r.domain] + e.passes * (r.one_pass & (counted == 1))

    # Bounds of a figure state its whole error
    stated = np.isfinite(r.stated_sd)
    figure_sd = pt.switch(stated, np.where(stated, r.stated_sd, 1.0), e.figure_sd[r.entered_as])
    figure_gross = pt.switch(stated, _NEVER, e.figure_gross[r.entered_as])

    # Errors of their own: the integral over log10 FLOP of a product of normal densities
    holds = (ways[0] == 2)[:, None]
    own = (
        (read["operations"] - pt.switch(holds, 0.0, bias), e.operations_sd[r.domain],
         e.operations_gross[counted], e.figure_sd[CLASSES.index("Confident")]),
        (read["hardware"] + use, use_sd, e.hardware_gross, 1.0),
        (read["published"], figure_sd, figure_gross, 1.0),
        (read["earlier"], e.figure_sd[r.earlier_confidence], e.figure_gross[r.earlier_confidence],
         1.0),
    )  # fmt: skip
    third = np.array([[False], [False], [True]])
    absent = np.log([[1.0], [_NEVER], [1.0]])  # what is not there is fine
    values: list[Any] = []
    weights: list[Any] = []
    log_weight: Any = 0.0
    for name, (value, sd, gross, third_sd), way in zip(names, own, ways, strict=True):
        spread = pt.stack([sd + n, pt.sqrt(sd**2 + e.gross_sd**2) + n, third_sd + n])
        used = there[name] & (~third | (unheld if name == "operations" else False))
        share = pt.log(pt.stack([1 - gross + n, gross + n, 1.0 + n]))
        density = pt.switch(there[name] | third, share, absent)
        density -= pt.switch(used, pt.log(spread) + _HALF_LOG_2_PI, 0.0)
        log_weight += density[way]
        weights.append(pt.switch(used, spread**-2.0, 0.0)[way])
        values.append(value)
    precision = sum(weights, _NOTHING)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / precision
    apart = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True))
    log_weight += _HALF_LOG_2_PI - 0.5 * pt.log(precision) - 0.5 * apart

    # Operations that nobody published hold less often than published ones did; a figure worked
    # out from hardware says nothing more of log10 FLOP
    copied_hardware = there["published"] & there["hardware"] & r.from_hardware & ~copied
    held = e.copied_operations[counted, there["hardware"].astype(int)] * e.held[counted]
    for way, share in (
        (ways[0] == 2, held * unheld),
        (ways[2] == 2, e.copied_hardware * copied_hardware),
    ):
        log_weight += pt.log(pt.stack([1 - share, share]) + _NEVER)[way.astype(int)]
    assumed = pt.switch(reported, np.where(reported, r.utilization, 0.0), e.assumed[r.domain])
    apart = pt.where(copied_hardware, read["published"] - read["hardware"] - assumed, 0.0)
    used = copied_hardware & (ways[2] == 2)[:, None]
    log_weight += pt.switch(used, _log_normal(apart, pt.as_tensor(ASSUMED)), 0.0)
    gross = np.where(r.revised, ways[3][:, None], ways[2][:, None] == 1)
    chance = e.revised[r.earlier_confidence].T
    chance = pt.switch(r.revised, chance, pt.switch(r.stood, 1 - chance, 1.0))
    log_weight += pt.switch(gross, pt.log(chance[1]), pt.log(chance[0]))
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
        (operations & r.undisclosed, _WAYS[0], 1),
        (hardware, _WAYS[1], 0),
        (published, _WAYS[2], 0),
        (published & hardware, _WAYS[2], 1),
        (r.revised, _WAYS[3], 0),
    ):
        if not there.any():
            possible &= way <= limit
    return _WAYS[:, possible]


def counted_as(readings: Readings) -> np.ndarray:
    """0 where data are tokens of language, 1 elsewhere."""
    return (readings.domain != DOMAINS.index("Language")).astype(int)


def _log_normal(apart: Any, sd: Any) -> Any:
    return -0.5 * (apart / sd) ** 2 - pt.log(sd) - _HALF_LOG_2_PI
