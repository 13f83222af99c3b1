"""Measure what the README quotes of readings of training compute.

uv run python benchmarks/calibration.py readings      # hold out each kind of reading, 5 folds
uv run python benchmarks/calibration.py revisions     # figures of 2022-11 against 2025-08
uv run python benchmarks/calibration.py undisclosed   # figures that systems got after 2022-03
"""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

import bayes_compute as bc
from bayes_compute.facts import load_facts
from bayes_compute.measurement import mixtures, some_draws
from bayes_compute.models import calibration
from bayes_compute.observations import DOMAINS
from bayes_compute.reading_mixture import (
    ASSUMED,
    REPORTED,
    UTILIZATION_YEAR,
    counted_as,
    possible_ways,
)
from bayes_compute.readings import CLASSES, Readings

FOLDS = 5
PLAIN_UTILIZATION = 0.35


def main() -> None:
    """Run the part that the command line names."""
    parts = {"readings": hold_out, "revisions": revisions, "undisclosed": undisclosed}
    if sys.argv[1:] not in ([name] for name in parts):
        sys.exit(f"usage: calibration.py {' | '.join(parts)}")
    parts[sys.argv[1]]()


def hold_out() -> None:
    """Predict each reading from the others of systems that were not fitted."""
    readings = calibration.observe()
    fold = np.random.default_rng(20250831).integers(FOLDS, size=readings.n)
    found: dict[str, list] = {"published": [], "operations": [], "hardware": []}
    alone = []
    for k in range(FOLDS):
        fit = bc.fit("calibration", readings.subset(fold != k), progress=False)
        for name, each in found.items():
            wanted = np.isfinite(getattr(readings, name)) & _other(readings, name)
            held_out = readings.subset(wanted & (fold == k))
            each.append((held_out, _predicted(held_out, fit, name)))
            if name == "published":
                alone.append(_predicted(held_out, fit, name, held=0.0))
    for name, each in found.items():
        parts, quantiles = zip(*each, strict=True)
        quantiles = np.concatenate(quantiles, axis=1)
        truth, operations, hardware, copied, language = (
            np.concatenate([of(part) for part in parts])
            for of in (
                lambda part, name=name: getattr(part, name),
                lambda part: part.operations,
                lambda part: part.hardware,
                lambda part: part.copied,
                lambda part: part.domain == DOMAINS.index("Language"),
            )
        )
        print(f"{len(truth)} of {name}, each predicted by a fit that did not see its system")
        timed = np.isfinite(hardware) if name != "hardware" else np.isfinite(operations)
        other = "hardware" if name != "hardware" else "operations"
        _coverage("all", truth, quantiles)
        if name == "published":
            _coverage("figures that operations do not give back", truth, quantiles, ~copied)
            _coverage("with hardware", truth, quantiles, timed)
            _against(truth, operations, hardware, quantiles[2])
            print("  given that they are none that operations give back:")
            quantiles = np.concatenate(alone, axis=1)
        _coverage("all", truth, quantiles, ~copied)
        for kind, of in (("language", language), ("other domains", ~language)):
            for how, seen in ((f"with {other}", timed), (f"without {other}", ~timed)):
                if (~copied & of & seen).sum() > 10:
                    _coverage(f"{kind} {how}", truth, quantiles, ~copied & of & seen)


def _other(readings: Readings, name: str) -> np.ndarray:
    """Whether there is another reading; operations that a figure gives back are none."""
    there = {each: np.isfinite(getattr(readings, each)) for each in ("published", "hardware")}
    there["operations"] = np.isfinite(readings.operations)
    if name == "operations":
        return (there["published"] | there["hardware"]) & ~readings.copied
    if name == "hardware":
        return there["published"] | there["operations"]
    return there["operations"] | there["hardware"]


def _predicted(readings: Readings, fit, name: str, held: Any = 1.0) -> np.ndarray:
    """Quantiles of the prediction of a reading from the others alone.

    `held` is how often a figure is what operations give, relative to published ones; if true, as
    often as the fit says of figures that nobody published.
    """
    nothing = np.full(readings.n, np.nan)
    hidden = replace(readings, **{name: nothing}, earlier=nothing)
    if name == "published":
        hidden = replace(hidden, undisclosed=np.isfinite(readings.operations))
    draws, rng = some_draws(fit), np.random.default_rng(1)
    if held is not True:  # a figure that is withheld here, not one that nobody published
        draws_of = fit["posterior"].dataset
        constant = xr.full_like(draws_of["held"], held)
        fit = xr.DataTree.from_dict({"posterior": draws_of.assign(held=constant)})
    log_weight, mean, variance = mixtures(hidden, fit)
    n_draws, n_ways, n = log_weight.shape
    holds = possible_ways(hidden)[0] == 2
    counted = counted_as(readings)
    quantiles = np.empty((5, n))
    for i in range(n):
        weight = np.exp(log_weight[:, :, i])
        way = (rng.random((n_draws, 40, 1)) > weight.cumsum(axis=1)[:, None]).sum(axis=2)
        way = np.minimum(way, n_ways - 1)
        draw = np.repeat(np.arange(n_draws), 40).reshape(way.shape)
        z = mean[draw, way, i] + np.sqrt(variance[draw, way, i]) * rng.standard_normal(way.shape)

        def error(sd, gross, draw=draw):
            rare = draws["gross_sd"][draw] * (rng.random(draw.shape) < gross)
            return np.hypot(sd, rare) * rng.standard_normal(draw.shape)

        reported = np.isfinite(readings.utilization[i])
        domain, known_use = readings.domain[i], readings.utilization[i]
        assumed = known_use if reported else draws["assumed"][draw, domain]
        assumed = assumed + ASSUMED * rng.standard_normal(way.shape)
        worked_out = rng.random(way.shape) < draws["copied_hardware"][draw]
        if name == "operations":
            passes = readings.one_pass[i] and counted[i] == 1
            value = z + draws["bias"][draw, domain] + draws["passes"][draw] * passes
            gross = draws["operations_gross"][draw, counted[i]]
            value = value + error(draws["operations_sd"][draw, domain], gross)
        elif name == "hardware":
            use = draws["utilization"] + draws["chip_effect"][:, readings.chip[i]]
            use = use + draws["utilization_growth"] * (readings.year[i] - UTILIZATION_YEAR)
            sd = REPORTED if reported else draws["utilization_sd"][draw]
            value = z - (known_use if reported else use[draw])
            value = value + error(sd, draws["hardware_gross"][draw])
            if readings.from_hardware[i] and not readings.copied[i]:
                value = np.where(worked_out, readings.published[i] - assumed, value)
        else:
            # The figure's own error, of a class that is as frequent as among all figures
            label = rng.choice(readings.confidence, size=way.shape)
            value = z + error(draws["figure_sd"][draw, label], draws["figure_gross"][draw, label])
            if np.isfinite(readings.hardware[i]):  # or worked out from hardware
                value = np.where(worked_out, readings.hardware[i] + assumed, value)
            value = np.where(holds[way], readings.operations[i], value)
        quantiles[:, i] = np.quantile(value, [0.05, 0.25, 0.5, 0.75, 0.95])
    return quantiles


def _against(truth, operations, hardware, middle) -> None:
    """Absolute errors beside those of the plain rules."""
    plain = hardware + np.log10(PLAIN_UTILIZATION)
    for name, rival in (("6ND", operations), (f"chips x hours x {PLAIN_UTILIZATION:.0%}", plain)):
        seen = np.isfinite(rival)
        ours, theirs = (np.abs(truth - each)[seen] for each in (middle, rival))
        differ = np.abs(ours - theirs) > 0.01
        closer = (ours < theirs)[differ].sum()
        print(
            f"  {seen.sum()} with {name}: absolute error median {np.median(ours):.4f} against "
            f"{np.median(theirs):.4f} OOM, mean {ours.mean():.3f} against {theirs.mean():.3f}; of "
            f"{differ.sum()} that differ by 0.01 OOM it is smaller in {closer}"
        )


def undisclosed() -> None:
    """Predict figures that systems without one got later, by operations as first read."""
    readings = calibration.observe()
    since = readings.undisclosed & np.isfinite(readings.published)
    half = np.cumsum(since) % 2
    found = []
    for k in (0, 1):
        fit = bc.fit("calibration", readings.subset(~since | (half != k)), progress=False)
        some = readings.subset(since & (half == k))
        nothing = np.full(some.n, np.nan)
        alone = replace(some, hardware=nothing, utilization=nothing)
        found.append((some.published, _predicted(alone, fit, "published", held=True)))
        for name, truth, ends in zip(some.system, some.published, found[-1][1].T, strict=True):
            print(f"  {name}: {truth:.1f}, expected {ends[0]:.1f} to {ends[4]:.1f}")
    truth, quantiles = zip(*found, strict=True)
    _coverage("all", np.concatenate(truth), np.concatenate(quantiles, axis=1))


def _coverage(name: str, truth: np.ndarray, quantiles: np.ndarray, chosen: Any = slice(None)):
    truth, quantiles = truth[chosen], quantiles[:, chosen]
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
