"""The process beside this one."""

import math
import os
import signal
import time
from concurrent.futures import CancelledError

import pytest

import bayes_compute as bc
from bayes_compute.beside import Beside, _LostError


def refuse():
    raise bc.NotConverged("three_eras: no", {"worst_r_hat": 2})


def where(ended: int) -> int:
    """The process at work, which the system ends if it is another than that one."""
    if os.getpid() != ended:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_work_is_done_there_in_order():
    with Beside() as beside:
        there, root = beside.submit(os.getpid), beside.submit(math.sqrt, 9.0)
        assert root() == 3
        assert there() not in (os.getpid(), os.getppid())


def test_an_exception_comes_back_with_what_it_holds():
    with Beside() as beside:
        with pytest.raises(bc.NotConverged, match="no") as found:
            beside.submit(refuse)()
        assert found.value.diagnostics == {"worst_r_hat": 2}
        assert "in refuse" in found.value.__notes__[0]
        assert beside.submit(abs, -1)() == 1


def test_work_is_done_here_if_the_system_ends_the_other():
    with Beside() as beside:
        assert beside.submit(where, os.getpid())() == os.getpid()
        assert beside.submit(os.getpid)() == os.getpid()


def test_leaving_ends_whatever_it_is_at():
    start = time.perf_counter()
    with Beside() as beside:
        assert beside.submit(abs, -1)() == 1
        asleep, never = beside.submit(time.sleep, 300), beside.submit(abs, -1)
    assert time.perf_counter() - start < 60
    for result in (asleep, never):
        with pytest.raises((_LostError, CancelledError)):
            result()


def test_an_interrupt_is_for_this_process():
    with Beside() as beside:
        there = beside.submit(os.getpid)()
        asleep = beside.submit(time.sleep, 1)
        os.kill(there, signal.SIGINT)
        asleep()
        assert beside.submit(os.getpid)() == there


def test_lost_work_that_nobody_waits_for_is_not_done(tmp_path):
    with Beside() as beside:
        lost = beside.submit(where, os.getpid())
        beside.submit((tmp_path / "done").touch)
        assert lost() == os.getpid()
    assert not (tmp_path / "done").exists()
