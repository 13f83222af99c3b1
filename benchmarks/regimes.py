"""Measure what the README quotes of the model of regimes.

uv run python benchmarks/regimes.py speed     # set-up, sampling, ESS; stated and flat priors
uv run python benchmarks/regimes.py answers   # dates, capacity, counts, growth: every table
"""

import json
import sys
import time
from collections import defaultdict

import numpy as np
import nutpie

import bayes_compute as bc
from bayes_compute import seed as post
from bayes_compute.era_probability import era_probability
from bayes_compute.models import regimes
from bayes_compute.observations import Observations
from bayes_compute.systems import with_active_parameters

REPEATS = 3


def main() -> None:
    """Run the part that the command line names."""
    parts = {"speed": speed, "answers": answers}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(f"usage: regimes.py {' | '.join(parts)}")
    parts[sys.argv[1]]()


def tables() -> dict[str, Observations]:
    """The tables, and the rows of the first that the post of 2022 saw."""
    early = Observations.from_systems(bc.load_systems("systems-2022-03"))
    newest = Observations.from_systems(bc.load_systems("systems-2025-08"))
    return {
        "systems-2022-03, compute and parameters known": _both_known(early),
        "systems-2022-03": early,
        "systems-2025-08, compute and parameters known": _both_known(newest),
        "systems-2025-08, compute known": newest.with_compute,
        "systems-2025-08": newest,
    }


def _both_known(observations: Observations) -> Observations:
    o = observations
    return o.subset(np.isfinite(o.log10_flop) & np.isfinite(o.log10_parameters))


def speed() -> None:
    """Time the set-up, the sampler, and all of ``fit``."""
    for name, observations in tables().items():
        for flat in (False, True):
            rows = defaultdict(list)
            for _ in range(REPEATS):
                regimes.regression.cache_clear()
                start = time.perf_counter()
                regimes.regression(observations, flat)
                rows["set-up"].append(time.perf_counter() - start)
                try:
                    dt, took = _timed(observations, flat)
                except bc.NotConverged as error:
                    print(f"  refused: {error}")
                    continue
                rows["sampling"].append(took)
                rows["fit"].append(time.perf_counter() - start)
            if "fit" not in rows:
                continue
            checks = json.loads(dt.attrs["diagnostics"])
            times = ", ".join(f"{k} {min(v):.1f} to {max(v):.1f} s" for k, v in rows.items())
            print(
                f"{name}, {observations.n} rows, {'flat' if flat else 'stated'} priors: {times}; "
                f"R-hat {checks['worst_r_hat']:.3f}, ESS bulk {checks['smallest_ess_bulk']}, tail "
                f"{checks['smallest_ess_tail']}, {checks['divergences']} divergences, "
                f"Pareto k {checks.get('pareto_k', 0):.2f}",
                flush=True,
            )


def _timed(observations: Observations, flat: bool):
    """Fit, and time ``nutpie.sample`` alone."""
    sample, took = nutpie.sample, []

    def timed(*args, **kwargs):
        start = time.perf_counter()
        result = sample(*args, **kwargs)
        took.append(time.perf_counter() - start)
        return result

    nutpie.sample = timed
    try:
        return bc.fit("regimes", observations, flat_dates=flat, progress=False), took[0]
    finally:
        nutpie.sample = sample


def answers() -> None:
    """What each table, and each treatment of what is undisclosed or not active, says."""
    active = {
        f"{name}, active parameters": Observations.from_systems(
            with_active_parameters(bc.load_systems(name))
        )
        for name in ("systems-2022-03", "systems-2025-08")
    }
    for name, observations in (tables() | active).items():
        for flat in (False, True):
            print(f"\n{name}, {observations.n} rows, {'flat' if flat else 'stated'} priors")
            try:
                dt = bc.fit("regimes", observations, flat_dates=flat, progress=False)
            except bc.NotConverged as error:
                print(f"  refused: {error}")
                continue
            table, probability = bc.summary(dt), era_probability(dt)
            if post.applies(dt):
                print(post.describe(post.comparison(dt)))
            counts = zip(regimes.ERAS, probability.sum("system").values, strict=True)
            print("  of all:", ", ".join(f"{n:.1f} {regime}" for regime, n in counts))
            rows = ["transition_year[cloud]", "transition_year[bespoke]", "capacity", "drift"]
            rows += [f"{unit}[{k}]" for unit in ("growth", "doubling_time") for k in regimes.ERAS]
            for row in rows:
                print(f"  {row}: {table.loc[row, ['median', 'lower', 'upper']].round(2).tolist()}")


if __name__ == "__main__":
    main()
