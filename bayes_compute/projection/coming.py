"""Systems to come under ceilings, year by year: what projections are read from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_compute.ceilings.available import CEILINGS, Available
from bayes_compute.projection import arrivals
from bayes_compute.projection.demand import Eras, demand

ESTIMANDS = ("typical", "frontier", "record")
BINDING = ("demand", *CEILINGS)
UNCHANGED = -1  # the record is still the present one: nothing set it
TOP = 0.95  # the frontier is what the top 5 % of a year's systems exceed


@dataclass(frozen=True, eq=False)
class Coming:
    """Systems to come, under ceilings; S draws.

    Attributes
    ----------
    p, expected, eras
        As :func:`.demand.demand` takes them.
    domains : ndarray of int
        Those of recent systems, from which those to come are drawn.
    allowed : Available
    rate : ndarray, shape (S,)
        Systems a year.
    lag : ndarray, shape (S,)
        Half-time after which a system is in the table [years].
    now, vintage : float
        Up to when systems are known, and the day of the table [decimal years].
    """

    p: Mapping[str, np.ndarray]
    expected: Mapping[str, list[float]] | None
    eras: Eras
    domains: np.ndarray
    allowed: Available
    rate: np.ndarray
    lag: np.ndarray
    now: float
    vintage: float

    FRONTIER = 100  # systems of a year that its typical and frontier ones are read from

    @cached_property
    def _limit(self) -> tuple[np.ndarray, np.ndarray]:
        return self.allowed.flop(), self.allowed.flop(rented=True)

    @cached_property
    def _binding(self) -> tuple[np.ndarray, np.ndarray]:
        return self.allowed.binding(), self.allowed.binding(rented=True)

    def draw(
        self, year: np.ndarray, rng: np.random.Generator, domain: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw systems that are published at dates, (S, n).

        Parameters
        ----------
        year : ndarray, shape (S, n)
        rng : numpy.random.Generator
        domain : ndarray of int, shape (S, n)
            Drawn as they came lately by default.

        Returns
        -------
        log10_flop : ndarray, shape (S, n)
        binding : ndarray of int, shape (S, n)
            Places in :data:`BINDING`.
        """
        if domain is None:
            domain = rng.choice(self.domains, year.shape)
        wanted, bespoke = demand(self.p, self.expected, self.eras, year, domain, rng)
        at, grid = self.allowed.at, self.allowed.year
        own = bespoke | (wanted > at(self.allowed.break_even, year))
        limit = np.where(own, *(at(of, year) for of in self._limit))
        late = np.clip(np.searchsorted(grid, year), 0, len(grid) - 1)
        sets = np.where(own, *(np.take_along_axis(of, late, axis=1) for of in self._binding))
        return np.minimum(wanted, limit), np.where(wanted <= limit, 0, 1 + sets)

    def years(
        self, ends: np.ndarray, present: float, rng: np.random.Generator
    ) -> dict[str, list[np.ndarray]]:
        """Go from year to year: of each estimand the value and what binds, each (S, T).

        Parameters
        ----------
        ends : ndarray, shape (T,)
            Decimal years.
        present : float
            The record by now [log10 FLOP].
        rng : numpy.random.Generator
        """
        n = len(self.rate)
        highest, binding = np.full(n, present), np.full(n, UNCHANGED)
        found: dict[str, list] = {name: [] for name in ESTIMANDS}
        # Systems that are out by now and will enter the table come first.
        year, there = arrivals.arrivals(self.rate, self.now - arrivals.OLDEST, self.now, rng)
        known = arrivals.reported(self.vintage - year, self.lag[:, None])
        there &= rng.random(there.shape) >= known
        parts = [(year, there)]
        for start, end in zip([self.now, *ends], ends, strict=False):
            parts.append(arrivals.arrivals(self.rate, start, end, rng))
            for year, there in parts:
                value, by = self.draw(year, rng)
                value = np.where(there, value, -np.inf)
                largest = value.argmax(axis=1)[:, None]
                value, by = (np.take_along_axis(v, largest, axis=1)[:, 0] for v in [value, by])
                binding = np.where(value > highest, by, binding)
                highest = np.maximum(highest, value)
            parts = []
            found["record"].append((highest, binding))
            value, by = self.draw(np.floor(end) + rng.random((n, self.FRONTIER)), rng)
            found["typical"].append((value[:, 0], by[:, 0]))
            top = value.argsort(axis=1)[:, round(TOP * self.FRONTIER) - 1, None]
            at_top = [np.take_along_axis(v, top, axis=1)[:, 0] for v in (value, by)]
            found["frontier"].append(at_top)
        return {name: [np.stack(v, 1) for v in zip(*f, strict=True)] for name, f in found.items()}
