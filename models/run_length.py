"""How long are the largest training runs, and how long may they become?

Wall-clock lengths h of the runs of notable systems of the last six years, by group g: the largest
language models (among the five of most training compute on the day of their publication), other
language models, vision, and all else:

    log10 h = level_g + growth_g (year − 2022) + ε,   ε ~ Student-t(4, scale sigma_g),
    growth_g ~ N(m, 0.1²),  m ~ N(0.1, 0.15²)         [h: hours; growth: log10/year]

Tails are those of a Student-t because lengths include clerical accidents and runs on spare machines
(OpenAI Five: ten months).

A run longer than 1/g years is overtaken by a later one, g being the growth of what a fixed budget
buys: see :mod:`bayes_compute.ceilings.run_length` for the derivation. Price-performance of hardware
and algorithmic progress are assumed.

Held against: frontier language models' runs lengthen by 1.4 times a year (90 %: 1.3 to 1.5; Epoch
AI 2025, "Frontier training runs will likely stop getting longer by around 2027", which takes the
five largest since 2020 and has 38 lengths); the longest useful run is 15 months where algorithms
improve 1.7-fold a year and 9 months where they do 3-fold (Epoch AI 2022, "The longest training
run", and 2025). The model says 1.44 (90 %: 1.32 to 1.57), and 14.2 and 8.5 months; with runs from
2018 on in place of six years it says 1.6, for those of 2018 lasted days.

Weak: few lengths are known of the largest systems, and the largest laboratories disclose least.
Lengths are of the final run as their authors count it, pauses included by some. Who is among the
largest depends on which compute is known. The limit rests on assumptions alone, and laboratories
need not optimise progress by a release.
"""

from typing import Any

import numpy as np
import pymc as pm

from bayes_compute.ceilings.run_length import (
    ASSUMPTIONS,
    GROUPS,
    NU,
    REFERENCE_YEAR,
    RunLengths,
    largest_runs,
    longest_useful,
    observe,
    progress,
    run_length,
)
from bayes_compute.units import HOURS_PER_YEAR

__all__ = [
    "ASSUMPTIONS",
    "UNITS",
    "RunLengths",
    "build",
    "largest_runs",
    "longest_useful",
    "observe",
    "progress",
    "run_length",
]

UNITS = {
    "level": "log10 h",
    "growth": "OOM/year",
    "sigma": "log10 h",
}
# log10/year: runs of all kinds lengthen 1.3-fold a year, 0.7 to 2.2-fold (90 %)
GROWTH_MEAN, GROWTH_MEAN_SD = 0.1, 0.15
# log10/year: groups differ from that by a factor of 1.25 a year (sd). Four groups do not tell it
GROWTH_SD = 0.1


def build(data: RunLengths) -> pm.Model:
    """Assemble the model of run lengths; see the module's docstring.

    Parameters
    ----------
    data : RunLengths

    Returns
    -------
    pm.Model
    """
    # Their common mean integrated out: growths are correlated
    covariance = GROWTH_MEAN_SD**2 + GROWTH_SD**2 * np.eye(len(GROUPS))
    with pm.Model(coords={"group": GROUPS}) as model:
        # log10 h in 2022: two weeks, a day to 6 months (90 %)
        level: Any = pm.Normal("level", 2.5, 0.7, dims="group")
        growth: Any = pm.MvNormal(
            "growth", np.full(len(GROUPS), GROWTH_MEAN), cov=covariance, dims="group"
        )
        # log10: runs of a group differ by a factor of 2.5, of 1.5 to 8 (90 %)
        sigma: Any = pm.LogNormal("sigma", np.log(0.4), 0.5, dims="group")
        g = data.group
        at: Any = level[g] + growth[g] * (data.year - REFERENCE_YEAR)
        pm.StudentT("log10_hours", nu=NU, mu=at, sigma=sigma[g], observed=data.log10_hours)
    return model


def main() -> None:
    """Fit the newest table, and say how long the largest runs are and may be."""
    from bayes_compute import fit, summary

    tree = fit("run_length", observe())
    print(summary(tree).round(3).to_string())
    posterior = tree["posterior"].dataset

    def said(draws: np.ndarray, form: str) -> str:
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        return f"{middle:{form}} (90 %: {low:{form}} to {high:{form}})"

    growth = posterior["growth"].sel(group=GROUPS[0]).to_numpy()
    print(f"Runs of the largest language models grow {said(10**growth, '.2f')} times a year.")
    month = HOURS_PER_YEAR / 12
    limit = 10 ** longest_useful(growth.size) / month
    print(f"A run of more than {said(limit, '.1f')} months is overtaken by a later one.")
    for year in (2022, 2025, 2027, 2030):
        at = np.array([year])
        months = [
            10 ** largest_runs(posterior, at) / month,
            10 ** run_length(posterior, at) / month,
        ]
        print(
            f"{year}: typically {said(months[0], '.1f')} months; at most {said(months[1], '.1f')}."
        )


if __name__ == "__main__":
    main()
