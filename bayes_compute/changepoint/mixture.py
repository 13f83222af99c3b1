"""Regimes that coexist, told apart by nothing but how likely a system is in each.

System ``i``, published at ``year``, with ``x = year - reference year``, ``p = log10 parameters``
and ``y = log10 FLOP``, is DIY before the cloud transition and cloud between both; from the bespoke
transition on it is bespoke with probability ``share`` and else cloud. In regime ``k``

    p ~ N(mu_k, parameters_sd_k^2),  mu_k = parameters_level_k + parameters_growth_k x,
    y ~ N(level_k + growth_k x + elasticity (p - expected_k) + offset_domain, sigma_k^2 + variance),

where ``expected_k`` is the line that the prior expects of a regime's parameters. Where parameters
are undisclosed, they are integrated out: ``y`` is normal about the mean at ``mu_k``, with
``(elasticity parameters_sd_k)^2`` more variance. Where compute is undisclosed, ``p`` alone speaks.

Dates and regimes are summed out in :mod:`bayes_compute.changepoint.membership`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bayes_compute.changepoint import membership
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.dates import DateCells, era_year
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.changepoint.system_draws import SystemDraws
from bayes_compute.observations import Observations


class MixtureHyperparameters(NamedTuple):
    """What is left to sample, in the order in which every function takes it.

    Shapes: ``level_given_parameters`` [log10 FLOP in 2010], ``growth_given_parameters`` [OOM/year]
    and ``sigma`` [log10 FLOP] (3,), ``elasticity`` [log10 FLOP per log10 parameter] scalar,
    ``offset`` (D,) [log10 FLOP], ``parameters_level`` [log10 parameters in 2010],
    ``parameters_growth`` [log10 parameters a year] and ``parameters_sd`` [log10 parameters] (3,),
    ``share`` of bespoke systems after the bespoke transition scalar; for several draws each has a
    leading dimension S.
    """

    level_given_parameters: Any
    growth_given_parameters: Any
    sigma: Any
    elasticity: Any
    offset: Any
    parameters_level: Any
    parameters_growth: Any
    parameters_sd: Any
    share: Any


@dataclass(frozen=True)
class MixturePrior:
    """What the prior expects of regimes' parameters, in the order DIY, cloud, bespoke.

    Attributes
    ----------
    parameters_level : tuple of 3 floats
        Log10 parameters in 2010.
    parameters_growth : float
        Their growth [log10 parameters a year].
    """

    parameters_level: tuple[float, float, float]
    parameters_growth: float

    def expected(self, x: np.ndarray) -> np.ndarray:
        """Log10 parameters in each regime, ``x`` years after the reference year, shape (3, n)."""
        return np.array(self.parameters_level)[:, None] + self.parameters_growth * x

    def describe(self) -> dict[str, str]:
        """What is drawn back, in words."""
        return {"regime": "bespoke with probability share after the bespoke transition"}


@dataclass(frozen=True, eq=False)
class MixtureRegimes:
    """The likelihood of one set of observations, dates and regimes summed out.

    Attributes
    ----------
    observations : Observations
    cells : DateCells
        Of the cloud and the bespoke transition.
    prior : MixturePrior
    """

    observations: Observations
    cells: DateCells
    prior: MixturePrior

    Point = MixtureHyperparameters
    SAMPLED_WITHOUT = DRAWN_WITHOUT = 0.0  # nothing is left out

    @classmethod
    def of(
        cls, observations: Observations, dates: Sequence[Density], prior: MixturePrior
    ) -> "MixtureRegimes":
        """Lay out cells of dates.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density
            Prior of the cloud and of the bespoke transition.
        prior : MixturePrior
        """
        return cls(observations, DateCells.between(era_year(observations.year), dates), prior)

    def focused(
        self, without: float, draws: MixtureHyperparameters | None = None
    ) -> "MixtureRegimes":
        """Return itself: every cell is summed over, whatever the probability ``without``."""
        return self

    @cached_property
    def data(self) -> dict[str, np.ndarray]:
        """What :func:`membership.evaluate` takes after the hyperparameters, by name."""
        o, mass, ordered = self.observations, np.exp(self.cells.log_mass), self.cells.ordered_mass
        x = o.year - REFERENCE_YEAR
        with np.errstate(divide="ignore"):
            return {
                "x": x,
                "p": np.array(o.log10_parameters),  # copies can be written to, as kernels expect
                "y": np.array(o.log10_flop),
                "variance": np.array(o.variance),
                "domain": np.array(o.domain),
                "expected": self.prior.expected(x),
                "first": self.cells.n_before(era_year(o.year)),
                "log_cloud": np.log(mass[0, 0] / ordered),
                "log_bespoke": np.log(mass[1, 1]),
                "log_both": np.log(mass[0, 1] / ordered),
            }

    def log_likelihood(self, at: MixtureHyperparameters) -> tuple[float, np.ndarray]:
        """Log likelihood and its gradient, in the order of the hyperparameters."""
        return membership.log_likelihood(*at, *self.data.values())

    def probability(self, at: MixtureHyperparameters) -> np.ndarray:
        """Posterior probability of each regime of each system, shape (3, n)."""
        return membership.evaluate(*at, *self.data.values())[2]

    def draw(self, at: MixtureHyperparameters, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw dates and regimes from their conditional distribution.

        Parameters
        ----------
        at : MixtureHyperparameters
            S draws: each member with a leading dimension S.
        rng : numpy.random.Generator

        Returns
        -------
        dict of ndarray
            ``transition_year`` (S, 2) [decimal year]; ``level`` [log10 FLOP in 2010] and
            ``growth`` [OOM/year] of training compute in each regime, its growing parameters
            included (S, 3); and ``regime`` of each system (S, n).
        """
        n, n_draws = self.observations.n, len(at.share)
        *of_systems, first, log_cloud, log_bespoke, log_both = self.data.values()
        cell, chance = np.empty((n_draws, 2), dtype=int), np.empty((n_draws, n))
        for s in range(n_draws):
            one = at._make(member[s] for member in at)
            of_regime, late, chance[s] = membership.densities(*one, *of_systems)
            weights = membership.weigh(of_regime, late, first, log_cloud, log_bespoke, log_both)
            cell[s] = membership.draw_cells(*weights, rng)
        cloud, bespoke = first[cell].T[:, :, None]
        late = np.where(rng.random((n_draws, n)) < chance, BESPOKE, CLOUD)
        regime = np.where(np.arange(n) < cloud, DIY, np.where(np.arange(n) < bespoke, CLOUD, late))
        drawn = {
            "transition_year": self.cells.draw(cell, rng),
            "regime": regime.astype(np.int8),
        }
        return drawn | self._lines_of_compute(at)

    def draw_prior(
        self, at: MixtureHyperparameters, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw dates as :meth:`draw` does, as if there were no systems."""
        date = self.cells.draw_prior(len(at.share), rng)
        return {"transition_year": date} | self._lines_of_compute(at)

    def systems(
        self,
        observations: Observations,
        at: MixtureHyperparameters,
        drawn: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> SystemDraws:
        """What draws say of each system; undisclosed parameters are integrated out.

        Parameters
        ----------
        observations : Observations
            Those of the likelihood.
        at : MixtureHyperparameters
            S draws.
        drawn : dict of ndarray
            What :meth:`draw` returned for them.
        rng : numpy.random.Generator
        """
        seen = np.flatnonzero(np.isfinite(observations.log10_flop))
        known = observations.log10_parameters[seen]
        regime = drawn["regime"][:, seen].astype(int)
        of_flop = self._of_flop(at, regime, np.broadcast_to(known, regime.shape), seen)
        return SystemDraws.of(drawn["regime"], observations.log10_flop[seen], *of_flop, rng)

    def simulate(
        self,
        observations: Observations,
        at: MixtureHyperparameters,
        drawn: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Systems on the dates, domains and errors of the observations.

        Parameters and what is returned are as of :func:`regime_systems.simulate`.
        """
        o, (cloud, bespoke) = observations, drawn["transition_year"].T[:, :, None]
        year = era_year(o.year)
        late = np.where(rng.random((len(at.share), o.n)) < at.share[:, None], BESPOKE, CLOUD)
        regime = np.where(year < cloud, DIY, np.where(year < bespoke, CLOUD, late))
        mu, sd = self._of_parameters(at, regime, every := np.arange(o.n))
        log10_parameters = mu + sd * rng.standard_normal(mu.shape)
        mean, variance = self._of_flop(at, regime, log10_parameters, every)
        log10_flop = mean + np.sqrt(variance) * rng.standard_normal(mean.shape)
        return regime, log10_parameters, log10_flop

    def _of_parameters(
        self, at: MixtureHyperparameters, regime: np.ndarray, which: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of log10 parameters of some systems in given regimes, (S, n)."""
        lines = (at.parameters_level, at.parameters_growth, at.parameters_sd)
        level, growth, sd = (np.take_along_axis(each, regime, axis=1) for each in lines)
        return level + growth * (self.observations.year[which] - REFERENCE_YEAR), sd

    def _of_flop(
        self,
        at: MixtureHyperparameters,
        regime: np.ndarray,
        log10_parameters: np.ndarray,
        which: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of log10 FLOP of some systems in given regimes, (S, n).

        Parameters that are not known are integrated out; an unknown variance counts as none.
        """
        o, x = self.observations, self.observations.year[which] - REFERENCE_YEAR
        lines = (at.level_given_parameters, at.growth_given_parameters, at.sigma)
        level, growth, sigma = (np.take_along_axis(each, regime, axis=1) for each in lines)
        (mu, sd), slope = self._of_parameters(at, regime, which), at.elasticity[:, None]
        known = np.isfinite(log10_parameters)
        expected = self.prior.expected(x)[regime, np.arange(len(x))]
        mean = level + growth * x + at.offset[:, o.domain[which]]
        mean += slope * (np.where(known, log10_parameters, mu) - expected)
        variance = sigma**2 + np.nan_to_num(o.variance[which])
        return mean, variance + np.where(known, 0.0, slope * sd) ** 2

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered."""
        return {"transition_year": self.cells.log_density(drawn["transition_year"])}

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """Ends of grids other than that of dates, of which there are none."""
        return iter(())

    def _lines_of_compute(self, at: MixtureHyperparameters) -> dict[str, np.ndarray]:
        """Level and growth of training compute itself, shape (S, 3): parameters grow too."""
        slope, prior = at.elasticity[:, None], self.prior
        level = at.parameters_level - np.array(prior.parameters_level)
        growth = at.parameters_growth - prior.parameters_growth
        return {
            "level": at.level_given_parameters + slope * level,
            "growth": at.growth_given_parameters + slope * growth,
        }
