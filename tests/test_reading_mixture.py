"""Ways in which readings came about, against sums over cases and integrals on a grid."""

from itertools import product

import numpy as np
import pytest
from pytensor.compile.maker import function
from scipy import stats
from scipy.special import logsumexp

from bayes_compute.observations import DOMAINS
from bayes_compute.reading_mixture import (
    ASSUMED,
    Errors,
    mixture,
    possible_ways,
)
from bayes_compute.readings import CHIPS, CLASSES, Readings

N_DOMAINS, N_CLASSES, N_CHIPS = len(DOMAINS), len(CLASSES), len(CHIPS)


@pytest.fixture
def errors():
    rng = np.random.default_rng(1)
    return Errors(
        bias=rng.normal(-1, 0.5, N_DOMAINS),
        operations_sd=rng.uniform(0.2, 1, N_DOMAINS),
        passes=-0.6,
        operations_gross=np.array([0.3, 0.1]),
        utilization=-0.5,
        utilization_growth=0.03,
        chip_effect=rng.normal(0, 0.1, N_CHIPS),
        utilization_sd=0.2,
        hardware_gross=0.07,
        figure_sd=np.array([0.1, 0.3, 0.6, 0.4]),
        figure_gross=np.array([0.05, 0.1, 0.2, 0.15]),
        gross_sd=1.5,
        copied_operations=np.array([[0.6, 0.2], [0.3, 0.1]]),
        copied_hardware=0.5,
        held=np.array([0.4, 0.7]),
        assumed=rng.normal(-0.45, 0.05, N_DOMAINS),
        revised=rng.uniform(0.1, 0.9, (N_CLASSES, 2)),
    )


def made_up(n: int = 60, seed: int = 2) -> Readings:
    """Readings of every pattern, some of them copies."""
    rng = np.random.default_rng(seed)
    z = rng.normal(20, 2, n)

    def reading(sd, share):
        return np.where(rng.random(n) < share, z + rng.normal(0, sd, n), np.nan)

    published, operations = reading(0.5, 0.7), reading(1.0, 0.6)
    copied = rng.random(n) < 0.3
    published = np.where(copied & np.isfinite(published), operations, published)
    moved = np.where(rng.random(n) < 0.6, rng.normal(0, 1, n), 0)
    earlier = np.where(rng.random(n) < 0.6, published + moved, np.nan)
    return Readings(
        tuple(f"s{i}" for i in range(n)), rng.uniform(2015, 2025, n), published,
        np.where(rng.random(n) < 0.2, 0.17, np.nan), earlier,
        operations, reading(0.3, 0.5), np.where(rng.random(n) < 0.2, -0.4, np.nan),
        rng.integers(N_DOMAINS, size=n), rng.random(n) < 0.5, rng.integers(N_CLASSES, size=n),
        rng.integers(N_CLASSES, size=n), rng.integers(N_CHIPS, size=n), rng.random(n) < 0.7,
        np.isfinite(operations) & (np.isnan(published) | (rng.random(n) < 0.2)), np.arange(n),
        {"name": "made up", "rows": n},
    )  # fmt: skip


def evaluated(readings, errors):
    work = function([], [*mixture(readings, Errors(*map(_tensor, errors)))])
    return work()


def _tensor(value):
    from pytensor.tensor.basic import as_tensor

    return as_tensor(np.asarray(value, float))


def density_on_a_grid(r: Readings, e: Errors, i: int, z: np.ndarray) -> np.ndarray:
    """Density of the readings of a system given ``z``, case by case, in plain words."""
    language = DOMAINS[r.domain[i]] == "Language"
    there = {
        name: np.isfinite(getattr(r, name)[i]) for name in ("published", "operations", "hardware")
    }
    copied = r.copied[i]
    use = r.utilization[i]
    use_sd = 0.05
    if np.isnan(use):
        use = e.utilization + e.utilization_growth * (r.year[i] - 2021) + e.chip_effect[r.chip[i]]
        use_sd = e.utilization_sd
    assumed = r.utilization[i] if np.isfinite(r.utilization[i]) else e.assumed[r.domain[i]]

    def with_gross(value, middle, sd, gross):
        fine, rare = stats.norm(middle, sd), stats.norm(middle, np.hypot(sd, e.gross_sd))
        return (1 - gross) * fine.pdf(value) + gross * rare.pdf(value)

    total = np.ones_like(z)
    if there["operations"] and not copied:
        bias = e.bias[r.domain[i]] + (e.passes if r.one_pass[i] and not language else 0)
        gross = e.operations_gross[0 if language else 1]
        own = with_gross(r.operations[i], z + bias, e.operations_sd[r.domain[i]], gross)
        if not r.undisclosed[i]:
            total = total * own
        else:
            held = e.held[0 if language else 1]
            held = held * e.copied_operations[0 if language else 1, int(there["hardware"])]
            held_pdf = stats.norm(z, e.figure_sd[0]).pdf(r.operations[i])
            total = total * ((1 - held) * own + held * held_pdf)
    if there["hardware"]:
        total = total * with_gross(r.hardware[i], z - use, use_sd, e.hardware_gross)
    if there["published"]:
        label, stood = r.confidence[i], r.earlier[i] == r.published[i]
        label = r.earlier_confidence[i] if stood else label
        revised = e.revised[r.earlier_confidence[i]]
        kept = 1 - revised if stood else np.ones(2)
        sd, gross = e.figure_sd[label], e.figure_gross[label]
        if np.isfinite(r.stated_sd[i]):
            sd, gross = r.stated_sd[i], 0.0
        fine = stats.norm(z, sd).pdf(r.published[i]) * kept[0]
        rare = stats.norm(z, np.hypot(sd, e.gross_sd)).pdf(r.published[i]) * kept[1]
        own = (1 - gross) * fine + gross * rare
        if there["hardware"] and r.from_hardware[i] and not copied:
            from_hardware = stats.norm(r.hardware[i] + assumed, ASSUMED).pdf(r.published[i])
            own = (1 - e.copied_hardware) * own + e.copied_hardware * from_hardware * kept[0]
        total = total * own
        if np.isfinite(r.earlier[i]) and not stood:
            label = r.earlier_confidence[i]
            fine = stats.norm(z, e.figure_sd[label]).pdf(r.earlier[i]) * revised[0]
            rare = stats.norm(z, np.hypot(e.figure_sd[label], e.gross_sd)).pdf(r.earlier[i])
            gross = e.figure_gross[label]
            total = total * ((1 - gross) * fine + gross * rare * revised[1])
    return total


def test_density_mean_and_variance_are_integrals_over_cases(errors):
    r = made_up()
    log_weight, mean, variance = evaluated(r, errors)
    z = np.linspace(0, 45, 40001)
    for i in np.flatnonzero(r.read):
        dense = density_on_a_grid(r, errors, i, z)
        total = np.trapezoid(dense, z)
        assert logsumexp(log_weight[:, i]) == pytest.approx(np.log(total), abs=1e-6), r.system[i]
        middle = np.trapezoid(z * dense, z) / total
        spread = np.trapezoid((z - middle) ** 2 * dense, z) / total
        weight = np.exp(log_weight[:, i] - logsumexp(log_weight[:, i]))
        assert weight @ mean[:, i] == pytest.approx(middle, abs=1e-5)
        found = weight @ (variance[:, i] + (mean[:, i] - middle) ** 2)
        assert found == pytest.approx(spread, rel=1e-4)


def test_systems_alike_have_fewer_ways_and_the_same_density(errors):
    r = made_up()
    whole = logsumexp(evaluated(r, errors)[0], axis=0)
    seen = np.array([np.isfinite(r.operations), np.isfinite(r.hardware), r.revised])
    for pattern in product((True, False), repeat=3):
        alike = r.read & (pattern == seen.T).all(axis=1)
        part = evaluated(r.subset(alike), errors)[0]
        np.testing.assert_allclose(logsumexp(part, axis=0), whole[alike], atol=1e-9)
    assert possible_ways(r).shape[1] == 36
    with_both = seen[:2].all(axis=0) & ~r.revised
    only_published = ~seen.any(axis=0) & r.read
    assert possible_ways(r.subset(with_both)).shape[1] == 18
    disclosed = with_both & np.isfinite(r.published) & ~r.undisclosed
    assert possible_ways(r.subset(disclosed)).shape[1] == 12
    assert possible_ways(r.subset(only_published)).shape[1] == 2


def test_one_reading_alone_says_nothing_of_errors(errors):
    r = made_up()
    alone = r.read & ~r.compared & np.isfinite(r.published) & np.isnan(r.earlier)
    np.testing.assert_allclose(logsumexp(evaluated(r, errors)[0], axis=0)[alone], 0, atol=1e-9)


def test_what_an_older_table_had_is_one_figure_or_two(errors):
    r = made_up()
    assert r.stood.sum() > 5
    assert r.revised.sum() > 5
    assert not np.any(r.stood & r.revised)
    alone = np.isfinite(r.published) & ~r.compared & ~r.copied & np.isnan(r.operations)
    alone &= np.isnan(r.stated_sd)
    found = logsumexp(evaluated(r, errors)[0], axis=0)
    e, label = errors, r.earlier_confidence
    shares = np.stack([1 - e.figure_gross, e.figure_gross], axis=1)
    for i in np.flatnonzero(alone & r.stood):  # of no other reading: it tells how often they stand
        assert found[i] == pytest.approx(np.log(shares[label[i]] @ (1 - e.revised[label[i]])))
    for i in np.flatnonzero(alone & r.revised):
        density = 0.0
        for new, old in product((0, 1), repeat=2):
            variance = e.figure_sd[r.confidence[i]] ** 2 + e.figure_sd[label[i]] ** 2
            variance += (new + old) * e.gross_sd**2
            apart = stats.norm(0, np.sqrt(variance)).pdf(r.earlier[i] - r.published[i])
            share = shares[r.confidence[i], new] * shares[label[i], old]
            density += share * e.revised[label[i], old] * apart
        assert found[i] == pytest.approx(np.log(density))
