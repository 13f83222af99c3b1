"""Fits and projections in NetCDF files, which may come from anybody: checked before they are used.

Nothing in a file is run: only h5netcdf reads it, which knows arrays and text and no objects.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from bayes_compute.errors import InputError

_DRAWN = ("chain", "draw")
_OBJECTS = ("data", "sampler", "versions", "diagnostics", "priors", "units")
# What is read off a fit of systems, with the dimensions besides those of draws; and what is read
# where a variable shows that it is a model of parameters too, or of a capacity.
_VARIABLES: dict[str, dict[str, Any]] = {
    "sigma": dict.fromkeys(("growth", "growth_factor", "level", "sigma"), ("era",))
    | {"offset": ("domain",), "growth_mean": (), "growth_sd": ()},
    "parameters_sd": dict.fromkeys(
        (
            "level_given_parameters", "growth_given_parameters", "parameters_level",
            "parameters_growth", "parameters_sd",
        ),
        ("era",),
    )
    | {"elasticity": ()},
    "capacity": {"capacity": (), "drift": ()},
    "transition_year": {"transition_year": ("transition",)},
}  # fmt: skip
_SYSTEMS = ("year", "log10_flop", "variance", "log10_parameters", "domain_index")
_LARGEST = 300.0  # log10: beyond, numbers are infinite


def read_posterior(path: Path) -> xr.DataTree:
    """Read ``posterior.nc``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    xarray.DataTree
        In memory; what is computed from a fit is there, in the form that ``fit`` gives it.

    Raises
    ------
    InputError
        If it cannot be read, or is not of that form.
    """
    return _read(path, _faults_of_fit, "report or fit")


def read_projection(path: Path) -> xr.DataTree:
    """Read ``projection.nc``; as :func:`read_posterior`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    InputError
        If it cannot be read, or is not of the form that ``project`` gives it.
    """
    return _read(path, _faults_of_projection, "project")


def _read(path: Path, faults: Callable[[xr.DataTree], Iterator[str]], command: str) -> xr.DataTree:
    try:
        # Whoever opens a pipe waits.
        fault = _held_elsewhere(path) if path.is_file() else "no such file"
        if not fault:
            with xr.open_datatree(path, engine="h5netcdf") as tree:
                found = tree.load()
            fault = next(faults(found), "")
    except Exception as error:  # whatever libraries make of a file that is not of ours
        raise _refused(path, type(error).__name__, command) from error
    if fault:
        raise _refused(path, fault, command)
    return found


def _refused(path: Path, got: str, command: str) -> InputError:
    return InputError(
        f"{path}: got {got}; expected the {path.stem} of a finished run; run bayes-compute "
        f"{command} again"
    )


def _held_elsewhere(path: Path) -> str:
    """What a file names and does not hold: other files, or arrays larger than itself."""
    declared, fault = 0, ""

    def of_link(name: str, link: Any) -> str | None:
        return None if isinstance(link, h5py.HardLink) else f"a link at {name!r}"

    def of_object(name: str, item: Any) -> str | None:
        nonlocal declared
        if h5o.get_info(item.id).rc > 1:
            return f"{name!r} in two places"
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                return f"{name!r}, which lies in another file"
            declared += item.size * item.dtype.itemsize
        return None

    with h5py.File(path, "r") as file:
        fault = file.visititems_links(of_link) or file.visititems(of_object)
    if not fault and declared > 2 * path.stat().st_size:
        fault = f"arrays of {declared:,} bytes in a file of {path.stat().st_size:,}"
    return fault or ""


def _faults_of_fit(tree: xr.DataTree) -> Iterator[str]:
    yield from _faults_of_attrs(tree.attrs)
    for name in ("posterior", "prior"):
        if name not in tree.children:
            yield f"no group {name}"
        yield from _faults_of_draws(tree[name].dataset, name)
    posterior, prior = tree["posterior"].dataset, tree["prior"].dataset
    sampler = json.loads(tree.attrs["sampler"])
    shape = tuple(posterior.sizes.get(dim, 0) for dim in _DRAWN)
    if shape != (sampler.get("chains"), sampler.get("draws")) or shape < (2, 2) or shape[1] < 20:
        yield f"{shape} chains and draws, of which the sampler says nothing"
    for name, values in posterior.data_vars.items():
        if name not in prior or not _labels(values).equals(_labels(prior[name])):
            yield f"{name!r} without its prior"
    if of_systems := [name for name in ("membership", "constant_data") if name in tree.children]:
        if len(of_systems) < 2:
            yield f"{of_systems[0]} alone"
        yield from _faults_of_systems(tree)


def _faults_of_attrs(attrs: dict[Any, Any]) -> Iterator[str]:
    for name in _OBJECTS:
        if not isinstance(_parsed(attrs.get(name)), dict):
            yield f"an attribute {name} that is no JSON object"
    data, units = json.loads(attrs["data"]), json.loads(attrs["units"])
    told = [data.get("name"), data.get("sha256", ""), data.get("as_of") or ""]
    told += [attrs.get("model"), *units.values()]
    if not all(isinstance(text, str) for text in told):
        yield "data, units or a model without a name"
    if not attrs["model"].isidentifier():
        yield f"the model {attrs['model'][:60]!r}"
    if attrs.get("interval_kind") not in ("eti", "hdi"):
        yield "intervals of another kind"
    prob, converged = attrs.get("interval_prob"), attrs.get("converged")
    if not (isinstance(prob, float) and 0 < prob < 1 and isinstance(converged, int | np.integer)):
        yield "an interval_prob or converged that is no number of its kind"


def _faults_of_draws(draws: xr.Dataset, group: str) -> Iterator[str]:
    if not draws.data_vars:
        yield f"a group {group} without variables"
    for name, values in draws.data_vars.items():
        if values.dtype.kind not in "fiu" or not {*_DRAWN} <= {*values.dims} or not values.size:
            yield f"{group}/{name} without draws"
        if np.isnan(values).any() or (group == "posterior" and np.isinf(values).any()):
            yield f"{group}/{name} with numbers that are none"


def _faults_of_systems(tree: xr.DataTree) -> Iterator[str]:
    posterior, era = tree["posterior"].dataset, tree["membership"].dataset.get("era")
    for name in ("era", "domain"):
        if name not in posterior.coords:
            yield f"no coordinate {name}"
    for shown, variables in _VARIABLES.items():
        for name, dims in variables.items() if shown in (*posterior, "sigma") else ():
            if name not in posterior or {*posterior[name].dims} != {*_DRAWN, *dims}:
                yield f"posterior/{name} of other dimensions"
    for name, values in posterior.drop_vars("growth_factor").data_vars.items():
        if np.any(np.abs(values) > 10 * _LARGEST):  # years and powers of ten
            yield f"posterior/{name} that are no numbers of systems"
    systems = tree["constant_data"].dataset
    for name in _SYSTEMS:
        if name not in systems or systems[name].dims != ("system",):
            yield f"constant_data/{name} of other dimensions"
        values = systems[name].to_numpy()
        if values.dtype.kind not in "fiu" or np.any(np.abs(values) > 10 * _LARGEST):
            yield f"constant_data/{name} that are no numbers of systems"
    if "system" not in systems.coords:
        yield "systems without names"
    names = systems["system"]
    if not names.to_index().is_unique or not len(names):
        yield "systems that are not told apart"
    year, domain = systems["year"].to_numpy(), systems["domain_index"].to_numpy()
    if not (np.all((year >= 1900) & (year < 2200)) and np.all(np.diff(year) >= 0)):
        yield "years of systems that are none, or out of order"
    log10_flop, variance = systems["log10_flop"].to_numpy(), systems["variance"].to_numpy()
    seen = np.isfinite(log10_flop)
    if not (np.any(seen) and np.all(variance[seen] >= 0) and np.all(log10_flop[seen] < _LARGEST)):
        yield "log10 FLOP that are none, or of no variance"
    if domain.dtype.kind not in "iu" or not np.all(
        (domain >= 0) & (domain < posterior.sizes["domain"])
    ):
        yield "systems of a domain that is not there"
    if (
        era is None
        or dict(era.sizes) != {dim: posterior.sizes[dim] for dim in _DRAWN} | dict(systems.sizes)
        or era.dtype.kind not in "iu"
        or not np.all((era >= 0) & (era < posterior.sizes["era"]))
    ):
        yield "systems of an era that is not there"
    attrs = tree.attrs
    if not all(
        isinstance(attrs.get(n), int | float | np.number) for n in ("flat_dates", "reference_year")
    ):
        yield "a flat_dates or reference_year that is no number"


def _faults_of_projection(tree: xr.DataTree) -> Iterator[str]:
    from bayes_compute.projection.coming import ESTIMANDS  # which reads fits

    for name in ("projection", "ceilings", "records"):
        if name not in tree.children:
            yield f"no group {name}"
    projected, records = tree["projection"].dataset, tree["records"].dataset
    for name in (*ESTIMANDS, *({"random_walk"} & {*projected})):
        if name not in projected or {*projected[name].dims} != {"sample", "date"}:
            yield f"projection/{name} of other dimensions"
        values = projected[name]
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            yield f"projection/{name} with numbers that are not finite"
    if projected["date"].dtype.kind != "M" or projected["binding"].dtype.kind != "i":
        yield "dates or what binds in another form"
    for name, kind in (("assumptions", dict), ("unknown", list)):
        if not isinstance(_parsed(projected.attrs.get(name)), kind):
            yield f"an attribute {name} that is no JSON {kind.__name__}"
    for name in ("year", "system", "log10_flop", "since"):
        if name not in records or records[name].dims != ("record",):
            yield f"records/{name} of other dimensions"
    if records["since"].dtype.kind != "b" or records["since"].all():
        yield "no record"


def _labels(values: xr.DataArray) -> xr.Dataset:
    """Dimensions of a variable besides those of draws, with their labels."""
    return xr.Dataset({str(dim): values[dim] for dim in values.dims if dim not in _DRAWN})


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
