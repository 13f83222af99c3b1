"""Figures of a fit, for a paper: each takes the fit and, if wanted, the axes to draw on."""

from bayes_compute.plots.break_even import break_even
from bayes_compute.plots.canvas import SIZE, STYLE
from bayes_compute.plots.capacity import parameter_gap
from bayes_compute.plots.dates import date_posterior
from bayes_compute.plots.price_performance import price_performance
from bayes_compute.plots.selection import selection_floor
from bayes_compute.plots.trends import compute_over_time

__all__ = [
    "SIZE",
    "STYLE",
    "break_even",
    "compute_over_time",
    "date_posterior",
    "parameter_gap",
    "price_performance",
    "selection_floor",
]
