"""Systems, given draws of regimes that coexist: simulated, and those of the observations."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayes_compute.changepoint import truncated_normal, undisclosed
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.dates import era_year
from bayes_compute.changepoint.regime_prior import RegimeHyperparameters
from bayes_compute.changepoint.statistics import CAPACITY_YEAR, REFERENCE_YEAR
from bayes_compute.changepoint.system_draws import SystemDraws
from bayes_compute.changepoint.thresholds import SIDE
from bayes_compute.observations import Observations

if TYPE_CHECKING:
    from bayes_compute.changepoint.regimes import ThresholdRegimes


class _InRegimes(NamedTuple):
    """What draws say of systems in given regimes, each (S, n).

    Log10 parameters are normal, ``mu`` and ``sd``, truncated to their own ``side`` of the ``edge``;
    log10 FLOP is normal about ``flop`` with the elasticity times parameters over the ``expected``
    ones added, with a scatter ``sigma``.
    """

    flop: np.ndarray
    sigma: np.ndarray
    expected: np.ndarray
    mu: np.ndarray
    sd: np.ndarray
    edge: np.ndarray
    side: np.ndarray

    @classmethod
    def of(
        cls,
        regimes: "ThresholdRegimes",
        at: RegimeHyperparameters,
        drawn: dict[str, np.ndarray],
        regime: np.ndarray,
        which: np.ndarray,
    ) -> "_InRegimes":
        """Of some systems of the observations."""
        o, x = regimes.observations, regimes.observations.year[which] - REFERENCE_YEAR
        lines = (
            drawn["level_given_parameters"],
            drawn["growth_given_parameters"],
            at.sigma,
            drawn["parameters_level"],
            drawn["parameters_growth"],
            drawn["parameters_sd"],
        )
        level, growth, sigma, a, b, sd = (np.take_along_axis(v, regime, axis=1) for v in lines)
        since = o.year[which] - CAPACITY_YEAR
        return cls(
            level + growth * x + at.offset[:, o.domain[which]],
            sigma,
            regimes.expected[regime, which],
            a + b * x,
            sd,
            drawn["capacity"][:, None] + drawn["drift"][:, None] * since,
            SIDE[regime],
        )

    def draw_parameters(self, rng: np.random.Generator) -> np.ndarray:
        """Draw log10 parameters, shape (S, n)."""
        return truncated_normal.draw(self.mu, self.sd, self.edge, self.side, rng)


def simulate(
    regimes: "ThresholdRegimes",
    observations: Observations,
    at: RegimeHyperparameters,
    drawn: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Systems on the dates, domains and errors of the observations.

    Parameters
    ----------
    regimes : ThresholdRegimes
    observations : Observations
        Those of the likelihood.
    at : RegimeHyperparameters
        S draws.
    drawn : dict of ndarray
        What :func:`regime_draws.draw_prior` or :func:`regime_draws.draw` returned for them.
    rng : numpy.random.Generator

    Returns
    -------
    regime : ndarray of int, shape (S, n)
    log10_parameters, log10_flop : ndarray, shape (S, n)
        All disclosed, with errors of FLOP of the variance of the observations; where that is
        unknown, without.
    """
    o, (cloud, bespoke) = observations, drawn["transition_year"].T[:, :, None]
    year = era_year(o.year)
    share = np.where(year >= bespoke, drawn["share_after"][:, None], drawn["share_before"][:, None])
    above = rng.random(share.shape) < share
    regime = np.where(year >= cloud, np.where(above, BESPOKE, CLOUD), DIY)
    given = _InRegimes.of(regimes, at, drawn, regime, np.arange(o.n))
    log10_parameters = given.draw_parameters(rng)
    mean = given.flop + at.elasticity[:, None] * (log10_parameters - given.expected)
    noise = np.sqrt(given.sigma**2 + np.nan_to_num(o.variance))
    return regime, log10_parameters, mean + noise * rng.standard_normal(mean.shape)


def systems(
    regimes: "ThresholdRegimes",
    observations: Observations,
    at: RegimeHyperparameters,
    drawn: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> SystemDraws:
    """What draws say of each system; undisclosed parameters are integrated out.

    Parameters
    ----------
    regimes : ThresholdRegimes
    observations : Observations
        Those of the likelihood.
    at : RegimeHyperparameters
        S draws.
    drawn : dict of ndarray
        What :func:`regime_draws.draw` returned for them.
    rng : numpy.random.Generator
    """
    seen = regimes.with_flop
    flop, p = observations.log10_flop[seen], observations.log10_parameters[seen]
    given = _InRegimes.of(regimes, at, drawn, drawn["regime"][:, seen], seen)
    known, slope = np.isfinite(p), at.elasticity[:, None]
    log10_parameters = np.where(known, p, given.draw_parameters(rng))
    line = given.flop - slope * given.expected
    noise = given.sigma**2 + observations.variance[seen]
    found = SystemDraws.of(drawn["regime"], flop, line + slope * log10_parameters, noise, rng)
    mean = line + slope * given.mu
    for i in np.flatnonzero(~known):
        found.log_likelihood[:, i] = undisclosed.log_densities(
            flop[i], mean[:, i], at.elasticity, noise[:, i],
            given.mu[:, i], given.sd[:, i], given.edge[:, i], given.side[:, i],
        )  # fmt: skip
    return found
