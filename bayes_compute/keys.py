"""Keys of numbers: which quantity of which model, from which data and which draws."""

import hashlib

import numpy as np
import xarray as xr

_SHOWN = 8  # hexadecimal digits of a hash in a key


def key(model: str, name: str, data: dict, draws: str) -> str:
    """Give the key of a quantity, as ``regimes/capacity@7d2e9b04-51c3aa18``.

    Parameters
    ----------
    model : str
    name : str
        Of the quantity.
    data : dict
        Provenance of the data, with the ``sha256`` of the table.
    draws : str
        What :func:`draws_hash` returned.
    """
    return f"{model}/{name}@{data.get('sha256', '')[:_SHOWN]:0<{_SHOWN}}-{draws[:_SHOWN]}"


def draws_hash(draws: xr.Dataset) -> str:
    """Hash the values of every variable, whatever the file that they lie in."""
    found = hashlib.sha256()
    for name in sorted(map(str, draws.data_vars)):
        values = np.ascontiguousarray(draws[name].to_numpy(), dtype="<f8")
        found.update(f"{name}{values.shape}".encode())
        found.update(values.tobytes())
    return found.hexdigest()
