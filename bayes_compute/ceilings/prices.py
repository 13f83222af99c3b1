"""Prices of accelerators, and the largest systems, as a model sees them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_compute.ceilings.provenance import source_of
from bayes_compute.confidence import DEFAULT_CONFIDENCE, WITHIN_FACTOR, log10_sd
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.observations import decimal_year
from bayes_compute.systems import load_systems
from bayes_compute.units import SECONDS_PER_HOUR

MARKETS = ("purchase", "rental", "hyperscaler list")
TRANSITION_YEAR = 2016.0
"""Large-scale systems begin in late 2015 (Sevilla et al. 2022, arXiv:2202.05924)."""
START_YEAR = 2010.0
MATRIX_YEAR = 2017.4
"""Matrix units for 16 bits were first on the market: TPU v2 in May, V100 in June 2017."""
TOP = 10  # as Cottier et al. (2024) choose the largest runs
NEW = 3.0  # years from its release after which an accelerator on sale is taken for second-hand
HYPERSCALERS = ("Amazon Web Services", "Google Cloud", "Microsoft Azure")
_FEWEST = 10  # prices
_DESKTOP = "GeForce|TITAN|Quadro|RTX|Radeon RX"
_DESIGN = r"((?:GH|MI|[VAHPKM])\d{2,4})"  # variants of one chip share it: V100 SXM2, V100 PCIe
_AWS = {  # names in aws-prices: name in accelerators, share of the board
    "Tesla M2050": ("NVIDIA Tesla C2050", 1.0),  # the same chip with other cooling
    "Tesla K80 (half board)": ("NVIDIA Tesla K80", 0.5),
    "Tesla M60 (half board)": ("NVIDIA TESLA M60", 0.5),
    "V100 16GB": ("NVIDIA Tesla V100 SXM2 16 GB", 1.0),
    "A100 40GB": ("NVIDIA A100 SXM4 40 GB", 1.0),
    "A100 80GB": ("NVIDIA A100 SXM4 80 GB", 1.0),
    "H100": ("NVIDIA H100 SXM5 80GB", 1.0),
    "H200": ("NVIDIA H200 SXM", 1.0),
}


@dataclass(frozen=True, eq=False)
class PricePerformance:
    """Prices of accelerators, and the largest systems.

    Attributes
    ----------
    product, vendor : ndarray of int, shape (n,)
        Of each price, indices into the products, and into ``vendors`` (-1 but for rental).
    age : ndarray, shape (n,)
        How old the design was when the price stood [year].
    log10_per_dollar : ndarray, shape (n,)
        Peak rate over price [log10 FLOP/s per USD] if bought, else [log10 FLOP per USD].
    server : ndarray of bool, shape (n,)
        Whether it was sold with its share of a server.
    products, vendors : tuple of str
        A product is a design on a market: variants of one chip are one design.
    market : ndarray of int, shape (p,)
        Of each product, index into :data:`MARKETS`.
    release : ndarray, shape (p,)
        When the first variant of the design was released [decimal year].
    matrix, desktop : ndarray of bool, shape (p,)
        Whether it has matrix units, and is for desktops.
    year, log10_flop, error : ndarray, shape (m,)
        Publication of the largest systems [decimal year], their compute [log10 FLOP] and the sd
        of its error.
    entered : ndarray of bool, shape (m,)
        Whether it was among the largest when published from :data:`START_YEAR` on; the others
        were the largest before.
    log10_hours, log10_utilization : ndarray, shape (m,)
        Length of the run and share of the peak rate reached; NaN where unknown.
    transition : float
        Where growth may change [decimal year].
    source : dict
    """

    product: np.ndarray
    vendor: np.ndarray
    age: np.ndarray
    log10_per_dollar: np.ndarray
    server: np.ndarray
    products: tuple[str, ...]
    vendors: tuple[str, ...]
    market: np.ndarray
    release: np.ndarray
    matrix: np.ndarray
    desktop: np.ndarray
    year: np.ndarray
    log10_flop: np.ndarray
    error: np.ndarray
    entered: np.ndarray
    log10_hours: np.ndarray
    log10_utilization: np.ndarray
    transition: float
    source: dict


def observe(as_of: str | None = None, transition: float = TRANSITION_YEAR) -> PricePerformance:
    """Read the tables.

    Parameters
    ----------
    as_of : str, optional
        Keep what is dated by then ("YYYY-MM-DD"): accelerators by release, prices by their day,
        systems by publication. Prices and systems were compiled later, so estimates of compute
        are those of the table's vintage.
    transition : float
        Where growth may change [decimal year].

    Raises
    ------
    InputError
        There are too few prices by then.
    """
    chips, prices, aws = (
        load_facts(name, as_of) for name in ("accelerators", "accelerator-prices", "aws-prices")
    )
    if len(prices) + len(aws) < _FEWEST:
        raise InputError(
            f"prices: got {len(prices) + len(aws)} prices of accelerators by {as_of}; expected at "
            f"least {_FEWEST}; give a later date: most are of 2016 and after"
        )
    systems = load_systems("systems-2025-08", as_of=as_of)
    p = _prices(chips, prices, aws)
    s = _largest(systems)
    product, products = pd.factorize(p["product"])
    of_product = p.groupby("product", sort=False).first()
    vendor, vendors = pd.factorize(p["vendor"].where(p["market"] == 1), sort=True)
    hours, use = s["training_time_hours"], s["hardware_utilization"].where(lambda u: u <= 1)
    unclassed = WITHIN_FACTOR[DEFAULT_CONFIDENCE]
    confidence = s["confidence"].map(lambda name: WITHIN_FACTOR.get(name, unclassed))
    sources = [table.attrs for table in (chips, prices, aws)] + [systems.attrs["source"]]
    return PricePerformance(
        product, vendor, p["age"].to_numpy(float), p["log10_per_dollar"].to_numpy(float),
        p["server"].to_numpy(bool), tuple(products), tuple(vendors),
        of_product["market"].to_numpy(int), of_product["release"].to_numpy(float),
        of_product["matrix"].to_numpy(bool), of_product["desktop"].to_numpy(bool),
        s["year"].to_numpy(float), s["log10_flop"].to_numpy(float),
        confidence.map(log10_sd).to_numpy(float), s["entered"].to_numpy(bool),
        np.log10(hours.to_numpy(float)), np.log10(use.to_numpy(float)), transition,
        source_of(len(p) + len(s), *sources) | {"transition": transition},
    )  # fmt: skip


def rates(chips: pd.DataFrame) -> pd.DataFrame:
    """Best peak rate of each accelerator in 16 bits or, where it has none, in 32 [FLOP/s].

    Chips of NVIDIA and Intel since Volta whose matrix units the table does not know are left out.

    Returns
    -------
    pandas.DataFrame
        Index ``hardware``; ``rate``, ``matrix`` (has matrix units) and ``release`` (decimal year).
    """
    tensor, half, single = (chips[f"{kind}_flop_s"] for kind in ("tensor_fp16", "fp16", "fp32"))
    matrix = tensor.notna() | (half > 2.5 * single) | (half.notna() & single.isna())
    found = pd.DataFrame(
        {
            "hardware": chips["hardware"],
            "rate": pd.concat([tensor, half, single], axis=1).max(axis=1),
            "matrix": matrix,
            "release": decimal_year(chips["release_date"]),
        }
    )
    unknown = (
        chips["manufacturer"].isin(["NVIDIA", "Intel"]) & (found["release"] > MATRIX_YEAR) & ~matrix
    )
    return found.loc[~unknown & found["rate"].notna()].dropna().set_index("hardware")


def _prices(chips: pd.DataFrame, prices: pd.DataFrame, aws: pd.DataFrame) -> pd.DataFrame:
    """One row a price: at release, on sale while new, and the median of a vendor's offers a day."""
    bought = prices.loc[prices["purchase_price_usd"].notna() & (prices["manufacturer"] != "Google")]
    bought = pd.DataFrame(
        {
            "hardware": bought["hardware"],
            "date": bought["price_date"],
            "price": bought["purchase_price_usd"],
            "server": bought["accelerators_in_offer"] > 1,
        }
    )
    released = chips.loc[chips["release_price_usd"].notna() & (chips["manufacturer"] != "Google")]
    released = released.rename(columns={"release_date": "date", "release_price_usd": "price"})
    released = released[["hardware", "date", "price"]].assign(server=False)
    bought = pd.concat([bought, released]).drop_duplicates(["hardware", "date", "price"])
    rented = prices.loc[prices["usd_per_chip_hour_on_demand"].notna()]
    rented = rented.rename(columns={"usd_per_chip_hour_on_demand": "price", "price_date": "date"})[
        ["hardware", "vendor", "date", "price"]
    ]
    listed = aws.loc[aws["accelerator"].isin(_AWS) & aws["kind"].str.startswith("on-demand")]
    share = listed["accelerator"].map(lambda name: _AWS[name][1])
    listed = pd.DataFrame(
        {
            "hardware": listed["accelerator"].map(lambda name: _AWS[name][0]),
            "vendor": HYPERSCALERS[0],
            "date": listed["date"],
            "price": listed["usd_per_accelerator_hour"] / share,
        }
    )
    rented = pd.concat([rented, listed])
    rented = rented.groupby(["hardware", "vendor", "date"], as_index=False)["price"].median()
    rented["server"] = False
    every = pd.concat([bought.assign(vendor=None), rented], ignore_index=True)
    every = every.join(rates(chips), on="hardware", how="inner")
    every["design"] = every["hardware"].str.extract(_DESIGN)[0].fillna(every["hardware"])
    every["release"] = every.groupby("design")["release"].transform("min")
    every["age"] = (decimal_year(every["date"]) - every["release"]).clip(lower=0)
    every["market"] = np.where(
        every["vendor"].isna(), 0, np.where(every["vendor"].isin(HYPERSCALERS), 2, 1)
    )
    every = every.loc[(every["market"] > 0) | (every["age"] <= NEW)]
    seconds = np.where(every["market"] == 0, 1.0, SECONDS_PER_HOUR)
    return every.assign(
        log10_per_dollar=np.log10(every["rate"] * seconds / every["price"]),
        desktop=every["hardware"].str.contains(_DESKTOP),
        product=[f"{row.design}, {MARKETS[row.market]}" for row in every.itertuples()],
    ).sort_values(["market", "release", "design", "date"], kind="stable")


def _largest(systems: pd.DataFrame) -> pd.DataFrame:
    """Systems among the largest when published, and those that were so at the start."""
    known = systems.dropna(subset=["training_compute_flop", "publication_date"])
    known = known.sort_values("publication_date", kind="stable")
    y, year = (
        np.log10(known["training_compute_flop"].to_numpy(float)),
        decimal_year(known["publication_date"]),
    )
    larger = np.array([(y[:i] > value).sum() for i, value in enumerate(y)], dtype=int)
    before = year < START_YEAR
    earlier = before & (np.array([(y[before] > value).sum() for value in y]) < TOP)
    entered = ~before & (larger < TOP)
    known = known.assign(year=year, log10_flop=y, entered=entered)
    return known.loc[entered | earlier]
