"""Running many tasks: each once, whatever is killed meanwhile, with the same outcome anywhere."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed.comm import CommClosedError

import bayes_compute as bc
from bayes_compute import executor
from bayes_compute.errors import Unfinished
from bayes_compute.executor import run

HERE = Path(__file__).parent
PATIENCE = 120  # s; a start of processes takes a few on a machine that is free


def square(i: int, log: str, seconds: float = 0.0) -> dict:
    """A task that leaves a line when it ends; some fail, one is refused."""
    time.sleep(seconds)
    with Path(log).open("a") as file:
        file.write(f"{i}\n")
    if i == 3:
        raise bc.NotConverged("three: ess_bulk is 12")
    if i == 4:
        raise ZeroDivisionError("four")
    return {"square": i * i} if i != 5 else {"square": float("nan")}


def write(values: list[float]) -> dict:
    """A task that makes a file in memory, as kept fits of ceilings are."""
    import xarray as xr

    return {"size": len(bytes(xr.Dataset({"a": ("x", values)}).to_netcdf(engine="h5netcdf")))}


def die(i: int) -> dict:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def process(seconds: float) -> dict:
    """A task that says where it runs, and whether Dask looks on."""
    from distributed import get_worker

    time.sleep(seconds)
    return {"pid": os.getpid(), "profiled": "profile" in get_worker().periodic_callbacks}


def tasks(n: int, log: Path, seconds: float = 0.0, first: int = 0) -> dict[str, tuple]:
    return {f"task-{i}": (i, str(log), seconds) for i in range(first, first + n)}


def slow_tasks(n: int, log: Path) -> dict[str, tuple]:
    """Tasks of which none fails."""
    return tasks(n, log, 0.05, first=10)


def runs(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def started(*command: str, **settings) -> subprocess.Popen:
    """A process in a session of its own, so that it can be killed with what it started."""
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": path, "PYTHON_CPU_COUNT": "1"},
        start_new_session=True,
        **settings,
    )


def killed(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Elsewhere:
    """A scheduler and two workers, each a process as `dask` starts it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._where = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.scheduler = self._dask(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(self._file),
        )  # fmt: skip
        give_up = time.monotonic() + PATIENCE
        while not self._file.exists() or not self._file.read_text().endswith("}"):
            assert time.monotonic() < give_up, "no scheduler"
            time.sleep(0.05)
        self.address = json.loads(self._file.read_text())["address"]
        self.workers = [self.worker(), self.worker()]

    def worker(self) -> subprocess.Popen:
        return self._dask(
            "worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1",
            "--local-directory", str(self._folder), "--no-nanny",
        )  # fmt: skip

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            killed(process)

    def _dask(self, *arguments: str) -> subprocess.Popen:
        return started("-m", "distributed.cli.dask_" + arguments[0], *arguments[1:], **self._where)


@pytest.fixture
def elsewhere(tmp_path):
    cluster = Elsewhere(tmp_path)
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run of six tasks on two workers of this machine; a file is cut off; a run of eight."""
    folder = tmp_path_factory.mktemp("run")
    log, store = folder / "log", folder / "store"
    six = run(square, tasks(6, log), store, workers=2, progress=False)
    before = runs(log)
    (one,) = store.glob("task-0-*")
    one.write_bytes(one.read_bytes()[:20])
    eight = run(square, tasks(8, log), store, workers=1, progress=False)
    return six, before, eight, runs(log)[len(before) :]


def test_outcomes_stand_in_the_order_of_tasks(first):
    assert list(first[2]) == [f"task-{i}" for i in range(8)]
    assert [first[2][f"task-{i}"].result for i in (0, 1, 2, 6, 7)] == [
        {"square": i * i} for i in (0, 1, 2, 6, 7)
    ]


def test_what_fails_is_recorded_with_its_reason(first):
    six = first[0]
    assert six["task-3"].refused
    assert six["task-3"].reason == "three: ess_bulk is 12"
    assert (six["task-4"].failure, six["task-4"].reason) == ("ZeroDivisionError", "four")
    assert six["task-5"].failure == "ValueError", "NaN is no JSON"
    assert not six["task-4"].refused


def test_the_next_run_does_what_is_missing_cut_off_or_failed_and_nothing_else(first):
    assert sorted(first[1]) == [0, 1, 2, 3, 4, 5]
    assert sorted(first[3]) == [0, 4, 5, 6, 7]


def test_what_compiles_is_called_here_once_before(tmp_path):
    log = tmp_path / "log"
    run(square, tasks(2, log), tmp_path / "store", workers=1, compiles=True, progress=False)
    assert sorted(runs(log)) == [0, 0, 1]


def test_tasks_write_files_in_memory(tmp_path):
    found = run(write, {"one": ([1.0, 2.0],)}, tmp_path / "store", workers=1, progress=False)
    assert found["one"].failure is None, found["one"].reason
    assert found["one"].result["size"] > 1000


def test_a_task_that_kills_its_worker_is_recorded(tmp_path, caplog):
    caplog.set_level("CRITICAL")
    (outcome,) = run(die, {"one": (1,)}, tmp_path, workers=1, progress=False).values()
    assert outcome.failure == "KilledWorker"


def test_keys_tell_arguments_tables_and_code_apart(monkeypatch):
    one = executor._key(square, (1, "log"))
    assert one == executor._key(square, (1, "log"))
    assert one != executor._key(square, (2, "log"))
    assert one != executor._key(die, (1, "log"))
    with monkeypatch.context() as other:
        other.setattr(executor, "resources", lambda: {"systems-2030": {"hash": "sha256:1"}})
        assert one != executor._key(square, (1, "log"))
    monkeypatch.setattr(executor, "code_digest", lambda: "other")
    assert one != executor._key(square, (1, "log"))


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_workers_start_here_as_were_asked_for(tmp_path, workers):
    slow = {f"{i}": (0.2 + i / 1000,) for i in range(4 * workers)}
    found = run(process, slow, tmp_path, workers=workers, progress=False).values()
    assert len({outcome.result["pid"] for outcome in found}) == workers
    assert not any(outcome.result["profiled"] for outcome in found)  # which costs a fifth


def test_two_workers_of_a_scheduler_are_used_and_a_killed_one_costs_nothing(elsewhere, tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    child = started(str(__file__), str(log), str(store), "40", elsewhere.address)
    while len(runs(log)) < 10:
        assert child.poll() is None
        time.sleep(0.01)
    killed(elsewhere.workers.pop())
    assert child.wait(PATIENCE) == 0
    found = run(square, slow_tasks(40, log), store, progress=False)
    assert [outcome.failure for outcome in found.values()] == [None] * 40
    assert set(runs(log)) == set(range(10, 50))


def test_no_finished_task_is_lost_when_the_run_is_killed(elsewhere, tmp_path):
    log, store, rng = tmp_path / "log", tmp_path / "store", random.Random(1)
    finished: dict[Path, int] = {}
    for _ in range(4):
        child = started(str(__file__), str(log), str(store), "200", elsewhere.address)
        have = len(finished)
        while child.poll() is None and len([*store.glob("task-*")]) < have + 5:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        killed(child)
        now = {path: path.stat().st_mtime_ns for path in store.glob("task-*.json")}
        assert all(now[path] == written for path, written in finished.items())
        assert all(json.loads(path.read_text()) for path in now)
        finished = now
        if len(finished) == 200:
            break
    child = started(str(__file__), str(log), str(store), "200", elsewhere.address)
    assert child.wait(PATIENCE) == 0
    found = run(square, slow_tasks(200, log), store, progress=False)
    assert [outcome.failure for outcome in found.values()] == [None] * 200
    assert all(path.stat().st_mtime_ns == written for path, written in finished.items())


def test_a_lost_scheduler_is_told_and_the_next_run_goes_on(elsewhere, tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    child = started(
        str(__file__), str(log), str(store), "100", elsewhere.address, stderr=subprocess.PIPE
    )
    while len([*store.glob("task-*.json")]) < 5:
        assert child.poll() is None
        time.sleep(0.01)
    elsewhere.end()
    _, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 1
    assert "run the same again" in errors.decode().splitlines()[-1]
    kept = len([*store.glob("task-*.json")])
    assert 5 <= kept < 100


@pytest.mark.parametrize("how", [CancelledError("task-0"), CommClosedError("in gather")])
def test_a_scheduler_lost_before_or_in_the_midst_of_an_answer_is_one_to_the_user(monkeypatch, how):
    class Lost:
        id = "client"

        def scheduler_info(self):
            return {"address": "tcp://127.0.0.1:8786"}

        def submit(self, *_, **__):
            return self

        def result(self):
            raise how

    monkeypatch.setattr("distributed.as_completed", list)
    lost: Any = Lost()
    with pytest.raises(Unfinished, match="run the same again"):
        list(executor._outcomes(lost, square, {"task-0": (0, "log")}))


def test_an_interrupt_is_the_caller_s_alone(tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    child = started(str(__file__), str(log), str(store), "500", stderr=subprocess.PIPE)
    while len([*store.glob("task-*.json")]) < 3:
        assert child.poll() is None
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert errors.decode() == ""
    assert 3 <= len([*store.glob("task-*.json")]) < 500


def test_no_other_machine_reaches_what_runs_here():
    with executor._cluster(None, 1, 1):
        this = psutil.Process()
        every = [each.net_connections("inet") for each in (this, *this.children(recursive=True))]
    open_to = {each.laddr.ip for some in every for each in some if each.status == "LISTEN"}
    assert open_to == {"127.0.0.1"}


def test_no_scheduler_and_other_code_are_wrong_input(elsewhere, tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(executor, "code_digest", lambda: "0123456789")
        with pytest.raises(bc.InputError, match=r"expected that of this machine, 01234567"):
            run(square, tasks(1, tmp_path / "log"), tmp_path, scheduler=elsewhere.address)
    monkeypatch.setattr(executor, "_PATIENCE", 0.5)
    with pytest.raises(bc.InputError, match=r"scheduler: got 'tcp://127.0.0.1:9'.*--scheduler"):
        run(square, tasks(1, tmp_path / "log"), tmp_path, scheduler="tcp://127.0.0.1:9")


if __name__ == "__main__":
    # Of what starts in the background shells have SIGINT ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from test_executor import square

    log, store, n, *address = sys.argv[1:]
    every = slow_tasks(int(n), Path(log))
    try:
        run(square, every, Path(store), scheduler=(*address, None)[0], progress=False)
    except Unfinished as cut_off:
        sys.exit(str(cut_off))
    except KeyboardInterrupt:
        sys.exit(130)
