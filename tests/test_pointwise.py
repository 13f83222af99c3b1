"""Density of a system given a draw: against the integral that it stands for, and normalised."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_compute.errors import InputError
from bayes_compute.observations import Observations
from bayes_compute.pointwise import flop_density, whole_density

EXPECTED = ([5.5, 7.5, 9.5], 0.15)  # of the made-up draws
SIDES = (0, 1, -1)


class OneDraw:
    """One draw of the made-up regimes, as one would first write it down."""

    def __init__(self, tree, s, capacity):
        values = tree["posterior"].to_dataset().stack(s=("chain", "draw")).isel(s=s)
        self.p = {str(name): each.to_numpy() for name, each in values.data_vars.items()}
        self.capacity = capacity

    def share(self, year, k):
        """Probability of regime k, parameters unseen."""
        cloud, bespoke = self.p["transition_year"]
        month = (np.floor(12 * year) + 0.5) / 12
        if month < cloud:
            return float(k == 0)
        if self.capacity:
            share = self.p["share_after"] if month >= bespoke else self.p["share_before"]
        else:
            share = self.p["share"] if month >= bespoke else 0.0
        return float([0.0, 1 - share, share][k])

    def of_parameters(self, q, year, k):
        p = self.p
        at = stats.norm(
            p["parameters_level"][k] + p["parameters_growth"][k] * (year - 2010),
            p["parameters_sd"][k],
        )
        edge = self.edge(year)
        if not self.capacity or k == 0:
            return at.pdf(q)
        mass = at.cdf(edge) if k == 1 else at.sf(edge)
        return at.pdf(q) / mass * ((q < edge) if k == 1 else (q > edge))

    def edge(self, year):
        if not self.capacity:
            return 0.0
        return self.p["capacity"] + self.p["drift"] * (year - 2020)

    def of_flop(self, y, q, year, variance, domain, k):
        p, x = self.p, year - 2010
        excess = q - EXPECTED[0][k] - EXPECTED[1] * x
        mean = p["level_given_parameters"][k] + p["growth_given_parameters"][k] * x
        mean = mean + p["elasticity"] * excess + p["offset"][domain]
        return stats.norm.pdf(y, mean, np.sqrt(p["sigma"][k] ** 2 + variance))


def brute(one, y, year, variance, domain):
    """Density of FLOP, the regime summed and parameters integrated out numerically."""
    total = 0.0
    for k in range(3):

        def integrand(q, k=k):
            return one.of_parameters(q, year, k) * one.of_flop(y, q, year, variance, domain, k)

        if one.share(year, k):
            ends = np.unique([-5.0, np.clip(one.edge(year), -5, 25), 25.0])
            parts = pairwise(ends)
            total += one.share(year, k) * sum(
                integrate.quad(integrand, a, b, epsabs=1e-13, limit=200)[0] for a, b in parts
            )
    return total


@pytest.mark.parametrize("capacity", [True, False], ids=["threshold", "mixture"])
def test_parameters_and_regime_are_integrated_out(capacity, drawn_regimes):
    tree = drawn_regimes(capacity)
    systems = Observations.from_fit(tree).with_compute
    found = flop_density(tree, systems)
    for s in (0, 4):
        one = OneDraw(tree, s, capacity)
        for i in range(systems.n):
            expected = brute(
                one, systems.log10_flop[i], systems.year[i], systems.variance[i], systems.domain[i]
            )
            assert found[s, i] == pytest.approx(np.log(expected), abs=1e-7), systems.system[i]


@pytest.mark.parametrize("capacity", [True, False], ids=["threshold", "mixture"])
def test_density_of_compute_is_normalised(capacity, drawn_regimes):
    tree = drawn_regimes(capacity)
    systems = Observations.from_fit(tree).with_compute
    grid = np.linspace(-15, 55, 1401)  # the trapezoidal rule is exact for what is so smooth
    at = [flop_density(tree, replace(systems, log10_flop=np.full(systems.n, y))) for y in grid]
    total = np.trapezoid(np.exp(at), grid, axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-9)


@pytest.mark.parametrize("capacity", [True, False], ids=["threshold", "mixture"])
def test_whole_system_is_its_compute_and_its_parameters(capacity, drawn_regimes):
    tree = drawn_regimes(capacity)
    every = Observations.from_fit(tree)
    systems, found = every.with_compute, whole_density(tree)
    alone = flop_density(tree, systems)
    for s in (0, 4):
        one = OneDraw(tree, s, capacity)
        for i in range(systems.n):
            y, q = systems.log10_flop[i], systems.log10_parameters[i]
            given = systems.year[i], systems.variance[i], systems.domain[i]
            if np.isnan(q):
                assert found[s, i] == alone[s, i], "there is nothing else of it"
                continue
            each = [
                one.share(given[0], k) * one.of_parameters(q, given[0], k)
                * one.of_flop(y, q, *given, k)
                for k in range(3)
            ]  # fmt: skip
            assert found[s, i] == pytest.approx(np.log(sum(each)), abs=1e-9), systems.system[i]


def test_domains_are_told_by_name(drawn_regimes):
    tree = drawn_regimes()
    systems = Observations.from_fit(tree).with_compute
    second = systems.subset(np.arange(systems.n) == 1)
    assert second.domains == ("B",)
    np.testing.assert_allclose(
        flop_density(tree, second)[:, 0], flop_density(tree, systems)[:, 1], rtol=1e-13
    )
    with pytest.raises(InputError, match="domain: got Games; expected one that the fit knows: A"):
        flop_density(tree, replace(second, domains=("Games",)))
