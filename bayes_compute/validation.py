"""Is it the hardware? Regimes of a fit against what is known of hardware and owner.

The model of regimes sees dates, parameters, compute and domains, never hardware or owners. Where a
table names them, they can say from outside whether bespoke systems were trained on more of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from bayes_compute.errors import InputError
from bayes_compute.observations import Observations

PROB = 0.9
"""Probability of the bootstrap intervals."""

RESAMPLES = 1000
FEWEST = 5
"""Expected number of cloud, and of bespoke, systems below which nothing is said."""

APART_YEARS = 1.0
"""Systems of one date are those published at most so far apart."""

_NOTHING_LEFT = 1e-9  # of the cube of the number of systems: ranks that others give away


@dataclass(frozen=True)
class _Evidence:
    """A quantity from outside the model: a number of each system, or whether something holds."""

    name: str
    of: Callable[[pd.DataFrame], np.ndarray]  # NaN where the table does not say
    says: str
    is_share: bool = False


def _column(name: str) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda systems: systems[name].to_numpy(float)


def _holds(systems: pd.DataFrame, column: str, pattern: str) -> np.ndarray:
    """1 or 0, and NaN where there is no text."""
    found = systems[column].astype("string").str.contains(pattern, case=False)
    return found.to_numpy(float, na_value=np.nan)


def _systems_of_organization(systems: pd.DataFrame) -> np.ndarray:
    """Most systems that one of the organizations of a system has in the table."""
    names = systems["organization"].astype("string").str.replace('"', "")
    one_a_row = names.str.split(r"\s*,\s*", regex=True).explode().astype("string")
    counts = one_a_row.map(one_a_row.value_counts()).astype("Float64")
    return counts.groupby(level=0).max().to_numpy(float, na_value=np.nan)


def _industry(systems: pd.DataFrame) -> np.ndarray:
    return _holds(systems, "sector", "industry")


def _tpu(systems: pd.DataFrame) -> np.ndarray:
    tpu = _holds(systems, "training_hardware", "tpu")
    gpu = _holds(systems, "training_hardware", "nvidia|amd|gpu")
    return np.where((tpu == 1) | (gpu == 1), tpu, np.nan)


def _rented_tpu(systems: pd.DataFrame) -> np.ndarray:
    google = _holds(systems, "organization", "google|deepmind")
    return np.where(google == 0, _tpu(systems), np.nan)


EVIDENCE = (
    _Evidence("accelerators", _column("hardware_quantity"), "used more accelerators"),
    _Evidence("training time", _column("training_time_hours"), "were trained for longer"),
    _Evidence("training power", _column("training_power_w"), "drew more power in training"),
    _Evidence(
        "systems of the organization",
        _systems_of_organization,
        "came from the organization with more systems in the table",
    ),
    _Evidence("industry", _industry, "industry took part in {}", is_share=True),
    _Evidence("TPU rather than GPU", _tpu, "{} were trained on TPUs", is_share=True),
    _Evidence(
        "rented TPU",
        _rented_tpu,
        "outside Google, {} were trained on TPUs, which only Google lets",
        is_share=True,
    ),
)


def hardware_check(dt: xr.DataTree, systems: pd.DataFrame) -> pd.DataFrame:
    """Compare bespoke with cloud systems in what the model does not see.

    Taken are systems published after the median date of the cloud transition, for which the table
    says what is asked. A pair of systems counts with the share of draws in which one of them is
    bespoke and the other cloud, so that what the fit leaves open about either is in the result.

    Numbers (accelerators; hours and watts of training; systems in the table of that organization of
    a system that has most) are compared by the share of pairs in which the bespoke system has
    more, ties counting half (the area under the ROC curve); once more among pairs published within
    a year of each other; and by the partial rank correlation (Spearman) with the probability of
    bespoke, given the date, and given date and parameters. As regimes are told apart by date and
    parameters, the last says whether there is more to them than size. Shares (industry takes part;
    TPU rather than GPU; TPU outside Google, where it must be rented) are compared by their
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
        for measure, statistic in (_SHARES if evidence.is_share else _NUMBERS).items():
            known = np.isfinite(value)
            if measure == GIVEN_SIZE:
                known &= np.isfinite(table["log10_parameters"])
            of_system = (table[name][known] for name in (evidence.name, "year", "log10_parameters"))
            chances = cloud[:, known].mean(axis=0), bespoke[:, known].mean(axis=0)
            group = _Group(*of_system, *chances, both[np.ix_(known, known)])
            rows.append(_row(evidence, measure, statistic(group), group, rng))
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Group:
    """Systems for which something is known, n of them, and their regimes.

    ``weight`` (n, n) is the probability that the one is bespoke and the other cloud.
    """

    value: np.ndarray
    year: np.ndarray
    log10_parameters: np.ndarray
    p_cloud: np.ndarray
    p_bespoke: np.ndarray
    weight: np.ndarray

    @property
    def n(self) -> int:
        """How many."""
        return len(self.value)

    @property
    def few(self) -> bool:
        """Whether either regime has too few systems."""
        return bool(min(self.p_cloud.sum(), self.p_bespoke.sum()) < FEWEST)

    def typical(self, regime: str, is_share: bool) -> float:
        """Share, or median of numbers, in one regime."""
        weight = self.p_cloud if regime == "cloud" else self.p_bespoke
        if not weight.sum():
            return np.nan
        if is_share:
            return float(weight @ self.value / weight.sum())
        order = np.argsort(self.value)
        half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
        return float(self.value[order[min(half, self.n - 1)]])


Statistic = Callable[[np.ndarray], np.ndarray]
"""From resamples (r, n), how often each system is in them, to r values."""


def _over_pairs(group: _Group, kernel: Callable, apart: float = np.inf) -> Statistic:
    """Mean of a kernel over pairs of a bespoke and a cloud system."""
    difference = group.value[:, None] - group.value
    weight = group.weight * (np.abs(group.year[:, None] - group.year) <= apart)
    product = weight * kernel(difference)

    def mean(counts: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            above = np.sum((counts @ product) * counts, axis=1)
            return above / np.sum((counts @ weight) * counts, axis=1)

    return mean


def _partial(group: _Group, *given: np.ndarray) -> Statistic:
    """Rank correlation of the value with the probability of bespoke, given other things."""
    variables = np.array([group.value, group.p_bespoke, *given])

    def correlation(counts: np.ndarray) -> np.ndarray:
        drawn = np.array([np.repeat(np.arange(group.n), each) for each in counts.astype(int)])
        ranks = rankdata(variables[:, drawn], axis=-1)
        ranks -= ranks.mean(axis=-1, keepdims=True)
        moments = np.einsum("irn,jrn->rij", ranks, ranks)
        of_given = np.linalg.pinv(moments[:, 2:, 2:], hermitian=True)
        left = moments[:, :2, :2] - moments[:, :2, 2:] @ of_given @ moments[:, 2:, :2]
        size = left[:, [0, 1], [0, 1]]
        size[size < _NOTHING_LEFT * group.n**3] = np.nan
        return left[:, 0, 1] / np.sqrt(size.prod(axis=1))

    return correlation


def _more(difference: np.ndarray) -> np.ndarray:
    return (np.sign(difference) + 1) / 2


PAIRS, WITHIN = "pairs", "pairs within a year"
GIVEN_DATE, GIVEN_SIZE = "rank correlation given date", "rank correlation given date and parameters"

_NUMBERS: dict[str, Callable[[_Group], Statistic]] = {
    PAIRS: lambda g: _over_pairs(g, _more),
    WITHIN: lambda g: _over_pairs(g, _more, APART_YEARS),
    GIVEN_DATE: lambda g: _partial(g, g.year),
    GIVEN_SIZE: lambda g: _partial(g, g.year, g.log10_parameters),
}
_SHARES: dict[str, Callable[[_Group], Statistic]] = {
    PAIRS: lambda g: _over_pairs(g, lambda difference: difference),
    WITHIN: lambda g: _over_pairs(g, lambda difference: difference, APART_YEARS),
}


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
    evidence: _Evidence, measure: str, statistic: Statistic, group: _Group, rng: np.random.Generator
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
        row["verdict"] = "bespoke more" if above else "cloud more" if below else "cannot tell"
    return row | {"text": _text(evidence, row)}


def _text(evidence: _Evidence, row: dict) -> str:
    said = f"{evidence.name} ({row['n']} systems): "
    if row["verdict"] == "too few":
        return f"{said}{row['measure']}: too few systems to tell"
    found = f"{row['statistic']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"
    when = " published within a year of each other" if row["measure"] == WITHIN else ""
    if evidence.is_share:
        both = f"{row['bespoke']:.0%} of bespoke and {row['cloud']:.0%} of cloud systems"
        said += f"{evidence.says.format(both)}; difference{' of those' + when if when else ''} "
        said += found
    elif row["measure"] in (PAIRS, WITHIN):
        said += f"bespoke systems {evidence.says} in {found} of pairs{when}; "
        said += f"medians {row['bespoke']:,.0f} for bespoke, {row['cloud']:,.0f} for cloud"
    else:
        given = row["measure"].removeprefix("rank correlation ")
        said += f"rank correlation with the probability of bespoke, {given}, {found}"
    return said + ("; cannot tell" if row["verdict"] == "cannot tell" else "")
