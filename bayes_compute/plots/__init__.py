"""Figures of a fit, for a paper: each takes the fit and, if wanted, the axes to draw on."""

from bayes_compute.plots.backtest import backtest
from bayes_compute.plots.break_even import break_even
from bayes_compute.plots.calibration import calibration
from bayes_compute.plots.canvas import SIZE, STYLE
from bayes_compute.plots.capacity import parameter_gap
from bayes_compute.plots.comparison import comparison
from bayes_compute.plots.dates import date_posterior
from bayes_compute.plots.power import power
from bayes_compute.plots.predictive_checks import predictive_checks, running_maximum
from bayes_compute.plots.price_performance import price_performance
from bayes_compute.plots.projection import projection
from bayes_compute.plots.readings import reading_errors
from bayes_compute.plots.reliability import reliability
from bayes_compute.plots.run_length import run_length
from bayes_compute.plots.selection import selection_floor
from bayes_compute.plots.top500 import top500
from bayes_compute.plots.trends import compute_over_time

__all__ = [
    "SIZE",
    "STYLE",
    "backtest",
    "break_even",
    "calibration",
    "comparison",
    "compute_over_time",
    "date_posterior",
    "parameter_gap",
    "power",
    "predictive_checks",
    "price_performance",
    "projection",
    "reading_errors",
    "reliability",
    "run_length",
    "running_maximum",
    "selection_floor",
    "top500",
]
