"""Is it the hardware? Regimes of a fit against what is known of hardware and owner.

The model of regimes sees dates, parameters, compute and domains, never hardware or owners. Where a
table names them, they can say from outside whether bespoke systems were trained on more of it.
"""

import numpy as np
import pandas as pd
import xarray as xr

from bayes_compute.errors import InputError
from bayes_compute.hardware_evidence import EVIDENCE, Evidence
from bayes_compute.observations import Observations
from bayes_compute.pair_statistics import (
    APART_YEARS,
    GIVEN_SIZE,
    NUMBERS,
    PAIRS,
    SHARES,
    WITHIN,
    Group,
    Statistic,
)
from bayes_compute.wording import percent

PROB = 0.9
"""Probability of the bootstrap intervals."""

RESAMPLES = 1000
UNSURE = "cannot tell"


def hardware_check(dt: xr.DataTree, systems: pd.DataFrame) -> pd.DataFrame:
    """Compare bespoke with cloud systems in what the model does not see.

    Taken are systems published after the median date of the cloud transition, for which the table
    says what is asked. A pair of systems counts with the share of draws in which one of them is
    bespoke and the other cloud, so that what the fit leaves open about either is in the result.

    Numbers (accelerators; hours and watts of training; systems in the table of that organization of
    a system that has most) are compared by the share of pairs in which the bespoke system has
    more, ties counting half (the area under the ROC curve); once more among pairs published within
    a year of each other; and by the partial correlation of their ranks with the probability of
    bespoke, given the ranks of date, and of date and parameters. As regimes are told apart by date
    and parameters, the last says whether there is more to them than size. Shares (industry takes
    part; TPU rather than GPU; TPU outside Google, where it must be rented) are compared by their
    difference, bespoke minus cloud, in all pairs and in those within a year.

    What is disclosed is not a random part of what was trained, and watts follow from the number
    of accelerators.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returns for a model with the regimes cloud and bespoke.
    systems : pandas.DataFrame
        As of :func:`bayes_compute.load_systems`: the table that was fitted, or another one that
        says more. Systems are matched by label, and left out where the table has no such label or
        dates it more than a year apart.

    Returns
    -------
    pandas.DataFrame
        One row a comparison. ``evidence`` and ``measure`` say which; ``n`` is the number of
        systems; ``cloud`` and ``bespoke`` are weighted medians of numbers, and shares; then
        ``statistic``, ``lower`` and ``upper`` (90 % bootstrap interval over systems), ``verdict``
        (``"bespoke more"``, ``"cloud more"``, ``"cannot tell"``, ``"too few"``) and ``text``, a
        sentence.

    Raises
    ------
    InputError
        If the fit has no cloud or bespoke regime, or the table none of its systems.
    """
    table, cloud, bespoke = _after_the_cloud(dt, systems)
    cloud, bespoke = cloud.astype(float), bespoke.astype(float)
    both = bespoke.T @ cloud / len(cloud)
    rng = np.random.default_rng(1)
    rows = []
    for evidence in EVIDENCE:
        value = table[evidence.name]
        for measure, statistic in (SHARES if evidence.is_share else NUMBERS).items():
            known = np.isfinite(value)
            if measure == GIVEN_SIZE:
                known &= np.isfinite(table["log10_parameters"])
            of_system = (table[name][known] for name in (evidence.name, "year", "log10_parameters"))
            chances = cloud[:, known].mean(axis=0), bespoke[:, known].mean(axis=0)
            group = Group(*of_system, *chances, both[np.ix_(known, known)])
            rows.append(_row(evidence, measure, statistic(group), group, rng))
    return pd.DataFrame(rows)


def tables(rows: list[dict]) -> str:
    """What :func:`hardware_check` found, as two tables in Markdown: of numbers, and of shares.

    Parameters
    ----------
    rows : list of dict
        Its rows.
    """
    found = {(row["evidence"], row["measure"]): row for row in rows}
    heads = {
        False: "cloud, median | bespoke, median | bespoke has more, of pairs | of pairs within a "
        "year | rank correlation with bespoke given date | given date and parameters",
        True: "cloud | bespoke | difference of shares, over pairs | over pairs within a year",
    }
    parts = []
    for is_share, measures in ((False, NUMBERS), (True, SHARES)):
        lines = [f"| evidence | systems | {heads[is_share]} |"]
        lines.append("|---" * (4 + len(measures)) + "|")
        for evidence in EVIDENCE:
            keys = [(evidence.name, measure) for measure in measures]
            if evidence.is_share is not is_share or not found.keys() >= {*keys}:  # an older record
                continue
            of = [found[key] for key in keys]
            typical = (_typical(evidence, of[0], regime) for regime in ("cloud", "bespoke"))
            cells = [evidence.name, str(of[0]["n"]), *typical]
            for row in of:
                if row["verdict"] == "too few":
                    cells.append("too few systems")
                    continue
                fewer = f" of {row['n']} systems" if row["n"] != of[0]["n"] else ""
                cells.append(_found(row) + fewer + f"; {UNSURE}" * (row["verdict"] == UNSURE))
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _after_the_cloud(
    dt: xr.DataTree, systems: pd.DataFrame
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Systems after the cloud transition with every evidence, and whether cloud, and bespoke."""
    posterior, constant = dt["posterior"], dt["constant_data"]
    eras = posterior["era"].to_numpy().tolist() if "era" in posterior else []
    if not {"cloud", "bespoke"} <= set(eras):
        raise InputError(
            f"fit: got the eras {', '.join(map(str, eras)) or 'none'}; expected cloud and bespoke "
            'among them; fit the model "regimes"'
        )
    systems = systems.reset_index(drop=True)
    numbered = systems.assign(system=[str(row) for row in range(len(systems))])
    observed = Observations.from_systems(systems)
    at = [int(row) for row in Observations.from_systems(numbered).system]
    facts = pd.DataFrame(
        {each.name: each.of(systems)[at] for each in EVIDENCE},
        index=list(observed.system),
    )
    published = pd.Series(observed.year, facts.index)

    labels = constant["system"].to_numpy().tolist()
    year = constant["year"].to_numpy()
    matched = np.abs(published.reindex(labels).to_numpy() - year) <= APART_YEARS
    if not matched.any():
        raise InputError(
            f"systems: got none of the {len(labels)} systems of the fit; expected some of them; "
            "load the table that was fitted"
        )
    kept = matched & (year > posterior["transition_year"].sel(transition="cloud").median().item())
    table = facts.reindex(labels).assign(
        year=year, log10_parameters=constant["log10_parameters"].to_numpy()
    )
    era = dt["membership"]["era"].transpose("chain", "draw", "system").to_numpy()
    era = era.reshape(-1, len(labels))[:, kept]
    found = {str(name): table[name].to_numpy()[kept] for name in table}
    return found, era == eras.index("cloud"), era == eras.index("bespoke")


def _row(
    evidence: Evidence, measure: str, statistic: Statistic, group: Group, rng: np.random.Generator
) -> dict:
    middle = 0.5 if not evidence.is_share and measure in (PAIRS, WITHIN) else 0.0
    row = {
        "evidence": evidence.name,
        "measure": measure,
        "n": group.n,
        "cloud": group.typical("cloud", evidence.is_share),
        "bespoke": group.typical("bespoke", evidence.is_share),
        "statistic": np.nan,
        "lower": np.nan,
        "upper": np.nan,
        "verdict": "too few",
    }
    value = np.nan if group.few else float(statistic(np.ones((1, group.n)))[0])
    if np.isfinite(value):
        counts = rng.multinomial(group.n, np.full(group.n, 1 / group.n), RESAMPLES).astype(float)
        found = statistic(counts)
        tails = np.nanquantile(found, [(1 - PROB) / 2, (1 + PROB) / 2])
        row |= {"statistic": value, "lower": float(tails[0]), "upper": float(tails[1])}
        above, below = row["lower"] > middle, row["upper"] < middle
        row["verdict"] = "bespoke more" if above else "cloud more" if below else UNSURE
    return row | {"text": _text(evidence, row)}


def _found(row: dict) -> str:
    return f"{row['statistic']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"


def _typical(evidence: Evidence, row: dict, regime: str) -> str:
    """Share or median of one regime, with its unit."""
    if pd.isna(row[regime]):
        return "none"
    if evidence.is_share:
        return percent(row[regime])
    return f"{row[regime]:,.0f} {evidence.unit}".rstrip()


def _text(evidence: Evidence, row: dict) -> str:
    said = f"{evidence.name} ({row['n']} systems): "
    if row["verdict"] == "too few":
        return f"{said}{row['measure']}: too few systems to tell"
    found = _found(row)
    when = " published within a year of each other" if row["measure"] == WITHIN else ""
    if evidence.is_share:
        both = f"{_typical(evidence, row, 'bespoke')} of bespoke and "
        both += f"{_typical(evidence, row, 'cloud')} of cloud systems"
        said += f"{evidence.says.format(both)}; difference{' of those' + when if when else ''} "
        said += found
    elif row["measure"] in (PAIRS, WITHIN):
        said += f"bespoke systems {evidence.says} in {found} of pairs{when}; "
        said += f"medians {_typical(evidence, row, 'bespoke')} for bespoke, "
        said += f"{_typical(evidence, row, 'cloud')} for cloud"
    else:
        given = row["measure"].removeprefix("rank correlation ")
        said += f"rank correlation with the probability of bespoke, {given}, {found}"
    return said + (f"; {UNSURE}" if row["verdict"] == UNSURE else "")
