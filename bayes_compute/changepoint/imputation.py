"""What stands for undisclosed parameters while sampling.

A system whose parameters are undisclosed has no threshold to be held to. After the cloud
transition it counts as bespoke with a fixed share ``q``, as cloud with the rest, and in each with
parameters of a fixed mean and variance. With shares ``q`` its log likelihood is bounded from below
by ``sum q log(share density / q)`` (Jensen), which is exact where ``q`` is the posterior. The exact
density, from which draws get their weights, is that of
:mod:`bayes_compute.changepoint.undisclosed`.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import xlogy

from bayes_compute.changepoint import coexistence, truncated_normal
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.eras import line_posterior
from bayes_compute.changepoint.normal_cdf import LOG_2_PI
from bayes_compute.changepoint.parameter_lines import ParameterLines
from bayes_compute.changepoint.regime_prior import RegimeHyperparameters
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.changepoint.thresholds import SIDE, Thresholds
from bayes_compute.observations import Observations

if TYPE_CHECKING:
    from bayes_compute.changepoint.regimes import ThresholdRegimes

# Most systems with undisclosed parameters are of about this year; thresholds that round alike
# then share one account of them.
_LATE_YEAR, _GROUPED = 2024, 0.2


class Imputation(NamedTuple):
    """Fixed means, variances and shares.

    ``unknown`` (U,), which systems' parameters are undisclosed, ascending. Before each cell of the
    cloud transition, ``excess`` (G, U) of log10 parameters over the expected line, and its variance
    ``spread`` (G, U). After it, both if the system is cloud and if it is bespoke, (Q, 2, U), and
    ``above`` (Q, U), how far it counts as bespoke, for each of Q groups of thresholds that are
    close in the years of most such systems; ``group`` (H,) of each.
    """

    unknown: np.ndarray
    excess: np.ndarray
    spread: np.ndarray
    late_excess: np.ndarray
    late_spread: np.ndarray
    above: np.ndarray
    group: np.ndarray

    @classmethod
    def even(
        cls, observations: Observations, thresholds: Thresholds, parameters: ParameterLines
    ) -> "Imputation":
        """Where to start from.

        Before each cell as known systems; after it as expected, and as likely bespoke as cloud.
        """
        unknown = np.flatnonzero(np.isnan(observations.log10_parameters))
        over = parameters.early_line - parameters.mean[DIY]
        excess = over[:, [0]] + over[:, [1]] * (observations.year[unknown] - REFERENCE_YEAR)
        spread = np.exp(2 * parameters.early_line[:, [2]]) + 0 * excess
        late = np.round(thresholds.at(np.array([_LATE_YEAR]))[:, 0] / _GROUPED)
        _, group = np.unique(late, return_inverse=True)
        none = np.zeros((group.max() + 1, 2, len(unknown)))
        return cls(unknown, excess, spread, none, none, none[:, 0] + 0.5, group)

    def only(self, cells: np.ndarray, nodes: np.ndarray) -> "Imputation":
        """Of some cells of the cloud transition and thresholds."""
        kept, group = np.unique(self.group[nodes], return_inverse=True)
        late = (self.late_excess[kept], self.late_spread[kept], self.above[kept])
        return Imputation(self.unknown, self.excess[cells], self.spread[cells], *late, group)

    @property
    def entropy(self) -> np.ndarray:
        """Of the shares of each system after the cloud transition, shape (Q, U)."""
        return -xlogy(self.above, self.above) - xlogy(1 - self.above, 1 - self.above)

    def counted(self, above: np.ndarray) -> np.ndarray:
        """How far each system counts as above each threshold, shape (H, n).

        Parameters
        ----------
        above : ndarray of bool, shape (H, n)
            Whether it is known to be.
        """
        found = above.astype(float)
        found[:, self.unknown] = self.above[self.group]
        return found


def imputed(regimes: "ThresholdRegimes") -> Imputation:
    """Posterior of undisclosed parameters and regimes after the transition, given that of now.

    Each group of thresholds gets that at its own mode: at the mode of all, the groups there would
    be favoured.
    """
    cells, group = np.arange(len(regimes.kept_cells)), regimes.imputation.group
    best = regimes.log_weight(regimes.mode).max(axis=0)
    parts = []
    for q in range(group.max() + 1):
        mine = np.flatnonzero(group == q)
        part = regimes.only(cells, mine)
        hopeful = best[mine].max() > best.max() - regimes.HOPELESS
        parts.append(_at(part, part.mode_near(regimes.mode) if hopeful else regimes.mode))
    names = ("late_excess", "late_spread", "above")
    late = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return regimes.imputation._replace(**late)


def _at(regimes: "ThresholdRegimes", at: RegimeHyperparameters) -> Imputation:
    """Posterior at one point and its best threshold.

    Shares of regimes are those that make the bound the largest: each follows from expected log
    densities (Bishop 2006, Pattern Recognition and Machine Learning, section 10.2).
    """
    o, prior, unknown = regimes.observations, regimes.prior, regimes.imputation.unknown
    x, mean = o.year[unknown] - REFERENCE_YEAR, regimes.expected[:, unknown]
    of_kind, early, known, of_group, terms, *_ = coexistence.weigh(*at, *regimes.arguments)
    g, h = divmod(int(np.argmax(regimes.of_each(of_kind))), len(regimes.thresholds.capacity))
    found = early, known, of_group, terms, *(regimes.data[n] for n in ("change", "start", "group"))
    late = [coexistence.sums_of(k, g, regimes.alike[1][h], *found) for k in (CLOUD, BESPOKE)]
    edge = regimes.thresholds.at(o.year[unknown])[h]
    excess = np.empty((2, len(unknown)))
    spread, log_density = np.empty_like(excess), np.empty_like(excess)
    for k in (CLOUD, BESPOKE):
        level, growth, log_sd = regimes.parameters.mode(k, g, h)
        middle, variance = truncated_normal.moments(level + growth * x, log_sd, edge, SIDE[k])
        excess[k - 1], spread[k - 1] = middle - mean[k], variance
        line, covariance = _line(late[k - 1], prior.level_sd[k], at.growth_sd)
        flop = prior.level_mean[k] + line[0] + (at.growth_mean + line[1]) * x
        flop += at.elasticity * excess[k - 1] + at.offset[o.domain[unknown]]
        total = at.sigma[k] ** 2 + o.variance[unknown] + at.elasticity**2 * variance
        of_line = covariance[0, 0] + 2 * x * covariance[0, 1] + x * x * covariance[1, 1]
        log_density[k - 1] = _log_normal(o.log10_flop[unknown], flop, total)
        log_density[k - 1] -= 0.5 * of_line / total
    odds = log_density[1] - log_density[0]
    odds = odds + regimes.shares.expected_log_odds(regimes.kept_cells[g], h, unknown)
    return regimes.imputation._replace(
        late_excess=excess[None],
        late_spread=spread[None],
        above=np.exp(-np.logaddexp(0, -odds))[None],
    )


def log_bound(
    regimes: "ThresholdRegimes",
    at: RegimeHyperparameters,
    drawn: dict[str, np.ndarray],
    row: np.ndarray,
    node: np.ndarray,
    late: np.ndarray,
    passed: np.ndarray,
) -> np.ndarray:
    """What the sampler took as log density of all undisclosed systems, shape (S,).

    Parameters
    ----------
    regimes : ThresholdRegimes
    at : RegimeHyperparameters
        S draws.
    drawn : dict of ndarray
        Lines of FLOP and ``share`` (S, 2), drawn for them.
    row, node : ndarray of int, shape (S,)
        Cell of the cloud transition, and threshold.
    late, passed : ndarray of bool, shape (S, U)
        Whether a system is after the cloud, and after the bespoke, transition.
    """
    o, given = regimes.observations, regimes.imputation
    unknown, group, slope = given.unknown, given.group[node], at.elasticity[:, None]

    def log_density(k: int, excess: np.ndarray, spread: np.ndarray) -> np.ndarray:
        mean = drawn["level_given_parameters"][:, [k]]
        growth = drawn["growth_given_parameters"][:, [k]]
        mean = mean + growth * (o.year[unknown] - REFERENCE_YEAR)
        mean = mean + slope * excess + at.offset[:, o.domain[unknown]]
        total = at.sigma[:, [k]] ** 2 + o.variance[unknown] + slope**2 * spread
        return _log_normal(o.log10_flop[unknown], mean, total)

    q = given.above[group]
    share = np.where(passed, drawn["share"][:, [1]], drawn["share"][:, [0]])
    bound = given.entropy[group]
    for k, weight, prior in ((CLOUD, 1 - q, 1 - share), (BESPOKE, q, share)):
        of_regime = log_density(k, given.late_excess[group, k - 1], given.late_spread[group, k - 1])
        bound += weight * (np.log(prior) + of_regime)
    return np.where(late, bound, log_density(DIY, given.excess[row], given.spread[row])).sum(axis=1)


def _line(sums: np.ndarray, level_sd: float, growth_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean, as deviations from the prior's, and covariance of level and growth."""
    _, mean, (a, b, c) = line_posterior(np.append(sums[:3], 0.0), sums[3:6], level_sd, growth_sd)
    scale = np.array([level_sd, growth_sd])
    factor = scale[:, None] * np.array([[a, 0.0], [b, c]])
    return scale * mean, factor @ factor.T


def _log_normal(value, mean, variance):
    return -0.5 * ((value - mean) ** 2 / variance + np.log(variance) + LOG_2_PI)
