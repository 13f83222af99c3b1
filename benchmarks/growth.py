"""How the cost of three_eras grows with its work: systems, cells of dates, transitions, domains.

    uv run python benchmarks/growth.py [FIGURE]

Of simulated systems: dates as in the newest table, a straight line, offsets of domains, and four
sizes of error. A cost is the time of one evaluation of the log density with its gradient, over all
eras, and over those that are sampled; and of the set-up, the sums over systems. All but what is
varied is as in the fit: 500 systems, dates to the month, 2 transitions, 5 domains.
"""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import bayes_compute as bc
from bayes_compute.changepoint.date_priors import around
from bayes_compute.changepoint.hyperparameters import Hyperparameters
from bayes_compute.changepoint.regression import CollapsedRegression
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations
from bayes_compute.plots import STYLE

REPEATS = 3
ERRORS = np.array([0.14, 0.29, 0.61, 1.0])  # sds [log10 FLOP]


class Cost(NamedTuple):
    """Milliseconds of a set-up, and of an evaluation over all eras and over those sampled."""

    set_up: float
    whole: float
    sampled: float


VARIED: dict[str, tuple[str, list]] = {
    "n": ("Systems", [100, 1000, 10_000, 100_000, 1_000_000]),
    "per_year": ("Cells of dates a year", [2, 4, 12, 24, 52]),
    "transitions": ("Transitions", [0, 1, 2, 3, 4]),
    "domains": ("Domains", [1, 2, 5, 10, 20]),
}


def main(path: str | None = None) -> None:
    """Print a table, and draw it."""
    years = Observations.from_systems(bc.load_systems("systems-2025-08")).year
    found = {}
    print("| varied | value | set-up, ms | all eras, ms | as sampled, ms |\n|---|---|---|---|---|")
    for name, (label, values) in VARIED.items():
        found[name] = []
        for value in values:
            each = cost(years, **{name: value})
            found[name].append(each)
            cells = " | ".join(f"{ms:.3g}" for ms in each)
            print(f"| {label.lower()} | {value:,} | {cells} |", flush=True)
    if path:
        draw(found, path)


def cost(
    years: np.ndarray, n: int = 500, per_year: int = 12, transitions: int = 2, domains: int = 5
) -> Cost:
    """Time set-up and evaluation."""
    systems = simulated(years, n, domains)
    date = np.linspace(2008, 2018, transitions) if transitions > 1 else [2013.0] * transitions
    dates = [around(middle, 5, systems.year) for middle in date]
    set_up = _timed(lambda: CollapsedRegression.of(systems, dates, three_eras.ERA_PRIOR, per_year))
    whole = CollapsedRegression.of(systems, dates, three_eras.ERA_PRIOR, per_year)
    sampled = whole.focused(whole.SAMPLED_WITHOUT)
    at = Hyperparameters(0.4, 0.2, np.zeros(domains))
    evaluations = []
    for likelihood in (whole, sampled):
        likelihood.log_likelihood(at)  # what does not change is worked out
        evaluations.append(_timed(lambda likelihood=likelihood: likelihood.log_likelihood(at)))
    return Cost(set_up, *evaluations)


def simulated(years: np.ndarray, n: int, domains: int) -> Observations:
    """Systems about a line, which stay as many times as scattered however many there are."""
    rng = np.random.default_rng(1)
    year = np.sort(rng.choice(years, n) + rng.uniform(-1 / 24, 1 / 24, n))
    domain, sd = rng.integers(domains, size=n), rng.choice(ERRORS, n)
    noise = np.hypot(1.0, sd) * rng.standard_normal(n)
    return Observations(
        system=tuple(map(str, range(n))),
        year=year,
        log10_flop=16 + 0.4 * (year - 2010) + 0.5 * rng.standard_normal(domains)[domain] + noise,
        variance=sd**2,
        log10_parameters=np.full(n, np.nan),
        domain=domain,
        domains=tuple(f"domain {d + 1}" for d in range(domains)),
        source={"name": "simulated", "rows": n, "sha256": "", "as_of": "2025-08-31"},
    )


def draw(found: dict[str, list[Cost]], path: str) -> None:
    """A panel for what is varied."""
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(2, 2, figsize=(7, 5), layout="constrained", sharey=True)
        for ax, (name, (label, values)) in zip(panels.flat, VARIED.items(), strict=True):
            set_up, whole, sampled = np.array(found[name]).T
            ax.plot(values, set_up, "s:", color="0.5", label="Set-up, once")
            ax.plot(values, whole, "o-", color="#0072B2", label="Evaluation, all eras")
            ax.plot(values, sampled, "^-", color="#D55E00", label="Evaluation, as sampled")
            ax.set_yscale("log")
            if name != "transitions":
                ax.set_xscale("log")
            ax.set_xticks(values, [f"{value:,}" for value in values])
            ax.minorticks_off()
            ax.set_xlabel(label)
        for ax in panels[:, 0]:
            ax.set_ylabel("Time [ms]")
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3
        )
        figure.savefig(path, dpi=150)


def _timed(work: Callable[[], object]) -> float:
    """Median time [ms] of some calls, each of them repeated to take a hundredth of a second."""
    start = time.perf_counter()
    work()
    number = max(1, round(0.01 / max(time.perf_counter() - start, 1e-6)))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(number):
            work()
        seconds.append((time.perf_counter() - start) / number)
    return 1e3 * float(np.median(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
