"""Systems to come under ceilings, year by year: what projections are read from."""

from typing import Any

import numpy as np

from bayes_compute.ceilings.available import CEILINGS, Available
from bayes_compute.projection import arrivals
from bayes_compute.projection.demand import Eras, demand

ESTIMANDS = ("typical", "frontier", "record")
BINDING = ("demand", *CEILINGS)
UNCHANGED = -1  # the record is still the present one: nothing set it
_TOP = 0.95  # the frontier is what the top 5 % of a year's systems exceed


class Coming:
    """Systems to come, under ceilings.

    Parameters
    ----------
    p, expected, eras
        As of :func:`.demand.demand`.
    domains : ndarray of int
        Those of recent systems.
    allowed : Available
    rng : numpy.random.Generator
    """

    FRONTIER = 100  # systems of a year that its typical and frontier ones are read from

    def __init__(
        self,
        p: dict[str, np.ndarray],
        expected: Any,
        eras: Eras,
        domains: np.ndarray,
        allowed: Available,
        rng: np.random.Generator,
    ):
        self._demand = (p, expected, eras)
        self._domains, self.rng, self._allowed = domains, rng, allowed
        self._owned, self._rented = allowed.flop(), allowed.flop(rented=True)
        self._binding = allowed.binding(), allowed.binding(rented=True)

    def draw(self, year: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw systems that are published at dates, (S, n).

        Returns
        -------
        log10_flop : ndarray, shape (S, n)
        binding : ndarray of int, shape (S, n)
            Places in :data:`BINDING`.
        """
        domain = self.rng.choice(self._domains, year.shape)
        wanted, bespoke = demand(*self._demand, year, domain, self.rng)
        at = self._allowed.at
        own = bespoke | (wanted > at(self._allowed.break_even, year))
        limit = np.where(own, at(self._owned, year), at(self._rented, year))
        late = np.clip(np.searchsorted(self._allowed.year, year), 0, len(self._allowed.year) - 1)
        owned, rented = (np.take_along_axis(of, late, axis=1) for of in self._binding)
        binding = np.where(wanted <= limit, 0, 1 + np.where(own, owned, rented))
        return np.minimum(wanted, limit), binding


def years(
    coming: Coming,
    rate: np.ndarray,
    now: float,
    vintage: float,
    assumed: dict[str, np.ndarray],
    ends: np.ndarray,
    present: float,
) -> dict[str, list[np.ndarray]]:
    """Go from year to year: of each estimand the value and what binds, each (S, T).

    Parameters
    ----------
    coming : Coming
    rate : ndarray, shape (S,)
        Systems a year.
    now, vintage : float
        Up to when systems are known, and the day of the table [decimal years].
    assumed : dict of ndarray of shape (S,)
        Draws of :data:`.arrivals.ASSUMPTIONS`.
    ends : ndarray, shape (T,)
        Decimal years.
    present : float
        The record by now [log10 FLOP].
    """
    n, rng = len(rate), coming.rng
    lag = assumed["reporting_lag"][:, None]
    highest, binding = np.full(n, present), np.full(n, UNCHANGED)
    found: dict[str, list] = {name: [] for name in ESTIMANDS}
    # Systems that are out by now and will enter the table come first.
    year, there = arrivals.arrivals(rate, now - arrivals.OLDEST, now, rng)
    there &= rng.random(there.shape) >= arrivals.reported(vintage - year, lag)
    parts = [(year, there)]
    for start, end in zip([now, *ends], ends, strict=False):
        parts.append(arrivals.arrivals(rate, start, end, rng))
        for year, there in parts:
            value, by = coming.draw(year)
            value = np.where(there, value, -np.inf)
            largest = value.argmax(axis=1)[:, None]
            value, by = (np.take_along_axis(v, largest, axis=1)[:, 0] for v in [value, by])
            binding = np.where(value > highest, by, binding)
            highest = np.maximum(highest, value)
        parts = []
        found["record"].append((highest, binding))
        value, by = coming.draw(np.floor(end) + rng.random((n, coming.FRONTIER)))
        found["typical"].append((value[:, 0], by[:, 0]))
        top = value.argsort(axis=1)[:, round(_TOP * coming.FRONTIER) - 1, None]
        found["frontier"].append([np.take_along_axis(v, top, axis=1)[:, 0] for v in (value, by)])
    return {name: [np.stack(v, 1) for v in zip(*f, strict=True)] for name, f in found.items()}
