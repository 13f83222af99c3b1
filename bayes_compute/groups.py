"""Groups of a fit: draws and what follows from them, labelled."""

import numpy as np
import xarray as xr

from bayes_compute.changepoint.system_draws import SystemDraws
from bayes_compute.observations import Observations
from bayes_compute.summaries import growth_factor


def in_all_units(drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add growth as a factor a year.

    Not as a doubling time: it is infinite where a draw does not grow, and one infinity leaves
    ``az.loo`` no relative efficiency, and means and errors of any summary undefined.
    """
    return drawn | {"growth_factor": growth_factor(drawn["growth"])}


def with_drawn(
    sampled: xr.Dataset, drawn: dict[str, np.ndarray], coords: dict[str, list[str]]
) -> xr.Dataset:
    """Add what was integrated out."""
    lead = (sampled.sizes["chain"], sampled.sizes["draw"])
    if not coords["transition"]:
        drawn = {name: values for name, values in drawn.items() if name != "transition_year"}
    found = sampled.assign_coords({name: labels for name, labels in coords.items() if labels})
    for name, values in drawn.items():
        dims = () if values.ndim == 1 else ("transition" if name == "transition_year" else "era",)
        found[name] = (("chain", "draw", *dims), values.reshape(*lead, *values.shape[1:]))
    return found


def per_system(
    draws: SystemDraws, observations: Observations, posterior: xr.Dataset
) -> dict[str, xr.Dataset]:
    """Each system's data, era, replicates and log likelihood given each draw."""
    seen = np.isfinite(observations.log10_flop)
    every = {"system": list(observations.system)}
    with_flop = {"system": [name for name, it in zip(*every.values(), seen, strict=True) if it]}
    dims = ("chain", "draw", "system")
    of_draw = {name: posterior[name] for name in dims[:2]}

    def per_draw(name: str, values: np.ndarray, system: dict) -> xr.Dataset:
        shape = (posterior.sizes["chain"], posterior.sizes["draw"], -1)
        return xr.Dataset({name: (dims, values.reshape(shape))}, of_draw | system)

    constant = {
        "year": observations.year,
        "variance": observations.variance,
        "domain_index": observations.domain,
        "log10_flop": observations.log10_flop,
        "log10_parameters": observations.log10_parameters,
    }
    observed = {"log10_flop": ("system", observations.log10_flop[seen])}
    return {
        "membership": per_draw("era", draws.era.astype(np.int8), every),
        "posterior_predictive": per_draw("log10_flop", draws.replicate, with_flop),
        "log_likelihood": per_draw("log10_flop", draws.log_likelihood, with_flop),
        "observed_data": xr.Dataset(observed, with_flop),
        "constant_data": xr.Dataset({k: ("system", v) for k, v in constant.items()}, every),
    }
