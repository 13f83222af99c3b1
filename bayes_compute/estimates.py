"""An estimate of the FLOP of a training run: a log-normal distribution that says where it is from.

An estimate is a product of factors, each log-normal or taken as exact. log10 of the product is
the sum of theirs, and a sum of independent normals is normal: nothing here is an approximation.
"""

import re
from dataclasses import asdict, dataclass
from itertools import combinations
from math import fsum, hypot, isfinite, log10, sqrt
from statistics import NormalDist

from bayes_compute.cells import MOST_LOG10_FLOP
from bayes_compute.errors import InputError
from bayes_compute.escaping import as_json, escape
from bayes_compute.layout import tabulate
from bayes_compute.table import refuse

FORMATS = ("text", "latex", "markdown", "json")

# Estimates further apart than this many sds of their difference are said to disagree: two
# that agree do so in 0.3 % of cases.
DISAGREE_SDS = 3.0

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Step:
    """One factor of an estimate.

    Attributes
    ----------
    what : str
        What the factor is.
    value : float
        Its median.
    why : str
        Where value and spread come from.
    log10_sd : float
        Sd of its log10; 0 if it is taken as exact.
    unit : str
        Unit of the value; empty for a plain number.
    assumed : bool
        Whether nobody gave it: a prior, or a rule's default.
    """

    what: str
    value: float
    why: str
    log10_sd: float = 0.0
    unit: str = ""
    assumed: bool = False


@dataclass(frozen=True)
class Estimate:
    """A log-normal distribution of the FLOP of one training run.

    Attributes
    ----------
    log10_median : float
        log10 of the median [FLOP], which is the mean of log10 FLOP.
    log10_sd : float
        Sd of log10 FLOP, above 0.
    method : str
        What it was estimated from.
    steps : tuple of Step
        The factors whose product it is; those of each part in turn if it combines several.
    parts : tuple of Estimate
        The estimates that it combines, if any.
    warnings : tuple of str
        What a reader has to know before using it.
    """

    log10_median: float
    log10_sd: float
    method: str
    steps: tuple[Step, ...]
    parts: tuple["Estimate", ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (isfinite(self.log10_median) and 0 < self.log10_sd < float("inf")):
            raise ValueError(f"not a distribution: {self.log10_median} ± {self.log10_sd}")

    @property
    def median(self) -> float:
        """The median [FLOP]."""
        return 10**self.log10_median

    def interval(self, prob: float = 0.9) -> tuple[float, float]:
        """Ends of the equal-tailed interval [FLOP].

        Parameters
        ----------
        prob : float
            Its probability, between 0 and 1.

        Returns
        -------
        tuple of two floats
        """
        half = self.log10_sd * _half_width(prob)
        return 10 ** (self.log10_median - half), 10 ** (self.log10_median + half)

    def describe(self, prob: float = 0.9, format: str = "text") -> str:
        """Median and equal-tailed interval in words, and what to know before quoting them.

        Parameters
        ----------
        prob : float
            Probability of the interval.
        format : {"text", "latex", "markdown", "json"}
            JSON holds the steps too.

        Returns
        -------
        str
        """
        _check_format(format)
        if format == "json":
            return as_json(self.record(prob), indent=1)
        lines = [self._sentence(prob), *(f"Warning: {text}" for text in self.warnings)]
        if assumed := dict.fromkeys(_assumption(step, prob) for step in self.steps if step.assumed):
            lines.append(f"Assumed: {'; '.join(assumed)}")
        return _exponents("\n".join(escape(line, format) for line in lines), format)

    def explain(self, prob: float = 0.9, format: str = "text") -> str:
        """The same with every step: what, its value, how sure and why.

        Parameters
        ----------
        prob : float
            Probability of the intervals.
        format : {"text", "latex", "markdown", "json"}
            JSON is that of :meth:`describe`.

        Returns
        -------
        str
        """
        if format == "json":
            return self.describe(prob, format)
        blocks = [self.describe(prob, format)]
        for part in self.parts or (self,):
            head = f"From {part.method}"
            head += f": {part._sentence(prob)}" if self.parts else ":"
            rows = [("what", "value", "how sure", "why")]
            rows += [_row(step, prob) for step in part.steps]
            # A table of Markdown or LaTeX needs the blank line.
            gap = "\n" if format == "text" else "\n\n"
            text = escape(head, format) + gap + tabulate(rows, format, "lrll").rstrip("\n")
            blocks.append(_exponents(text, format))
        return "\n\n".join([*blocks, escape(self._how(), format)])

    def record(self, prob: float = 0.9) -> dict:
        """The same for JSON: medians and ends in FLOP.

        Parameters
        ----------
        prob : float
            Probability of the intervals.

        Returns
        -------
        dict
        """
        lower, upper = self.interval(prob)
        return {
            "text": self._sentence(prob),
            "median_flop": self.median,
            "interval": {"kind": "eti", "prob": prob, "lower_flop": lower, "upper_flop": upper},
            "log10_median": self.log10_median,
            "log10_sd": self.log10_sd,
            "method": self.method,
            "steps": [] if self.parts else [asdict(step) for step in self.steps],
            "parts": [part.record(prob) for part in self.parts],
            "warnings": list(self.warnings),
        }

    def _sentence(self, prob: float) -> str:
        lower, upper = self.interval(prob)
        digits = 2 if upper > 1.25 * lower else 3
        median, lower, upper = (flop_text(x, digits) for x in (self.median, lower, upper))
        level = f"{100 * prob:.10g} % equal-tailed interval"
        return f"{median} FLOP ({level}: {lower} to {upper})"

    def _how(self) -> str:
        normal = f"Its log10 is normal: mean {self.log10_median:.3f}, sd {self.log10_sd:.3f}"
        if not self.parts:
            return f"The product of the steps. {normal}."
        weights = ", ".join(f"{part.log10_sd**-2 * self.log10_sd**2:.2f}" for part in self.parts)
        return (
            "Combined as independent (leave out what was computed from another): the product of "
            f"the densities, each weighing by its precision ({weights}). {normal}."
        )


def product(method: str, steps: list[Step], *warnings: str) -> Estimate:
    """Estimate a training run as the product of independent steps.

    Parameters
    ----------
    method : str
        What it is estimated from.
    steps : list of Step
        At least one of them with a spread.
    *warnings : str
        What a reader has to know before using it.

    Raises
    ------
    InputError
        The product is no FLOP of a training run: below 1 or above 1e60.
    """
    log10_median = fsum(log10(step.value) for step in steps)
    if not 0 <= log10_median <= MOST_LOG10_FLOP:
        expected = f"1 to 1e{MOST_LOG10_FLOP}"
        refuse(method, f"10^{log10_median:.0f} FLOP", expected, "check the numbers and units")
    log10_sd = hypot(*(step.log10_sd for step in steps))
    return Estimate(log10_median, log10_sd, method, tuple(steps), warnings=warnings)


def combine(*estimates: Estimate) -> Estimate:
    """Combine independent estimates of one run: the product of their densities, normalised.

    log10 of the result is normal, with the mean of the estimates' log10 medians weighted by
    precision (1 / sd²), and their summed precision. It warns of each pair further apart than
    `DISAGREE_SDS` sds of the difference.

    Parameters
    ----------
    *estimates : Estimate
        At least one; one alone is returned as it is.
    """
    if len(estimates) == 1:
        return estimates[0]
    precision = [estimate.log10_sd**-2 for estimate in estimates]
    weighted = (w * e.log10_median for w, e in zip(precision, estimates, strict=True))
    warnings = [text for estimate in estimates for text in estimate.warnings]
    for one, other in combinations(estimates, 2):
        gap = abs(one.log10_median - other.log10_median)
        sds = gap / hypot(one.log10_sd, other.log10_sd)
        if sds > DISAGREE_SDS:
            warnings.append(
                f"{one.method} and {other.method} disagree: a factor of {_factor(gap)} apart, "
                f"{sds:.1f} combined sds; find out which is wrong before using the combination"
            )
    return Estimate(
        fsum(weighted) / fsum(precision),
        1 / sqrt(fsum(precision)),
        "; ".join(estimate.method for estimate in estimates),
        tuple(step for estimate in estimates for step in estimate.steps),
        estimates,
        tuple(warnings),
    )


def flop_text(value: float, digits: int) -> str:
    """A count with some significant digits, as ``3.1e23``."""
    # Powers of ten carry an error of a few in the last place, which must not move a tie.
    mantissa, exponent = f"{float(f'{value:.9e}'):.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _half_width(prob: float) -> float:
    if not 0 < prob < 1:
        raise InputError(f"prob: got {prob!r}; expected a probability between 0 and 1; try 0.9")
    return -NormalDist().inv_cdf((1 - prob) / 2)


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise InputError(f"format: got {format!r}; expected one of {', '.join(FORMATS)}")


def _row(step: Step, prob: float) -> tuple[str, ...]:
    level = f" ({100 * prob:.10g} %)" if step.log10_sd else ""
    return step.what, f"{_value(step)} {step.unit}".rstrip(), _sure(step, prob) + level, step.why


def _assumption(step: Step, prob: float) -> str:
    return f"{step.what} {_value(step)} {step.unit}".rstrip() + f", {_sure(step, prob)}"


def _value(step: Step) -> str:
    if 0.001 <= step.value < 1e6:
        return f"{step.value:.6g}" if step.value.is_integer() else f"{step.value:.4g}"
    mantissa, exponent = flop_text(step.value, 4).split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def _sure(step: Step, prob: float) -> str:
    if not step.log10_sd:
        return "taken as exact"
    return f"within ×{_factor(step.log10_sd * _half_width(prob))}"


def _factor(log10_factor: float) -> str:
    return f"{10**log10_factor:.3g}" if log10_factor < 2.9 else f"10^{log10_factor:.1f}"


def _exponents(text: str, format: str) -> str:
    """Write 3.1e23 as a reader of the format expects it."""
    number = r"(?<![\w.])(\d+(?:\.\d+)?)e(-?\d+)\b"
    if format == "latex":
        return re.sub(number, r"$\1 \\times 10^{\2}$", text)
    if format == "markdown":
        return re.sub(number, lambda m: f"{m[1]}×10{m[2].translate(_SUPERSCRIPT)}", text)
    return text
