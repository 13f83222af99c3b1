"""ArviZ takes ``posterior.nc`` as ``fit`` writes it, without conversion."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from test_inference import SETTINGS, simulate, simulate_regimes

import bayes_compute as bc
from bayes_compute.report import write_fit

# Of each function what it cannot do without, or what keeps it from drawing everything.
STATISTICS: dict[str, dict] = {
    "bayes_factor": {"var_names": "growth_mean", "ref_vals": 0.4},
    "bfmi": {},
    "ci_in_rope": {"rope": (0.1, 0.5), "var_names": ["growth"]},
    "diagnose": {},
    "ess": {},
    "eti": {},
    "extract": {},
    "get_log_likelihood": {},
    "hdi": {},
    "histogram": {},
    "iqr": {},
    "kde": {},
    "loo": {},
    "loo_expectations": {},
    "loo_influence": {},
    "loo_metrics": {},
    "loo_pit": {},
    "loo_r2": {"var_name": "log10_flop"},
    "loo_score": {},
    "loo_subsample": {"observations": 50},
    "mad": {},
    "mcse": {},
    "mean": {},
    "median": {},
    "metrics": {},
    "mode": {},
    "psense": {},
    "psense_summary": {},
    "qds": {},
    "rhat": {},
    "rhat_nested": {"superchain_ids": [0, 0, 1, 1]},
    "std": {},
    "summary": {},
    "thin": {},
    "var": {},
}
SOME = {"var_names": ["growth", "transition_year"]}
PLOTS: dict[str, dict] = {
    "plot_autocorr": SOME,
    "plot_bf": {"var_names": "growth_mean", "ref_val": 0.4},
    "plot_convergence_dist": {},
    "plot_dgof": SOME,
    "plot_dgof_dist": SOME,
    "plot_dist": SOME,
    "plot_energy": {},
    "plot_ess": SOME,
    "plot_ess_evolution": SOME,
    "plot_forest": {},
    "plot_loo_interval": {},
    "plot_loo_pava": {},
    "plot_loo_pit": {},
    "plot_mcse": SOME,
    "plot_pair": SOME,
    "plot_pair_focus": SOME | {"focus_var": "growth_mean"},
    "plot_parallel": SOME,
    "plot_ppc_dist": {},
    "plot_ppc_dist_pit": {},
    "plot_ppc_interval": {},
    "plot_ppc_pava": {},
    "plot_ppc_pava_residuals": {"x_var": "year"},
    "plot_ppc_pit": {},
    "plot_ppc_tstat": {},
    "plot_prior_posterior": SOME,
    "plot_psense_dist": SOME,
    "plot_psense_quantities": SOME,
    "plot_rank": SOME,
    "plot_rank_dist": SOME,
    "plot_ridge": {},
    "plot_trace": SOME,
    "plot_trace_dist": SOME,
}
# Of other things than one fit, each with a test of its own
OF_OTHERS = {
    *("compare", "kl_divergence", "plot_compare", "wasserstein", "weight_predictions"),
    *("loo_i", "plot_khat", "update_subsample"),
}
EXCLUDED = {
    "add_bands": "onto a plot",
    "add_lines": "onto a plot",
    "bayesian_r2": "of the mean and scale of one normal",
    "combine_plots": "of plots",
    "ecdf": "of arrays",
    "generate_survival_curves": "of times until an event",
    "get_function": "by name",
    "hexbin": "of arrays",
    "histogram2d": "of arrays",
    "kaplan_meier": "of times until an event",
    "kde2d": "of arrays",
    "lfo_cv": "fits again; `bayes-compute backtest` does",
    "loo_approximate_posterior": "of variational fits",
    "loo_kfold": "fits again; `bayes-compute compare` does where it has to",
    "loo_moment_match": "of a density that it can ask for; `bayes-compute compare` fits again",
    "plot_ecdf_pit": "of ranks; `bayes_compute.plots.calibration` shows them",
    "plot_lm": "of one predictor; `bayes_compute.plots.compute_over_time` shows the trend",
    "plot_ppc_censored": "of times until an event",
    "plot_ppc_rootogram": "of counts",
    "reloo": "fits again; `bayes-compute compare` does where it has to",
    "residual_r2": "of the mean of one normal",
}
# Whether a system is easily left out is the data's matter.
pytestmark = pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")


@pytest.fixture(scope="module", params=[("three_eras", simulate), ("regimes", simulate_regimes)])
def path(request, tmp_path_factory):
    model, simulated = request.param
    folder, systems = tmp_path_factory.mktemp(model), simulated()
    # With one domain its offset is 0 in each draw, of which there is no density.
    two = {"domain": np.arange(systems.n) % 2, "domains": ("Language", "Other")}
    write_fit(bc.fit(model, replace(systems, **two), **SETTINGS), folder)
    return folder / "posterior.nc"


def test_all_of_arviz_is_tried_or_excluded_with_a_reason():
    modules = ("arviz_stats", "arviz_plots")
    functions = {
        name
        for name, of in vars(az).items()
        if inspect.isfunction(of) and of.__module__.startswith(modules)
    }
    tried = {*STATISTICS, *PLOTS} | OF_OTHERS
    assert not tried & {*EXCLUDED}
    assert functions - tried == {*EXCLUDED}


def test_the_documentation_lists_what_is_tried():
    page = (Path(__file__).parents[1] / "docs" / "tutorial_arviz.md").read_text(encoding="utf-8")
    listed = re.search(r"## What of ArviZ runs\n(.*?)(\n## |\Z)", page, re.S)[1]
    assert {*re.findall(r"`(\w+)`", listed)} == {*STATISTICS, *PLOTS} | OF_OTHERS


@pytest.fixture(scope="module")
def dt(path):
    with xr.open_datatree(path) as tree:
        return tree.load()


def test_arviz_reads_the_file_too(path, dt):
    with az.from_netcdf(path) as tree:
        assert tree.identical(dt)


@pytest.mark.parametrize("group", ["prior", "posterior"])
def test_every_draw_is_finite(dt, group):
    """One infinity leaves ``az.loo`` no relative efficiency of the draws."""
    for name, values in dt[group].data_vars.items():
        assert np.isfinite(values).all(), name


@pytest.mark.parametrize("name", STATISTICS)
def test_statistic(dt, name):
    assert getattr(az, name)(dt, **STATISTICS[name]) is not None


def test_models_are_compared(dt):
    table = az.compare({"one": dt, "the same": dt})
    assert list(table["elpd_diff"]) == [0, 0]
    az.plot_compare(table, backend="matplotlib")
    plt.close("all")
    assert az.wasserstein(dt, dt, var_names=["growth"]) == pytest.approx(0, abs=1e-9)
    assert az.kl_divergence(dt, dt, var_names=["growth"]) == 0
    both = az.weight_predictions([dt, dt], weights=[0.5, 0.5])
    assert both["posterior_predictive"].sizes["system"] == dt["observed_data"].sizes["system"]


def test_systems_are_left_out_one_by_one_and_a_few_at_a_time(dt):
    assert az.loo_i(0, dt).elpd == pytest.approx(az.loo(dt, pointwise=True).elpd_i[0].item())
    some = az.loo_subsample(dt, observations=30, pointwise=True)
    assert az.update_subsample(some, dt, observations=10).subsample_size == 40


@pytest.fixture
def figures():
    """Axes of each figure that is open."""
    plt.close("all")
    yield lambda: [plt.figure(number).axes for number in plt.get_fignums()]
    plt.close("all")


@pytest.mark.parametrize("name", PLOTS)
def test_plot_shows_something(dt, name, figures):
    if name == "plot_parallel" and dt["sample_stats"]["diverging"].sum() == 1:
        dt = dt.copy()  # ArviZ cannot colour the line of one draw alone
        dt["sample_stats"] = dt["sample_stats"].dataset.drop_vars("diverging")
    getattr(az, name)(dt, backend="matplotlib", **PLOTS[name])
    assert [any(ax.has_data() for ax in axes) for axes in figures()] == [True]


def test_pareto_k_of_every_system_is_plotted(dt, figures):
    az.plot_khat(az.loo(dt, pointwise=True), backend="matplotlib")
    ((ax,),) = figures()
    points = [len(each.get_offsets()) for each in ax.collections]
    assert sum(points) >= dt["observed_data"].sizes["system"]
