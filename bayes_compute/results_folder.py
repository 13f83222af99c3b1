"""Results folders: what stands there, written so that half a run never reads as whole.

``diagnostics.json`` is written first and lists the files of the run, and again at the end with the
hashes of those that are read again; ``summary.json`` is removed first and written last. Files that
no earlier run has listed are somebody's own, and stay.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.files import METADATA, REMEDY, one_line, part_of, read_json
from bayes_compute.stored import read_posterior, read_projection

SUMMARY, DIAGNOSTICS, POSTERIOR = "summary.json", "diagnostics.json", "posterior.nc"
PAGE = "report.html"
TEXTS = (
    "table.txt",
    "table.md",
    "table.tex",
    "macros.tex",
    "evidence.md",
    "priors.md",
    "checks.md",
)
PROJECTED = "projection.json"
PROJECTION = ("projection.nc", "projection.md", "projection_macros.tex", PROJECTED)
# Figures, and what a fit needs for each: its variables, its groups, or its model.
FIGURES = {
    "compute_over_time": {"membership"},
    "parameter_gap": {"membership", "capacity"},
    "date_posterior": {"membership", "transition_year"},
    "selection_floor": {"membership"},
    "predictive_checks": {"membership"},
    "running_maximum": {"membership"},
    "reading_errors": {"model calibration"},
    "top500": {"model top500"},
    "price_performance": {"model price_performance"},
    "break_even": {"model break_even"},
    "reliability": {"model reliability"},
    "run_length": {"model run_length"},
    "power": {"model power"},
    "projection": {"projection"},
}
FIGURE_FILES = tuple(f"figures/{name}.{format}" for name in FIGURES for format in METADATA)
_EXPECTED = "expected the folder of a finished run; run bayes-compute report or fit"
FILES = (DIAGNOSTICS, POSTERIOR, *TEXTS, *PROJECTION, *FIGURE_FILES, PAGE, SUMMARY)


def check_folder(out: str | os.PathLike[str]) -> Path:
    """Make a results folder, or check one: better before a long fit than after it.

    Parameters
    ----------
    out : path
        The folder; parents are made too.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If it is a file, cannot be written to, or holds a file of the same name as a result that
        no earlier run has left there.
    """
    folder = Path(out)
    with one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        left = left_by_a_run(folder)
        own = [name for name in FILES if os.path.lexists(folder / name) and name not in left]
    if own:
        raise InputError(
            f"{folder}: got {own[0]}, which no earlier run left there; expected an empty folder or "
            f"one of results; move it away or {REMEDY}"
        )
    return folder


def read_record(folder: str | os.PathLike[str]) -> dict:
    """Read ``summary.json`` of a results folder, if a run finished there and may be quoted.

    Parameters
    ----------
    folder : path
        What :func:`write_fit` or :func:`write_report` wrote.

    Returns
    -------
    dict
        What :func:`~bayes_compute.summaries.summary_record` returned.

    Raises
    ------
    InputError
        If there is no such folder, the run there failed or did not finish, or the file is not as
        the run wrote it.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # which asks of any name, as long as it may be
        raise InputError(f"{folder}: got no such folder; {_EXPECTED}")
    if (read_json(folder / DIAGNOSTICS) or {}).get("converged") is False:
        raise InputError(f"{folder}: got a fit that failed its diagnostics; {_EXPECTED} again")
    record = _object(folder, SUMMARY)
    rows = record.get("quantities")
    whole = isinstance(rows, list) and all(
        isinstance(row, dict) and {"name", "key"} <= row.keys() for row in rows
    )
    if not (whole and {"model", "data", "interval", "posterior_sha256"} <= record.keys()):
        raise InputError(f"{folder / SUMMARY}: got a file that is not whole; {_EXPECTED}")
    return record


def read_fit(folder: str | os.PathLike[str]) -> xr.DataTree:
    """Read the posterior of a results folder, if a run finished there and may be quoted.

    Parameters
    ----------
    folder : path

    Returns
    -------
    xarray.DataTree
        What :func:`bayes_compute.fit` returned, in memory.

    Raises
    ------
    InputError
        As :func:`read_record`, or if ``posterior.nc`` is not as the run wrote it.
    """
    read_record(folder)
    # HDF5 may crash on a damaged file, or read other numbers
    _check_hash(Path(folder), POSTERIOR)
    return read_posterior(Path(folder) / POSTERIOR)


def read_projected(folder: str | os.PathLike[str]) -> xr.DataTree:
    """Read the posterior of a results folder, and its projection if there is one.

    Parameters
    ----------
    folder : path

    Returns
    -------
    xarray.DataTree
        What :func:`bayes_compute.project` returned, in memory.

    Raises
    ------
    InputError
        As :func:`read_fit`.
    """
    fit, path = read_fit(folder), Path(folder) / PROJECTION[0]
    if (path.parent / PROJECTED).exists():
        _check_hash(path.parent, PROJECTED)
        _check_hash(path.parent, path.name)
        for name, group in read_projection(path).children.items():
            fit[name] = group.dataset
    return fit


def read_estimands(folder: str | os.PathLike[str]) -> dict:
    """Read what was projected for each estimand: nothing if nothing was.

    Parameters
    ----------
    folder : path
        A results folder.

    Returns
    -------
    dict
        ``estimands`` of ``projection.json``.

    Raises
    ------
    InputError
        If the file is not as the projection wrote it.
    """
    folder = Path(folder)
    if not (folder / PROJECTED).exists():
        return {}
    return _object(folder, PROJECTED).get("estimands", {})


def _object(folder: Path, name: str) -> dict:
    """An object from a result that is as the run wrote it."""
    _check_hash(folder, name)
    record = read_json(folder / name)
    if record is None:
        raise _unreadable(folder, name)
    return record


def _check_hash(folder: Path, name: str) -> None:
    """Refuse a result that is not as the run wrote it."""
    hashes = (read_json(folder / DIAGNOSTICS) or {}).get("sha256")
    try:
        found = (folder / name).read_bytes() if (folder / name).is_file() else None
    except OSError:
        found = None
    if found is None:  # of a pipe one would wait for ever
        raise _unreadable(folder, name)
    if not isinstance(hashes, dict) or hashes.get(name) != sha256(found):
        raise InputError(
            f"{folder / name}: got a file whose hash is not in {DIAGNOSTICS}; expected the "
            f"{Path(name).stem} as a finished run wrote it; run bayes-compute report or fit again"
        )


def _unreadable(folder: Path, name: str) -> InputError:
    """Say that there is no such result, and why if a run has begun to write there."""
    told = read_json(folder / DIAGNOSTICS) or {}
    begun = told.get("converged") is True and not os.path.lexists(folder / SUMMARY)  # the last
    why = ", for its run was cut off or is still at work" if begun else ""
    return InputError(f"{folder}: got no readable {name}{why}; {_EXPECTED}")


def sha256(content: bytes) -> str:
    """Hash by which a result is known again."""
    return hashlib.sha256(content).hexdigest()


def left_by_a_run(folder: Path) -> set[str]:
    """Names of results that an earlier run has listed as its own."""
    diagnostics = read_json(folder / DIAGNOSTICS)
    if diagnostics is None or "converged" not in diagnostics:
        return set()
    files = diagnostics.get("files")
    listed = files if isinstance(files, list) else []
    return {DIAGNOSTICS, *(name for name in listed if name in FILES)}


def clear(folder: Path, only: Iterable[str] = FILES) -> None:
    """Remove what an earlier run has left, what tells that it is whole first."""
    left = left_by_a_run(folder) & {*only} - {DIAGNOSTICS}
    whole = [name for name in (SUMMARY, PROJECTED) if name in left]
    for name in (*whole, *sorted(left.difference(whole))):
        (folder / name).unlink(missing_ok=True)
    for part in (part_of(folder / name) for name in FILES):
        if part.is_file():
            part.unlink()
