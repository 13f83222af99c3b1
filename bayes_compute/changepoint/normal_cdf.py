"""Log of the standard normal distribution function, which most of the time of truncation goes to.

From a table: between nodes a quintic polynomial that has the value and two derivatives of both
ends (Hermite interpolation), in half the time of exponential and error function. With nodes 1/32
apart it is within 1e-13 of the function, or of its size; its derivative is that of the
polynomial, within 1e-10.
"""

import math

import numpy as np
from scipy.special import log_ndtr

from bayes_compute.changepoint.kernel import kernel

LOG_2_PI = math.log(2 * math.pi)
LOWEST, FAR = -30.0, 8.0  # below the first it is taken from its series; above the second it is 0
_PER_UNIT = 32


def _polynomials() -> np.ndarray:
    """Coefficients of each interval, ascending, in its length; shape (intervals, 6)."""
    z = np.linspace(LOWEST, FAR, round((FAR - LOWEST) * _PER_UNIT) + 1)
    value = log_ndtr(z)
    slope = np.exp(-0.5 * (z * z + LOG_2_PI) - value)
    bend = -slope * (z + slope) / _PER_UNIT**2
    slope = slope / _PER_UNIT
    rise = np.diff(value)
    (d0, d1), (s0, s1) = ((each[:-1], each[1:]) for each in (slope, bend))
    third = 10 * rise - 6 * d0 - 4 * d1 - (3 * s0 - s1) / 2
    fourth = -15 * rise + 8 * d0 + 7 * d1 + (3 * s0 - 2 * s1) / 2
    fifth = 6 * rise - 3 * (d0 + d1) - (s0 - s1) / 2
    return np.stack([value[:-1], d0, s0 / 2, third, fourth, fifth], axis=1)


_POLYNOMIALS = _polynomials()


@kernel
def log_normal_cdf(z):
    """Log of the standard normal distribution function, and its derivative."""
    if z >= FAR:
        return 0.0, 0.0
    if math.isnan(z):  # it has no place in the table
        return z, z
    if z < LOWEST:  # asymptotic series of Mills' ratio, Abramowitz & Stegun 26.2.12
        a = 1 / (z * z)
        series = 1 - a * (1 - a * (3 - a * (15 - a * (105 - a * 945))))
        log_p = math.log(series / -z) - 0.5 * z * z - 0.5 * LOG_2_PI
        return log_p, -z / series
    place = (z - LOWEST) * _PER_UNIT
    i = int(place)
    t, c = place - i, _POLYNOMIALS[i]
    value = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))))
    slope = c[1] + t * (2 * c[2] + t * (3 * c[3] + t * (4 * c[4] + t * 5 * c[5])))
    return value, slope * _PER_UNIT
