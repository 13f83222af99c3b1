"""Failures on record, and the work that they leave: Daly's efficiency and its wall.

A job on N accelerators that fail at rate λ fails at rate Λ = N λ. It computes for a time t, stops
for δ to write a checkpoint, and after a failure takes R to restart and repeats what it lost. The
share of its time that is of use is (Daly 2006, doi:10.1016/j.future.2004.11.016)

    η = max over t of Λ t / [exp(Λ R) (exp(Λ (t + δ)) − 1)].

With x = Λ t the maximum is where (1 − x) exp(x) = exp(−Λ δ), thus x = 1 − w with
w = −W₀(−exp(−1 − Λ δ)), the principal branch of Lambert's function, and there

    η = w exp(−Λ R).

η depends on Λ alone, so N η(N) = Λ η(Λ)/λ has its maximum at the Λ, and the N = Λ/λ, where

    Λ (R + δ/(1 − w)) = 1,    Λ = (w − 1 − log w)/δ:

the wall. More accelerators than that do less work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import elementwise
from scipy.special import lambertw

from bayes_compute.assumptions import Assumption
from bayes_compute.ceilings.provenance import source_of
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts

KINDS = ("memory", "accelerator", "node", "run")
"""What is counted, each with the one before: errors of memory, failures of accelerators, of nodes,
and whatever interrupts a run."""
# Rows whose events and accelerator-hours are both known, or a rate for each node: system, kind
RECORDS = {
    "Llama 3 405B pre-training (unexpected only)": ("Llama 3", "run"),
    "OPT-175B (paper)": ("OPT-175B", "run"),
    "BLOOM-176B": ("BLOOM", "run"),
    "GLM-130B": ("GLM-130B", "run"),
    "Meta RSC-1 cluster": ("RSC-1", "node"),
    "Meta RSC-2 cluster": ("RSC-2", "node"),
    "Imbue cluster": ("Imbue", "node"),
    "Crusoe H200 cluster": ("Crusoe", "node"),
    "Delta A100 (uncorrectable memory errors)": ("Delta A100", "memory"),
    "Delta H100 (uncorrectable memory errors)": ("Delta H100", "memory"),
    "Summit (GPU double-bit errors)": ("Summit", "memory"),
}
# Mean times to failure of the jobs of a shared cluster, the larger of which is the less small
SMALL_JOBS = {
    "Meta RSC-1/RSC-2 job of 8 GPUs (measured)": ("RSC-1", "node"),
    "Meta RSC-1/RSC-2 job of 1024 GPUs (measured)": ("RSC-1", "node"),
}
# A figure that was read in a quotation alone may be of other events or hours than it seems: it is
# taken to be off by half (sd), on top of how rates vary
READING_CV = {
    "source read": 0.0,
    "computed from raw data": 0.0,
    "quotation read": 0.5,
    "partly verified": 0.7,
    "unverified": 1.0,
}
TITAN_ACCELERATORS = 18_688
TITAN_LAST = ("2019Q3", 31 * 24.0)  # hours: it was switched off on 1 August
MEMORY = ("GPU HBM3 Memory", "GPU SRAM Memory")  # causes, as the paper on Llama 3 names them

ASSUMPTIONS = {
    "checkpoint_time": Assumption(
        1 / 60, 5.0, "h",
        "A job stands still for seconds where states go to the host's memory first (MegaScale, "
        "arXiv:2402.15627), and for minutes where they go straight to storage: 12 s to 5 min",
    ),
    "restart_time": Assumption(
        5 / 60, 4.0, "h",
        "Llama 3 lost less than 10 % of its time in 466 interruptions of 54 days, at most 17 min "
        "each with what was repeated (arXiv:2407.21783); OLMo Hybrid took 4 min in the median and "
        "39 in the mean (table reliability): 75 s to 20 min",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Failures:
    """Records of failures.

    Attributes
    ----------
    system : tuple of str, length (n,)
        The machine or run; several records may be of one.
    kind : ndarray of int, shape (n,)
        Place in :data:`KINDS`.
    events : ndarray of float, shape (n,)
        Failures counted; NaN where only their rate is stated.
    exposure : ndarray of float, shape (n,)
        Accelerator-hours; NaN likewise.
    rate : ndarray of float, shape (n,)
        Failures per accelerator-hour.
    reading_cv : ndarray of float, shape (n,)
        How far off the reading may be: sd over mean.
    small : ndarray of bool, shape (n,)
        Whether it is of small jobs on a shared cluster.
    causes : ndarray of int, shape (4,)
        Interruptions of Llama 3 by cause: memory, else of an accelerator, else of a node, other.
    source : dict
    """

    system: tuple[str, ...]
    kind: np.ndarray
    events: np.ndarray
    exposure: np.ndarray
    rate: np.ndarray
    reading_cv: np.ndarray
    small: np.ndarray
    causes: np.ndarray
    source: dict[str, Any]

    @property
    def systems(self) -> tuple[str, ...]:
        """Each system once."""
        return tuple(dict.fromkeys(self.system))


def observe(as_of: str | None = None) -> Failures:
    """Collect the failures on record.

    Parameters
    ----------
    as_of : str, optional
        Only what is dated by then: a source by its publication, Titan's quarters by themselves.

    Raises
    ------
    InputError
        If there is no record by then.
    """
    table, causes, titan = (
        load_facts(name, as_of)
        for name in ("reliability", "llama3-interruptions", "titan-gpu-failures")
    )
    rows = [_record(row) for row in table.to_dict("records") if row["system"] in _USED]
    for quarter, failures, hours in zip(
        titan["quarter"], titan["failures"], titan["hours"], strict=True
    ):
        hours = TITAN_LAST[1] if quarter == TITAN_LAST[0] else hours
        exposure = hours * TITAN_ACCELERATORS
        rows.append(("Titan", "accelerator", failures, exposure, failures / exposure, 0.0, False))
    if not rows:
        raise InputError(
            f"reliability: got no failures on record by {as_of}; expected some; "
            "give a later date: Titan's quarters begin in 2014"
        )
    system, kind, *numbers, small = zip(*rows, strict=True)
    events, exposure, rate, reading_cv = np.array(numbers, dtype=float)
    return Failures(
        system, np.array([KINDS.index(name) for name in kind]), events, exposure, rate,
        reading_cv, np.array(small), _by_cause(causes),
        source_of(len(rows), table.attrs, causes.attrs, titan.attrs),
    )  # fmt: skip


# Rows whose goodput is a share of time on the accelerators of that row
GOODPUT = (
    "Llama 3 405B pre-training (unexpected only)",
    "OPT-175B (logbook)",
    "ByteRobust dense job",
    "ByteRobust MoE job",
)


def goodput(as_of: str | None = None) -> pd.DataFrame:
    """Shares of time that runs report to have been of use, which no model here is fitted to.

    Parameters
    ----------
    as_of : str, optional

    Returns
    -------
    pandas.DataFrame
        system, accelerators and share, the lower end where a range or a bound is reported.
    """
    table = load_facts("reliability", as_of)
    table = table[table["system"].isin(GOODPUT)]
    share = table["goodput"].str.extract(r"(0\.\d+)", expand=False).astype(float)
    return table[["system", "accelerators"]].assign(share=share).reset_index(drop=True)


_USED = RECORDS | SMALL_JOBS


def _record(row: dict[str, Any]) -> tuple:
    """One record: system, kind, events, accelerator-hours, rate, reading_cv, small."""
    system, kind = _USED[row["system"]]
    events, exposure = row["interruptions"], row["accelerators"] * row["duration_days"] * 24
    if pd.notna(events) and pd.notna(exposure):
        rate = events / exposure
    elif row["system"] in SMALL_JOBS:
        events, exposure = np.nan, np.nan
        rate = 1 / (row["mtbf_hours"] * row["accelerators"])
    else:
        events, exposure = np.nan, np.nan
        per_node_hour = row["failures_per_1000_node_days"] / 1000 / 24
        rate = per_node_hour * row["nodes"] / row["accelerators"]
    cv = READING_CV[row["verification"]]
    return system, kind, events, exposure, rate, cv, row["system"] in SMALL_JOBS


def _by_cause(causes: pd.DataFrame) -> np.ndarray:
    part = np.select(
        [
            causes["component"].isin(MEMORY),
            causes["category"] == "GPU",
            causes["category"] == "Host",
        ],
        [0, 1, 2],
        3,
    )
    counts = np.bincount(part, causes["interruptions"].to_numpy(float), minlength=4)
    return counts.astype(int)


def _useful_share(stops: np.ndarray) -> np.ndarray:
    """Give w = −W₀(−exp(−1 − Λ δ)) of Λ δ."""
    near = np.sqrt(-2 * np.expm1(-stops))  # a series where the branch point loses digits
    series = 1 - near + near**2 / 3 - 11 * near**3 / 72
    exact = -np.real(lambertw(-np.exp(-1 - stops)))
    return np.where(stops < 1e-6, series, exact)


def efficiency(failure_rate: Any, checkpoint_time: Any, restart_time: Any) -> np.ndarray:
    """Share of a job's time that is of use when checkpoints are written as often as is best.

    Parameters
    ----------
    failure_rate : array_like
        Of the whole job [1/h].
    checkpoint_time, restart_time : array_like
        [h]

    Returns
    -------
    ndarray
        Between 0 and 1, falling in each of the three.
    """
    rate, stop, restart = map(np.asarray, (failure_rate, checkpoint_time, restart_time))
    return _useful_share(rate * stop) * np.exp(-rate * restart)


def interval(failure_rate: Any, checkpoint_time: Any) -> np.ndarray:
    """Give the best time to compute between checkpoints [h]: (1 − w)/Λ."""
    rate = np.asarray(failure_rate)
    return (1 - _useful_share(rate * np.asarray(checkpoint_time))) / rate


def wall(rate: Any, checkpoint_time: Any, restart_time: Any) -> np.ndarray:
    """Number of accelerators that do the most work, more of them doing less.

    Parameters
    ----------
    rate : array_like
        Failures per accelerator-hour.
    checkpoint_time, restart_time : array_like
        [h]
    """
    rate, stop, restart = np.broadcast_arrays(
        *(np.asarray(v, dtype=float) for v in (rate, checkpoint_time, restart_time))
    )

    def excess(log_job_rate: np.ndarray, stop: np.ndarray, restart: np.ndarray) -> np.ndarray:
        job_rate = np.exp(log_job_rate)
        return np.log(job_rate * (restart + stop / (1 - _useful_share(job_rate * stop))))

    # Λ (R + δ) = 1 is above the root, and so is Λ R = 1; a millionth of that is far below it
    high = -np.log(restart + stop)
    found = elementwise.find_root(excess, (high - 20, high), args=(stop, restart))
    return np.exp(found.x) / rate


def new_rate(posterior: xr.Dataset, seed: int = 1) -> np.ndarray:
    """Draw the failures per accelerator-hour of one run of months on a system not yet seen.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``reliability``.
    seed : int

    Returns
    -------
    ndarray, shape (S,)
    """
    rng = np.random.default_rng([seed, 1])
    rate, between, over_time = (
        posterior[name].to_numpy().ravel() for name in ("typical_rate", "system_sd", "time_cv")
    )
    system = np.exp(between * rng.standard_normal(rate.shape))
    quarter = rng.gamma(1 / over_time**2) * over_time**2
    return rate * system * np.maximum(quarter, 1e-3)  # a wide Gamma's draws would round to 0


def _times(n: int, assumptions: Mapping[str, Assumption], seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng([seed, 2])
    names = ("checkpoint_time", "restart_time")
    return tuple(assumptions[name].draw(n, rng) for name in names)


def recovery_share(
    posterior: xr.Dataset,
    accelerators: Any,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Share of a run's resources that go to checkpoints, restarts and work done again.

    Parameters
    ----------
    posterior : xarray.Dataset
    accelerators : array_like, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
    """
    rate = new_rate(posterior, seed)
    times = (values[:, None] for values in _times(len(rate), assumptions, seed))
    return 1 - efficiency(rate[:, None] * np.asarray(accelerators), *times)


def reliability(
    posterior: xr.Dataset,
    year: np.ndarray,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Most accelerators' worth of work that one run can get, however many it has.

    No trend over the years is on record that could be told from differences between systems: each
    draw is the same in all years.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of a fit of ``reliability``.
    year : ndarray, shape (n,)
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 N η(N) at the wall [accelerators].
    """
    rate = new_rate(posterior, seed)
    stop, restart = _times(len(rate), assumptions, seed)
    most = wall(rate, stop, restart)
    useful = np.log10(most * efficiency(most * rate, stop, restart))
    return np.repeat(useful[:, None], len(year), axis=1)


def largest_run(
    posterior: xr.Dataset,
    hours: np.ndarray,
    flop_s: float,
    assumptions: Mapping[str, Assumption] = ASSUMPTIONS,
    seed: int = 1,
) -> np.ndarray:
    """Largest run of a given length on accelerators of a given rate.

    Parameters
    ----------
    posterior : xarray.Dataset
    hours : ndarray, shape (n,)
    flop_s : float
        What one accelerator reaches while it works [FLOP/s].
    assumptions : mapping of str to Assumption
    seed : int

    Returns
    -------
    ndarray, shape (S, n)
        log10 FLOP.
    """
    hours = np.asarray(hours, dtype=float)
    useful = reliability(posterior, hours, assumptions, seed)
    return useful + np.log10(flop_s * 3600 * hours)
