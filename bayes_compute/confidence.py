"""How sure an estimate of training compute is, in words and as the sd of its log10."""

from math import log10

# Standard normal quantile of 0.95: half the width of a central 90 % interval, in sd.
Z90 = 1.6449

# Epoch AI's classes: the true value is within this factor of the estimate in 90 % of cases.
WITHIN_FACTOR = {"Confident": 3.0, "Likely": 10.0, "Speculative": 30.0}
# The middle class: most unclassed estimates are older than the classes, so that the lack says
# nothing about how good they are.
DEFAULT_CONFIDENCE = "Likely"


def log10_sd(factor: float) -> float:
    """Sd of log10 of a quantity that is within a factor of its estimate in 90 % of cases."""
    return log10(factor) / Z90
