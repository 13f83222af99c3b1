"""A process beside this one, for what need not wait: most of a report keeps one core busy."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any


class _LostError(Exception):
    """The other process has ended."""


class Beside:
    """Another process, which works through what it is given in order, and is silent.

    Leaving the context ends it, whatever it is at. If the system ends it, for want of memory say,
    the work is done in this process, by who waits for it.
    """

    def __enter__(self) -> "Beside":
        spawn = multiprocessing.get_context("spawn")  # threads of compiled code survive no fork
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here
        self._queue, self._left = ThreadPoolExecutor(1), False
        return self

    def __exit__(self, *_) -> None:
        self._left = True
        self._process.kill()
        self._queue.shutdown(cancel_futures=True)

    def submit(self, work: Callable, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        """Have ``work(*args, **kwargs)`` done; all of it, and the result, must be picklable.

        Returns
        -------
        function
            Waits for the result, and returns it.
        """
        asked = self._queue.submit(self._ask, work, args, kwargs)

        def result() -> Any:
            try:
                return asked.result()
            except _LostError:
                if self._left:
                    raise
                return work(*args, **kwargs)

        return result

    def _ask(self, work: Callable, args: tuple, kwargs: dict) -> Any:
        answer = None
        try:
            self._pipe.send((work, args, kwargs))
            answer = self._pipe.recv()
        except (EOFError, OSError):
            pass  # and let go of it: it holds the buffer that was to be sent
        if answer is None:
            raise _LostError
        done, found = answer
        if not done:
            raise found
        return found


def _serve(pipe: Connection) -> None:
    """Do what comes through a pipe until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other is interrupted, and ends this one
    with open(os.devnull, "w", encoding="utf-8") as sys.stderr:  # the terminal is the other's
        while True:
            try:
                work, args, kwargs = pipe.recv()
            except EOFError:
                return
            try:
                answer = True, work(*args, **kwargs)
            except Exception as error:  # raised again on the other side
                error.add_note("In the process beside:\n" + traceback.format_exc())
                answer = False, error
            pipe.send(answer)
