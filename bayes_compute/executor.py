"""One function over many tasks, shared out among processes or machines; nothing finished is lost.

Dask runs the tasks: on a cluster of this machine's own, or on that of a scheduler elsewhere, whose
workers need no disk in common with this machine. Each outcome is a file of its own, written in one
step as soon as it arrives, under a key of function, arguments, shipped tables, code and versions: a
run that was stopped, whatever stopped it, goes on from what is there.

A fit that the gate refuses is an outcome as any other. Whatever else goes wrong with a task is
recorded with its reason, and tried again by the next run.
"""

import hashlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_compute.errors import InputError, NotConverged, Unfinished
from bayes_compute.files import alone, one_line, read_json, write_json
from bayes_compute.provenance import versions
from bayes_compute.systems import resources

if TYPE_CHECKING:  # slow to import
    from distributed import Client

_HERE = "127.0.0.1"  # no other machine is to reach what runs here
_PATIENCE = 30  # s to wait for a scheduler elsewhere, and for its first worker
_REFUSED = NotConverged.__name__
# One thread a worker, whatever library asks: a fit takes one core.
_ONE_THREAD = {
    name: "1" for name in ("PYTHON_CPU_COUNT", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS",
                           "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
}  # fmt: skip
_WORKERS = {
    "distributed.nanny.pre-spawn-environ": _ONE_THREAD,
    # Which looks at every thread that there ever was: those of samplers add up
    "distributed.worker.profile.enabled": False,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    result : dict or None
        What the function returned.
    failure, reason : str or None
        Name and text of the exception that it raised in place of a result.
    seconds : float
        Time that it took.
    """

    result: dict | None
    failure: str | None
    reason: str | None
    seconds: float

    @property
    def refused(self) -> bool:
        """Whether it is a fit that may not be quoted: run again, it would be refused again."""
        return self.failure == _REFUSED


def run(
    function: Callable[..., dict],
    tasks: Mapping[str, tuple],
    store: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    compiles: bool = False,
    progress: bool = True,
) -> dict[str, Outcome]:
    """Call a function once for each task that has no outcome yet.

    Parameters
    ----------
    function : callable
        Of a module that workers can import. What it returns can be written as JSON; its own seed
        is among its arguments, so that outcomes depend on no number of workers.
    tasks : mapping of str to tuple
        Arguments by a name that can stand in the name of a file.
    store : path
        Folder of outcomes; it is made if there is none.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.5:8786"``. By default workers are
        started here, which end with the run: a script that calls this starts its work under
        ``if __name__ == "__main__":``.
    workers : int, optional
        How many to start here; by default one a core.
    compiles : bool
        Whether the function compiles kernels. Then it is called once here before, so that workers
        of this machine find them in the cache: those that a process compiles round otherwise.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of str to Outcome
        In the order of the tasks.

    Raises
    ------
    InputError
        If there is no such scheduler, no worker, workers run other code, or the store cannot be
        written to.
    Unfinished
        If the scheduler is lost. What arrived by then is kept.
    """
    paths = {name: store / f"{name}-{_key(function, each)}.json" for name, each in tasks.items()}
    with one_line(store):
        store.mkdir(parents=True, exist_ok=True)
    found = {name: kept for name, path in paths.items() if (kept := _kept(path))}
    missing = {name: tasks[name] for name in tasks if name not in found}
    if missing:
        done = len(found)
        if compiles:
            _attempt(function, next(iter(missing.values())), code_digest())
        with _cluster(scheduler, workers, len(missing)) as client, _bar(progress) as tell:
            tell(done, len(tasks), found)
            for name, outcome in _outcomes(client, function, missing):
                with one_line(store), alone(store):
                    write_json(store, paths[name].name, {"task": name, **asdict(outcome)})
                found[name], done = outcome, done + 1
                tell(done, len(tasks), found)
    return {name: found[name] for name in tasks}


@lru_cache
def code_digest() -> str:
    """Hash of this package's code and of the libraries that numbers depend on."""
    return hashlib.sha256(json.dumps(versions()).encode()).hexdigest()


def _key(function: Callable, arguments: tuple) -> str:
    from dask.tokenize import tokenize

    name = f"{function.__module__}.{function.__qualname__}"
    tables = [entry["hash"] for entry in resources().values()]  # which tasks may read
    return tokenize(name, arguments, code_digest(), tables, ensure_deterministic=True)[:16]


def _kept(path: Path) -> Outcome | None:
    """An outcome that stands: of a file that is whole, and not of a failure to try again."""
    kept = read_json(path)
    if kept is None or kept.pop("task", None) is None:
        return None
    outcome = Outcome(**kept)
    return None if outcome.failure and not outcome.refused else outcome


def _attempt(function: Callable[..., dict], arguments: tuple, code: str) -> Outcome | str:
    """Call the function at a worker; say so if the worker's code is not that of the caller."""
    if (own := code_digest()) != code:
        return own
    from dask import config

    start = time.perf_counter()
    result, failure, reason = None, None, None
    try:
        with config.set(scheduler="synchronous"):  # of what xarray locks: files in memory too
            result = function(*arguments)
        json.dumps(result, allow_nan=False)
    except Exception as error:  # whatever it is, it is recorded
        result, failure, reason = None, type(error).__name__, str(error)
    return Outcome(result, failure, reason, round(time.perf_counter() - start, 3))


def _outcomes(
    client: "Client", function: Callable[..., dict], tasks: Mapping[str, tuple]
) -> Iterator[tuple[str, Outcome]]:
    """Outcomes as they arrive."""
    from concurrent.futures import CancelledError

    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    code, where = code_digest(), client.scheduler_info()["address"]
    futures = {
        client.submit(_attempt, function, arguments, code, key=f"{name}-{client.id}"): name
        for name, arguments in tasks.items()
    }
    for future in as_completed(futures):
        try:
            outcome = future.result()
        except KilledWorker as error:  # Dask has tried several workers
            outcome = Outcome(None, type(error).__name__, str(error), 0.0)
        except (CancelledError, OSError):  # whose connection may break in the midst of an answer
            raise Unfinished(
                f"{where}: got no more answers from the scheduler; expected one "
                "that stays until all is done; what is finished is kept: run the same again"
            ) from None
        if isinstance(outcome, str):
            raise InputError(
                f"{where}: got workers with code {outcome[:8]}; expected that "
                f"of this machine, {code[:8]}; install the same bayes_compute and libraries there"
            )
        yield futures[future], outcome
        future.release()


@contextmanager
def _cluster(scheduler: str | None, workers: int | None, n_tasks: int) -> Iterator["Client"]:
    """Workers: of a scheduler elsewhere, or some that end with the run."""
    from dask import config
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if scheduler is None:
            n = min(workers or os.process_cpu_count() or 1, n_tasks)
            stack.callback(logging.disable, logging.root.manager.disable)
            stack.enter_context(config.set(_WORKERS))
            quiet: Any = {"host": _HERE, "dashboard_address": f"{_HERE}:0", "silence_logs": "ERROR"}
            local = LocalCluster(n_workers=n, threads_per_worker=1, **quiet)
            cluster = stack.enter_context(local)
            client = stack.enter_context(Client(cluster))
            client.run(_leave_interrupts)
            try:
                yield client
            except KeyboardInterrupt:  # who stops the work knows why connections close
                logging.disable()
                raise
            return
        try:
            client = stack.enter_context(Client(scheduler, timeout=_PATIENCE))
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"scheduler: got {scheduler!r}, which gives no worker ({error}); expected the "
                "address of a running one, such as tcp://10.0.0.5:8786; start dask scheduler and "
                "dask worker, or leave --scheduler out"
            ) from error
        yield client


def _leave_interrupts() -> None:
    """At a worker: Ctrl-C is for the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _bar(show: bool) -> Iterator[Callable[[int, int, Mapping[str, Outcome]], None]]:
    """How much is done, and how much of it failed, on standard error."""
    if not show:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), Remaining())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        shown = bar.add_task("")

        def tell(done: int, of: int, found: Mapping[str, Outcome]) -> None:
            failed = sum(outcome.failure is not None for outcome in found.values())
            bar.update(shown, completed=done, total=of, description=f"{failed} failed")

        yield tell
