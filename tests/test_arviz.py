"""ArviZ takes ``posterior.nc`` as ``fit`` writes it, without conversion."""

from dataclasses import replace

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from test_inference import SETTINGS, simulate

import bayes_compute as bc
from bayes_compute.report import write_fit

# Of each function what it cannot do without, or what keeps it from drawing everything.
STATISTICS: dict[str, dict] = {
    "bayes_factor": {"var_names": "growth_mean", "ref_vals": 0.4},
    "bfmi": {},
    "diagnose": {},
    "ess": {},
    "eti": {},
    "extract": {},
    "hdi": {},
    "histogram": {},
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
FIRST = {"focus_var": "transition_year", "focus_var_coords": {"transition": "1→2"}}
PLOTS: dict[str, dict] = {
    "plot_autocorr": SOME,
    "plot_bf": {"var_names": "growth_mean", "ref_val": 0.4},
    "plot_convergence_dist": {},
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
    "plot_pair_focus": SOME | FIRST,
    "plot_parallel": SOME,
    "plot_ppc_dist": {},
    "plot_ppc_dist_pit": {},
    "plot_ppc_interval": {},
    "plot_ppc_pava": {},
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
# Whether a system is easily left out is the data's matter.
pytestmark = pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder, systems = tmp_path_factory.mktemp("three_eras"), simulate()
    # With one domain its offset is 0 in each draw, of which there is no density.
    two = {"domain": np.arange(systems.n) % 2, "domains": ("Language", "Other")}
    write_fit(bc.fit("three_eras", replace(systems, **two), **SETTINGS), folder)
    return folder / "posterior.nc"


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
