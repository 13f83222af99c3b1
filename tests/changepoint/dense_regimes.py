"""Dense twin of the regimes that coexist: every formula as one would first write it down.

Histories are listed one by one, FLOP of a regime is one multivariate normal, and a line of
parameters is summed over a grid of its level, growth and log sd. Undisclosed parameters are either
what the package says stands for them, or summed out on a grid of their own, each regime in turn.
Nothing is shared with the package.
"""

from functools import cache, cached_property
from itertools import product

import numpy as np
from dense import REFERENCE_YEAR, gaps, histories
from scipy import special, stats

DIY, CLOUD, BESPOKE = range(3)
SIDE = (0, 1, -1)  # no edge, below it, above it


def line_grid(mean, sd, step: float = 0.4, reach: float = 5.2) -> tuple[np.ndarray, np.ndarray]:
    """Level, growth and log sd on a grid that is even in prior sds, and log prior probability.

    Trapezoidal rule: of a normal posterior with an sd of ``s`` prior sds it leaves out a share of
    ``2 exp(-2 (pi s / step)^2)``, and what is beyond the reach has a prior probability of 1e-6.
    """
    axis = np.arange(-round(reach / step), round(reach / step) + 1) * step
    standard = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    log_mass = -0.5 * np.sum(standard**2, axis=1)
    return np.asarray(mean) + np.asarray(sd) * standard, log_mass - special.logsumexp(log_mass)


def log_truncated(lines, x: float, p, edge: float, side: int) -> np.ndarray:
    """Log density of one system's parameters about each line, for p of any shape (L, ...)."""
    shape = (-1,) + (1,) * np.ndim(p)
    middle, sd = lines[:, 0] + lines[:, 1] * x, np.exp(lines[:, 2])
    found = stats.norm.logpdf(p, middle.reshape(shape), sd.reshape(shape))
    if side:
        found = found - special.log_ndtr(side * (edge - middle) / sd).reshape(shape)
    return found


def log_line_evidence(x, p, edge, side: int, mean, sd, step: float = 0.2) -> float:
    """Log evidence of parameters whose line is summed over the grid."""
    lines, log_weight = line_grid(mean, sd, step)
    for system in zip(x, p, edge, strict=True):
        log_weight = log_weight + log_truncated(lines, *system, side)
    return float(special.logsumexp(log_weight))


class RegimesTwin:
    """Sum over every pair of cells of the transitions with every threshold.

    Parameters
    ----------
    observations, densities, prior
        As ``ThresholdRegimes.of`` takes them.
    capacity, drift, log_threshold : array of shape (H,)
        Nodes of the threshold, and their log prior probability.
    step : float
        Of the grid of lines, in prior sds.
    """

    def __init__(self, observations, densities, prior, capacity, drift, log_threshold, step=0.5):
        self.observations, self.prior = observations, prior
        month = (np.floor(observations.year * 12) + 0.5) / 12
        self.n_cells = len(gaps(month, densities))
        self.histories = histories(month, densities)
        mass = np.array([history.mass for history in self.histories])
        with np.errstate(divide="ignore"):
            self.log_mass = np.log(mass / mass.sum())
        self.log_threshold = np.asarray(log_threshold)
        since = observations.year - 2020
        self.threshold = np.asarray(capacity)[:, None] + np.asarray(drift)[:, None] * since
        self.above = observations.log10_parameters > self.threshold
        self.x = observations.year - REFERENCE_YEAR
        self.known = np.isfinite(observations.log10_parameters)
        self.with_flop = np.isfinite(observations.log10_flop)
        self.early = {history.cells[0]: history.eras[0] for history in self.histories}
        mean, sd = zip(*(self.line_prior(k) for k in range(3)), strict=True)
        self.grid = [line_grid(*each, step) for each in zip(mean, sd, strict=True)]
        self.column = cache(self._column)
        self.log_parameters = cache(self._log_parameters)

    def line_prior(self, k: int) -> tuple[list[float], list[float]]:
        """Mean and sd of level, growth and log sd of a regime's parameters."""
        prior, growth, scatter = self.prior, self.prior.parameters_growth, self.prior.parameters_sd
        mean = [prior.parameters_level[k], growth[0], np.log(scatter[0])]
        return mean, [prior.parameters_level_sd, growth[1], scatter[1]]

    def expected(self, k: int) -> np.ndarray:
        """Log10 parameters that the prior expects."""
        return self.prior.parameters_level[k] + self.prior.parameters_growth[0] * self.x

    # Parameters

    def _column(self, k: int, i: int, h: int) -> np.ndarray:
        p = self.observations.log10_parameters[i]
        return log_truncated(self.grid[k][0], self.x[i], p, self.threshold[h, i], SIDE[k])

    def line_posterior(self, k: int, systems: tuple[int, ...], h: int) -> np.ndarray:
        """Log of the prior of each line times the density of systems, shape (L,)."""
        return self.grid[k][1] + sum(self.column(k, i, h if k else 0) for i in systems)

    def _log_parameters(self, k: int, systems: tuple[int, ...], h: int) -> float:
        return special.logsumexp(self.line_posterior(k, systems, h))

    def members(self, k: int, cell: int, h: int) -> tuple[int, ...]:
        """Systems with known parameters in a regime, given the cloud transition's cell."""
        early = np.isin(np.arange(self.observations.n), self.early[cell])
        chosen = early if k == DIY else ~early & (self.above[h] == (k == BESPOKE))
        return tuple(np.flatnonzero(chosen & self.known).tolist())

    @cached_property
    def parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """Log evidence of parameters: of DIY, (cells,), and of cloud and bespoke, (H, 2, cells)."""
        cells, nodes = range(self.n_cells), range(len(self.threshold))
        early = [self.log_parameters(DIY, self.members(DIY, c, 0), 0) for c in cells]
        late = [
            [[self.log_parameters(k, self.members(k, c, h), h) for c in cells] for k in (1, 2)]
            for h in nodes
        ]
        return np.array(early), np.array(late)

    # Shares

    def log_shares(self, eras, above) -> float:
        """Log probability of who is above, and how far, after the cloud transition."""
        total = 0.0
        shares = self.prior.share_before, self.prior.share_after
        for systems, (a, b) in zip(eras[1:], shares, strict=True):
            high = sum(above[i] for i in systems)
            total += special.betaln(a + high, b + len(systems) - high) - special.betaln(a, b)
        return total

    # FLOP

    def design(self, systems, at, k):
        """Design matrix of level and growth, and their prior covariance."""
        X = np.stack([np.ones(len(systems)), self.x[list(systems)]], axis=1)
        return X, np.diag([self.prior.level_sd[k] ** 2, at.growth_sd**2])

    def mean_flop(self, at, k: int) -> np.ndarray:
        """Prior mean of a regime's systems with the parameters that are expected."""
        return self.prior.level_mean[k] + at.growth_mean * self.x + at.offset[self.domain]

    @property
    def domain(self):
        return self.observations.domain

    def log_density(self, at, k: int, systems, excess, spread, weight) -> float:
        """Log density of FLOP of one regime's systems, each to the power of its weight.

        The power ``q`` of a normal density is, but for a constant, one with variance over ``q``.
        """
        o = self.observations
        keep = [j for j, i in enumerate(systems) if self.with_flop[i] and weight[j] > 0]
        if not keep:
            return 0.0
        rows = [systems[j] for j in keep]
        excess, spread, weight = (np.asarray(a)[keep] for a in (excess, spread, weight))
        noise = at.sigma[k] ** 2 + o.variance[rows] + at.elasticity**2 * spread
        X, spread_of_line = self.design(rows, at, k)
        mean = self.mean_flop(at, k)[rows] + at.elasticity * excess
        covariance = X @ spread_of_line @ X.T + np.diag(noise / weight)
        constant = 0.5 * np.log(2 * np.pi * noise / weight) - 0.5 * weight * np.log(
            2 * np.pi * noise
        )
        residual = o.log10_flop[rows] - mean
        distance = residual @ np.linalg.solve(covariance, residual)
        log_det = np.linalg.slogdet(2 * np.pi * covariance).logabsdet
        return constant.sum() - 0.5 * (distance + log_det)

    def log_weight(self, at, parameters=None, stand_in=None) -> np.ndarray:
        """Log of prior times density of everything, shape (histories, H).

        Parameters
        ----------
        at : RegimeHyperparameters
        parameters : pair of arrays
            Instead of :attr:`parameters`.
        stand_in : Imputation
            What stands for undisclosed parameters; before each of all cells.
        """
        o, known, unknown = self.observations, self.known, np.flatnonzero(~self.known)
        early, late = self.parameters if parameters is None else parameters
        out = self.log_mass[:, None] + self.log_threshold

        @cache
        def density(k: int, systems: tuple[int, ...], cell: int, group: int) -> float:
            rows = np.array(systems, dtype=int)
            excess, spread = (o.log10_parameters - self.expected(k))[rows], np.zeros(len(rows))
            weight = np.ones(len(rows))
            for j, i in enumerate(systems):
                if not known[i]:
                    u = int(np.flatnonzero(unknown == i)[0])
                    if k == DIY:
                        excess[j], spread[j] = stand_in.excess[cell, u], stand_in.spread[cell, u]
                    else:
                        q = stand_in.above[group, u]
                        weight[j] = q if k == BESPOKE else 1 - q
                        excess[j] = stand_in.late_excess[group, k - 1, u]
                        spread[j] = stand_in.late_spread[group, k - 1, u]
            return self.log_density(at, k, systems, excess, spread, weight)

        for j, history in enumerate(self.histories):
            cell, before = history.cells[0], history.eras[0]
            after = [i for i in range(o.n) if i not in before]
            for h in range(len(self.threshold)):
                above, group = self.above[h].astype(float), 0
                if len(unknown):
                    group = int(stand_in.group[h])
                    above[unknown] = stand_in.above[group]
                    q = above[[i for i in after if not known[i]]]
                    out[j, h] -= np.sum(special.xlogy(q, q) + special.xlogy(1 - q, 1 - q))
                out[j, h] += self.log_shares(history.eras, above)
                out[j, h] += early[cell] + late[h, :, cell].sum()
                out[j, h] += density(DIY, before, cell, 0)
                for k in (CLOUD, BESPOKE):
                    mine = [i for i in after if not known[i] or above[i] == (k == BESPOKE)]
                    out[j, h] += density(k, tuple(mine), 0, group)
        return out

    def probability(self, log_weight) -> np.ndarray:
        """Of each cell of the cloud transition and each threshold."""
        out = np.zeros((self.n_cells, len(self.threshold)))
        share = np.exp(log_weight - special.logsumexp(log_weight))
        for history, part in zip(self.histories, share, strict=True):
            out[history.cells[0]] += part
        return out

    # Undisclosed parameters, exactly

    def log_joint(self, at, k: int, systems: tuple[int, ...], h: int, n_nodes: int = 32) -> float:
        """Log density of FLOP and known parameters of one regime's systems, two unknown or fewer.

        Unknown ones are summed over Gauss-Legendre nodes on their own side of the edge; what lies
        more than 14 from the edge has a probability of 1e-9 or less.
        """
        o, grid = self.observations, self.grid[k][0]
        known = tuple(i for i in systems if self.known[i])
        unknown = [i for i in systems if not self.known[i]]
        base = self.line_posterior(k, known, h)
        unit, weight = np.polynomial.legendre.leggauss(n_nodes)
        nodes, tables = [], []
        for i in unknown:
            edge = self.threshold[h, i]
            low, high = ((-14, 14), (edge - 14, edge), (edge, edge + 14))[k]
            shift = self.expected(k)[i] if k == DIY else 0.0
            p = (low + high) / 2 + (high - low) / 2 * unit + shift
            nodes.append(p)
            log_table = log_truncated(grid, self.x[i], p, edge, SIDE[k])
            tables.append(np.exp(log_table) * weight * (high - low) / 2)
        top = base.max()
        mass = np.exp(base - top)
        if not unknown:
            parameters = np.array(mass.sum())
        elif len(unknown) == 1:
            parameters = mass @ tables[0]
        else:
            parameters = (mass[:, None] * tables[0]).T @ tables[1]
        rows = [i for i in systems if self.with_flop[i]]
        if not rows:
            return top + np.log(parameters.sum())
        X, spread_of_line = self.design(rows, at, k)
        covariance = X @ spread_of_line @ X.T + np.diag(at.sigma[k] ** 2 + o.variance[rows])
        excess = np.empty((*parameters.shape, len(rows)))
        for j, i in enumerate(rows):
            if self.known[i]:
                p = o.log10_parameters[i]
            else:
                u = unknown.index(i)
                p = nodes[u].reshape((-1,) + (1,) * (len(unknown) - 1 - u))
            excess[..., j] = p - self.expected(k)[i]
        residual = o.log10_flop[rows] - self.mean_flop(at, k)[rows] - at.elasticity * excess
        normal = stats.multivariate_normal(np.zeros(len(rows)), covariance)
        return top + np.log(np.sum(parameters * np.exp(normal.logpdf(residual))))

    def with_regimes(self, at) -> tuple[np.ndarray, np.ndarray]:
        """Log evidence of each history, threshold and regimes of the undisclosed; and those.

        Returns
        -------
        log_weight : ndarray, shape (W,)
        regime : ndarray of int, shape (W, U)
        """
        n, unknown = self.observations.n, np.flatnonzero(~self.known)
        joint, weights, regimes = cache(lambda *a: self.log_joint(at, *a)), [], []
        for log_mass, history in zip(self.log_mass, self.histories, strict=True):
            late = np.setdiff1d(np.arange(n), history.eras[0])
            options = [(CLOUD, BESPOKE) if u in late else (DIY,) for u in unknown]
            for h, chosen in product(range(len(self.threshold)), product(*options)):
                regime = np.where(self.above[h], BESPOKE, CLOUD)
                regime[list(history.eras[0])] = DIY
                regime[unknown] = chosen
                weight = log_mass + self.log_threshold[h]
                weight += self.log_shares(history.eras, regime == BESPOKE)
                for k in range(3):
                    mine = tuple(np.flatnonzero(regime == k).tolist())
                    weight += joint(k, mine, h if k else 0)
                weights.append(weight)
                regimes.append(chosen)
        return np.array(weights), np.array(regimes)
