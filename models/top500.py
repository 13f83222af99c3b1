"""The largest machine: TOP500 with its slowdown, and clusters of accelerators beside it.

Two hypotheses of what the largest machine for a training run is, for bespoke systems.

**TOP500.** The Rmax of all 500 systems, log10 FLOP/s in LINPACK (64 bits), grows at one rate before
the transition and at another after it. Lists share most of their systems, so what is new is the
rise from list to list: over an interval ``dt`` years long, of which ``a`` before the transition,

    rise ~ N(growth_1 a + growth_2 (dt - a), walk_sd^2 dt).

The first system's share of the sum, log10, falls back to its level within ``share_memory`` years:

    share(t + dt) ~ N(share_level + r (share(t) - share_level), share_sd^2 (1 - r^2)),
    r = exp(-dt / share_memory).

Each new first system reaches a share of its peak rate, logit(Rmax / Rpeak) ~ N(peak_share_level +
peak_share_growth (year - 2010), peak_share_sd^2). Training runs in 16 bits. Accelerators that are
made for 64 bits too give the ratio of their rates, by year of release, vendors partly pooled:

    log10 ratio ~ Student-t(vendor_level + ratio_growth (year - 2018), ratio_sd),
    vendor_level ~ N(ratio_level, vendor_sd^2).

**AI clusters.** Records of the largest cluster in 16 bits come ``record_rate`` times a year, each
higher by an exponential with mean ``record_rise`` (log10), as records of Pareto distributed sizes
do; only existing clusters, from 2019 on, by first day of operation.

:func:`bayes_compute.ceilings.top500.top500` makes of it the peak rate in 16 bits by year, for
either hypothesis. Peak rates: utilisation belongs to the run.

Sources: TOP500.org; Epoch AI, "Data on machine learning hardware" and "GPU Clusters".

Held against the literature. The sum grows 1.84x a year before mid-2013 and 1.42x after (90 %: 1.75
to 1.93, 1.34 to 1.51); the lists' editors saw growth bend in 2008 and in 2013 (Strohmaier et al.
2015, doi:10.1109/MC.2015.338). Here one bend of the sum is certain, and it is the later; a second
is not excluded (0.3). Leading AI supercomputers grew 2.5x a year since 2019 (Pilz et al. 2025,
arXiv:2504.16026). The table gives their regression back, 2.5x; its records alone say 2.1x, 1.5x to
4.0x (90 %). Converted first systems are within a factor of 1.5 of what they are in 16 bits: Fugaku
(4 times its rate in 64 bits), Frontier and El Capitan. Summit, an early machine with tensor cores,
is 5 times faster than the median, at the edge of its interval.

Does it bind? 100 days at 40 % of the first of TOP500 are 10^26.2 FLOP in 2025-02, when Grok-3 with
10^26.7 came out: the run is beyond it with a probability of 0.85, and El Capitan's own rate in 16
bits gives 10^26.2 too. The hypothesis of TOP500 is wrong from then on, and does not bind; before,
no run is clearly beyond it. The largest cluster gives 10^26.5, a factor of 1.4 too little
(probability 0.7), which 140 days would make up.

What is weak. There is one transition here, for all lists. From 11 records their growth is known
within a factor of 2, and since records forget how far they are ahead of the trend, the band of
clusters is wide. Vendor and design of a first system are not known to the model: its rate in 16
bits is within a factor of 5 (90 %). For NVIDIA's machines after V100 the lists count tensor cores
into the peak in 64 bits, which the table does not: a factor of 2, but none of them was first.
Ratios rose in steps, not along a line, and accelerators that give 64 bits up (B300: a ratio of
1,900) are left out. The share of the first system is taken as independent of the sum's rises.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayes_compute.ceilings.machines import CLUSTERS_SINCE, Capacity, observe
from bayes_compute.ceilings.top500 import (
    ASSUMPTIONS,
    HYPOTHESES,
    PEAK_SHARE_YEAR,
    RATIO_YEAR,
    exceeded,
    top500,
)

__all__ = ["ASSUMPTIONS", "UNITS", "build", "observe", "top500"]

ERAS = ("1", "2")
UNITS = {
    "transition_year": "year",
    "transition_quantile": "1",
    "growth": "OOM/year",
    "growth_mean": "OOM/year",
    "growth_sd": "OOM/year",
    "walk_sd": "log10 FLOP/s per sqrt(year)",
    "share_level": "log10",
    "share_sd": "log10",
    "share_memory": "year",
    "peak_share_level": "logit",
    "peak_share_growth": "logit/year",
    "peak_share_sd": "logit",
    "ratio_level": "log10",
    "ratio_growth": "log10/year",
    "ratio_sd": "log10",
    "ratio_tail": "degrees of freedom",
    "vendor_sd": "log10",
    "vendor_level": "log10",
    "record_rate": "1/year",
    "record_rise": "log10",
}


def build(data: Capacity) -> pm.Model:
    """Assemble the model of capacity; see the module's docstring.

    Parameters
    ----------
    data : Capacity

    Returns
    -------
    pm.Model
    """
    with pm.Model(coords={"era": ERAS, "vendor": data.vendors}) as model:
        _lists(data)
        _ratios(data)
        _clusters(data)
    return model


def _lists(data: Capacity) -> None:
    year, dt = data.list_year, np.diff(data.list_year)
    # OOM/year: Moore's law with more processors, 1.8x a year, 1.2x to 2.6x (90 %)
    growth_mean = pm.Normal("growth_mean", 0.25, 0.1)
    # OOM/year: eras differ by a factor of 1.3 a year, 1.1 to 1.7 (90 %)
    growth_sd = pm.LogNormal("growth_sd", np.log(0.1), 0.5)
    growth: Any = pm.Normal("growth", growth_mean, growth_sd, dims="era")
    # log10: in a year the sum strays from its growth by 15 %, 7 to 33 % (90 %)
    walk_sd = pm.LogNormal("walk_sd", np.log(0.06), 0.5)
    each = _rises_by_date(data, growth, walk_sd)
    total: Any = pm.math.logsumexp(each)
    pm.Potential("list_rises", total)
    # The date, which is summed out, is drawn back from its exact conditional distribution.
    quantile = pm.Uniform("transition_quantile", 0.0, 1.0)
    pm.Deterministic("transition_year", _date_at(quantile, each, transition_edges(data)))
    share_level = pm.Normal("share_level", -1.0, 0.3)  # log10: a tenth, 3 to 31 % (90 %)
    # log10: by a factor of 1.6, 1.3 to 2.4 (90 %)
    share_sd = pm.LogNormal("share_sd", np.log(0.2), 0.4)
    # years: a first system stays first for two, 0.7 to 5 (90 %)
    share_memory: Any = pm.LogNormal("share_memory", np.log(2.0), 0.6)
    share = data.log10_first - data.log10_sum
    kept: Any = pm.math.exp(-dt / share_memory)
    mean = pt.concatenate([[share_level], share_level + kept * (share[:-1] - share_level)])
    sd = share_sd * pt.concatenate([[1.0], pt.sqrt(1 - kept**2)])
    pm.Normal("share", mean, sd, observed=share)
    # logit: 70 % in 2010, 51 to 84 % (90 %); by 5 points in ten years (sd); and between machines
    level = pm.Normal("peak_share_level", 0.85, 0.5)
    slope = pm.Normal("peak_share_growth", 0.0, 0.02)
    spread = pm.LogNormal("peak_share_sd", np.log(0.5), 0.4)
    new = data.entered
    reached = 10 ** (data.log10_first - data.log10_first_peak)[new]
    mean = level + slope * (year[new] - PEAK_SHARE_YEAR)
    pm.Normal("peak_share", mean, spread, observed=np.log(reached / (1 - reached)))


def transition_edges(data: Capacity) -> np.ndarray:
    """Edges of equally probable cells of the date, a month wide: any time, two years of lists off.

    Parameters
    ----------
    data : Capacity
    """
    first, last = data.list_year[0] + 2, data.list_year[-1] - 2
    return np.linspace(first, last, 1 + round(12 * (last - first)))


def _rises_by_date(data: Capacity, growth: Any, walk_sd: Any) -> Any:
    """Log likelihood of all rises, and log prior, for the middle of each cell of the date."""
    start, dt, rise = data.list_year[:-1], np.diff(data.list_year), np.diff(data.log10_sum)
    edges = transition_edges(data)
    at = (edges[1:] + edges[:-1]) / 2
    before = np.clip(at[:, None] - start, 0, dt)  # (cells, rises)
    # The sum of squares is quadratic in the change of growth.
    left: Any = rise - growth[1] * dt
    change = growth[0] - growth[1]
    products: Any = pt.dot(before, left / dt)
    squares = (left**2 / dt).sum() - 2 * change * products
    squares = squares + change**2 * (before**2 / dt).sum(axis=1)
    constant = -0.5 * np.log(2 * np.pi * dt).sum() - np.log(len(at))
    log_sd: Any = pt.log(walk_sd)
    return constant - len(dt) * log_sd - squares / (2 * walk_sd**2)


def _date_at(quantile: Any, log_weight: Any, edges: np.ndarray) -> Any:
    """Quantile of a date whose density is constant within cells."""
    weight: Any = pm.math.exp(log_weight - pm.math.logsumexp(log_weight))
    passed: Any = pt.clip((quantile - (pt.cumsum(weight) - weight)) / (weight + 1e-300), 0, 1)
    return edges[0] + (edges[1] - edges[0]) * passed.sum()


def _ratios(data: Capacity) -> None:
    level = pm.Normal("ratio_level", 0.9, 0.5)  # log10: 8 in 2018, 1 to 53 (90 %)
    slope = pm.Normal("ratio_growth", 0.05, 0.05)  # log10/year: 1.12x a year, 0.9x to 1.4x (90 %)
    vendor_sd = pm.LogNormal("vendor_sd", np.log(0.3), 0.4)  # log10: vendors differ by 2x
    ratio_sd = pm.LogNormal("ratio_sd", np.log(0.15), 0.5)  # log10: designs differ by 1.4x
    tail = pm.Gamma("ratio_tail", 4.0, 0.5)  # degrees of freedom: 8, 3 to 16 (90 %)
    vendor: Any = pm.Normal("vendor_level", level, vendor_sd, dims="vendor")
    mean = vendor[data.vendor] + slope * (data.design_year - RATIO_YEAR)
    pm.StudentT("ratio", tail, mean, sigma=ratio_sd, observed=data.log10_ratio)


def _clusters(data: Capacity) -> None:
    rate = pm.Gamma("record_rate", 2.0, 1.0)  # records a year: 1.7, 0.4 to 4.7 (90 %)
    # log10: by a factor of 1.6, 1.2 to 2.9 (90 %)
    rise = pm.LogNormal("record_rise", np.log(0.2), 0.5)
    since = data.record_year[1:] >= CLUSTERS_SINCE
    seen = data.clusters_until - CLUSTERS_SINCE
    if seen > 0:
        pm.Poisson("records", rate * seen, observed=since.sum())
    if since.any():
        pm.Exponential("record_rises", 1 / rise, observed=np.diff(data.log10_record)[since])


def main() -> None:
    """Fit all there is, and say how large the largest machine will be."""
    from bayes_compute import fit, load_systems, summary

    data = observe()
    dt = fit("top500", data)
    print(summary(dt).round(3).to_string())
    posterior, year = dt["posterior"].dataset, np.array([2026.99, 2030.99, 2034.99])
    for hypothesis in HYPOTHESES:
        drawn = top500(posterior, year, data, hypothesis)
        for at, (low, middle, high) in zip(
            year, np.quantile(drawn, [0.05, 0.5, 0.95], axis=0).T, strict=True
        ):
            print(
                f"End of {int(at)}, largest machine by {hypothesis}: 10^{middle:.1f} FLOP/s in 16 "
                f"bits (90 % equal-tailed interval 10^{low:.1f} to 10^{high:.1f})"
            )
        beyond = exceeded(posterior, load_systems("systems-2025-08"), data, hypothesis)
        print(
            "Largest runs, and the probability that they exceed it in 100 days at 40 %:\n"
            + beyond.tail(4).round(2).to_string()
        )


if __name__ == "__main__":
    main()
