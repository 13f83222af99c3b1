"""What regimes that coexist integrate out, drawn back from its exact conditional distribution.

Cells, thresholds and lines of FLOP come first, as the sampler sees them; what depends on these
alone follows: dates, capacity and drift within their cells, shares, and lines of parameters. Where
parameters are undisclosed, each draw of the hyperparameters then chooses among several completions,
and each of these among several lines of parameters, by how well they explain the undisclosed.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from bayes_compute.changepoint import (
    coexistence,
    threshold_draws,
    truncated,
    truncated_normal,
    undisclosed,
)
from bayes_compute.changepoint.coexistence import BESPOKE, CLOUD, DIY
from bayes_compute.changepoint.imputation import log_bound
from bayes_compute.changepoint.parameter_lines import nodes
from bayes_compute.changepoint.regime_prior import RegimeHyperparameters
from bayes_compute.changepoint.statistics import CAPACITY_YEAR, REFERENCE_YEAR
from bayes_compute.changepoint.threads import in_threads
from bayes_compute.changepoint.thresholds import SIDE

if TYPE_CHECKING:
    from bayes_compute.changepoint.regimes import ThresholdRegimes

_COMPLETIONS, _CANDIDATES = 8, 8  # where parameters are undisclosed
_DOF = 5.0  # of the t distribution from which lines of parameters are drawn ...
_NODES = nodes(4)  # ... a dimension, which give its mean and covariance


def draw(
    regimes: "ThresholdRegimes", at: RegimeHyperparameters, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw what was integrated out from its conditional distribution.

    Within their cells capacity and drift vary as the log density does to first order.

    Parameters
    ----------
    regimes : ThresholdRegimes
    at : RegimeHyperparameters
        S draws: each member with a leading dimension S.
    rng : numpy.random.Generator

    Returns
    -------
    dict of ndarray
        ``transition_year`` (S, 2) [decimal year]; ``capacity`` [log10 parameters in 2020],
        ``drift`` [log10 parameters a year] (S,); ``level`` [log10 FLOP in 2010] and
        ``growth`` [OOM/year] of training compute in each regime (S, 3), and
        ``level_given_parameters``, ``growth_given_parameters``, those of systems with the
        parameters that the prior expects; ``parameters_level``, ``parameters_growth``,
        ``parameters_sd`` (S, 3); ``share_before`` and ``share_after`` of bespoke systems before
        and after the bespoke transition (S,); ``regime`` of each system (S, n); and
        ``log_weight`` (S,), what makes the draws exact where parameters are undisclosed, and
        ``log_likelihood`` of each draw without it (S,).
    """
    drawn = _weighted(regimes, at, _COMPLETIONS if len(regimes.imputation.unknown) else 1, rng)
    return _with_compute(regimes, at, drawn)


def draw_prior(
    regimes: "ThresholdRegimes", at: RegimeHyperparameters, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw as :func:`draw` does, as if there were no systems."""
    n, prior = len(at.growth_mean), regimes.prior
    date = regimes.cells.draw_prior(n, rng)
    mean, sd = prior.line
    line = mean + sd * rng.standard_normal((n, 3, 3))
    z = rng.standard_normal((2, n, 3))
    drawn = {
        "transition_year": date,
        "capacity": prior.capacity.ppf(rng.random(n)),
        "drift": prior.drift.ppf(rng.random(n)),
        "level_given_parameters": prior.level_mean + np.array(prior.level_sd) * z[0],
        "growth_given_parameters": at.growth_mean[:, None] + at.growth_sd[:, None] * z[1],
        "share": np.stack(
            [rng.beta(*each, n) for each in (prior.share_before, prior.share_after)], axis=1
        ),
    }
    return _with_compute(regimes, at, drawn | _named(line))


def _weighted(
    regimes: "ThresholdRegimes", at: RegimeHyperparameters, m: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw ``m`` completions of each draw of the hyperparameters, and choose one by its weight."""
    n = len(at.growth_mean)
    *found, value = _cells_and_lines(regimes, at, m, rng)
    many = at._make(np.repeat(member, m, axis=0) for member in at)
    drawn = _completed(regimes, many, *found, rng)
    log_weight = drawn["log_weight"].reshape(n, m)
    weight = np.cumsum(np.exp(log_weight - log_weight.max(axis=1, keepdims=True)), axis=1)
    passed = weight < rng.random((n, 1)) * weight[:, -1:]
    chosen = m * np.arange(n) + passed.sum(axis=1)
    drawn = {name: values[chosen] for name, values in drawn.items()}
    drawn["log_weight"] = logsumexp(log_weight, axis=1) - np.log(m)
    return drawn | {"log_likelihood": value}


def _cells_and_lines(
    regimes: "ThresholdRegimes", at: RegimeHyperparameters, m: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """What :func:`coexistence.draw` returns, with thresholds told apart that are alike to it.

    ``m`` times for each draw, one after the other.
    """
    n = len(at.growth_mean)
    uniform, normal = rng.random((n, m)), rng.standard_normal((n, m, 3, 2))
    parts = in_threads(
        lambda mine: coexistence.draw(
            *(np.ascontiguousarray(member[mine]) for member in at),
            *regimes.arguments,
            uniform[mine],
            normal[mine],
        ),
        n,
    )
    *each, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    row, kind, *lines = (values.reshape(n * m, *values.shape[2:]) for values in each)
    node = np.empty_like(kind)
    for mine in _alike(row * len(regimes.above) + kind):
        among = np.flatnonzero(regimes.alike[1] == kind[mine[0]])
        node[mine] = among[_pick(regimes.constant[row[mine[0]], among], len(mine), rng)]
    return [row, node, *lines, value]


def _completed(
    regimes: "ThresholdRegimes",
    at: RegimeHyperparameters,
    row: np.ndarray,
    node: np.ndarray,
    level: np.ndarray,
    growth: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draw the rest, given cell, threshold and lines of FLOP of each draw."""
    n, thresholds, shares = len(at.growth_mean), regimes.thresholds, regimes.shares
    unknown = regimes.imputation.unknown
    m = _CANDIDATES if len(unknown) else 1
    cell = np.stack([regimes.kept_cells[row], regimes.kept_cells[row]], axis=1)
    for mine in _alike(row * len(thresholds.capacity) + node):
        g, h = int(row[mine[0]]), int(node[mine[0]])
        cell[mine, 1] += _pick(shares.of_cell(regimes.kept_cells[g], h), len(mine), rng)
    line = _lines(regimes, row, node, m, rng)
    begin, change = regimes.first[cell].T
    date = regimes.cells.draw(cell, rng)
    capacity, drift = threshold_draws.draw(
        thresholds, regimes.parameters, row, node, regimes.prior, rng
    )
    drawn = {
        "transition_year": date,
        "capacity": capacity,
        "drift": drift,
        "level_given_parameters": level,
        "growth_given_parameters": growth,
        "share": np.stack(
            [rng.beta(*each) for each in shares.posterior(begin, change, node)], axis=1
        ),
    }
    late = np.arange(regimes.observations.n) >= begin[:, None]
    regime = np.where(regimes.above, BESPOKE, CLOUD).astype(np.int8)[node]
    regime[~late] = DIY
    chosen, log_weight = np.zeros(n, dtype=int), np.zeros(n)
    if m > 1:
        late, passed = late[:, unknown], unknown >= change[:, None]
        chosen, log_mean, bespoke = _choose(regimes, at, drawn, line, begin, change, rng)
        picked = np.where(rng.random(bespoke.shape) < bespoke, BESPOKE, CLOUD)
        regime[:, unknown] = np.where(late, picked, DIY)
        log_weight = log_mean - log_bound(regimes, at, drawn, row, node, late, passed)
    line = line[np.arange(n), chosen]
    return drawn | _named(line) | {"regime": regime, "log_weight": log_weight}


def _alike(label: np.ndarray) -> list[np.ndarray]:
    """Positions of equal labels, together."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _lines(
    regimes: "ThresholdRegimes", row: np.ndarray, node: np.ndarray, m: int, rng: np.random.Generator
) -> np.ndarray:
    """``m`` lines of parameters of each regime for each draw, shape (S, m, 3, 3).

    Draws whose cells and thresholds have the same systems share candidates: 80, and five more for
    each draw, which has as many completions here as a completion has lines.
    """
    parameters, line = regimes.parameters, np.empty((len(row), m, 3, 3))
    wanted = []
    for k in range(3):
        same = parameters.n_systems(k)[row, node]  # and so the same systems, which are ...
        if k != DIY:
            same = same + (regimes.observations.n + 1) * node  # ... the last on a threshold's side
        wanted += [(k, mine) for mine in _alike(same)]
    seeds = rng.integers(2**63, size=len(wanted))  # whichever thread comes first

    def draw(part: np.ndarray) -> None:
        for i in part:
            (k, mine), own = wanted[i], np.random.default_rng(seeds[i])
            g, h = int(row[mine[0]]), int(node[mine[0]])
            n = 80 + 5 * len(mine) // m
            point, log_weight = truncated.candidates(
                parameters.mode(k, g, h),
                *parameters.systems(k, g, h),
                *_NODES,
                own.standard_normal((n, 3)),
                own.chisquare(_DOF, n),
                _DOF,
            )
            line[mine, :, k] = point[_pick(log_weight, (len(mine), m), own)]

    in_threads(draw, len(wanted))
    return line


def _choose(
    regimes: "ThresholdRegimes",
    at: RegimeHyperparameters,
    drawn: dict[str, np.ndarray],
    lines: np.ndarray,
    begin: np.ndarray,
    change: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    """See :func:`undisclosed.choose`."""
    o, unknown = regimes.observations, regimes.imputation.unknown
    of_draws = (
        drawn["level_given_parameters"],
        drawn["growth_given_parameters"],
        at.elasticity,
        at.sigma,
        at.offset,
        drawn["share"],
        np.stack([drawn["capacity"], drawn["drift"]], axis=1),
        np.searchsorted(unknown, begin),
        np.searchsorted(unknown, change),
        lines,
        rng.random(len(begin)),
    )
    of_systems = (
        o.year[unknown] - REFERENCE_YEAR,
        o.year[unknown] - CAPACITY_YEAR,
        o.log10_flop[unknown],
        o.variance[unknown],
        o.domain[unknown],
        np.ascontiguousarray(regimes.expected[:, unknown]),
    )
    parts = in_threads(
        lambda mine: undisclosed.choose(*(each[mine] for each in of_draws), *of_systems),
        len(begin),
    )
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _named(line: np.ndarray) -> dict[str, np.ndarray]:
    """Lines of parameters (S, 3, 3): a row a regime; level, growth and log sd."""
    return {
        "parameters_level": line[:, :, 0],
        "parameters_growth": line[:, :, 1],
        "parameters_sd": np.exp(line[:, :, 2]),
    }


def _with_compute(
    regimes: "ThresholdRegimes", at: RegimeHyperparameters, drawn: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Add level and growth of training compute itself, and name shares.

    Parameters grow too, and the mean of what is cut at a capacity does not grow evenly: this is the
    line through the mean log10 FLOP at both ends of a regime, from its transition to the last
    system.
    """
    last, date = float(regimes.observations.year[-1]), drawn["transition_year"]
    level, growth = np.empty((len(date), 3)), np.empty((len(date), 3))
    expected, _ = regimes.prior.line
    for k in range(3):
        start = np.full(len(date), last - 1) if k == DIY else np.minimum(date[:, k - 1], last - 1)
        ends = []
        for year in (start, np.full(len(date), last)):
            x = year - REFERENCE_YEAR
            middle, _ = truncated_normal.moments(
                drawn["parameters_level"][:, k] + drawn["parameters_growth"][:, k] * x,
                np.log(drawn["parameters_sd"][:, k]),
                drawn["capacity"] + drawn["drift"] * (year - CAPACITY_YEAR),
                SIDE[k],
            )
            flop = drawn["level_given_parameters"][:, k]
            flop = flop + drawn["growth_given_parameters"][:, k] * x
            excess = middle - expected[k, 0] - expected[k, 1] * x
            ends.append(flop + at.elasticity * excess)
        growth[:, k] = (ends[1] - ends[0]) / (last - start)
        level[:, k] = ends[1] - growth[:, k] * (last - REFERENCE_YEAR)
    before, after = drawn["share"].T
    named = {name: values for name, values in drawn.items() if name != "share"}
    return named | {"share_before": before, "share_after": after, "level": level, "growth": growth}


def _pick(log_weight: np.ndarray, shape: Any, rng: np.random.Generator) -> np.ndarray:
    """Draw positions in proportion to their weights."""
    cumulative = np.cumsum(np.exp(log_weight - log_weight.max()))
    return np.searchsorted(cumulative, rng.random(shape) * cumulative[-1], side="right")
