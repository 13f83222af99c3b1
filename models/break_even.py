"""Cloud or bespoke: from which compute a year on is it cheaper to build a machine, and since when?

Renting costs what the market asks for a FLOP at the peak rate; building costs a machine, its site,
electricity and maintenance for the like of it, and staff whatever its size. For ``x`` peak FLOP,

    rented:  x / (FLOP per dollar) * share of list price, falling for as long as the machine lives,
    built:   x * (machine / lifetime + maintenance + site / site_lifetime + electricity) + staff

a year, so building wins above x = staff / (rented per FLOP - built per FLOP), and never if that is
negative. Useful FLOP are the peak ones times utilization, which is the same on both.

**Data.** Prices are those of :mod:`price_performance <bayes_compute.models.price_performance>`,
fitted with it. Of machines with a known cost,

    log10 cost / peak rate = build - log10 (rate per dollar of its accelerators, new, in servers)
                             + programme (if research is in the cost) + error,
    log10 cost / power = usd_per_w + usd_per_w_growth (year - 2020) + programme + error,

both with Student t errors whose scale adds what the cost is worth (``WORTH``): a verified cost is
taken to be right within a factor of 1.2, an unverified one of 4. The peak rate in 16 bits is known
for machines whose accelerators are in the table; power is that of LINPACK or, of companies'
clusters, of the site. ``data-centers`` has 37.882 USD per W of machine and site by construction: it
is no measurement and not used; the model's machine and site are held against it.

**A worked example.** Jones (2022, The Shape of Code) takes a bespoke system for about 100 million
pounds to build and 10 million a year of electricity. Written off over 5 years it costs 30 million
pounds a year, 3,422 an hour round the clock, 1,141 of them electricity. If the like of it is rented
at 6,000 an hour, building wins from 20e6 / (6,000 - 1,141) = 4,116 hours a year on; below 3,422
an hour, it never does. With 20 staff at 100,000 pounds it is 4,527 hours.

**What is weak.** Renting from hyperscalers costs about twice as much as building, from other clouds
about the same: there the sign of the gap hangs on discounts, lifetime and use, which are
assumptions, and the break-even goes from some 10 million dollars a year to never. A third of the
costs are estimates from prices of accelerators, and machines cost less than servers at list prices
do (``build`` below 0), so large buyers have discounts that ``price_performance`` does not know of.
Nothing here says that a machine can be had, or the money; that one may let or sell what one does
not use, which makes building cheaper; or what it is worth not to wait for a machine.
"""

from typing import Any

import numpy as np
import pymc as pm

from bayes_compute.assumptions import draw_each
from bayes_compute.ceilings.break_even import (
    ASSUMPTIONS,
    BreakEven,
    bill,
    break_even,
    cost_per_flop,
    crossing,
    hours_to_break_even,
    observe,
)
from bayes_compute.ceilings.price_performance import REFERENCE_YEAR
from bayes_compute.draws import count
from bayes_compute.models import price_performance  # pyright: ignore[reportMissingImports]

__all__ = [
    "ASSUMPTIONS", "UNITS", "BreakEven", "bill", "break_even", "build", "cost_per_flop",
    "crossing", "hours_to_break_even", "observe",
]  # fmt: skip

UNITS = price_performance.UNITS | {
    "build": "log10",
    "build_sd": "log10",
    "programme": "log10",
    "usd_per_w": "log10 USD/W",
    "usd_per_w_growth": "OOM/year",
    "usd_per_w_sd": "log10",
}
TAILS = price_performance.TAILS


def build(data: BreakEven) -> pm.Model:
    """Assemble prices, largest runs and machines; see the module's docstring.

    Parameters
    ----------
    data : BreakEven

    Returns
    -------
    pm.Model
    """
    model: Any = price_performance.build(data.prices)
    with model:
        # log10: a machine costs 1.4 times its servers at list prices, 0.6 to 3 times (90 %)
        extra = pm.Normal("build", 0.15, 0.2)
        build_sd = pm.LogNormal("build_sd", np.log(0.15), 0.4)  # by a factor of 1.4
        programme = pm.Normal("programme", 0.3, 0.2)  # research doubles it, 0.9 to 4 times
        i = np.isfinite(data.log10_usd_per_rate)
        line = price_performance.bought(model, data.prices, data.release[i], data.matrix[i])
        mu = extra - line + programme * data.programme[i]
        sd = pm.math.sqrt(build_sd**2 + data.error[i] ** 2)
        pm.StudentT("usd_per_rate", TAILS, mu=mu, sigma=sd, observed=data.log10_usd_per_rate[i])
        # log10 USD/W in 2020: 20, 3 to 130 (90 %); by 12 % a year (sd) up or down
        level = pm.Normal("usd_per_w", np.log10(20), 0.5)
        growth = pm.Normal("usd_per_w_growth", 0.0, 0.05)
        power_sd = pm.LogNormal("usd_per_w_sd", np.log(0.2), 0.4)  # by a factor of 1.6
        i = np.isfinite(data.log10_usd_per_w)
        mu = level + growth * (data.year[i] - REFERENCE_YEAR) + programme * data.programme[i]
        sd = pm.math.sqrt(power_sd**2 + data.error[i] ** 2)
        pm.StudentT("cost_per_watt", TAILS, mu=mu, sigma=sd, observed=data.log10_usd_per_w[i])
    return model


def main() -> None:
    """Fit everything that is shipped, and say when to build."""
    from bayes_compute import fit, summary

    data = observe()
    dt = fit("break_even", data)
    table = summary(dt)
    own = [name for name in UNITS if name not in price_performance.UNITS]
    print(table.loc[own].round(3).to_string())
    posterior, rng = dt["posterior"].to_dataset(), np.random.default_rng(1)
    assumed = draw_each(ASSUMPTIONS, count(posterior), rng)

    def said(draws: np.ndarray, digits: int = 1) -> str:
        at = [0.05, 0.5, 0.95]  # of draws, since some are infinite
        low, middle, high = np.quantile(draws, at, method="inverted_cdf")
        return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    year = np.arange(2012.0, 2031.0)
    for market in ("rental", "hyperscaler list"):
        at = break_even(posterior, year, data, assumed, market)
        built, rented = cost_per_flop(posterior, year, data, assumed, market)
        paid = bill(posterior, year, data, assumed, market) / 1e6
        print(f"{market}: building is cheaper from, a year,")
        for date in (2016, 2020, 2024, 2028):
            k = int(np.searchsorted(year, date))
            print(
                f"  {date}: 10^{said(at[:, k])} FLOP, a bill of {said(paid[:, k])} million USD; "
                f"never with probability {np.mean(np.isinf(at[:, k])):.2f}; "
                f"renting costs x{said(rented[:, k] / built[:, k])}"
            )
        when = crossing(posterior, year, data, assumed, market)
        print(f"  the largest developers compute as much since {said(when, 0)}")
    k = int(np.searchsorted(year, 2024))
    paid = np.quantile(
        bill(posterior, year, data, assumed, "hyperscaler list")[:, k], 0.5, method="inverted_cdf"
    )
    never = np.mean(np.isinf(break_even(posterior, year, data, assumed)[:, k]))
    print(
        f"In words: whoever would pay a hyperscaler {paid / 1e6:.0f} million USD a year or more in "
        "2024 builds; against cheaper clouds only the largest do, and with probability "
        f"{never:.0%} nobody."
    )


if __name__ == "__main__":
    main()
