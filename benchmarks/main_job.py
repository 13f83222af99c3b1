"""Measure what the README quotes of the main job: speed, and agreement with the exact answer.

    uv run python benchmarks/main_job.py speed       # sampling, ESS, transitions, --help, report
    uv run python benchmarks/main_job.py agreement   # sampled against exact date posteriors

Times are of this machine, with compiled kernels cached unless they say otherwise; each is taken
several times, and the smallest and the largest stand in the table.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import numpy as np
import nutpie
from scipy import stats

import bayes_compute as bc
from bayes_compute.changepoint.hyperparameters import Hyperparameters, hyperparameters
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations

REPEATS = 3


def main() -> None:
    """Run the part that the command line names."""
    parts = {"speed": speed, "agreement": agreement}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(f"usage: main_job.py {' | '.join(parts)}")
    parts[sys.argv[1]]()


def observations(as_of: str | None = None, fine_tunes: bool = False) -> Observations:
    """Notable systems of the newest table."""
    systems = bc.load_systems("systems-2025-08", as_of=as_of, fine_tunes=fine_tunes)
    return Observations.from_systems(systems)


def speed() -> None:
    """Time the sampler, the enumeration, the help text and the whole report."""
    print("three_eras, 4 x 1000 draws after 500, dates to the month")
    for fine_tunes in (False, True):
        for as_of in ("2022-03-12", None):
            systems = observations(as_of, fine_tunes)
            seconds = []
            for _ in range(REPEATS):
                dt, took = _timed_sampling(systems)
                seconds.append(took)
            checks = json.loads(dt.attrs["diagnostics"])
            ess = min(checks["smallest_ess_bulk"], checks["smallest_ess_tail"])
            print(
                f"  {systems.n} rows: sampling {min(seconds):.1f} to {max(seconds):.1f} s, "
                f"worst R-hat {checks['worst_r_hat']:.3f}, smallest ESS {ess}, "
                f"{checks['divergences']} divergences, left out {checks['sampled_without']:.3f}, "
                f"{checks['drawn_without']:.0e}"
            )
    systems = observations(fine_tunes=True)
    seconds = []
    for _ in range(2 * REPEATS):
        start = time.perf_counter()
        bc.transitions(systems, max_k=4).probability  # noqa: B018 - computed when first read
        seconds.append(time.perf_counter() - start)
    print(
        f"transitions, {systems.n} rows, every date, K <= 4: "
        f"{1e3 * min(seconds[1:]):.0f} to {1e3 * max(seconds[1:]):.0f} ms"
    )
    for arguments in (["--help"], ["report", "--quiet"]):
        seconds = []
        for _ in range(REPEATS):
            with tempfile.TemporaryDirectory() as folder:
                out = ["--out", folder] if arguments[0] == "report" else []
                start = time.perf_counter()
                command = [sys.executable, "-m", "bayes_compute", *arguments, *out]
                subprocess.run(command, check=True, capture_output=True)
                seconds.append(time.perf_counter() - start)
        print(f"{' '.join(arguments)}: {min(seconds):.2f} to {max(seconds):.2f} s")


def _timed_sampling(systems: Observations):
    """Fit, and time ``nutpie.sample`` alone."""
    sample, took = nutpie.sample, []

    def timed(*args, **kwargs):
        start = time.perf_counter()
        result = sample(*args, **kwargs)
        took.append(time.perf_counter() - start)
        return result

    nutpie.sample = timed
    try:
        return bc.fit("three_eras", systems, progress=False), took[0]
    finally:
        nutpie.sample = sample


def agreement() -> None:
    """Hold sampled date posteriors to the exact ones of the same model.

    With one domain only growth_mean and growth_sd are left, and a fine grid over both is exact.
    """
    for as_of in ("2022-03-12", None):
        systems = observations(as_of)
        systems = replace(systems, domain=np.zeros(systems.n, int), domains=("All",))
        likelihood = three_eras.regression(systems)
        exact = _by_quadrature(likelihood)
        dt = bc.fit("three_eras", systems, progress=False)
        draws = hyperparameters(dt["posterior"].to_dataset())
        marginal = [
            likelihood.date_probability(Hyperparameters(*(member[i] for member in draws)))
            for i in range(0, len(draws.growth_mean), 20)
        ]
        distance = 0.5 * np.abs(np.mean(marginal, axis=0) - exact).sum(axis=1)
        print(f"{systems.n} rows: total variation {np.round(distance, 4)} of the two dates")


def _by_quadrature(likelihood, n: int = 25) -> np.ndarray:
    """Exact date posteriors, hyperparameters integrated on a grid."""
    means = np.linspace(-0.3, 1.1, n)
    log_sds = np.linspace(np.log(0.02), np.log(2.0), n)
    prior_mean = stats.norm.logpdf(means, 0.4, 0.3)
    prior_sd = stats.norm.logpdf(log_sds, np.log(0.2), 0.7)
    log_weight, of_date = [], []
    for mean, in_mean in zip(means, prior_mean, strict=True):
        for log_sd, in_sd in zip(log_sds, prior_sd, strict=True):
            at = Hyperparameters(mean, np.exp(log_sd), np.zeros(1))
            log_weight.append(likelihood.log_likelihood(at)[0] + in_mean + in_sd)
            of_date.append(likelihood.date_probability(at))
    weight = np.exp(np.array(log_weight) - np.max(log_weight))
    return np.tensordot(weight / weight.sum(), np.array(of_date), axes=1)


if __name__ == "__main__":
    main()
