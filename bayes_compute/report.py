"""Reports: what a fit and a projection leave in a results folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from bayes_compute import predictive_checks, published, seed, sensitivity
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.escaping import escape
from bayes_compute.files import (
    METADATA,
    alone,
    json_bytes,
    netcdf,
    one_line,
    read_json,
    write_figure,
    write_file,
    write_json,
    write_text,
)
from bayes_compute.keys import draws_hash
from bayes_compute.macros import macros, projection_macros
from bayes_compute.projection.numbers import assumptions_table, describe, projection_record
from bayes_compute.quoting import table
from bayes_compute.results_folder import (
    DIAGNOSTICS,
    FIGURE_FILES,
    FIGURES,
    PAGE,
    POSTERIOR,
    PROJECTED,
    PROJECTION,
    SUMMARY,
    check_folder,
    clear,
    read_record,
    sha256,
)
from bayes_compute.strict_json import plain
from bayes_compute.summary_record import summary_record
from bayes_compute.validation import hardware_check
from bayes_compute.wording import level

if TYPE_CHECKING:
    import pandas as pd

# Texts of a report, each with what it needs of the record.
_TEXTS: dict[str, tuple[str | None, Callable[[dict], str]]] = {
    "table.txt": (None, lambda record: table(record, "text")),
    "table.md": (None, lambda record: table(record, "markdown")),
    "table.tex": (None, lambda record: table(record, "latex")),
    "macros.tex": (None, macros),
    "evidence.md": (
        "evidence",
        lambda record: published.describe(record["evidence"], level(record)),
    ),
    "priors.md": (
        "prior_check",
        lambda record: sensitivity.describe(record["prior_check"], level(record)),
    ),
    "checks.md": (
        "checks",
        lambda record: predictive_checks.describe(record["checks"], level(record)),
    ),
}


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
    return _write_results(dt, out, [], {}, dict)


Fit = xr.DataTree | NotConverged
"""A fit, or why it may not be quoted."""


def write_report(
    dt: xr.DataTree,
    out: str | os.PathLike[str],
    flat: Fit | Callable[[], Fit] | None = None,
    systems: "pd.DataFrame | None" = None,
    other: Fit | Callable[[], Fit] | None = None,
) -> Path:
    """Write what :func:`write_fit` does, tables, ``macros.tex``, figures and ``report.html``.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.
    out : path
        The results folder.
    flat : DataTree or NotConverged, optional
        The same fit with ``flat_dates``, or why it may not be quoted: for ``priors.md``, and
        ``prior_check`` in ``summary.json``. Or a function that waits for it, called when the
        figures are drawn.
    systems : pandas.DataFrame, optional
        The table that was fitted: for ``hardware``, what is known of hardware and owners of
        bespoke and cloud systems.
    other : DataTree or NotConverged, optional
        Of a fit to all evidence, the same with published figures, or why it may not be quoted:
        for ``evidence.md``, and ``evidence`` in ``summary.json``. Or a function, as above.

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
    figures = [name for name in FIGURE_FILES if FIGURES[Path(name).stem] <= there]
    sections = ["prior_check", "checks"] if "membership" in dt else []
    if other is not None:
        sections.append("evidence")
    texts = [name for name, (section, _) in _TEXTS.items() if section in (None, *sections)]

    more: dict = {}
    if "membership" in dt:
        more["checks"] = predictive_checks.check_record(dt)
        if seed.applies(dt):
            more["seed"] = seed.comparison(dt)
        if systems is not None and "bespoke" in dt["posterior"]["era"].to_numpy():
            more["hardware"] = hardware_check(dt, systems).to_dict(orient="records")

    def compared() -> dict:
        found = {}
        if "membership" in dt:
            found["prior_check"] = sensitivity.prior_check(dt, flat() if callable(flat) else flat)
        if other is not None:
            found["evidence"] = published.comparison(dt, other() if callable(other) else other)
        return found

    return _write_results(dt, out, [*texts, *figures, PAGE], more, compared)


def write_projection(dt: xr.DataTree, out: str | os.PathLike[str]) -> dict:
    """Write ``projection.nc``, ``.json``, ``.md``, ``projection_macros.tex`` and the figure.

    ``report.html`` of the folder, if it has one, is written anew with them.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.project` returned.
    out : path
        The results folder of its fit.

    Returns
    -------
    dict
        What :func:`~bayes_compute.projection.numbers.projection_record` returned.

    Raises
    ------
    InputError
        If there is no projection, no finished fit in the folder, or it cannot be written.
    """
    record = projection_record(dt)
    read_record(out)
    folder, groups = check_folder(out), ("projection", "ceilings", "records")
    figures = [name for name in FIGURE_FILES if FIGURES[Path(name).stem] <= {"projection"}]
    found = netcdf(xr.DataTree.from_dict({name: dt[name].dataset for name in groups}))
    said = "\n".join(escape(line, "markdown") for line in describe(record).splitlines())
    words = f"{said}\n\n## Assumptions\n\n{assumptions_table(record)}\n"
    with one_line(folder), alone(folder):
        of_fit = read_record(folder)
        if of_fit["posterior_sha256"] != draws_hash(dt["posterior"].dataset):
            raise InputError(
                f"{folder}: got the results of another run; expected those of the fit that was "
                "projected; run bayes-compute project again"
            )
        clear(folder, only=(PAGE, *PROJECTION, *figures))
        diagnostics = read_json(folder / DIAGNOSTICS) or {}
        listed = [name for name in diagnostics["files"] if name not in (*PROJECTION, *figures)]
        diagnostics["files"] = [*listed, *PROJECTION, *figures]
        diagnostics["sha256"] |= {
            PROJECTION[0]: sha256(found),
            PROJECTED: sha256(json_bytes(record)),
        }
        write_json(folder, DIAGNOSTICS, diagnostics)
        write_file(folder, PROJECTION[0], lambda path: path.write_bytes(found))
        write_text(folder, PROJECTION[1], words)
        write_text(folder, PROJECTION[2], projection_macros(record))
        _write_figures(dt, folder, figures)
        if PAGE in diagnostics["files"]:
            _write_page(dt, folder, diagnostics["files"], of_fit, record)
        write_json(folder, PROJECTED, record)
    return record


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
    with one_line(folder), alone(folder):
        clear(folder)
        write_json(folder, DIAGNOSTICS, exc.diagnostics | {"converged": False, "files": []})
    return folder


def _write_results(
    dt: xr.DataTree,
    out: str | os.PathLike[str],
    names: list[str],
    more: dict,
    compared: Callable[[], dict],
) -> Path:
    """Write what is listed; comparisons, which may still be at work, are asked for late."""
    record = summary_record(dt) | plain(more)
    folder = check_folder(out)
    found = netcdf(dt)
    told = {"converged": True, "files": [DIAGNOSTICS, POSTERIOR, *names, SUMMARY]}
    with one_line(folder), alone(folder):
        clear(folder)
        write_json(folder, DIAGNOSTICS, record["diagnostics"] | told)
        write_file(folder, POSTERIOR, lambda path: path.write_bytes(found))
        _write_figures(dt, folder, [name for name in names if name in FIGURE_FILES])
        record |= plain(compared())
        for name in names:
            if name in _TEXTS:
                write_text(folder, name, _TEXTS[name][1](record))
        if PAGE in names:
            _write_page(dt, folder, names, record)
        hashes = {POSTERIOR: sha256(found), SUMMARY: sha256(json_bytes(record))}
        write_json(folder, DIAGNOSTICS, record["diagnostics"] | told | {"sha256": hashes})
        write_json(folder, SUMMARY, record)
    return folder


def _write_figures(dt: xr.DataTree, folder: Path, names: list[str]) -> None:
    for plot in FIGURES:
        formats = [format for format in METADATA if f"figures/{plot}.{format}" in names]
        if formats:
            write_figure(plot, dt, folder, formats)


def _write_page(
    dt: xr.DataTree,
    folder: Path,
    names: list[str],
    record: dict,
    projected: dict | None = None,
) -> None:
    from bayes_compute.page.render import page

    drawn = {plot: f"figures/{plot}.svg" for plot in FIGURES}
    figures = {
        plot: (folder / name).read_bytes()
        for plot, name in drawn.items()
        if name in names and (folder / name).is_file()  # a user may have taken one away
    }
    write_text(folder, PAGE, page(dt, record, projected, figures))
