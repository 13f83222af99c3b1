"""What is assumed where there are no data: named priors, each with a unit and a reason.

A ceiling rests on data and on assumptions. These are log-normal: a median, and a factor within
which the value lies with 90 % probability. Whoever believes otherwise says so by name, in Python or
with ``--assume NAME=MEDIAN`` or ``NAME=MEDIAN/FACTOR``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bayes_compute.confidence import log10_sd
from bayes_compute.errors import InputError

_FAR, _WIDE = 1e7, 1e3  # how far from what is stated a median, and how wide a spread, is no slip


@dataclass(frozen=True)
class Assumption:
    """A positive quantity that no table tells.

    Attributes
    ----------
    median : float
    factor : float
        The value is within this factor of the median with 90 % probability; 1 for a constant.
    unit : str
    reason : str
        Why this much, with the source.
    """

    median: float
    factor: float
    unit: str
    reason: str

    @property
    def log10_sd(self) -> float:
        """Standard deviation of its log10."""
        return log10_sd(self.factor)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw values, shape (n,)."""
        return self.median * 10.0 ** (self.log10_sd * rng.standard_normal(n))


def draw_each(
    stated: Mapping[str, Assumption], n: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw every assumption, in the order in which they are stated, shape (n,) each."""
    return {name: each.draw(n, rng) for name, each in stated.items()}


def assume(
    stated: Mapping[str, Assumption], changes: Iterable[str] | Mapping[str, float | str] = ()
) -> dict[str, Assumption]:
    """Replace some assumptions.

    Parameters
    ----------
    stated : mapping of str to Assumption
    changes : iterable of str, or mapping
        "NAME=MEDIAN" or "NAME=MEDIAN/FACTOR"; without a factor the stated one stays. A mapping
        has the same without "NAME=".

    Raises
    ------
    InputError
        If there is no such assumption, or a number is not one above 0 (a factor: at least 1), or
        absurdly far from what is stated.
    """
    if isinstance(changes, Mapping):
        changes = [f"{name}={value}" for name, value in changes.items()]
    found = dict(stated)
    for change in changes:
        name, _, value = change.partition("=")
        if name not in stated:
            raise InputError(f"assume: got {name!r}; expected one of {', '.join(stated)}")
        median, slash, factor = value.partition("/")
        found[name] = replace(
            stated[name],
            median=_number(name, median, stated[name].median / _FAR, stated[name].median * _FAR),
            factor=_number(name, factor, 1.0, _WIDE) if slash else stated[name].factor,
            reason="as given",
        )
    return found


def _number(name: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not least <= value <= most:
        raise InputError(
            f"assume: got {text!r} for {name}; expected a median above 0 and within a factor of "
            f"{_FAR:g} of the stated one, or median/factor with a factor of at least 1 and at most "
            f"{_WIDE:g}, such as {name}=2/1.5"
        )
    return value
