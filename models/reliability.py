"""How many accelerators can work on one run before failures undo what more of them add?

Records of failures count events n over E accelerator-hours. The rate of failures varies between
systems s and, within one, from quarter to quarter q:

    n ~ Poisson(λ_sq share_k E),   λ_sq ~ Gamma(mean λ_s, cv time_cv),
    log λ_s ~ N(log typical_rate, system_sd²)          [λ: failures per accelerator-hour].

λ_sq is integrated out: n is negative binomial. A rate without a count is the limit of a large
count: a Gamma. Records count different things, so each is of a kind k: all that interrupts a run,
failures of nodes, of accelerators, or of their memory alone. The shares of these are those of the
419 interruptions of Llama 3, whose causes are published (Dirichlet-multinomial). Titan's 23
quarters say how rates vary over time: from 9 failures a quarter to 846.

A record that was read at its source counts in full. One read in a quotation alone may be off by
half (sd), one that nobody verified by as much as it says: that variance is added to that over time,
so that such a record says less of its system.

Jobs of 8 and of 1,024 GPUs on Meta's shared clusters failed three times as often as their nodes'
failures explain (users' errors, other jobs' doing), so they have a factor of their own,
``small_job_factor``, that a run on a dedicated cluster does not pay.

Given λ, checkpoint time δ and restart time R, both assumed, the work of N accelerators is N η(N)
by Daly's exact form (2006, doi:10.1016/j.future.2004.11.016), which has a maximum, the wall: see
:mod:`bayes_compute.ceilings.checkpoints`.

Held against: Llama 3's 419 unexpected interruptions in 54 days on 16,384 GPUs, of which more than
90 % of the time was of use (arXiv:2407.21783), and Kokolis et al. 2024 (arXiv:2410.21680), who
project 1.8 h between failures of a job of 16,384 GPUs on RSC-1 from the failures of its nodes. All
are within 90 % intervals. OPT-175B, of whose calendar time 41 to 48 % was lost, is not: much of
that went to restarts by hand and to losses that diverged.

Weak: there are 12 systems, one of them with a history. Its quarters follow one defect of its boards
and are taken as independent of each other. Other systems' spread over time is taken to be Titan's,
and shares of causes are those of one run. An accelerator is what its owner counts, whatever its
size. δ and R are taken not to grow with N. Rows that state neither events with accelerator-hours
nor a rate for nodes of known size are left out (MegaScale, ByteRobust, FT-HSDP, TPU v4, Blue
Waters).
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayes_compute.ceilings.checkpoints import efficiency, interval, wall
from bayes_compute.ceilings.failures import Failures, observe
from bayes_compute.ceilings.reliability import (
    ASSUMPTIONS,
    largest_run,
    new_rate,
    recovery_share,
    reliability,
)

__all__ = [
    "ASSUMPTIONS",
    "UNITS",
    "Failures",
    "build",
    "efficiency",
    "interval",
    "largest_run",
    "new_rate",
    "observe",
    "recovery_share",
    "reliability",
    "wall",
]

CAUSES = ("memory", "other of an accelerator", "other of a node", "other")
TARGET_ACCEPT = 0.95  # of one system only, rate and spread make a corner that wide steps miss
PER_HOUR = "1/(accelerator h)"
UNITS = {"typical_rate": PER_HOUR, "rate": PER_HOUR}


def build(data: Failures) -> pm.Model:
    """Assemble the model of failures; see the module's docstring.

    Parameters
    ----------
    data : Failures

    Returns
    -------
    pm.Model
    """
    with pm.Model(coords={"system": data.systems, "cause": CAUSES}) as model:
        # an accelerator interrupts its run once in 11 years, in 1 to 140 years (90 %)
        typical_rate = pm.LogNormal("typical_rate", np.log(1e-5), 1.5)
        # natural log: systems differ by a factor of 1.8 (sd), of 1.3 to 4 (90 %)
        system_sd = pm.LogNormal("system_sd", np.log(0.6), 0.5)
        # sd over mean: a quarter may be twice the mean, or next to nothing
        time_cv: Any = pm.HalfNormal("time_cv", 1.0)
        # small jobs fail twice as often as nodes explain, 0.6 to 6 times (90 %)
        small_job_factor: Any = pm.LogNormal("small_job_factor", np.log(2), 0.7)
        cause: Any = pm.Dirichlet("cause_share", np.ones(len(CAUSES)), dims="cause")
        of_kind: Any = pt.cumsum(cause)
        share: Any = pt.concatenate([of_kind[:-1], [1.0]])
        log_rate: Any = pm.Normal("log_rate", pt.log(typical_rate), system_sd, dims="system")
        rate: Any = pm.Deterministic("rate", pt.exp(log_rate), dims="system")
        place = [data.systems.index(name) for name in data.system]
        factor: Any = pt.where(data.small, small_job_factor, 1.0)
        expected: Any = rate[place] * share[data.kind] * factor
        alpha: Any = 1 / (time_cv**2 + data.reading_cv**2)
        if data.causes.sum():
            pm.Multinomial("causes", data.causes.sum(), cause, observed=data.causes)
        counted = np.isfinite(data.events)
        if counted.any():
            pm.NegativeBinomial(
                "events",
                mu=expected[counted] * data.exposure[counted],
                alpha=alpha[counted],
                observed=data.events[counted],
            )
        if not counted.all():
            pm.Gamma(
                "stated",
                alpha=alpha[~counted],
                beta=alpha[~counted] / expected[~counted],
                observed=data.rate[~counted],
            )
    return model


def main() -> None:
    """Fit all records, and say where the wall is."""
    from bayes_compute import fit, summary

    tree = fit("reliability", observe())
    print(summary(tree).to_string(float_format=lambda value: f"{value:.3g}"))
    posterior = tree["posterior"].dataset
    low, middle, high = np.quantile(
        10 ** reliability(posterior, np.array([2025]))[:, 0], [0.05, 0.5, 0.95]
    )
    print(
        f"A run gets the work of at most {middle:,.0f} accelerators that never fail "
        f"(90 %: {low:,.0f} to {high:,.0f})."
    )
    for n in (16_384, 100_000, 1_000_000):
        low, middle, high = np.quantile(recovery_share(posterior, [n])[:, 0], [0.05, 0.5, 0.95])
        print(f"Of {n:,} accelerators {middle:.0%} go to recovery ({low:.0%} to {high:.0%}).")
    for days in (30, 100, 365):
        run = largest_run(posterior, np.array([24.0 * days]), 0.4 * 989e12)
        low, middle, high = np.quantile(run, [0.05, 0.5, 0.95])
        print(
            f"{days} days of H100 at 40 % of their peak: at most 10^{middle:.1f} FLOP "
            f"({low:.1f} to {high:.1f})."
        )


if __name__ == "__main__":
    main()
