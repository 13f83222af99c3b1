"""Measure what the README quotes of the model of regimes.

    uv run python benchmarks/regimes.py speed      # set-up, sampling, ESS; stated and flat priors
    uv run python benchmarks/regimes.py answers    # dates, capacity, counts, growth: every table
    uv run python benchmarks/regimes.py recovery   # 100 simulated data sets, about 25 minutes

``recovery`` takes a number of data sets and one to start from, so that parts run side by side.
"""

import json
import sys
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import nutpie
from scipy import stats

import bayes_compute as bc
from bayes_compute import seed as post
from bayes_compute.changepoint.hyperparameters import hyperparameters
from bayes_compute.models import regimes
from bayes_compute.observations import Observations
from bayes_compute.sampling import prior_draws
from bayes_compute.summaries import era_probability
from bayes_compute.systems import with_active_parameters

REPEATS = 3


def main() -> None:
    """Run the part that the command line names."""
    parts = {"speed": speed, "answers": answers, "recovery": recovery}
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        sys.exit(f"usage: regimes.py {' | '.join(parts)} [number [first]]")
    parts[sys.argv[1]](*map(int, sys.argv[2:]))


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


def recovery(n_sets: int = 100, first: int = 0) -> None:
    """Simulate from the priors on a real design, fit, and count what is covered.

    The design is that of the table of 2022: dates, domains, errors, and what is undisclosed.
    """
    observations = tables()["systems-2022-03"]
    likelihood = regimes.regression(observations)
    hyper = prior_draws(regimes.build(observations), 20220313).isel(
        draw=slice(first, first + n_sets)
    )
    at = hyperparameters(hyper, likelihood.Point)
    rng = np.random.default_rng([20220313, first])
    drawn = likelihood.draw_prior(at, rng)
    regime, log10_parameters, log10_flop = likelihood.simulate(at, drawn, rng)
    truth = {name: hyper[name].to_numpy()[0] for name in hyper} | drawn
    inside, right, failed = defaultdict(list), [], 0
    for i in range(n_sets):
        simulated = replace(
            observations,
            log10_flop=np.where(np.isnan(observations.log10_flop), np.nan, log10_flop[i]),
            log10_parameters=np.where(
                np.isnan(observations.log10_parameters), np.nan, log10_parameters[i]
            ),
        )
        try:
            dt = bc.fit("regimes", simulated, seed=i, progress=False)
        except bc.NotConverged as error:
            failed += 1
            print(f"  set {first + i}: {error}", flush=True)
            continue
        posterior = dt["posterior"].dataset
        for name, values in truth.items():
            if name in posterior:
                low, high = posterior[name].quantile([0.05, 0.95], ("chain", "draw")).to_numpy()
                inside[name] += list(np.atleast_1d((low <= values[i]) & (values[i] <= high)))
        modal = era_probability(dt).argmax("era").to_numpy()
        right.append(np.mean(modal == regime[i]))
    print(f"{n_sets} data sets of {observations.n} systems, {failed} refused by the gate")
    print(f"  regime right for {np.mean(right):.1%} of systems, at worst {min(right):.1%}")
    for name, hits in inside.items():
        low, high = stats.binom.interval(0.99, len(hits), 0.9)
        verdict = "within" if low <= sum(hits) <= high else "OUTSIDE"
        print(f"  {name}: {sum(hits)} of {len(hits)} covered, {verdict} {low:.0f} to {high:.0f}")


if __name__ == "__main__":
    main()
