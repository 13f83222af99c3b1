"""Records of fits with stated numbers, for tests of how they are put into words."""

import numpy as np

KEY = "three_eras/{}@7d2e9b04-51c3aa18"


def row(name, median, lower, upper, unit="OOM", mcse=None, **marks):
    """A quantity whose three numbers have the Monte Carlo errors `mcse`, or none."""
    errors = mcse if isinstance(mcse, tuple) else (mcse, mcse, mcse)
    found = {
        "name": name,
        "key": KEY.format(name),
        "unit": unit,
        "median": median,
        "lower": lower,
        "upper": upper,
        "r_hat": 1.0,
        "ess_bulk": 4000,
        "ess_tail": 4000,
        "largely_prior": False,
        "outside_prior": False,
    }
    return (
        found | dict(zip(("mcse_lower", "mcse_median", "mcse_upper"), errors, strict=True)) | marks
    )


def growth_rows(era, median, lower, upper, largely_prior=False):
    """Growth in its three units."""

    def months(growth):
        return 12 * np.log10(2) / growth if growth > 0 else None

    mark = {"largely_prior": largely_prior}
    return (
        row(f"growth[{era}]", median, lower, upper, "OOM/year", **mark),
        row(f"growth_factor[{era}]", 10**median, 10**lower, 10**upper, "×/year", **mark),
        row(
            f"doubling_time[{era}]", months(median), months(upper), months(lower), "months", **mark
        ),
    )


def projected(name="record[2030]", median=28.04, lower=27.43, upper=28.81, unchanged=0.0):
    """A row of a projection."""
    binding = {"demand": 0.3, "hardware": 0.1, "money": 0.2, "run_length": 0.4}
    more = {"date": "2030-12-31", "binding": binding, "unchanged": unchanged}
    return row(name, median, lower, upper, "log10 FLOP") | more


def record(*rows, prob=0.9, projections=()):
    """A record of these quantities."""
    return {
        "model": "three_eras",
        "data": {"name": "systems_2025", "rows": 484, "sha256": "7d2e9b04" * 8},
        "posterior_sha256": "51c3aa18" * 8,
        "interval": {"kind": "eti", "prob": prob},
        "reference_year": 2010.0,
        "quantities": list(rows),
        "estimands": {"record": list(projections)},
    }


TRANSITION = row("transition_year[1→2]", 2000.84, 1997.31, 2007.28, "year")
