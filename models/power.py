"""How much computing does the power of the largest site feed?

Power P of the three largest training runs and of the three largest sites of each of the last seven
years, by series s (run, site) and rank r in its year (0: the largest):

    log10 P = level_s + growth_s (year − 2022) − drop_s r + ε,   ε ~ Student-t(4, scale sigma_s),
    growth_s ~ N(m, 0.1²),  m ~ N(0.25, 0.15²)                  [W; growth: log10/year]

and the rate per watt of accelerators that train, at their peak in 16 bits over their TDP:

    log10 (FLOP/J) = efficiency + efficiency_growth (release year − 2020) + ε',   ε' ~ N(0, sd²),

and likewise their rate itself, ``rate`` [log10 FLOP/s], which tells the number of accelerators.

The rate that the largest site feeds is the product, over power usage effectiveness and the overhead
of servers, with accelerators of some time before and up to a limit of one site, all four assumed:
see :mod:`bayes_compute.ceilings.power`. Sites are existing clusters (table ai-clusters) and states
of data centers up to 2025; later states are plans, which nothing here is fitted to.

Held against: power of the largest training runs more than doubles each year (Epoch AI 2024): here
it grows 2.0 times (90 %: 1.8 to 2.3). FLOP per watt of accelerators grew 1.28 times a year from
2010 to 2024 (Epoch AI): here 1.22 (1.17 to 1.28), a little less, for only accelerators with matrix
units count, from 2017 on, and in 16 bits alone. The trend of sites meets the largest that is
planned for 2026 (1.3 GW), but in 2028 it says 4.2 GW (2.5 to 7.0) where 2.7 GW are planned, and in
2030 21 GW, beyond any plan: hence the limit.

Weak: power of sites and of runs is mostly computed from numbers of accelerators, not measured, and
a run's need not be the peak. Clusters enter the table only if they are large for their day, and
secret ones are missing. Before 2024 the sites are other clusters than the data centers after: part
of the growth may be that. States of data centers may be forecasts even where they are past. The
limit of a site is a judgement of 2024, whatever the date of the data.
"""

from typing import Any

import numpy as np
import pymc as pm

from bayes_compute.ceilings.power import (
    ASSUMPTIONS,
    EFFICIENCY_YEAR,
    NU,
    REFERENCE_YEAR,
    SERIES,
    Power,
    accelerator,
    largest_site,
    observe,
    power,
)

__all__ = [
    "ASSUMPTIONS", "UNITS", "Power", "accelerator", "build", "largest_site", "observe", "power",
]  # fmt: skip

UNITS = {
    "level": "log10 W",
    "growth": "OOM/year",
    "drop": "log10 W",
    "sigma": "log10 W",
    "efficiency": "log10 FLOP/J",
    "efficiency_growth": "OOM/year",
    "efficiency_sd": "log10 FLOP/J",
    "rate": "log10 FLOP/s",
    "rate_growth": "OOM/year",
    "rate_sd": "log10 FLOP/s",
}
# log10/year: power of the largest grows 1.8-fold a year, 1 to 3-fold (90 %)
GROWTH_MEAN, GROWTH_MEAN_SD = 0.25, 0.15
# log10/year: that of runs and that of sites differ by a factor of 1.25 a year (sd)
GROWTH_SD = 0.1


def build(data: Power) -> pm.Model:
    """Assemble the model of power; see the module's docstring.

    Parameters
    ----------
    data : Power

    Returns
    -------
    pm.Model
    """
    # Their common mean integrated out: growths are correlated
    covariance = GROWTH_MEAN_SD**2 + GROWTH_SD**2 * np.eye(len(SERIES))
    with pm.Model(coords={"series": SERIES}) as model:
        # log10 W in 2022: 20 MW, 1 to 400 MW (90 %)
        level: Any = pm.Normal("level", 7.3, 0.8, dims="series")
        growth: Any = pm.MvNormal(
            "growth", np.full(len(SERIES), GROWTH_MEAN), cov=covariance, dims="series"
        )
        # log10: the second of a year has two thirds of the first, or more than a quarter (95 %)
        drop: Any = pm.HalfNormal("drop", 0.3, dims="series")
        # log10: a year's largest is off the trend by a factor of 1.6, of 1.2 to 4 (90 %)
        sigma: Any = pm.LogNormal("sigma", np.log(0.2), 0.6, dims="series")
        # log10 FLOP/J in 2020: 0.5e12, 0.1e12 to 2.5e12 (90 %)
        efficiency: Any = pm.Normal("efficiency", 11.7, 0.4)
        # log10/year: 1.26 times a year, 0.9 to 1.7 times (90 %)
        efficiency_growth: Any = pm.Normal("efficiency_growth", 0.1, 0.08)
        # log10: accelerators of a year differ by a factor of 1.6 (sd), of 1.2 to 4 (90 %)
        efficiency_sd: Any = pm.LogNormal("efficiency_sd", np.log(0.2), 0.6)
        # log10 FLOP/s in 2020: 3e14, 0.7e14 to 1.4e15 (90 %)
        rate: Any = pm.Normal("rate", 14.5, 0.4)
        # log10/year: 1.35 times a year, 1.0 to 1.8 times (90 %)
        rate_growth: Any = pm.Normal("rate_growth", 0.13, 0.08)
        # log10: accelerators of a year differ by a factor of 2 (sd), of 1.3 to 7 (90 %)
        rate_sd: Any = pm.LogNormal("rate_sd", np.log(0.3), 0.6)
        s = data.series
        at: Any = level[s] + growth[s] * (data.year - REFERENCE_YEAR) - drop[s] * data.rank
        pm.StudentT("log10_w", nu=NU, mu=at, sigma=sigma[s], observed=data.log10_w)
        per_watt: Any = efficiency + efficiency_growth * (data.release_year - EFFICIENCY_YEAR)
        pm.Normal("log10_flop_j", per_watt, efficiency_sd, observed=data.log10_flop_j)
        of_one: Any = rate + rate_growth * (data.release_year - EFFICIENCY_YEAR)
        pm.Normal("log10_flop_s", of_one, rate_sd, observed=data.log10_flop_s)
    return model


def main() -> None:
    """Fit the newest tables, and say how much computing power feeds."""
    from bayes_compute import fit, summary

    data = observe()
    tree = fit("power", data)
    print(summary(tree).round(3).to_string())
    posterior = tree["posterior"].dataset

    def said(draws: np.ndarray, form: str) -> str:
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        return f"{middle:{form}} (90 %: {low:{form}} to {high:{form}})"

    for series in SERIES:
        growth = 10 ** posterior["growth"].sel(series=series).to_numpy()
        print(f"Power of the largest {series} grows {said(growth, '.2f')} times a year.")
    growth = 10 ** posterior["efficiency_growth"].to_numpy()
    print(f"FLOP per watt of accelerators grow {said(growth, '.2f')} times a year.")
    for year in (2022, 2025, 2028, 2030):
        at = np.array([year])
        mw = 10 ** (largest_site(posterior, at) - 6)
        print(
            f"{year}: largest site {said(mw, ',.0f')} MW, which feeds "
            f"10^{said(power(posterior, at), '.1f')} FLOP/s."
        )
    for year, log10_w in zip(data.planned_year, data.planned_log10_w, strict=True):
        print(f"Planned for {year:.1f}: {10 ** (log10_w - 6):,.0f} MW")


if __name__ == "__main__":
    main()
