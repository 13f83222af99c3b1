"""Files of results: each is written beside its place and put there in one step."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.escaping import as_json

REMEDY = "choose another folder with --out"
# Without dates and producers, the same fit gives the same bytes.
METADATA: dict[str, dict] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let other runs that write to a folder wait: each leaves it whole, and the last one's stays.

    The lock is on the folder itself and ends with the process, whatever ends it. Where the system
    or the disk knows no such locks, nobody waits.
    """
    handle = None
    with suppress(ImportError, OSError):
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def write_file(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, then put it there in one step."""
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    part = part_of(target)
    try:
        write(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def part_of(target: Path) -> Path:
    """Where a file is written until it is whole: what a killed run may leave."""
    return target.with_name(f".{target.name}.part")


def write_text(folder: Path, name: str, text: str) -> None:
    """Write text, as UTF-8."""
    write_file(folder, name, lambda path: path.write_bytes(text.encode("utf-8", "replace")))


def json_bytes(value: dict) -> bytes:
    """An object as strict JSON, in UTF-8: no NaN."""
    return f"{as_json(value, indent=1)}\n".encode("utf-8", "replace")


def write_json(folder: Path, name: str, value: dict) -> None:
    """Write an object as :func:`json_bytes`."""
    write_file(folder, name, lambda path: path.write_bytes(json_bytes(value)))


def read_json(path: Path) -> dict | None:
    """An object from a file; none if there is no such file, or no object in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):  # the last of brackets in brackets without end
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def one_line(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line for the user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{folder}: got {' '.join(reason.split())!r}; expected a folder that can be written "
            f"to, with space left; {REMEDY}"
        ) from error


def netcdf(dt: xr.DataTree | xr.Dataset) -> bytes:
    """As NetCDF, in memory: HDF5 crashes the interpreter at exit when a disk fills up."""
    with dt.to_netcdf(engine="h5netcdf") as view:
        return bytes(view)


def write_figure(plot: str, data: Any, folder: Path, formats: Iterable[str]) -> None:
    """Draw one of :mod:`bayes_compute.plots`, into ``figures``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from bayes_compute import plots

    with mpl.rc_context(plots.STYLE):
        figure = Figure(figsize=plots.SIZE, layout="constrained")
        getattr(plots, plot)(data, figure.subplots())
        for format in formats:
            write_file(
                folder,
                f"figures/{plot}.{format}",
                lambda path, format=format: figure.savefig(
                    path, format=format, metadata=METADATA[format]
                ),
            )
            figure.set_layout_engine("none")  # one layout for all: each takes a third of the time
