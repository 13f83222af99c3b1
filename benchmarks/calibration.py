"""Measure what the README quotes of readings of training compute.

uv run python benchmarks/calibration.py readings    # hold out published figures, 5 folds
uv run python benchmarks/calibration.py revisions   # figures of 2022-11 against 2025-08
"""

import sys
from dataclasses import replace

import numpy as np
from scipy import stats

import bayes_compute as bc
from bayes_compute.facts import load_facts
from bayes_compute.measurement import mixtures, some_draws
from bayes_compute.models import calibration
from bayes_compute.observations import DOMAINS
from bayes_compute.reading_mixture import ASSUMED, possible_ways
from bayes_compute.readings import CLASSES, Readings

FOLDS = 5
PLAIN_UTILIZATION = 0.35


def main() -> None:
    """Run the part that the command line names."""
    parts = {"readings": hold_out_figures, "revisions": revisions}
    if sys.argv[1:] not in ([name] for name in parts):
        sys.exit(f"usage: calibration.py {' | '.join(parts)}")
    parts[sys.argv[1]]()


def hold_out_figures() -> None:
    """Predict published figures from the other readings of systems that were not fitted."""
    readings = calibration.observe()
    others = np.isfinite([readings.operations, readings.hardware])
    fold = np.random.default_rng(20250831).integers(FOLDS, size=readings.n)
    found = []
    for k in range(FOLDS):
        fit = bc.fit("calibration", readings.subset(fold != k), progress=False)
        wanted = (fold == k) & np.isfinite(readings.published) & others.any(axis=0)
        found.append(_predicted(readings.subset(wanted), fit))
    truth, operations, hardware, language, copied, *quantiles = (
        np.concatenate(part) for part in zip(*found, strict=True)
    )
    print(f"{len(truth)} published figures, each predicted by a fit that did not see its system")
    quantiles = np.array(quantiles)
    everything = np.ones(len(truth), bool)
    for name, chosen in {
        "all": everything,
        "figures that operations do not give back": ~copied,
        "of these, language without hardware": ~copied & language & np.isnan(hardware),
        "with hardware": np.isfinite(hardware),
    }.items():
        _coverage(name, truth[chosen], quantiles[:, chosen])
    middle = quantiles[2]
    plain = hardware + np.log10(PLAIN_UTILIZATION)
    for name, seen, rival in (
        ("6ND", np.isfinite(operations), operations),
        (f"chips x hours x {PLAIN_UTILIZATION:.0%}", np.isfinite(hardware), plain),
    ):
        ours, theirs = (np.abs(truth - each)[seen] for each in (middle, rival))
        print(
            f"  {seen.sum()} with {name}: absolute error median {np.median(ours):.3f} against "
            f"{np.median(theirs):.3f} OOM, mean {ours.mean():.3f} against {theirs.mean():.3f}"
        )


def _predicted(readings: Readings, fit) -> tuple[np.ndarray, ...]:
    """Figures, other readings, and quantiles of the prediction from these alone."""
    nothing = np.full(readings.n, np.nan)
    hidden = replace(readings, published=nothing, earlier=nothing)
    log_weight, mean, variance = mixtures(hidden, fit)
    draws, rng = some_draws(fit), np.random.default_rng(1)
    n_draws, n_ways, n = log_weight.shape
    holds = possible_ways(hidden)[0] == 2
    quantiles = np.empty((5, n))
    for i in range(n):
        weight = np.exp(log_weight[:, :, i])
        way = (rng.random((n_draws, 40, 1)) > weight.cumsum(axis=1)[:, None]).sum(axis=2)
        way = np.minimum(way, n_ways - 1)
        draw = np.repeat(np.arange(n_draws), 40).reshape(way.shape)
        z = mean[draw, way, i] + np.sqrt(variance[draw, way, i]) * rng.standard_normal(way.shape)
        # The figure's own error, of a class that is as frequent as among all figures
        label = rng.choice(readings.confidence, size=way.shape)
        sd, gross = draws["figure_sd"][draw, label], draws["figure_gross"][draw, label]
        sd = np.hypot(sd, draws["gross_sd"][draw] * (rng.random(way.shape) < gross))
        figure = z + sd * rng.standard_normal(way.shape)
        if np.isfinite(readings.hardware[i]):  # or worked out from hardware
            copied = rng.random(way.shape) < draws["copied_hardware"][draw]
            reported = np.isfinite(readings.utilization[i])
            assumed = draws["assumed"][draw, readings.domain[i]]
            assumed = readings.utilization[i] if reported else assumed
            assumed = assumed + ASSUMED * rng.standard_normal(way.shape)
            figure = np.where(copied, readings.hardware[i] + assumed, figure)
        figure = np.where(holds[way], readings.operations[i], figure)
        quantiles[:, i] = np.quantile(figure, [0.05, 0.25, 0.5, 0.75, 0.95])
    language = readings.domain == DOMAINS.index("Language")
    seen = readings.published, readings.operations, readings.hardware
    return *seen, language, readings.copied, *quantiles


def _coverage(name: str, truth: np.ndarray, quantiles: np.ndarray) -> None:
    print(f"  {name}, {len(truth)}:")
    for prob, low, high in ((0.5, 1, 3), (0.9, 0, 4)):
        inside = (quantiles[low] <= truth + 1e-9) & (truth - 1e-9 <= quantiles[high])
        ends = stats.binom.interval(0.99, len(truth), prob)
        print(
            f"    {prob:.0%} intervals hold {inside.mean():.1%} ({inside.sum()}; binomial 99 %: "
            f"{ends[0]:.0f} to {ends[1]:.0f})"
        )


def revisions() -> None:
    """Does the interval of a figure of 2022-11 hold that of 2025-08?

    Systems of 2022-11 are left out of the fit. A figure is left as it was, or revised; then the
    newer one has an error of its own.
    """
    newest = bc.load_systems("systems-2025-08", selection="all")
    older = bc.load_systems("systems-2022-11", selection="all")
    readings = calibration.readings_of(newest)
    known_then = np.isin(readings.system, older["system"])
    fit = bc.fit("calibration", readings.subset(~known_then), progress=False)
    first = load_facts("system-vintages", "2022-11-22")
    then = Readings.from_systems(newest, first)
    then = then.subset(np.isfinite(then.earlier) & np.isfinite(then.published))
    draws, rng = some_draws(fit), np.random.default_rng(1)
    size = (len(draws["gross_sd"]), 400)
    rows = np.arange(size[0])[:, None]

    def error(label):
        gross = rng.random(size) < draws["figure_gross"][rows, label]
        sd = np.hypot(draws["figure_sd"][rows, label], draws["gross_sd"][:, None] * gross)
        return sd * rng.standard_normal(size), gross

    label = CLASSES.index("none")
    old, gross = error(label)
    new, _ = error(rng.choice(then.confidence, size=size))
    replaced = rng.random(size) < draws["revised"][rows, label, gross.astype(int)]
    chance = np.quantile(replaced.mean(axis=1), [0.05, 0.5, 0.95])
    print(f"revised: {then.revised.mean():.0%}; expected {chance[1]:.0%} "
          f"({chance[0]:.0%} to {chance[2]:.0%})")  # fmt: skip
    change = np.where(replaced, np.abs(old - new), 0.0)
    moved = np.abs(then.published - then.earlier)
    for name, chosen, expected in (
        ("all", np.ones(then.n, bool), change),
        ("revised", then.revised, change[replaced]),
    ):
        n = chosen.sum()
        print(f"{n} figures of 2022-11, {name}")
        low, high = stats.binom.interval(0.99, n, 0.9)
        for what, half in (
            ("within a factor of 3", np.log10(3)),
            ("within a factor of 10", 1.0),
            ("90 % of the calibrated figure", np.quantile(np.abs(old), 0.9)),
            ("90 % of what is expected of the newer one", np.quantile(expected, 0.9)),
        ):
            inside = int((moved[chosen] <= half).sum())
            print(
                f"  {what} (±{half:.2f}): {inside} = {inside / n:.1%}; 90 %: {low:.0f}-{high:.0f}"
            )


if __name__ == "__main__":
    main()
