"""What calibrations, backtests and comparisons leave in folders of their own."""

import os
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_compute import comparison_tables
from bayes_compute.backtesting import scores as backtesting
from bayes_compute.files import (
    METADATA,
    alone,
    netcdf,
    one_line,
    write_figure,
    write_file,
    write_json,
    write_text,
)
from bayes_compute.ranks import calibration_record, describe
from bayes_compute.strict_json import plain


def write_calibration(ranks: xr.Dataset, out: str | os.PathLike[str]) -> dict:
    """Write ``ranks.nc``, ``calibration.md``, the figure and, at last, ``calibration.json``.

    Parameters
    ----------
    ranks : xarray.Dataset
        What :func:`bayes_compute.calibrate` returned.
    out : path
        The folder.

    Returns
    -------
    dict
        What :func:`~bayes_compute.ranks.calibration_record` returned.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    record, folder = calibration_record(ranks), Path(out)
    drawn = netcdf(xr.DataTree(ranks))
    with one_line(folder):
        (folder / "calibration.json").unlink(missing_ok=True)
        write_file(folder, "ranks.nc", lambda path: path.write_bytes(drawn))
    _write_study("calibration", record, ranks, describe(record), folder)
    return record


def write_backtest(record: dict, out: str | os.PathLike[str]) -> None:
    """Write ``backtest.md``, the figure and, at last, ``backtest.json``.

    Parameters
    ----------
    record : dict
        What :func:`bayes_compute.backtesting.scores.backtest` returned.
    out : path
        The folder.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    _write_study("backtest", record, record, backtesting.describe(record), Path(out))


def write_comparison(record: dict, out: str | os.PathLike[str]) -> None:
    """Write ``comparison.md``, the figure and, at last, ``comparison.json``.

    Parameters
    ----------
    record : dict
        :attr:`bayes_compute.comparison.Comparison.record`.
    out : path
        The folder.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    record = plain(record)
    words = comparison_tables.describe(record, "markdown")
    _write_study("comparison", record, record, words, Path(out))


def _write_study(name: str, record: dict, drawn: Any, words: str, folder: Path) -> None:
    """Words, a figure and, at last, the record of what has a folder of its own."""
    with one_line(folder), alone(folder):
        (folder / f"{name}.json").unlink(missing_ok=True)
        write_text(folder, f"{name}.md", words)
        write_figure(name, drawn, folder, METADATA)
        write_json(folder, f"{name}.json", record)
