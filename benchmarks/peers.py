"""Transition dates by this package, and by what people would use instead, on the same rows.

    uv run --with Rbeast,piecewise-regression,pwlf python benchmarks/peers.py [TABLE]

All get log10 FLOP of the notable systems of a table (systems-2025-08 by default) and look for two
transitions. `three_eras`, plain PyMC and Stan have one model: that of models/three_eras.py with its
priors, domains and errors of figures, dates summed out exactly in the first, and continuous
parameters in the others, as one would write it. Rbeast has trends of its own priors and no domains;
piecewise-regression and pwlf are least squares of lines that meet. A time is of what a user waits
for once everything is compiled; compiling stands apart.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import arviz as az
import numpy as np
import xarray as xr

import bayes_compute as bc
from bayes_compute.models import three_eras
from bayes_compute.observations import Observations

DRAWS, TUNE, CHAINS = 1000, 1000, 4
FIRST = 1985.0


def ours(systems: Observations) -> dict[str, Any]:
    """Dates summed out; NUTS on the rest; all drawn back."""
    took, dt = _timed(lambda: bc.fit("three_eras", systems, progress=False), warm=True)
    return _of_draws(dt["posterior"].dataset, took)


def enumeration(systems: Observations) -> dict[str, Any]:
    """P(K) and the dates of every K up to 4, exactly, with the conjugate model."""
    took, found = _timed(lambda: _enumerated(systems), warm=True)
    return {"seconds": took, "dates": found.quantile(2, np.array([0.05, 0.5, 0.95]))}


def _enumerated(systems: Observations) -> Any:
    found = bc.transitions(systems)
    found.date_probability(2)
    return found


def plain_pymc(systems: Observations) -> dict[str, Any]:
    """The model as one would write it in PyMC."""
    import pymc as pm

    prior, year = three_eras.ERA_PRIOR, systems.year
    with pm.Model(coords={"domain": systems.domains, "era": three_eras.ERAS}):
        growth_mean, growth_sd, offset = three_eras.pooled()
        date = pm.TruncatedNormal(
            "transition_year", [2008, 2018], [5, 4], lower=FIRST, upper=year.max(), shape=2,
            transform=pm.distributions.transforms.Chain(
                [pm.distributions.transforms.ordered]
            ), initval=[2008, 2018],
        )  # fmt: skip
        level = pm.Normal("level", prior.level_mean, prior.level_sd, dims="era")
        growth = pm.Normal("growth", growth_mean, growth_sd, dims="era")
        sigma = pm.LogNormal("sigma", np.log(prior.sigma_median), prior.log_sigma_sd, dims="era")
        era = (year >= date[0]).astype(int) + (year >= date[1]).astype(int)
        mean = level[era] + growth[era] * (year - 2010) + offset[systems.domain]
        sd = pm.math.sqrt(sigma[era] ** 2 + systems.variance)
        pm.Normal("y", mean, sd, observed=systems.log10_flop)
        took, found = _timed(
            lambda: pm.sample(DRAWS, tune=TUNE, chains=CHAINS, random_seed=1, progressbar=False)
        )
    return _of_draws(found["posterior"].to_dataset(), took)


def stan(systems: Observations) -> dict[str, Any]:
    """The same, written in Stan; pystan does not run on Python 3.13."""
    data = {
        "n": systems.n, "d": len(systems.domains), "year": systems.year.tolist(),
        "y": systems.log10_flop.tolist(), "variance": systems.variance.tolist(),
        "domain": (systems.domain + 1).tolist(), "first": FIRST, "last": systems.year.max(),
    }  # fmt: skip
    settings = {"num_chains": CHAINS, "num_samples": DRAWS, "num_warmup": TUNE}
    command = "uv run --quiet --no-project --python 3.12 --with pystan,setuptools"
    program = Path(__file__).with_name("peer_stan.py")
    with TemporaryDirectory() as folder:
        path = Path(folder, "draws.npz")
        done = subprocess.run(
            [*command.split(), str(program), str(path)],
            input=json.dumps({"data": data, "settings": settings}), text=True, capture_output=True,
        )  # fmt: skip
        if done.returncode:
            raise ImportError(done.stderr.strip().splitlines()[-1])
        found = dict(np.load(path))
    took, compiling = found.pop("seconds").item(), found.pop("compiling").item()
    ours = {"date": "transition_year", "deviation": "offset"}  # `offset` is a word of Stan's own
    draws = {}
    for name, values in found.items():  # (..., chain and draw), chains varying fastest
        label = ours.get(name) or name
        each = values.reshape(-1, DRAWS, CHAINS).transpose(2, 1, 0)
        draws[label] = (("chain", "draw", f"{label}_at"), each)
    return _of_draws(xr.Dataset(draws), took) | {"compiling": compiling}


def rbeast(systems: Observations) -> dict[str, Any]:
    """Bayesian trends with a number of transitions of its own, at most 4."""
    import Rbeast  # pyright: ignore[reportMissingImports]

    took, found = _timed(
        lambda: Rbeast.beast_irreg(
            systems.log10_flop, time=systems.year, season="none", tcp_minmax=[0, 4],
            torder_minmax=[1, 1], mcmc_seed=1, print_progress=0, print_options=0, quiet=1,
        )
    )  # fmt: skip
    at = np.argsort(found.trend.cp[:2])
    dates = [[min(found.trend.cpCI[i]), found.trend.cp[i], max(found.trend.cpCI[i])] for i in at]
    return {"seconds": took, "dates": np.array(dates, float)}


def piecewise(systems: Observations) -> dict[str, Any]:
    """Muggeo's iteration with bootstrap restarts."""
    from piecewise_regression import Fit  # pyright: ignore[reportMissingImports]

    np.random.seed(1)
    took, found = _timed(lambda: Fit(systems.year, systems.log10_flop, n_breakpoints=2))
    estimates = found.get_results()["estimates"]
    if not estimates:
        return {"seconds": took, "dates": np.full((2, 3), np.nan)}
    dates = []
    for k in (1, 2):
        each = estimates[f"breakpoint{k}"]
        (low, high), middle = each["confidence_interval"], each["estimate"]
        dates.append([low, middle, high])
    return {"seconds": took, "dates": np.sort(np.array(dates), axis=0)}


def pwlf(systems: Observations) -> dict[str, Any]:
    """Least squares by differential evolution; no intervals."""
    from pwlf import PiecewiseLinFit  # pyright: ignore[reportMissingImports]

    took, found = _timed(lambda: PiecewiseLinFit(systems.year, systems.log10_flop, seed=1).fit(3))
    return {"seconds": took, "dates": np.array([[np.nan, date, np.nan] for date in found[1:-1]])}


PEERS = {
    "three_eras (this package)": ours,
    "transitions (this package)": enumeration,
    "plain PyMC": plain_pymc,
    "Stan": stan,
    "Rbeast": rbeast,
    "piecewise-regression": piecewise,
    "pwlf": pwlf,
}


def main(table: str = "systems-2025-08") -> None:
    """Print a table of all."""
    systems = Observations.from_systems(bc.load_systems(table)).with_compute
    print(f"{table}: {systems.n} systems\n")
    print("| | s | compiling, s | worst R-hat | smallest ESS | ESS/s | dates (90 or 95 %) |")
    print("|---|---|---|---|---|---|---|")
    for name, peer in PEERS.items():
        try:
            row = peer(systems)
        except ImportError as error:
            print(f"| {name} | not here: {error} | | | | | |", flush=True)
            continue
        cells = [f"{row['seconds']:.2f}"]
        cells.append(f"{row['compiling']:.0f}" if "compiling" in row else "")
        if "ess" in row:
            each = row["ess"] / row["seconds"]
            cells += [f"{row['r_hat']:.3f}", f"{row['ess']:.0f}", f"{each:.2g}"]
        else:
            cells += [""] * 3
        dates = "; ".join(f"{b:.1f} ({a:.1f} to {c:.1f})" for a, b, c in row["dates"])
        print(f"| {name} | {' | '.join(cells)} | {dates} |", flush=True)


def _timed(work: Callable[[], Any], warm: bool = False) -> tuple[float, Any]:
    """Seconds that some work takes, and what it gives; after a first time if it is to be warm."""
    if warm:
        work()
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _of_draws(draws: xr.Dataset, seconds: float) -> dict[str, Any]:
    """Convergence of dates, lines and what governs them, and the dates."""
    names = ("transition_year", "level", "growth", "sigma", "growth_mean", "growth_sd", "offset")
    draws = draws[[*names]]
    least = [float(az.ess(draws, method=m).to_array().min()) for m in ("bulk", "tail")]
    dates = draws["transition_year"].quantile([0.05, 0.5, 0.95], ["chain", "draw"]).to_numpy().T
    worst = float(az.rhat(draws).to_array().max())
    return {"seconds": seconds, "ess": min(least), "r_hat": worst, "dates": dates}


if __name__ == "__main__":
    main(*sys.argv[1:])
