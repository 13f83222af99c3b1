"""Ceilings that were fitted before, kept under the hash of their data and code.

A fit of a ceiling depends on shipped tables, a day and code alone, so one fit serves every
projection as of that day. They lie in the user's cache folder, which may be emptied at any time.
"""

import hashlib
import json
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import xarray as xr

from bayes_compute.errors import InputError, NotConverged
from bayes_compute.files import alone, netcdf, write_file

NAMES = ("top500", "break_even", "reliability", "run_length", "power")  # of projections
DRAWS, TUNE = 1500, 1000  # where data are few, ESS is short with fewer


def fitted(name: str, as_of: str, progress: bool = False) -> tuple[Any, xr.Dataset]:
    """Fit a ceiling as of a day, or take the fit that was kept.

    Parameters
    ----------
    name : str
        Of a script in ``models``.
    as_of : str
        "YYYY-MM-DD"
    progress : bool
        Show a progress bar if it has to be fitted.

    Returns
    -------
    data
        What the model's ``observe`` gives.
    posterior : xarray.Dataset

    Raises
    ------
    InputError
        If there are too few data by then.
    NotConverged
    """
    data = import_module(f"bayes_compute.models.{name}").observe(as_of)
    path = _path(name, as_of, data)
    try:
        with xr.open_dataset(path, engine="h5netcdf") as kept:
            return data, kept.load()
    except (OSError, ValueError, KeyError):
        pass  # not there, or damaged
    from bayes_compute.inference import fit  # slow to import

    try:
        found = fit(name, data, draws=DRAWS, tune=TUNE, progress=progress)
    except NotConverged:  # as a refused fit is told to
        found = fit(name, data, draws=2 * DRAWS, tune=2 * TUNE, progress=progress)
    posterior = found["posterior"].dataset
    with suppress(OSError):  # a cache that cannot be written costs time only
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = netcdf(posterior)
        with alone(path.parent):  # two processes may fit the same
            write_file(path.parent, path.name, lambda part: part.write_bytes(whole))
    return data, posterior


def missing(as_of: str) -> list[str]:
    """Ceilings that can be fitted as of a day, and are not kept."""
    found = []
    for name in NAMES:
        with suppress(InputError):  # left to :func:`fitted`, which says why
            data = import_module(f"bayes_compute.models.{name}").observe(as_of)
            if not _path(name, as_of, data).exists():
                found.append(name)
    return found


def fit_each(names: list[str], as_of: str) -> None:
    """Fit ceilings and keep them; what cannot be fitted is left to :func:`fitted`."""
    for name in names:
        with suppress(InputError, NotConverged):
            fitted(name, as_of)


def folder() -> Path:
    """Where fits are kept."""
    return platformdirs.user_cache_path("bayes_compute") / "ceilings"


def _path(name: str, as_of: str, data: Any) -> Path:
    """Where the fit of a ceiling is kept."""
    model = import_module(f"bayes_compute.models.{name}")
    return folder() / f"{name}-{_digest(model, data.source, as_of)}.nc"


def _digest(model: Any, source: dict, as_of: str) -> str:
    package = Path(__file__).parent.parent
    code = [
        Path(model.__file__),
        *sorted(package.glob("*.py")),
        *sorted(package.glob("ceilings/*")),
    ]
    found = hashlib.sha256()
    for path in filter(Path.is_file, code):
        found.update(path.read_bytes())
    versions = [version(library) for library in ("pymc", "nutpie", "numpy", "pandas")]
    found.update(json.dumps([source, as_of, versions], sort_keys=True).encode())
    return found.hexdigest()[:16]
