"""Which era or regime each system most probably belongs to, and how many each has."""

import numpy as np
import xarray as xr


def era_probability(dt: xr.DataTree) -> xr.DataArray:
    """Posterior probability of each era for each system.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.

    Returns
    -------
    xarray.DataArray
        Dims ``system``, ``era``; each row sums to 1.
    """
    era, labels = dt["membership"].dataset["era"], dt["posterior"]["era"].to_numpy()
    draws = era.transpose("chain", "draw", "system").to_numpy()
    return xr.DataArray(
        np.stack([(draws == k).mean(axis=(0, 1)) for k in range(len(labels))], axis=1),
        dims=("system", "era"),
        coords={"system": era["system"], "era": labels},
        name="era_probability",
    )


def counts(dt: xr.DataTree) -> dict[str, dict]:
    """Of each era, the number of systems: by where they most probably belong, and expected."""
    constant = dt["constant_data"].dataset
    counted = np.isfinite(constant["log10_flop"])
    if "parameters_sd" in dt["posterior"]:  # a model of parameters too
        counted &= np.isfinite(constant["log10_parameters"])
    probability = era_probability(dt).isel(system=np.flatnonzero(counted))
    modal = probability.argmax("era").to_numpy()
    return {
        str(era): {
            "modal": int((modal == k).sum()),
            "expected": float(probability.isel(era=k).sum()),
        }
        for k, era in enumerate(probability["era"].to_numpy())
    }
