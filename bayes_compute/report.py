"""Results folders: what a fit leaves on disk, written so that half a run never reads as whole.

``diagnostics.json`` is written first and lists the files of the run; ``summary.json`` is removed
first and written last. Files that no earlier run has listed are somebody's own, and stay.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from bayes_compute import published, seed, sensitivity
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.quoting import level, macros, table
from bayes_compute.summaries import plain, summary_record
from bayes_compute.validation import hardware_check

if TYPE_CHECKING:
    import pandas as pd

_SUMMARY, _DIAGNOSTICS, _POSTERIOR = "summary.json", "diagnostics.json", "posterior.nc"
_TEXTS: dict[str, Callable[[dict], str]] = {
    "table.txt": lambda record: table(record, "text"),
    "table.md": lambda record: table(record, "markdown"),
    "table.tex": lambda record: table(record, "latex"),
    "macros.tex": macros,
    "evidence.md": lambda record: published.describe(record["evidence"], level(record)),
    "priors.md": lambda record: sensitivity.describe(record["prior_check"], level(record)),
}
# Figures, and what a fit needs for each: its variables, its groups, or its model.
_FIGURES = {
    "compute_over_time": {"membership"},
    "parameter_gap": {"membership", "capacity"},
    "date_posterior": {"membership", "transition_year"},
    "selection_floor": {"membership"},
    "reading_errors": {"model calibration"},
    "top500": {"model top500"},
    "price_performance": {"model price_performance"},
    "break_even": {"model break_even"},
    "reliability": {"model reliability"},
    "run_length": {"model run_length"},
    "power": {"model power"},
}
# Without dates and producers, the same fit gives the same bytes.
_METADATA: dict[str, dict] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
_FIGURE_FILES = tuple(f"figures/{name}.{format}" for name in _FIGURES for format in _METADATA)
_FILES = (_DIAGNOSTICS, _POSTERIOR, *_TEXTS, *_FIGURE_FILES, _SUMMARY)
_REMEDY = "choose another folder with --out"


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
    with _one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, ".writable", lambda path: path.touch())
        (folder / ".writable").unlink()
        left = _left_by_a_run(folder)
        own = [name for name in _FILES if os.path.lexists(folder / name) and name not in left]
    if own:
        raise InputError(
            f"{folder}: got {own[0]}, which no earlier run left there; expected an empty folder or "
            f"one of results; move it away or {_REMEDY}"
        )
    return folder


def write_fit(dt: xr.DataTree, out: str | os.PathLike[str]) -> Path:
    """Write ``posterior.nc``, ``diagnostics.json`` and ``summary.json``.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.
    out : path
        The results folder.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder cannot be written, or holds somebody's own file of such a name.
    NotConverged
        If the fit failed its diagnostics; then nothing is written.
    """
    return _write_results(dt, out, [], {})


def write_report(
    dt: xr.DataTree,
    out: str | os.PathLike[str],
    flat: xr.DataTree | NotConverged | None = None,
    systems: "pd.DataFrame | None" = None,
    other: xr.DataTree | NotConverged | None = None,
) -> Path:
    """Write what :func:`write_fit` does, tables, ``macros.tex`` and figures.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.
    out : path
        The results folder.
    flat : DataTree or NotConverged, optional
        The same fit with ``flat_dates``, or why it may not be quoted: for ``priors.md``, and
        ``prior_check`` in ``summary.json``.
    systems : pandas.DataFrame, optional
        The table that was fitted: for ``hardware``, what is known of hardware and owners of
        bespoke and cloud systems.
    other : DataTree or NotConverged, optional
        Of a fit to all evidence, the same with published figures, or why it may not be quoted:
        for ``evidence.md``, and ``evidence`` in ``summary.json``.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError, NotConverged
        As :func:`write_fit`.
    """
    there = {f"model {dt.attrs['model']}", *dt["posterior"].data_vars, *dt.children}
    figures = [name for name in _FIGURE_FILES if _FIGURES[Path(name).stem] <= there]
    more: dict = {}
    if "membership" in dt:
        more["prior_check"] = sensitivity.prior_check(dt, flat)
        if seed.applies(dt):
            more["seed"] = seed.comparison(dt)
        if systems is not None and "bespoke" in dt["posterior"]["era"].to_numpy():
            more["hardware"] = hardware_check(dt, systems).to_dict(orient="records")
    if other is not None:
        more["evidence"] = published.comparison(dt, other)
    sections = {"evidence.md": "evidence", "priors.md": "prior_check"}
    texts = [name for name in _TEXTS if name not in sections or sections[name] in more]
    return _write_results(dt, out, [*texts, *figures], more)


def write_failure(exc: NotConverged, out: str | os.PathLike[str]) -> Path:
    """Write why a fit may not be quoted, and remove what an earlier run left to quote.

    Parameters
    ----------
    exc : NotConverged
        Its ``diagnostics`` become ``diagnostics.json``.
    out : path
        The results folder.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = check_folder(out)
    with _one_line(folder):
        _clear(folder)
        _write_json(folder, _DIAGNOSTICS, exc.diagnostics | {"converged": False, "files": []})
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
        If there is no such folder, or the run there failed or did not finish.
    """
    folder = Path(folder)
    expected = "expected the folder of a finished run; run bayes-compute report or fit"
    if not folder.is_dir():
        raise InputError(f"{folder}: got no such folder; {expected}")
    diagnostics, record = (_read_json(folder / name) for name in (_DIAGNOSTICS, _SUMMARY))
    if diagnostics is not None and diagnostics.get("converged") is False:
        raise InputError(f"{folder}: got a fit that failed its diagnostics; {expected} again")
    if record is None:
        raise InputError(f"{folder}: got no readable {_SUMMARY}; {expected}")
    rows = record.get("quantities")
    whole = isinstance(rows, list) and all(isinstance(row, dict) and "name" in row for row in rows)
    if not (whole and {"model", "data", "interval"} <= record.keys()):
        raise InputError(f"{folder / _SUMMARY}: got a file that is not whole; {expected}")
    return record


def _write_results(
    dt: xr.DataTree, out: str | os.PathLike[str], names: list[str], more: dict
) -> Path:
    record = summary_record(dt) | plain(more)
    folder = check_folder(out)
    files = [_DIAGNOSTICS, _POSTERIOR, *names, _SUMMARY]
    # Made in memory: HDF5 crashes the interpreter on its way out when a disk fills up under it.
    with dt.to_netcdf(engine="h5netcdf") as view:
        netcdf = bytes(view)
    with _one_line(folder):
        _clear(folder)
        _write_json(
            folder, _DIAGNOSTICS, record["diagnostics"] | {"converged": True, "files": files}
        )
        _write(folder, _POSTERIOR, lambda path: path.write_bytes(netcdf))
        for name in names:
            if name in _TEXTS:
                _write_text(folder, name, _TEXTS[name](record))
        _write_figures(dt, folder, [name for name in names if name in _FIGURE_FILES])
        _write_json(folder, _SUMMARY, record)
    return folder


def _write_figures(dt: xr.DataTree, folder: Path, names: list[str]) -> None:
    if not names:
        return
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from bayes_compute import plots

    for plot in _FIGURES:
        formats = [format for format in _METADATA if f"figures/{plot}.{format}" in names]
        if not formats:
            continue
        with mpl.rc_context(plots.STYLE):
            figure = Figure(figsize=plots.SIZE, layout="constrained")
            getattr(plots, plot)(dt, figure.subplots())
            for format in formats:
                _write(
                    folder,
                    f"figures/{plot}.{format}",
                    lambda path, figure=figure, format=format: figure.savefig(
                        path, format=format, metadata=_METADATA[format]
                    ),
                )


def _left_by_a_run(folder: Path) -> set[str]:
    """Names of results that an earlier run has listed as its own."""
    diagnostics = _read_json(folder / _DIAGNOSTICS)
    if diagnostics is None or "converged" not in diagnostics:
        return set()
    files = diagnostics.get("files")
    return {_DIAGNOSTICS, *(name for name in files or [] if name in _FILES)}


def _clear(folder: Path) -> None:
    left = _left_by_a_run(folder) - {_DIAGNOSTICS}
    for name in (_SUMMARY, *sorted(left - {_SUMMARY})):
        if name in left:
            (folder / name).unlink(missing_ok=True)


def _write(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, then put it there in one step."""
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        write(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _write_text(folder: Path, name: str, text: str) -> None:
    _write(folder, name, lambda path: path.write_bytes(text.encode("utf-8", "replace")))


def _write_json(folder: Path, name: str, value: dict) -> None:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    _write_text(folder, name, text + "\n")


def _read_json(path: Path) -> dict | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line for the user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{folder}: got {' '.join(reason.split())!r}; expected a folder that can be written "
            f"to, with space left; {_REMEDY}"
        ) from error
