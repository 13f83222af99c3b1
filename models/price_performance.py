"""What does a dollar buy, and how much of the growth of the largest runs is money?

**Prices.** Of each price, ``y`` is the peak rate of the accelerator (16 bits, or the best it has)
over its price: log10 FLOP/s per USD if it is bought, log10 FLOP per USD if it is rented by the
hour. A product is a design on one of three markets: purchase while new, rental, and the list
prices of hyperscalers. With the release of the design and its age when the price stood,

    product ~ Normal(level[market] + growth[market, era] (release - 2020)     lines that meet at
                     + matrix (if it has matrix units)                        the transition
                     + desktop[market] (if it is for desktops), product_sd),
    y = product + ageing[market] age + server (if sold with its share of one) + vendor + error,

error Student t with 4 degrees of freedom, growth and ageing partially pooled over markets. Release
and age tell two things
apart that one date confounds: that new accelerators give more for a dollar (``growth``), and that
the same one gets cheaper (``ageing``). List prices are sticky: they stand for years, then fall at
once (AWS in June 2025). So a rented accelerator hardly gets cheaper with age, and what the cloud
gains comes with new accelerators only, late and in steps.

**The largest runs** are those among the ten largest when they were published (as in Cottier et al.
2024). Their log10 FLOP follows lines that meet at the transition, with scatter and with the known
error of each estimate; so does the length of their runs, and their utilization one line. Then

    cost = FLOP / (FLOP per dollar at its date * utilization),

and spending grows as the largest runs do, less FLOP per dollar, less utilization. Nothing but that
subtraction joins the two halves, so systems tell nothing of prices. The growth of the record itself
is split into the price of accelerators, precision (the step of matrix units), utilization, length
of run, and dollars per hour, draw by draw; the last is the rest, so they add up exactly.

**Held against the literature.** FLOP/s per dollar of 470 GPUs, 2006 to 2021, doubles in 2.46 years
(95 %: 2.24 to 2.72), of 26 used in machine learning in 2.07 (1.54 to 3.13), in FP16 in 2.30 (1.69
to 3.62), in dollars of constant value (Hobbhahn & Besiroglu 2022, Epoch AI, "Trends in GPU
price-performance"). Cost of the largest runs grew 2.4x a year from 2016 (Cottier et al. 2024,
arXiv:2405.21015; 2.0 to 3.1 as a 95 % interval in its first version and in Epoch AI's account of
it, 2.0 to 2.9 as a 90 % interval in the later one). Here purchases at like precision double in 2.6
years (1.9 to 3.9, 90 %) before 2016, as there, and in 3.7 (2.8 to 5.5) since, which is slower; with
the step of matrix units, x5 (3 to 7), they doubled every 1.8 years from 2010 to 2021. Spending
grew 2.7x a year (2.4 to 3.0): it agrees, at the upper end, as prices of the day may be expected to.

**What is weak.** Prices are list prices in dollars of the day; what large buyers pay, and what
Google pays for its own, is not known. Of purchases 16-bit rates are few, and the step of matrix
units is told from growth by the release date alone. A line through runs that were among the ten
largest when published rises faster than the population they come from; it serves the comparison
with Cottier et al., and the record is split by its own growth. Estimates of compute are of the
table's vintage, whatever ``as_of``.
"""

from typing import Any

import numpy as np
import pymc as pm

from bayes_compute.assumptions import draw_each
from bayes_compute.ceilings.price_performance import (
    ASSUMPTIONS,
    ERAS,
    REFERENCE_YEAR,
    bent,
    decomposition,
    flop_per_dollar,
    frontier,
    price_performance,
    spending,
    spending_path,
    utilization,
)
from bayes_compute.ceilings.prices import MARKETS, PricePerformance, observe
from bayes_compute.draws import count

__all__ = [
    "ASSUMPTIONS", "UNITS", "PricePerformance", "bought", "build", "decomposition",
    "flop_per_dollar",
    "observe", "price_performance", "prices", "spending", "spending_path", "utilization",
]  # fmt: skip

UNITS = {
    "level": "log10 FLOP/s per USD (rented: FLOP per USD)",
    "level_at_middle": "log10 FLOP/s per USD (rented: FLOP per USD)",
    "growth": "OOM/year",
    "growth_mean": "OOM/year",
    "growth_change": "OOM/year",
    "market_growth": "OOM/year",
    "ageing": "OOM/year",
    "ageing_mean": "OOM/year",
    "matrix": "log10",
    "desktop": "log10",
    "server": "log10",
    "product": "log10 FLOP/s per USD (rented: FLOP per USD)",
    "product_sd": "log10",
    "vendor": "log10",
    "vendor_sd": "log10",
    "price_sd": "log10",
    "frontier": "log10 FLOP",
    "frontier_at_middle": "log10 FLOP",
    "frontier_growth": "OOM/year",
    "frontier_sd": "log10 FLOP",
    "run_length": "log10 h",
    "run_length_growth": "OOM/year",
    "run_length_sd": "log10 h",
    "utilization": "log10",
    "utilization_growth": "OOM/year",
    "utilization_sd": "log10",
}
MARKETS_DIFFER = 0.03  # OOM/year, sd: growth differs by 7 % a year; three cannot tell how much
TAILS = 4  # degrees of freedom of Student's t: one error in 100 is above 3.7 scales


def build(data: PricePerformance) -> pm.Model:
    """Assemble prices and largest runs; see the module's docstring.

    Parameters
    ----------
    data : PricePerformance

    Returns
    -------
    pm.Model
    """
    with pm.Model(coords={"era": ERAS}) as model:
        prices(data)
        year, e = data.year, data.entered
        middle = year[e].mean()
        # log10 FLOP: in 2020 1e23, within a factor of 2,000 (90 %)
        at_middle = pm.Normal("frontier_at_middle", 23.0 + 0.5 * (middle - REFERENCE_YEAR), 2.0)
        growth: Any = pm.Normal("frontier_growth", 0.5, 0.3, dims="era")  # x3.2 a year, x1 to x10
        frontier_sd = pm.HalfNormal("frontier_sd", 1.0)  # a factor of 5 (median)
        lines = data.transition, at_middle, growth[0], growth[1], middle
        pm.Deterministic("frontier", bent(REFERENCE_YEAR, *lines))
        line = bent(year[e], *lines)
        sd = pm.math.sqrt(frontier_sd**2 + data.error[e] ** 2)
        pm.Normal("log10_flop", line, sd, observed=data.log10_flop[e])
        # log10 h: a week, 4 hours to 10 months (90 %); x1 a year, x0.5 to x2.1
        run_length = pm.Normal("run_length", np.log10(170), 1.0)
        lengthening: Any = pm.Normal("run_length_growth", 0.0, 0.2, dims="era")
        run_length_sd = pm.LogNormal("run_length_sd", np.log(0.5), 0.4)  # a factor of 3 (scale)
        t = e & np.isfinite(data.log10_hours)
        line = bent(year[t], data.transition, run_length, lengthening[0], lengthening[1])
        pm.StudentT(
            "log10_hours", TAILS, mu=line, sigma=run_length_sd, observed=data.log10_hours[t]
        )
        # log10: 35 % in 2020, 18 to 69 % (90 %), growing by 12 % a year (sd)
        use = pm.Normal("utilization", np.log10(0.35), 0.18)
        use_growth = pm.Normal("utilization_growth", 0.0, 0.05)
        use_sd = pm.LogNormal("utilization_sd", np.log(0.15), 0.4)  # a factor of 1.4 (scale)
        u = e & np.isfinite(data.log10_utilization)
        line = use + use_growth * (year[u] - REFERENCE_YEAR)
        pm.StudentT(
            "log10_utilization", TAILS, mu=line, sigma=use_sd, observed=data.log10_utilization[u]
        )
    return model


def prices(data: PricePerformance) -> None:
    """Add the model of prices to the model in whose context this is called."""
    model: Any = pm.modelcontext(None)
    model.add_coords(
        {"market": MARKETS, "product_name": data.products, "vendor_name": data.vendors}
    )
    m, t = data.market, data.release
    middle = [t[m == k].mean() if np.any(m == k) else REFERENCE_YEAR for k in range(len(MARKETS))]
    middle = np.array(middle)  # where a line's level is told best
    growth_mean = pm.Normal("growth_mean", 0.15, 0.1)  # a doubling in 2 years, 1 to never (90 %)
    change = pm.Normal("growth_change", 0.0, 0.1)  # from before to after, in all markets alike
    market_growth = pm.Normal("market_growth", growth_mean, MARKETS_DIFFER, dims="market")
    growth: Any = pm.Deterministic(
        "growth",
        pm.math.stack([market_growth - change / 2, market_growth + change / 2], axis=1),
        dims=("market", "era"),
    )
    # log10 FLOP/s per USD of a data center's accelerator without matrix units: in 2020 that is
    # 30 TFLOP/s for 5,000 USD, within a factor of 45 (90 %); rented, the same at 1 USD an hour
    expected = np.array([9.8, 17.0, 17.0]) + 0.15 * (middle - REFERENCE_YEAR)
    at_middle = pm.Normal("level_at_middle", expected, 1.0, dims="market")
    lines = data.transition, at_middle, growth[:, 0], growth[:, 1], middle
    pm.Deterministic("level", bent(REFERENCE_YEAR, *lines), dims="market")
    # OOM/year: the same accelerator gets cheaper by 12 % a year, by 41 % to dearer by 30 % (90 %)
    ageing_mean = pm.Normal("ageing_mean", 0.05, 0.1)
    ageing = pm.Normal("ageing", ageing_mean, 0.05, dims="market")
    matrix = pm.Normal("matrix", 0.5, 0.3)  # matrix units give 3 times as much, 1 to 10 (90 %)
    desktop = pm.Normal("desktop", 0.5, 0.5, dims="market")  # 3 times as much, 0.5 to 21 (90 %)
    server = pm.Normal("server", -0.2, 0.15)  # a server makes it dearer by 1.6, by 0.9 to 2.8
    # log10: products differ by a factor of 1.6 (sd), of 1.3 to 2.1 (90 %)
    product_sd = pm.LogNormal("product_sd", np.log(0.2), 0.3)
    line = bent(t, data.transition, at_middle[m], growth[m, 0], growth[m, 1], middle[m])
    line = line + matrix * data.matrix + desktop[m] * data.desktop
    i = data.product
    age = np.bincount(i, data.age, len(m)) / np.bincount(i, minlength=len(m))
    # at the mean age of its prices, where they tell most
    product = pm.Normal("product", line + ageing[m] * age, product_sd, dims="product_name")
    y = product[i] + ageing[m[i]] * (data.age - age[i]) + server * data.server
    if len(data.vendors) > 1:
        vendor_sd = pm.LogNormal("vendor_sd", np.log(0.15), 0.5)  # log10: a factor of 1.4
        vendor = pm.ZeroSumNormal("vendor", vendor_sd, dims="vendor_name")
        y = y + vendor[np.maximum(data.vendor, 0)] * (data.vendor >= 0)
    # log10: one offer differs from another by a factor of 1.2 (scale), 1.1 to 1.4 (90 %)
    price_sd = pm.LogNormal("price_sd", np.log(0.08), 0.3, dims="market")
    pm.StudentT(
        "log10_per_dollar", TAILS, mu=y, sigma=price_sd[m[i]],
        observed=data.log10_per_dollar,
    )  # fmt: skip


def bought(model: Any, data: PricePerformance, release: np.ndarray, matrix: np.ndarray) -> Any:
    """Rate over price of a data center's accelerators in servers on their release, in a graph."""
    growth = model["growth"][MARKETS.index("purchase")]
    line = bent(release, data.transition, model["level"][0], growth[0], growth[1])
    return line + model["matrix"] * matrix + model["server"]


def main() -> None:
    """Fit everything that is shipped, and say what a dollar buys."""
    from bayes_compute import fit, summary

    data = observe()
    dt = fit("price_performance", data)
    table = summary(dt)
    print(table.loc[~table.index.str.startswith(("product[", "vendor["))].round(3).to_string())
    posterior, rng = dt["posterior"].to_dataset(), np.random.default_rng(1)
    assumed = draw_each(ASSUMPTIONS, count(posterior), rng)

    def said(draws: np.ndarray) -> str:
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        return f"{middle:.2f} ({low:.2f} to {high:.2f})"

    growth = posterior["growth"].sel(era="after")
    for market in MARKETS:
        draws = growth.sel(market=market).to_numpy()
        print(f"FLOP per dollar, {market}: doubles in {said(np.log10(2) / draws)} years")
    last = float(data.year.max())
    ends = np.array([data.transition, last])
    line = spending(posterior, ends, data, assumed)
    print(f"spending: x{said(10 ** (np.diff(line) / np.diff(ends)))} a year since {ends[0]:.0f}")
    for name, draws in decomposition(posterior, data, assumed, rng).items():
        print(f"  {name}: before {said(draws[:, 0])}, after {said(draws[:, 1])} OOM/year")
    year = np.arange(np.ceil(last), 2036)
    path = spending_path(posterior, year, data, assumed, rng)
    bought = price_performance(posterior, year, path, data, assumed)
    for k, date in enumerate(year):
        print(f"{date:.0f}: 10^{said(path[:, k])} USD buys 10^{said(bought[:, k])} FLOP")
    share = (line[:, 1] - line[:, 0]) / (frontier(posterior, ends, data) @ [-1.0, 1.0])
    limited = path >= np.log10(assumed["spending_limit"])[:, None] - 1e-9
    print(
        f"In words: of the growth of the largest runs since {ends[0]:.0f}, in orders of magnitude, "
        f"{100 * np.median(share):.0f} % is money; cheaper accelerators, matrix units and "
        "utilization are the rest. If spending grows on, money ends growth where it reaches "
        f"{ASSUMPTIONS['spending_limit'].median:.0e} USD a run, about "
        f"{year[(np.mean(limited, axis=0) > 0.5).argmax()]:.0f}."
    )


if __name__ == "__main__":
    main()
