"""Kill real runs at random moments: does what they leave ever read as whole when it is not?

    uv run python benchmarks/kills.py fit 50        # kill -9 of `fit one_era`, 50 times
    uv run python benchmarks/kills.py report 50     # of `report one_era`, with its projection
    uv run python benchmarks/kills.py project 50    # of `project`, of a fit that stays

Each run goes into a copy of an older result. Every other kill falls at any moment of the run, the
rest within the time in which it writes. After each the folder has to read as the whole old result,
as none, or as the whole new one. Where a run has begun to change it, the same command runs again,
and has to leave what a run that nobody disturbed leaves, to the byte, and nothing beside it.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bayes_compute.claims import compare
from bayes_compute.errors import InputError
from bayes_compute.results_folder import (
    DIAGNOSTICS,
    PAGE,
    read_estimands,
    read_projected,
    read_record,
)

PATIENCE = 600  # s


def main() -> None:
    """Kill as the command line says, and count what was left."""
    commands = {
        "fit": ["fit", "one_era", "--draws", "500", "--tune", "300", "--out"],
        "report": ["report", "one_era", "--draws", "500", "--tune", "300", "--out"],
        "project": ["project"],
    }
    if len(sys.argv) != 3 or sys.argv[1] not in commands or not sys.argv[2].isdigit():
        sys.exit(f"usage: kills.py {' | '.join(commands)} N")
    command, rng = commands[sys.argv[1]], random.Random(1)
    of_report = commands["report"]
    with tempfile.TemporaryDirectory() as home:
        old, new, out = (Path(home) / name for name in ("old", "new", "out"))
        start([*(of_report if command[0] == "project" else command), str(old)], 1).wait(PATIENCE)
        shutil.copytree(old, new)
        whole, writing = finish(start([*command, str(new)], 2), new)
        print(f"{command[0]}: {whole:.1f} s, of which {writing:.1f} s it writes", flush=True)
        found: Counter[str] = Counter()
        for i in range(int(sys.argv[2])):
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(old, out)
            while_writing = i % 2 == 1
            run = start([*command, str(out)], 2)
            if while_writing:
                wait_for_change(run, out)
            time.sleep(rng.uniform(0, writing if while_writing else whole))
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            left = state(out, old, new)
            found[left] += 1
            parts = [path.name for path in out.rglob(".*")]
            print(f"{i + 1}: {left} {parts}", flush=True)
            if left == "old" and not parts:  # nothing was begun
                continue
            start([*command, str(out)], 2).wait(PATIENCE)
            again = state(out, old, new)
            if again != "new" or names(out) != names(new):
                raise SystemExit(f"a run again after {left!r} left {again!r}: {names(out)}")
        print(dict(found))


def start(command: list[str], seed: int) -> subprocess.Popen:
    """Start a command in a process group of its own."""
    call = [sys.executable, "-m", "bayes_compute", *command, "--seed", str(seed), "--quiet"]
    return subprocess.Popen(call, start_new_session=True)


def wait_for_change(run: subprocess.Popen, folder: Path) -> None:
    """Wait until a run begins to write, or ends."""
    before = written(folder)
    while run.poll() is None and written(folder) == before:
        time.sleep(0.002)


def finish(run: subprocess.Popen, folder: Path) -> tuple[float, float]:
    """Seconds that a run takes, and seconds from its first change of a folder to its last."""
    begin, changes = time.perf_counter(), []
    while run.poll() is None:
        wait_for_change(run, folder)
        changes.append(time.perf_counter())
    return changes[-1] - begin, changes[-2] - changes[0]  # the last is that it ended


def written(folder: Path) -> dict[str, int]:
    """When each file was written."""
    found = {}
    for path in folder.glob("[!.]*.*"):
        with suppress(FileNotFoundError):
            found[path.name] = path.stat().st_mtime_ns
    return found


def names(folder: Path) -> list[str]:
    """Every file of a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def state(folder: Path, old: Path, new: Path) -> str:
    """Which whole result a folder reads as; exits if it reads as whole and is not."""
    try:
        record = read_record(folder)
    except InputError:
        return "none"
    estimands = read_estimands(folder)
    alike = [of for of in (old, new) if read_record(of) == record]
    if estimands:
        alike = [of for of in alike if read_estimands(of) == estimands]
    if not alike:
        raise SystemExit(f"{folder} reads as neither")
    of = alike[0]
    read_projected(folder)
    compare(of, folder)
    expected = set(names(of))
    if not estimands:  # what a projection writes, or writes anew, is not told to be there
        expected -= {name for name in expected if "projection" in name} | {DIAGNOSTICS, PAGE}
    for name in expected:
        same = name.endswith(".nc") or (folder / name).read_bytes() == (of / name).read_bytes()
        if not same:
            raise SystemExit(f"{folder} reads as {of.name}, but {name} is of another")
    return of.name if estimands or not read_estimands(of) else f"{of.name}, without projection"


if __name__ == "__main__":
    main()
