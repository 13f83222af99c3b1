"""What all ceilings together allow one training run, draw by draw, and which of them binds.

A run at time t gets at most

    min( money,  length × work(min(machine, site)) ),    length = min(as runs are, longest useful),

where money is what the largest budget buys, and work(r) is what failures leave of a peak rate r:
with N = r / (rate of one accelerator), but no more than the wall, N η(N) accelerators' worth, times
utilization. Systems that cost less than the break-even rent, others own what they run on.

A ceiling of which there are no data by the day is not known, and does not bind. Draws of all
ceilings are weighed by the records of the last years: none was above what could be had on its day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, softmax

from bayes_compute.assumptions import Assumption, draw_each
from bayes_compute.ceilings import break_even, power, price_performance, reliability, run_length
from bayes_compute.ceilings import top500 as machines
from bayes_compute.ceilings.checkpoints import efficiency, wall
from bayes_compute.ceilings.kept import fitted
from bayes_compute.draws import shuffled
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.observations import decimal_year
from bayes_compute.units import SECONDS_PER_HOUR

CEILINGS = ("hardware", "money", "reliability", "run_length", "power")
_SECONDS = np.log10(SECONDS_PER_HOUR)
FEWEST_DRAWS = 100  # that must be left by the records
_UNLIMITED = 99.0  # log10 FLOP, for where there is no limit: infinities have no differences

ASSUMPTIONS: dict[str, Assumption] = {
    **machines.ASSUMPTIONS,
    **price_performance.ASSUMPTIONS,
    **break_even.ASSUMPTIONS,
    **reliability.ASSUMPTIONS,
    **run_length.ASSUMPTIONS,
    **power.ASSUMPTIONS,
    "leap": Assumption(
        10.0, 5.0, "1",
        "Most that anybody pays for a run over what the trend of spending from the present record "
        "says: in 2014, 2016, 2017 and 2023 the record was 115, 17, 51 and 20 times that of the "
        "year before (systems-2025-08), of which a year's trend is about 4: leaps of 4 to 30",
    ),
    "investment": Assumption(
        1.0, 2.0, "1/year",
        "What is built and paid for over what trends say, of machines, sites and budgets alike, "
        "times this much more each year: what is on order says little of what demand will have "
        "built in five years",
    ),
    "highest_utilization": Assumption(
        0.6, 1.25, "1",
        "Share of the peak rate that no run exceeds: 0.60 is the highest on record of those above "
        "1e22 FLOP (GPT-J-6B; ten more are above 0.5), trend would exceed it in ten years",
    ),
    "spare_capacity": Assumption(
        1.25, 1.6, "1",
        "Machines that one run uses over the largest there is: runs have joined several sites "
        "(Gemini 1.0 Ultra, arXiv:2312.11805), and owners lend what they do not use",
    ),
    "other_chips": Assumption(
        1.2, 1.5, "1",
        "Largest machine of any chips over the largest of those on record: TPUs are on no list, "
        "and clusters of them are known late",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Available:
    """What ceilings allow at some times; arrays are (S, T).

    Attributes
    ----------
    year : ndarray, shape (T,)
        Decimal years, ascending.
    machine, site : ndarray
        Peak rate of the largest machine, and of what the power of the largest site feeds
        [log10 FLOP/s]; infinite where they are not known.
    accelerator : ndarray
        Peak rate of one accelerator [log10 FLOP/s].
    failure_rate, checkpoint_time, restart_time : ndarray, shape (S, 1)
        [failures per accelerator-hour, h, h]
    length, longest_useful : ndarray
        Of runs as they are, and of those that no later start overtakes [log10 hours].
    utilization : ndarray
        [log10]
    owned, rented : ndarray
        What the largest budget buys [log10 FLOP].
    break_even : ndarray
        Training compute of one run from which on building is cheaper [log10 FLOP].
    unknown : tuple of str
        Ceilings of which there are no data by the day, and why.
    """

    year: np.ndarray
    machine: np.ndarray
    site: np.ndarray
    accelerator: np.ndarray
    failure_rate: np.ndarray
    checkpoint_time: np.ndarray
    restart_time: np.ndarray
    length: np.ndarray
    longest_useful: np.ndarray
    utilization: np.ndarray
    owned: np.ndarray
    rented: np.ndarray
    break_even: np.ndarray
    unknown: tuple[str, ...]

    def lifted(self) -> "Available":
        """Without any ceiling."""
        none = np.full_like(self.owned, np.inf)
        far = np.full_like(self.owned, _UNLIMITED)
        rates = {"machine": none, "site": none, "accelerator": none}
        return replace(self, **rates, owned=far, rented=far)

    def work(self, rate: np.ndarray) -> np.ndarray:
        """What failures leave of a peak rate, (S, T) [log10 FLOP/s]: more never gives less."""
        times = self.checkpoint_time, self.restart_time
        most = wall(self.failure_rate, *times)
        with np.errstate(invalid="ignore", divide="ignore"):  # where one accelerator is not known
            n = np.minimum(10.0 ** np.minimum(rate - self.accelerator, 15.0), most)
            useful = np.log10(n * efficiency(n * self.failure_rate, *times)) + self.accelerator
        return np.where(np.isfinite(self.accelerator), useful, rate)

    def flop(self, rented: bool = False, without: str | None = None) -> np.ndarray:
        """Largest run, (S, T) [log10 FLOP].

        Parameters
        ----------
        rented : bool
            On hardware that is rented rather than owned.
        without : str, optional
            A ceiling to lift, one of :data:`CEILINGS`.
        """
        rate = self.site if without == "hardware" else self.machine
        rate = rate if without == "power" else np.minimum(rate, self.site)
        rate = rate if without == "reliability" else self.work(rate)
        length = np.minimum(self.length, self.longest_useful)
        length = self.length if without == "run_length" else length
        money = self.rented if rented else self.owned
        money = _UNLIMITED if without == "money" else money
        return np.minimum(rate + length + self.utilization + _SECONDS, money)

    def at(self, values: np.ndarray, year: np.ndarray) -> np.ndarray:
        """Values, (S, T), at other dates, (S, n), on straight lines between those of here."""
        late = np.clip(np.searchsorted(self.year, year), 1, len(self.year) - 1)
        before, after = self.year[late - 1], self.year[late]
        weight = np.clip((year - before) / (after - before), 0.0, 1.0)
        start, end = (np.take_along_axis(values, i, axis=1) for i in (late - 1, late))
        return start + weight * (end - start)

    def given(self, records: pd.DataFrame, rng: np.random.Generator) -> "Available":
        """Draw again, by the probability that records with their errors are below the ceilings.

        Of a record that much alone is used, that it could be had; how far ceilings are above what
        others took tells nothing here, since demand, which is fitted to the same systems, would
        count it twice.

        Parameters
        ----------
        records : pandas.DataFrame
            What :func:`bayes_compute.records.holders` returned; those since the first of the
            times count.
        rng : numpy.random.Generator

        Raises
        ------
        NotConverged
            If hardly a draw allows the records.
        """
        found, n = records.loc[records["year"] >= self.year[0]], len(self.length)
        allowed = self.at(self.flop(), np.tile(found["year"], (n, 1)))
        excess = (allowed - found["log10_flop"].to_numpy()) / found["error"].to_numpy()
        weight = softmax(log_ndtr(excess).sum(axis=1))
        effective = 1 / np.sum(weight**2)
        if effective < FEWEST_DRAWS:
            raise NotConverged(
                f"ceilings: got {effective:.0f} of {n} draws that allow the records since "
                f"{self.year[0]:.0f}; expected at least {FEWEST_DRAWS}; they are above what the "
                "shipped tables say could be had: raise an assumption, such as spare_capacity",
                {"failures": [], "effective_draws": effective},
            )
        kept = rng.choice(n, n, p=weight)
        arrays = {
            field.name: value[kept]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray) and value.ndim == 2
        }
        return replace(self, **arrays)

    def alone(self, name: str) -> np.ndarray:
        """What one ceiling allows if no other binds, (S, T) [log10 FLOP].

        That of ``run_length`` is the work of the largest machine for as long as is useful; all
        others have runs as long as they are.
        """
        if name == "money":
            return self.owned
        rate = {"hardware": self.machine, "power": self.site}.get(name, np.inf)
        length = self.length
        if name == "run_length":
            rate, length = np.minimum(self.machine, self.site), self.longest_useful
        if name in ("reliability", "run_length"):
            rate = self.work(np.broadcast_to(rate, self.machine.shape))
        return rate + length + self.utilization + _SECONDS

    def binding(self, rented: bool = False) -> np.ndarray:
        """Which ceiling, if lifted alone, would raise the largest run most, (S, T).

        Returns
        -------
        ndarray of int
            Places in :data:`CEILINGS`.
        """
        lifted = [self.flop(rented, without=name) for name in CEILINGS]
        alone = [np.minimum(self.alone(name), _UNLIMITED) for name in CEILINGS]
        return np.argmax(np.array(lifted) - 1e-6 * np.array(alone), axis=0)  # of ties the lowest


def available(
    as_of: str,
    year: np.ndarray,
    n: int,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
    progress: bool = False,
) -> Available:
    """Work out what ceilings allow.

    Parameters
    ----------
    as_of : str
        Nothing dated later is used.
    year : ndarray, shape (T,)
        Decimal years, ascending.
    n : int
        Number of draws S.
    assumptions : mapping of str to Assumption
    seed : int
    progress : bool
        Show progress bars of what has to be fitted.

    Raises
    ------
    InputError
        If there are too few data of hardware or prices by then.
    NotConverged
    """
    year, unknown = np.asarray(year, float), []
    now = decimal_year(pd.to_datetime([as_of]))[0]
    rng = np.random.default_rng([seed, 6])

    def fit_of(name: str, bears: str = "") -> tuple[Any, Any]:
        """A fit, n of its draws; none where others can do without its data, if there are none."""
        try:
            data, posterior = fitted(name, as_of, progress)
        except InputError as why:
            if not bears:
                raise
            unknown.append(f"{bears} ({why})")
            return None, None
        return data, shuffled(posterior, n, rng)

    def stated(of: Mapping[str, Assumption]) -> dict[str, Assumption]:
        return {name: assumptions[name] for name in of}

    shape = (n, len(year))
    nothing = np.full(shape, np.inf)
    costs, posterior = fit_of("break_even")  # prices, and what machines of a known cost add
    prices = costs.prices
    drawn = draw_each(assumptions, n, rng)
    at: Any = (posterior, year, prices, drawn)
    utilization = np.minimum(
        price_performance.utilization(posterior, year, prices),
        np.log10(drawn["highest_utilization"])[:, None],
    )
    beyond = np.log10(drawn["investment"])[:, None] * np.maximum(year - now, 0.0)
    leap = np.maximum(np.log10(drawn["leap"]), 0.0)[:, None]
    limit = np.log10(drawn["spending_limit"])[:, None]
    dollars = price_performance.spending_path(*at, rng)
    dollars = np.minimum(dollars + leap + beyond, limit)
    owned, rented = (
        dollars + utilization + price_performance.flop_per_dollar(*at, market)
        for market in ("purchase", "rental")
    )
    building = break_even.break_even(posterior, year, costs, drawn)
    building = np.minimum(building - np.log10(drawn["experiments"])[:, None], _UNLIMITED)
    lists, posterior = fit_of("top500")
    readings = [
        machines.top500(posterior, year, lists, name, stated(machines.ASSUMPTIONS), seed)
        for name in machines.HYPOTHESES
        if name == "top500" or (lists.record_year[:1] <= year[0]).any()
    ]
    more = np.log10(drawn["spare_capacity"] * drawn["other_chips"])[:, None]
    _, posterior = fit_of("power", "power, and what failures leave of accelerators")
    site, one = nothing, nothing
    if posterior is not None:
        site = power.power(posterior, year, stated(power.ASSUMPTIONS), seed, beyond)
        one = power.accelerator(posterior, year, stated(power.ASSUMPTIONS), seed)
    _, posterior = fit_of("reliability", "reliability")
    rate = np.ones(n)
    if posterior is None:
        one = nothing  # failures are not known, so neither is what they leave
    else:
        rate = reliability.new_rate(posterior, seed)
    _, posterior = fit_of("run_length")
    return Available(
        year,
        np.maximum.accumulate(np.maximum.reduce(readings) + more + beyond, axis=1),
        site,
        one,
        rate[:, None],
        drawn["checkpoint_time"][:, None],
        drawn["restart_time"][:, None],
        run_length.largest_runs(posterior, year, 0.9),
        run_length.longest_useful(n, stated(run_length.ASSUMPTIONS), seed)[:, None],
        utilization,
        owned,
        rented,
        building,
        tuple(unknown),
    )
