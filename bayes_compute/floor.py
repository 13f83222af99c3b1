"""Did the trend jump, or did the table stop recording small systems?

A break in compiled data may be a break in what was compiled. Real growth lifts small and large
systems together; a raised threshold for entry lifts the smallest ones and leaves the largest.
"""

from math import comb, sqrt

import numpy as np
import pandas as pd

WINDOW_YEARS = 2
SMALLEST_QUARTER = 3
FEWEST_QUARTERS = 4
STANDARD_ERRORS = 2


def selection_floor(year: np.ndarray, log10_flop: np.ndarray) -> pd.DataFrame:
    """Smallest, typical and largest compute entered per calendar quarter.

    Parameters
    ----------
    year : (n,) array
        Publication date as a decimal year.
    log10_flop : (n,) array
        Training compute, log10 FLOP.

    Returns
    -------
    pandas.DataFrame
        Index ``quarter`` (as ``2023Q4``, only quarters that hold a system); columns ``year``
        (decimal year of the quarter's middle), ``n``, and, in log10 FLOP, ``minimum``,
        ``lower_decile``, ``median``, ``maximum``.
    """
    year = np.asarray(year, float)
    first = np.floor(year).astype(int).astype(str).astype("datetime64[Y]")
    days = (
        (first + np.timedelta64(1, "Y")).astype("datetime64[D]") - first.astype("datetime64[D]")
    ).astype(int)
    # The day is recovered first: 1 April is 0.2466 of a year, which a division into equal
    # quarters would put into the first.
    date = first.astype("datetime64[D]") + np.rint((year - np.floor(year)) * days).astype(int)
    quarter = pd.PeriodIndex(date, freq="Q").astype(str)
    by_quarter = pd.Series(np.asarray(log10_flop, float)).groupby(np.asarray(quarter))
    table = pd.DataFrame(
        {
            "n": by_quarter.size(),
            "minimum": by_quarter.min(),
            "lower_decile": by_quarter.quantile(0.1),
            "median": by_quarter.median(),
            "maximum": by_quarter.max(),
        }
    ).rename_axis("quarter")
    label = table.index.str
    table.insert(0, "year", label[:4].astype(float) + label[5].astype(float) / 4 - 1 / 8)
    return table


def floor_jump(year: np.ndarray, log10_flop: np.ndarray, date: float) -> dict:
    """Compare what was entered in the two years before and after a claimed date.

    Both windows are cut into quarters counted from the date, so that none straddles it. The
    rule: the floor jumped when the smallest system per quarter rose, and rose by more than the
    largest did, each by more than two standard errors, taken from the scatter between quarters.

    The smallest of few systems exceeds the smallest of many, so a quarter that is thin only
    because reports lag would look like a raised floor. The rule therefore compares the expected
    minimum and maximum of ``m`` systems drawn without replacement from each quarter, with ``m``
    the smallest number of systems in a quarter that counts (three or more systems). With fewer
    than four such quarters on either side there is no verdict.

    A real narrowing of the spread between systems passes for a raised floor: the verdict says
    what the data look like, not what was done.

    Parameters
    ----------
    year, log10_flop : (n,) arrays
        Decimal year and log10 FLOP.
    date : float
        The claimed date, decimal year.

    Returns
    -------
    dict
        ``date``; ``floor_rise``, ``median_rise``, ``maximum_rise`` [OOM]: differences of the
        means over quarters of the quarterly minimum, median and maximum as they stand;
        ``excess`` and ``excess_se`` [OOM]: how much more the floor rose than the maximum at
        equal numbers of systems; ``quarters_before``, ``quarters_after``; ``verdict``
        (``"jump"``, ``"no jump"``, ``"too few"``) and ``text``. Differences are ``None`` where
        the verdict is ``"too few"``.
    """
    year, log10_flop = np.asarray(year, float), np.asarray(log10_flop, float)
    before, after = (_quarters(year, log10_flop, date, side) for side in (-1, 1))
    result: dict = {"date": float(date)}
    result |= dict.fromkeys(
        ("floor_rise", "median_rise", "maximum_rise", "excess", "excess_se"), None
    )
    result |= {"quarters_before": len(before), "quarters_after": len(after)}
    if min(len(before), len(after)) < FEWEST_QUARTERS:
        return result | {"verdict": "too few", "text": "too few systems to tell"}

    m = min(map(len, before + after))
    floor, floor_se = _rise(
        [_expected_minimum(q, m) for q in before], [_expected_minimum(q, m) for q in after]
    )
    excess, excess_se = _rise(
        [_expected_minimum(q, m) + _expected_minimum(-q, m) for q in before],
        [_expected_minimum(q, m) + _expected_minimum(-q, m) for q in after],
    )
    for key, of in (("floor", np.min), ("median", np.median), ("maximum", np.max)):
        result[f"{key}_rise"], _ = _rise([of(q) for q in before], [of(q) for q in after])
    result |= {"excess": excess, "excess_se": excess_se}
    if floor > STANDARD_ERRORS * floor_se and excess > STANDARD_ERRORS * excess_se:
        verdict = "jump"
        text = (
            f"the floor rises by {result['floor_rise']:.1f} OOM, the maximum by "
            f"{result['maximum_rise']:.1f}: looks like a change in what was collected"
        )
    else:
        verdict = "no jump"
        text = (
            f"no jump of the floor (it changes by {result['floor_rise']:+.1f} OOM, the maximum "
            f"by {result['maximum_rise']:+.1f})"
        )
    return result | {"verdict": verdict, "text": text}


def _quarters(year: np.ndarray, log10_flop: np.ndarray, date: float, side: int) -> list[np.ndarray]:
    """Values of each quarter that counts, on one side (-1 before, +1 from the date on)."""
    quarter = np.floor((year - date) * 4).astype(int)
    wanted = range(WINDOW_YEARS * 4) if side > 0 else range(-WINDOW_YEARS * 4, 0)
    groups = [log10_flop[quarter == k] for k in wanted]
    return [group for group in groups if len(group) >= SMALLEST_QUARTER]


def _expected_minimum(values: np.ndarray, m: int) -> float:
    """Mean of the minimum over all subsets of ``m`` of the values."""
    n = len(values)
    weight = np.array([comb(n - 1 - i, m - 1) for i in range(n)], float) / comb(n, m)
    return float(np.sort(values) @ weight)


def _rise(before: list, after: list) -> tuple[float, float]:
    """Difference of two means and its standard error from the scatter on each side."""
    rise = np.mean(after) - np.mean(before)
    error = sqrt(np.var(before, ddof=1) / len(before) + np.var(after, ddof=1) / len(after))
    return float(rise), error
