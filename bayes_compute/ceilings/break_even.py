"""Cloud against bespoke: from which yearly use on a machine of one's own is cheaper.

The model is in ``models/break_even.py``; here are its data, and what its draws say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_compute.assumptions import Assumption
from bayes_compute.ceilings import price_performance as market_of
from bayes_compute.ceilings import prices as observed
from bayes_compute.ceilings.prices import TRANSITION_YEAR, PricePerformance
from bayes_compute.ceilings.provenance import source_of
from bayes_compute.confidence import log10_sd
from bayes_compute.draws import flat
from bayes_compute.facts import load_facts
from bayes_compute.units import HOURS_PER_YEAR, SECONDS_PER_HOUR

WORTH = {  # of a cost, 90 %: by the table's verification
    "source read": 1.2,
    "reported, by Epoch AI": 1.5,
    "estimated by Epoch AI": 1.5,
    "weak source": 2.5,
    "unverified": 4.0,
}
_ACCELERATORS = {  # names in supercomputer-costs: name in accelerators
    "K20X": "NVIDIA Tesla K20X",
    "V100": "NVIDIA Tesla V100 SXM2",
    "A100": "NVIDIA A100 SXM4 40 GB",
    "MI250X": "AMD Radeon Instinct MI250X",
    "GH200": "NVIDIA GH200",
}
_JOULES_PER_KWH = 3.6e6
_PROGRAMME = "programme|development|project"

ASSUMPTIONS = {
    name: market_of.ASSUMPTIONS[name] for name in ("lifetime", "in_use", "fleet_age")
} | {
    "electricity": Assumption(
        0.08, 1.6, "USD/kWh",
        "industry in the United States paid 0.068 in 2010, 0.083 in 2022, 0.081 in 2023 (EIA, "
        "Electric Power Monthly, table 5.3); elsewhere it is often dearer",
    ),
    "site_power": Assumption(
        1.25, 1.15, "1",
        "power of the site over that of the machine: 1.1 where it is built for it, 1.58 on average "
        "(Uptime Institute, Global Data Center Survey 2023)",
    ),
    "site_cost": Assumption(
        11.0, 1.4, "USD/W",
        "of a building with power and cooling: 10.3 in Silicon Valley in 2021, 11.6 to 15.2 in "
        "dear cities in 2025 (Turner & Townsend, Data Centre Cost Index)",
    ),
    "site_lifetime": Assumption(
        15.0, 1.4, "year", "power and cooling last 10 to 20 years, longer than machines"
    ),
    "maintenance": Assumption(
        0.05, 1.6, "1/year", "of its cost a year for spares and contracts: 3 to 8 % is usual"
    ),
    "staff": Assumption(
        5e6, 2.0, "USD/year",
        "twenty people who run a machine round the clock, at 250,000 USD each; hardly depends on "
        "its size",
    ),
    "list_share": Assumption(
        0.64, 1.3, "1",
        "what a customer who stays for a year pays of a hyperscaler's price on demand: 0.64 is the "
        "median of 95 offers in accelerator-prices (for three years 0.45), Capacity Blocks in "
        "aws-prices are 0.40 and 0.45",
    ),
    "rental_share": Assumption(
        0.75, 1.3, "1",
        "the same at other clouds, of which one lists it, 0.70; prices on demand are lower there",
    ),
    "experiments": Assumption(
        2.5, 1.6, "1",
        "what a developer computes in a year over its largest run: 1.2 to 4 (Cottier et al. 2024, "
        "arXiv:2405.21015)",
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class BreakEven:
    """Machines whose cost is known, and prices.

    Attributes
    ----------
    prices : PricePerformance
    year : ndarray, shape (n,)
        In the middle of which each machine began to work [decimal year].
    log10_usd_per_w : ndarray, shape (n,)
        Cost over power [log10 USD/W].
    log10_usd_per_rate : ndarray, shape (n,)
        Cost over the peak rate of its accelerators, as in ``accelerators`` [log10 USD per FLOP/s];
        NaN where they are unknown.
    error : ndarray, shape (n,)
        Sd of the error of log10 cost.
    programme, matrix : ndarray of bool, shape (n,)
        Whether the cost has research in it, and whether the accelerators have matrix units.
    release : ndarray, shape (n,)
        Of the accelerators [decimal year]; NaN where they are unknown.
    system : tuple of str
    source : dict
    """

    prices: PricePerformance
    year: np.ndarray
    log10_usd_per_w: np.ndarray
    log10_usd_per_rate: np.ndarray
    error: np.ndarray
    programme: np.ndarray
    matrix: np.ndarray
    release: np.ndarray
    system: tuple[str, ...]
    source: dict


def observe(as_of: str | None = None, transition: float = TRANSITION_YEAR) -> BreakEven:
    """Read the tables; arguments as in :func:`bayes_compute.ceilings.prices.observe`."""
    prices = observed.observe(as_of, transition)
    machines, chips = load_facts("supercomputer-costs", as_of), load_facts("accelerators", as_of)
    machines = machines.loc[machines["cost_usd_nominal"].notna()]
    other = machines["power_mw_other"].astype("string").str.extract(r"^(\d+\.?\d*)")[0]
    listed, told = (
        machines["power_mw_top500"].to_numpy(float),
        other.to_numpy(float, na_value=np.nan),
    )
    power = 1e6 * np.where(np.isnan(listed), told, listed)
    name = machines["accelerator"].map(lambda short: _ACCELERATORS.get(short, short))
    chip = observed.rates(chips).reindex(name)
    rate = machines["n_accelerators"].to_numpy(float) * chip["rate"].to_numpy(float)
    cost, scope = machines["cost_usd_nominal"], machines["cost_scope"].fillna("")
    error = machines["verification"].map(lambda kind: log10_sd(WORTH[kind]))
    tables = [machines.attrs | {"rows": len(machines)}, *prices.source["tables"]]
    rows = len(machines) + prices.source["rows"]
    return BreakEven(
        prices,
        machines["year"].to_numpy(float) + 0.5,
        np.log10(cost.to_numpy(float) / power),
        np.log10(cost.to_numpy(float) / rate),
        error.to_numpy(float),
        scope.str.contains(_PROGRAMME).to_numpy(bool),
        chip["matrix"].eq(True).to_numpy(bool),
        chip["release"].to_numpy(float),
        tuple(machines["system"]),
        source_of(rows, *tables) | {"transition": transition},
    )


def hours_to_break_even(
    capital: float, lifetime: float, fixed: float, electricity: float, cloud: float
) -> float:
    """Hours of use a year from which on a machine is cheaper than renting the like of it [h/year].

    Parameters
    ----------
    capital : float
        To build it, in any money.
    lifetime : float
        Over which it is written off [year].
    fixed : float
        What it costs a year whether it works or not, such as staff.
    electricity, cloud : float
        What an hour of work costs in electricity, and rented.

    Returns
    -------
    float
        Above 8766, the hours of a year, it is never cheaper; infinite if electricity alone costs
        more.
    """
    saved = cloud - electricity
    return (capital / lifetime + fixed) / saved if saved > 0 else np.inf


def cost_per_flop(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: BreakEven,
    assumed: Mapping[str, np.ndarray],
    market: str = "rental",
) -> tuple[np.ndarray, np.ndarray]:
    """Cost of a peak FLOP over the life of a machine, built and rented, (S, T) each [USD/FLOP].

    Both have accelerators that were released ``fleet_age`` before ``year``. Built: machine, site,
    electricity and maintenance, without staff. Rented: while the machine would have lived, the
    customer moves on to newer accelerators from year to year, and pays their falling price.

    Parameters
    ----------
    posterior : xarray.Dataset
    year : ndarray, shape (T,)
        When it is decided [decimal year].
    data : BreakEven
    assumed : mapping of str to ndarray of shape (S,)
        Draws of :data:`ASSUMPTIONS`.
    market : str
        ``rental`` or ``hyperscaler list``.
    """
    a = {name: draws[:, None] for name, draws in assumed.items()}
    release = np.asarray(year) - a["fleet_age"]
    bought = market_of.at_release(posterior, release, data.prices, "purchase")
    capital = 10 ** (flat(posterior, "build")[:, None] - bought)  # USD per FLOP/s
    seconds = a["in_use"] * HOURS_PER_YEAR * SECONDS_PER_HOUR  # of use in a year
    watts = capital / 10 ** log10_usd_per_w(posterior, year)  # per FLOP/s
    electricity = watts * a["site_power"] / a["in_use"] * a["electricity"] / _JOULES_PER_KWH
    site = watts * a["site_cost"] / a["site_lifetime"] / seconds
    built = capital * (1 / a["lifetime"] + a["maintenance"]) / seconds + site + electricity
    listed = 10 ** -market_of.flop_per_dollar(posterior, year, data.prices, assumed, market)
    k = observed.MARKETS.index(market)
    fall = np.log(10) * flat(posterior, "growth")[:, k, 1:] * a["lifetime"]
    share = a["rental_share" if market == "rental" else "list_share"]
    return built, listed * share * -np.expm1(-fall) / fall


def log10_usd_per_w(posterior: xr.Dataset, year: np.ndarray) -> np.ndarray:
    """Cost of a machine over its power, shape (S, T) [log10 USD/W]."""
    level, growth = flat(posterior, "usd_per_w"), flat(posterior, "usd_per_w_growth")
    return level[:, None] + growth[:, None] * (np.asarray(year) - market_of.REFERENCE_YEAR)


def break_even(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: BreakEven,
    assumed: Mapping[str, np.ndarray],
    market: str = "rental",
) -> np.ndarray:
    """Training compute a year from which on building is cheaper, shape (S, T) [log10 FLOP/year].

    Staff is all that does not grow with the machine, so ``x`` FLOP at the peak rate are worth a
    machine if ``staff + built x < rented x``; infinite where renting is cheaper at any size.
    Parameters are those of :func:`cost_per_flop`.
    """
    built, rented = cost_per_flop(posterior, year, data, assumed, market)
    saved = rented - built
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.where(saved > 0, np.log10(assumed["staff"][:, None] / saved), np.inf)
    return peak + market_of.utilization(posterior, np.asarray(year), data.prices)


def bill(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: BreakEven,
    assumed: Mapping[str, np.ndarray],
    market: str = "rental",
) -> np.ndarray:
    """What the cloud would cost a year at the break-even, shape (S, T) [USD/year]."""
    built, rented = cost_per_flop(posterior, year, data, assumed, market)
    share = 1 - built / rented
    with np.errstate(divide="ignore"):
        return np.where(share > 0, assumed["staff"][:, None] / share, np.inf)


def crossing(
    posterior: xr.Dataset,
    year: np.ndarray,
    data: BreakEven,
    assumed: Mapping[str, np.ndarray],
    market: str = "rental",
) -> np.ndarray:
    """First of the years in which the largest developers compute enough to build, shape (S,).

    They compute ``experiments`` times a typical one of the largest runs in a year; infinite if
    not in any of the years.
    """
    need = market_of.frontier(posterior, np.asarray(year), data.prices)
    need = need + np.log10(assumed["experiments"])[:, None]
    enough = need >= break_even(posterior, year, data, assumed, market)
    return np.where(enough.any(axis=1), np.asarray(year, float)[enough.argmax(axis=1)], np.inf)
