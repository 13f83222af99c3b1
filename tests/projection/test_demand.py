"""What systems to come would be trained with."""

import numpy as np
import pytest
from scipy import stats

from bayes_compute.projection.demand import Eras, demand, eras_to_come

S = 40_000
NEVER = Eras(np.full((S, 6), 3000.0), np.zeros((S, 6)))
EXPECTED = {"level": [5.0, 7.0, 10.0], "growth": [0.1, 0.15, 0.2]}


def tile(*values):
    return np.tile(np.array(values, float), (S, 1))


def regimes(**changes):
    """Draws of regimes that are all the same."""
    p = {
        "transition_year": tile(2006, 2020),
        "share_before": np.full(S, 0.9),
        "share_after": np.full(S, 0.3),
        "capacity": np.full(S, 9.5),
        "drift": np.full(S, 0.1),
        "elasticity": np.full(S, 0.6),
        "parameters_level": tile(5, 8, 9),
        "parameters_growth": tile(0, 0.1, 0.2),
        "parameters_sd": tile(1, 1.2, 0.8),
        "level_given_parameters": tile(14, 16, 19),
        "growth_given_parameters": tile(0.1, 0.3, 0.4),
        "sigma": tile(1.0, 0.9, 0.5),
        "offset": tile(-0.5, 0.5),
    }
    return p | changes


def test_a_system_of_the_regimes_has_its_regimes_mean_and_share():
    year, domain = np.full((S, 1), 2025.0), np.ones((S, 1), int)
    rng = np.random.default_rng(1)
    flop, bespoke = demand(regimes(), EXPECTED, NEVER, year, domain, rng)
    assert bespoke.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / S))
    x, edge = 15.0, 9.5 + 0.1 * 5
    for k, of, ends in ((1, ~bespoke, (-np.inf, edge)), (2, bespoke, (edge, np.inf))):
        mu = [8 + 0.1 * x, 9 + 0.2 * x][k - 1]
        sd, sigma = [1.2, 0.8][k - 1], [0.9, 0.5][k - 1]
        a, b = (np.array(ends) - mu) / sd
        size = stats.truncnorm(a, b, mu, sd)
        expected = [7 + 0.15 * x, 10 + 0.2 * x][k - 1]
        mean = [16 + 0.3 * x, 19 + 0.4 * x][k - 1] + 0.6 * (size.mean() - expected) + 0.5
        spread = np.sqrt(0.36 * size.var() + sigma**2)
        found = flop[of]
        assert found.mean() == pytest.approx(mean, abs=5 * spread / np.sqrt(of.sum()))
        assert found.std() == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize(("latent", "share_before"), [(False, 0.9), (True, 0.0)])
def test_until_the_bespoke_transition_the_share_is_that_before_it(latent, share_before):
    dates = tile(2006, 2026)
    dates[S // 2 :, 1] = 2024  # has come in half of the draws
    year, domain = np.full((S, 1), 2025.0), np.ones((S, 1), int)
    p = regimes(transition_year=dates)
    if latent:  # there is none before it
        p = p | {"share": p.pop("share_after")}
        del p["share_before"], p["capacity"], p["drift"]
    _, bespoke = demand(p, EXPECTED, NEVER, year, domain, np.random.default_rng(1))
    for of, share in ((bespoke[: S // 2], share_before), (bespoke[S // 2 :], 0.3)):
        sd = np.sqrt(share * (1 - share) / (S // 2))
        assert of.mean() == pytest.approx(share, abs=5 * sd)


def test_without_a_capacity_parameters_are_not_cut():
    p = regimes(share=np.full(S, 1.0))
    for name in ("capacity", "drift", "share_before", "share_after"):
        del p[name]
    year, domain = np.full((S, 1), 2020.0), np.zeros((S, 1), int)
    flop, bespoke = demand(p, EXPECTED, NEVER, year, domain, np.random.default_rng(1))
    assert bespoke.all()
    mean = 19 + 4 + 0.6 * (9 + 2 - 10 - 2) - 0.5
    assert flop.mean() == pytest.approx(mean, abs=5 * 0.7 / np.sqrt(S))


def test_the_last_of_eras_goes_on():
    p = {"level": tile(10, 20), "growth": tile(0, 0.5), "sigma": tile(3, 0.2), "offset": tile(1)}
    year, domain = np.full((S, 1), 2020.0), np.zeros((S, 1), int)
    flop, owned = demand(p, None, NEVER, year, domain, np.random.default_rng(1))
    assert owned.all()
    assert flop.mean() == pytest.approx(20 + 5 + 1, abs=5 * 0.2 / np.sqrt(S))


def test_after_a_transition_compute_goes_on_at_the_new_rate():
    p = {"level": tile(20), "growth": tile(0.5), "sigma": tile(1e-9), "offset": tile(0)}
    eras = Eras(tile(2022, 2024, 3000), tile(0.1, -0.2, 9))
    for year, value in ((2021, 25.5), (2022, 26.0), (2023, 26.1), (2024, 26.2), (2026, 25.8)):
        at = np.full((S, 1), float(year))
        flop, _ = demand(p, None, eras, at, np.zeros((S, 1), int), np.random.default_rng(1))
        np.testing.assert_allclose(flop, value, atol=1e-6)


@pytest.mark.parametrize(("dates", "seen"), [((), 0), ((1999, 2012), 2), ((1999, 2021), 1)])
def test_transitions_come_at_the_learned_rate(dates, seen):
    p = {"growth_mean": np.full(S, 0.4), "growth_sd": np.full(S, 0.2)}
    if dates:
        p["transition_year"] = tile(*dates)
    eras = eras_to_come(p, 1990.0, 2020.0, np.random.default_rng(3))
    # A gamma rate makes the time to the next transition Lomax, with this median
    shape, scale = 2 + seen, 20 + 30
    assert np.all(np.diff(eras.begin, axis=1) > 0)
    waited = eras.begin[:, 0] - 2020
    assert (waited < scale * (2 ** (1 / shape) - 1)).mean() == pytest.approx(
        0.5, abs=5 * 0.5 / np.sqrt(S)
    )
    assert eras.growth.mean() == pytest.approx(0.4, abs=5 * 0.2 / np.sqrt(6 * S))
    assert eras.growth.std() == pytest.approx(0.2, rel=0.03)


def test_growth_of_a_new_era_has_that_of_parameters_in_it():
    p = {"growth_mean": np.full(S, 0.4), "growth_sd": np.full(S, 1e-9)}
    p |= {"growth": tile(9, 0.5, 0.3), "growth_given_parameters": tile(0, 0.45, 0.45)}
    eras = eras_to_come(p, 1990.0, 2020.0, np.random.default_rng(3))
    np.testing.assert_allclose(eras.growth, 0.4 + (0.05 - 0.15) / 2, atol=1e-6)
