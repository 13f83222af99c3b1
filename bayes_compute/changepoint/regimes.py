"""Regimes that coexist, told apart by a capacity: the collapsed likelihood.

System ``i``, published at ``year``, with ``x = year - reference year``, ``p = log10 parameters``
and ``y = log10 FLOP``, is DIY before the cloud transition. After it, it is bespoke where ``p`` is
above what shared hardware can hold, ``capacity + drift (year - 2020)``, and cloud elsewhere:

    P(bespoke) = share, which changes at the bespoke transition,
    p ~ N(mu_k, parameters_sd_k^2),  mu_k = parameters_level_k + parameters_growth_k x,
        truncated at the capacity: cloud systems lie below it, bespoke ones above,
    y ~ N(level_k + growth_k x + elasticity (p - expected_k) + offset_domain, sigma_k^2 + variance),
    level_k ~ N(level_mean_k, level_sd_k^2),  growth_k ~ N(growth_mean, growth_sd^2),

where ``expected_k`` is the line that the prior expects of a regime's parameters. Dates, capacity,
drift, shares and the lines of FLOP are summed and integrated out in closed form, the lines of
parameters by quadrature; they do not meet, so that the second are integrated before anything is
sampled. The regime is decided by the parameters, so the density of one system integrates to one
over ``p`` and ``y`` only if the truncation is normalised.

Systems are in the order of their dates: a date of the cloud transition is a number of systems
before it. A threshold is a node of capacity and drift; all systems are sorted by it. Thresholds
with the same systems above them are one to the lines of FLOP, and so to the sampler.

A system whose FLOP is undisclosed informs capacity, shares and lines of parameters. One whose
parameters are undisclosed has no threshold to be held to: its parameters are integrated out in
each regime, and regimes are summed out. Neither has a closed form together with the rest, so the
sampler takes a bound (see :mod:`imputation`), and each draw gets the weight that makes it exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import optimize

from bayes_compute.changepoint import coexistence, regime_draws, regime_systems
from bayes_compute.changepoint.date_priors import Density
from bayes_compute.changepoint.dates import DateCells, era_year
from bayes_compute.changepoint.hyperparameters import some_of
from bayes_compute.changepoint.imputation import Imputation, imputed
from bayes_compute.changepoint.parameter_lines import ParameterLines
from bayes_compute.changepoint.regime_prior import RegimeHyperparameters, RegimePrior
from bayes_compute.changepoint.shares import Shares
from bayes_compute.changepoint.statistics import REFERENCE_YEAR
from bayes_compute.changepoint.thresholds import Thresholds, alike
from bayes_compute.observations import Observations

_TAIL = 1e-6  # prior probability of cells of the cloud transition that are not looked at
_ROUNDS = 10  # at most, in which undisclosed parameters are imputed at the mode, which follows ...
_SETTLED = 0.1  # ... until no more systems than this change from cloud to bespoke, or back


@dataclass(frozen=True, eq=False)
class ThresholdRegimes:
    """The collapsed likelihood of one set of observations.

    Attributes
    ----------
    observations : Observations
    cells : DateCells
        Of the cloud and the bespoke transition.
    kept_cells : ndarray of int, shape (G,)
        Cells of the cloud transition that are summed over.
    prior : RegimePrior
    thresholds : Thresholds
        H nodes of capacity and drift.
    parameters : ParameterLines
        Evidence of parameters, their lines integrated out.
    imputation : Imputation
        What stands for undisclosed parameters.
    shares : Shares
        Weight of who is above, shares and the bespoke transition summed out.
    near : RegimeHyperparameters, optional
        Where :attr:`mode` is sought from, also by parts of these regimes; by default a fixed point.
    """

    observations: Observations
    cells: DateCells
    kept_cells: np.ndarray
    prior: RegimePrior
    thresholds: Thresholds
    parameters: ParameterLines
    imputation: Imputation
    shares: Shares
    near: RegimeHyperparameters | None = None

    Point = RegimeHyperparameters
    SAMPLED_WITHOUT, DRAWN_WITHOUT = 0.1, 1e-4  # for :meth:`focused`
    HOPELESS = 25.0  # log weight by which cells, thresholds and groups may fall short of the best

    # Methods that have files of their own
    draw, draw_prior = regime_draws.draw, regime_draws.draw_prior
    simulate, systems = regime_systems.simulate, regime_systems.systems

    @classmethod
    def of(
        cls,
        observations: Observations,
        dates: Sequence[Density],
        prior: RegimePrior,
        widest: float = 0.1,
        n_drifts: int = 11,
    ) -> "ThresholdRegimes":
        """Lay out cells of dates and nodes of the threshold, and integrate parameters out.

        Cells of the capacity are cut to ``widest``. Drifts are evenly spaced over all but a
        thousandth of the prior, as close as :meth:`Thresholds.finer` finds them to have to be.

        Parameters
        ----------
        observations : Observations
        dates : sequence of Density
            Prior of the cloud and of the bespoke transition.
        prior : RegimePrior
        widest : float
            No cell of the capacity is wider [log10 parameters].
        n_drifts : int
            Number of drifts to look at first.
        """
        cells = DateCells.between(era_year(observations.year), dates)
        kept = np.flatnonzero(cells.log_mass[0, 0] > np.log(_TAIL))
        finer, near = Thresholds.of(observations, prior, widest, n_drifts), None
        while finer is not None:
            regimes = cls._on(observations, cells, kept, prior, finer, near)
            weight = np.exp(regimes.log_weight(regimes.mode)).sum(axis=0)
            finer = regimes.thresholds.finer(observations, prior, weight / weight.sum())
            kept, near = regimes.kept_cells, regimes.mode
        for _ in range(_ROUNDS if len(regimes.imputation.unknown) else 0):
            given, weight = imputed(regimes), regimes.probability(regimes.mode).sum(axis=0)
            change = np.abs(given.above - regimes.imputation.above).sum(axis=1)
            moved = weight @ change[given.group]
            shares = Shares.of(
                given.counted(regimes.above), regimes.first, cells, regimes.kept_cells, prior
            )
            regimes = replace(regimes, imputation=given, shares=shares, near=regimes.mode)
            regimes = regimes.hopeful()
            if moved < _SETTLED:
                break
        parameters = regimes.parameters.refined(regimes.probability(regimes.mode))
        return replace(regimes, parameters=parameters, near=regimes.mode)

    @classmethod
    def _on(
        cls,
        observations: Observations,
        cells: DateCells,
        kept: np.ndarray,
        prior: RegimePrior,
        nodes: Thresholds,
        near: RegimeHyperparameters | None,
    ) -> "ThresholdRegimes":
        """In these cells, with Laplace's evidence; what is hopeless at the mode left out."""
        first = cells.n_before(era_year(observations.year))
        parameters = ParameterLines.of(observations, nodes, first[kept], prior)
        given = Imputation.even(observations, nodes, parameters)
        shares = Shares.of(given.counted(nodes.puts_above(observations)), first, cells, kept, prior)
        regimes = cls(observations, cells, kept, prior, nodes, parameters, given, shares, near)
        return regimes.hopeful()

    def hopeful(self) -> "ThresholdRegimes":
        """Without the cells and thresholds that are hopeless at the mode."""
        likely = self.log_weight(self.mode) > -self.HOPELESS
        kept = (np.flatnonzero(likely.any(axis=axis)) for axis in (1, 0))
        return replace(self.only(*kept), near=self.mode)

    def only(self, cells: np.ndarray, nodes: np.ndarray) -> "ThresholdRegimes":
        """Some of the kept cells and thresholds, by their positions."""
        return replace(
            self,
            kept_cells=self.kept_cells[cells],
            thresholds=self.thresholds.only(nodes),
            parameters=self.parameters.only(cells, nodes),
            imputation=self.imputation.only(cells, nodes),
            shares=self.shares.only(cells, nodes),
        )

    # The systems

    @cached_property
    def with_flop(self) -> np.ndarray:
        """Which systems' training compute is known, ascending."""
        return np.flatnonzero(np.isfinite(self.observations.log10_flop))

    @cached_property
    def above(self) -> np.ndarray:
        """Whether a system's parameters are known to exceed the capacity, shape (H, n)."""
        return self.thresholds.puts_above(self.observations)

    @cached_property
    def first(self) -> np.ndarray:
        """Number of systems before each cell, shape (all cells,)."""
        return self.cells.n_before(era_year(self.observations.year))

    @cached_property
    def expected(self) -> np.ndarray:
        """Log10 parameters that the prior expects of each system in each regime, shape (3, n)."""
        return self.prior.expected(self.observations.year - REFERENCE_YEAR)

    # The likelihood

    @cached_property
    def alike(self) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds that are one to training compute: the first of each kind, and all kinds.

        Those have the same systems above them, after the first cell, of which training compute is
        known, and the same account of undisclosed parameters.

        Returns
        -------
        ndarray of int, shape (K,)
            The first threshold of each kind, ascending.
        ndarray of int, shape (H,)
            Kind of each threshold.
        """
        late = self.with_flop[self.with_flop >= self.first[self.kept_cells[0]]]
        sides = np.packbits(self.above[:, late], axis=1)
        return alike(np.column_stack([self.imputation.group, sides]))

    @cached_property
    def constant(self) -> np.ndarray:
        """Log weight of cell and threshold before FLOP is seen, shape (G, H)."""
        parameters, given = self.parameters, self.imputation
        weight = self.shares.log_weight + self.thresholds.log_mass
        weight += self.thresholds.log_mean(parameters.slope.sum(axis=1).T)
        weight += parameters.early[:, None] + parameters.late.sum(axis=1).T
        entropy = np.zeros((self.observations.n + 1, len(given.group)))
        entropy[given.unknown] = given.entropy[given.group].T
        after = np.cumsum(entropy[::-1], axis=0)[::-1]
        return weight + after[self.first[self.kept_cells]]

    @cached_property
    def constant_of_kind(self) -> np.ndarray:
        """:attr:`constant`, added up over thresholds that are alike, shape (G, K)."""
        kind = self.alike[1]
        order = np.argsort(kind, kind="stable")
        begins = np.flatnonzero(np.diff(kind[order], prepend=-1))
        return np.logaddexp.reduceat(self.constant[:, order], begins, axis=1)

    @cached_property
    def log_share(self) -> np.ndarray:
        """Log probability of each threshold among those that are alike, given a cell, (G, H)."""
        return self.constant - self.constant_of_kind[:, self.alike[1]]

    @cached_property
    def data(self) -> dict[str, np.ndarray]:
        """What functions of the core take after the hyperparameters, by name."""
        o, seen, given = self.observations, self.with_flop, self.imputation
        place = np.searchsorted(seen, given.unknown)
        excess = np.ascontiguousarray(o.log10_parameters[seen] - self.expected[:, seen])
        excess[:, place] = 0.0
        kinds, _ = self.alike
        above = self.above[np.ix_(kinds, seen)].astype(int)
        side = above[0].copy()
        side[place] = -1
        first = np.searchsorted(seen, self.first[self.kept_cells])
        node, system = np.nonzero(np.diff(above, axis=0))
        node, system = node[system >= first[0]] + 1, system[system >= first[0]]
        n_before = np.searchsorted(first, system, side="right")
        return {
            "x": o.year[seen] - REFERENCE_YEAR,
            "y": o.log10_flop[seen],
            "variance": o.variance[seen],
            "domain": o.domain[seen],
            "excess": excess,
            "first": first,
            "side": side,
            "change": np.stack([system, above[node, system], n_before], axis=1),
            "start": np.searchsorted(node, np.arange(len(above) + 1)),
            "undisclosed": place,
            "early_excess": given.excess,
            "early_spread": given.spread,
            "group": given.group[kinds],
            "late_excess": given.late_excess,
            "late_spread": given.late_spread,
            "late_above": given.above,
            "constant": self.constant_of_kind,
            "level_mean": np.array(self.prior.level_mean),
            "level_sd": np.array(self.prior.level_sd),
        }

    @cached_property
    def arguments(self) -> tuple:
        """The values of :attr:`data`."""
        return tuple(self.data.values())

    def log_likelihood(self, at: RegimeHyperparameters) -> tuple[float, np.ndarray]:
        """Log marginal likelihood and its gradient, in the order of the hyperparameters."""
        return coexistence.log_likelihood(*at, *self.arguments)

    def probability(self, at: RegimeHyperparameters) -> np.ndarray:
        """Posterior probability of cells of the cloud transition and thresholds, (G, H)."""
        weight = np.exp(self.log_weight(at))
        return weight / weight.sum()

    def log_weight(self, at: RegimeHyperparameters) -> np.ndarray:
        """Log weight of cells of the cloud transition and thresholds, largest 0, (G, H)."""
        return self.of_each(coexistence.weigh(*at, *self.arguments)[0])

    def of_each(self, of_kind: np.ndarray) -> np.ndarray:
        """Log weight of thresholds that are alike (G, K), as that of each, largest 0, (G, H)."""
        log_weight = of_kind[:, self.alike[1]] + self.log_share
        return log_weight - log_weight.max()

    @cached_property
    def mode(self) -> RegimeHyperparameters:
        """A point of high density; weak penalties keep it finite."""
        return self.mode_near(self.near)

    def mode_near(self, known: RegimeHyperparameters | None) -> RegimeHyperparameters:
        """:attr:`mode`, sought from a point that is known to be close, if there is one."""
        n_domains = len(self.observations.domains)
        middle = np.concatenate([[0.3, np.log(0.2), 0.6], np.zeros(3 + n_domains)])
        spread = np.concatenate([[0.5, 1.0, 0.5], np.ones(3 + n_domains)])

        def point(v: np.ndarray) -> RegimeHyperparameters:
            return RegimeHyperparameters(v[0], np.exp(v[1]), v[2], np.exp(v[3:6]), v[6:])

        def climb(regimes: ThresholdRegimes, v: np.ndarray) -> np.ndarray:
            def negative(v: np.ndarray) -> tuple[Any, np.ndarray]:
                at = point(v)
                value, slope = regimes.log_likelihood(at)
                slope[1] *= at.growth_sd
                slope[3:6] *= at.sigma
                pull = (v - middle) / spread
                return 0.5 * pull @ pull - value, pull / spread - slope

            options = {"ftol": 1e-7}
            return optimize.minimize(negative, v, jac=True, method="L-BFGS-B", options=options).x

        found = middle
        if known is not None:
            growth_mean, growth_sd, elasticity, sigma, offset = known
            found = np.hstack([growth_mean, np.log(growth_sd), elasticity, np.log(sigma), offset])
        for without in (1e-3, 1e-6):  # what is improbable takes most of the time
            probability = self.probability(point(found))
            found = climb(self._probable(probability, without), found)
        return point(found)

    def focused(
        self, without: float, draws: RegimeHyperparameters | None = None
    ) -> "ThresholdRegimes":
        """Leave out the least probable cells and thresholds.

        Parameters
        ----------
        without : float
            Probability of all that is left out, at most: at :attr:`mode`, or on average over ...
        draws : RegimeHyperparameters, optional
            ... some of these draws.
        """
        points = [self.mode] if draws is None else some_of(draws)
        return self._probable(np.mean([self.probability(at) for at in points], axis=0), without)

    def _probable(self, probability: np.ndarray, without: float) -> "ThresholdRegimes":
        def kept(probability: np.ndarray) -> np.ndarray:
            order = np.argsort(probability)
            return np.sort(order[np.searchsorted(np.cumsum(probability[order]), without / 2) :])

        return self.only(kept(probability.sum(axis=1)), kept(probability.sum(axis=0)))

    # The priors

    def log_prior(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log prior density of drawn dates, before they are ordered, of capacity and drift."""
        prior = self.prior
        return {
            "transition_year": self.cells.log_density(drawn["transition_year"]),
            "capacity": np.log(prior.capacity.pdf(drawn["capacity"])),
            "drift": np.log(prior.drift.pdf(drawn["drift"])),
        }

    def grid_ends(
        self, draws: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, int | None, float, float, float]]:
        """How much of the posterior lies at the ends of what capacity and drift may be.

        Yields
        ------
        name, element, end, share, prior share
            Of draws in the outermost cell or node, and of the prior.
        """
        return self.thresholds.ends(self.prior.capacity, draws["capacity"], draws["drift"])
