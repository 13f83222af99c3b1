"""Everything about a fit that may be quoted, as plain JSON values (``summary.json``)."""

import json

import numpy as np
import xarray as xr

from bayes_compute.era_probability import counts
from bayes_compute.errors import NotConverged
from bayes_compute.floor import floor_jump
from bayes_compute.keys import draws_hash, key
from bayes_compute.strict_json import plain
from bayes_compute.summaries import summary

_FIRM = 0.8  # sd of log10 FLOP above which evidence is no figure that was collected


def summary_record(dt: xr.DataTree) -> dict:
    """Everything about a fit that may be quoted, as plain JSON values (``summary.json``).

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns.

    Returns
    -------
    dict
        Strict JSON: what is infinite or does not exist is ``None``. Of models of eras, ``counts``
        holds for each
        era the number of systems for which it is the most probable one (``modal``) and the expected
        number (``expected``): of systems whose training compute is known and, in models of regimes,
        whose parameters are.

    Raises
    ------
    NotConverged
        If the fit failed its diagnostics.
    """
    attrs = dt.attrs
    stored = {
        key: json.loads(attrs[key])
        for key in ("data", "sampler", "versions", "diagnostics", "priors")
    }
    if not int(attrs["converged"]):
        raise NotConverged(
            f"{attrs['model']}: the fit failed its diagnostics, so nothing of it can be quoted",
            stored["diagnostics"],
        )
    table, digest = summary(dt), draws_hash(dt["posterior"].dataset)
    record = {
        "model": attrs["model"],
        "converged": True,
        "data": stored["data"],
        "interval": {"kind": attrs["interval_kind"], "prob": float(attrs["interval_prob"])},
        "sampler": stored["sampler"],
        "versions": stored["versions"],
        "diagnostics": stored["diagnostics"],
        "priors": stored["priors"],
        "posterior_sha256": digest,
        "quantities": [
            {"name": name, "key": key(attrs["model"], str(name), stored["data"], digest)}
            | row.drop("prior_sd").to_dict()
            for name, row in table.iterrows()
        ],
        "prior_influence": [
            {
                "name": name,
                "prior_sd": row["prior_sd"],
                "posterior_sd": row["sd"],
                "largely_prior": row["largely_prior"],
            }
            for name, row in table.iterrows()
        ],
    }
    if "membership" in dt:
        record |= {
            "flat_dates": bool(attrs["flat_dates"]),
            "reference_year": float(attrs["reference_year"]),
            "counts": counts(dt),
            "selection_floor": floor_verdicts(dt),
        }
    return plain(record)


def floor_verdicts(dt: xr.DataTree) -> list[dict]:
    """:func:`~bayes_compute.floor.floor_jump` at the median date of each transition."""
    if "transition_year" not in dt["posterior"]:
        return []
    dates = dt["posterior"]["transition_year"].median(("chain", "draw"))
    year = dt["constant_data"]["year"].to_numpy()
    log10_flop = dt["constant_data"]["log10_flop"].to_numpy()
    seen = np.isfinite(log10_flop)
    if "evidence" in json.loads(dt.attrs["data"]):  # what was collected, not what was worked out
        seen &= dt["constant_data"]["variance"].to_numpy() < _FIRM**2
    year, log10_flop = year[seen], log10_flop[seen]
    return [
        {"transition": str(name)} | floor_jump(year, log10_flop, float(date))
        for name, date in zip(dates["transition"].to_numpy(), dates.to_numpy(), strict=True)
    ]
