"""A small fit, made up by numpy alone, in the form that ``fit`` returns."""

import json
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from bayes_compute.ceilings.available import Available
from bayes_compute.cli import main

N_SYSTEMS = 60
N_CHAINS, N_DRAWS = 2, 200
_LIMITS = (
    "machine", "site", "accelerator", "length", "longest_useful", "utilization", "owned", "rented",
    "break_even",
)  # fmt: skip
_RATES = ("failure_rate", "checkpoint_time", "restart_time")
HOSTILE = (
    "<script>alert(1)</script>",
    "two\nlines",
    "50 % \\input{x} $a_b$ & #",
    "naïve → 網",
    '</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">',
)
REGIMES = ("DIY", "cloud", "bespoke")
TOO_MANY = 10.0  # log10 parameters, between those of the made-up systems
UNITS = {
    "transition_year": "year",
    "growth": "OOM/year",
    "growth_factor": "×/year",
    "doubling_time": "months",
    "sigma": "OOM",
    "level": "log10 FLOP",
    "offset": "OOM",
    "growth_mean": "OOM/year",
    "growth_sd": "OOM/year",
    "capacity": "log10 parameters",
    "drift": "log10 parameters/year",
}


def synthetic_fit(dates: tuple[float, ...] = (2000.0, 2016.0), seed: int = 1) -> xr.DataTree:
    """Build the tree of a fit with the given true transition dates (none: one era)."""
    rng = np.random.default_rng(seed)
    n_eras, shape = len(dates) + 1, (N_CHAINS, N_DRAWS)
    growth = np.array([0.2, 0.3, 0.5])[:n_eras]
    level = np.array([14.0, 15.0, 16.0])[:n_eras]
    year = np.sort(rng.uniform(1985.0, 2022.0, N_SYSTEMS))
    era = np.searchsorted(np.array(dates), year, side="right")
    era_year = (np.floor(12 * year) + 0.5) / 12  # eras are told apart by the month
    log10_flop = level[era] + growth[era] * (year - 2010) + rng.normal(0, 0.8, N_SYSTEMS)
    coords = {
        "chain": np.arange(N_CHAINS),
        "draw": np.arange(N_DRAWS),
        "era": [str(k + 1) for k in range(n_eras)],
        "domain": ["Language", "Other"],
        "system": [*HOSTILE, *(f"system {i}" for i in range(N_SYSTEMS - len(HOSTILE)))],
    }
    if dates:
        coords["transition"] = [f"{k}→{k + 1}" for k in range(1, n_eras)]

    def group(variables: dict) -> xr.Dataset:
        data = {
            name: (("chain", "draw", *dims), values) for name, (dims, values) in variables.items()
        }
        used = {dim for dims, _ in data.values() for dim in dims}
        return xr.Dataset(data, {name: coords[name] for name in coords if name in used})

    def variables(spread: float, dates_sd: float) -> dict:
        g = growth + rng.normal(0, 0.5 * spread, (*shape, n_eras))
        found = {
            "growth_mean": ((), rng.normal(0.4, 0.3, shape)),
            "growth_sd": ((), np.abs(rng.normal(0.2, 0.1, shape))),
            "sigma": (("era",), np.abs(rng.normal(0.8, spread, (*shape, n_eras)))),
            "offset": (("domain",), rng.normal(0, spread, (*shape, 2))),
            "level": (("era",), level + rng.normal(0, 3 * spread, (*shape, n_eras))),
            "growth": (("era",), g),
            "growth_factor": (("era",), 10**g),
        }
        if dates:
            tau = np.sort(np.array(dates) + rng.normal(0, dates_sd, (*shape, len(dates))))
            found["transition_year"] = (("transition",), tau)
        return found

    def membership(posterior: xr.Dataset) -> np.ndarray:
        era_of = np.zeros((*shape, N_SYSTEMS), dtype=np.int8)
        if dates:
            for tau in np.moveaxis(posterior["transition_year"].to_numpy(), -1, 0):
                era_of += tau[..., None] <= era_year
        return era_of

    systems = {"system": coords["system"]}
    posterior = group(variables(0.05, 0.7))
    per_system = (*shape, N_SYSTEMS)
    tree = xr.DataTree.from_dict(
        {
            "/prior": group(variables(0.5, 5.0)),
            "/posterior": posterior,
            "/membership": group({"era": (("system",), membership(posterior))}),
            "/posterior_predictive": group(
                {"log10_flop": (("system",), rng.normal(18, 1, per_system))}
            ),
            "/log_likelihood": group(
                {"log10_flop": (("system",), rng.normal(-1, 0.1, per_system))}
            ),
            "/sample_stats": group({"diverging": ((), np.zeros(shape, bool))}),
            "/observed_data": xr.Dataset({"log10_flop": ("system", log10_flop)}, systems),
            "/constant_data": xr.Dataset(
                {
                    "year": ("system", year),
                    "log10_flop": ("system", log10_flop),
                    "variance": ("system", np.full(N_SYSTEMS, 0.1)),
                    "domain_index": ("system", np.arange(N_SYSTEMS) % 2),
                    "log10_parameters": ("system", np.full(N_SYSTEMS, np.nan)),
                },
                systems,
            ),
        }
    )
    source = {"name": "made up", "rows": N_SYSTEMS, "sha256": "0" * 64}
    checks = {"worst_r_hat": 1.003, "smallest_ess_bulk": 420, "smallest_ess_tail": 410}
    tree.attrs = {
        "model": "three_eras" if dates else "one_era",
        "data": json.dumps(source | {"as_of": "2022-01-01", "selection": "all"}),
        "interval_kind": "eti",
        "interval_prob": 0.9,
        "sampler": json.dumps(
            {"name": "none", "version": "0", "seed": seed, "chains": 2, "draws": N_DRAWS}
        ),
        "versions": json.dumps({"bayes_compute": "0"}),
        "priors": json.dumps({"growth_mean": "Normal(0.4, 0.3) OOM/year"}),
        "diagnostics": json.dumps(checks | {"divergences": 0}),
        "reference_year": 2010.0,
        "converged": 1,
        "flat_dates": 0,
        "units": json.dumps(UNITS),
    }
    return tree


def without_ceilings(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Put ceilings that do not bind in place of those that are fitted; what they were asked."""
    asked = []

    def unlimited(as_of, year, n, assumptions, seed=1, progress=False):
        asked.append((as_of, assumptions))
        every = {name: np.full((n, len(year)), 50.0) for name in _LIMITS}
        one = {name: np.full((n, 1), 1e-9) for name in _RATES}
        return Available(np.asarray(year), **every, **one, unknown=("power: made up",))

    monkeypatch.setattr("bayes_compute.projection.projection.available", unlimited)
    return asked


@pytest.fixture
def no_ceilings(monkeypatch) -> list[tuple]:
    """Ceilings that do not bind in place of those that are fitted; with what they were asked."""
    return without_ceilings(monkeypatch)


@pytest.fixture
def command(capsys):
    """Run the command in this process: status, standard output and error."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return call


@pytest.fixture
def datatree() -> xr.DataTree:
    """A fit with two transitions, of 60 systems, some with hostile names."""
    return synthetic_fit()


@pytest.fixture
def one_era_tree() -> xr.DataTree:
    """A fit without transitions."""
    return synthetic_fit(())


@pytest.fixture(scope="session")
def make_fit() -> Callable[..., xr.DataTree]:
    """Build a fit with other dates or another seed."""
    return synthetic_fit


@pytest.fixture(scope="session")
def make_regimes(make_fit):
    """Build a fit of regimes, with some systems whose compute or parameters are undisclosed."""

    def build(dates=(2008.0, 2018.0), capacity=TOO_MANY):
        rng = np.random.default_rng(2)
        tree = make_fit(dates)
        for group in ("prior", "posterior"):
            draws = tree[group].dataset
            draws = draws.assign_coords(era=list(REGIMES), transition=list(REGIMES[1:]))
            shape, spread = draws["growth_mean"].shape, 0.7 if group == "prior" else 0.1
            threshold = {
                "capacity": (("chain", "draw"), rng.normal(capacity, spread, shape)),
                "drift": (("chain", "draw"), rng.normal(0, 0.1 * spread, shape)),
            }
            tree[group] = draws.assign(threshold)
        constant, index = tree["constant_data"].dataset, np.arange(N_SYSTEMS)
        year = constant["year"].to_numpy()
        large = (index % 3 == 0) & (year > dates[0])
        parameters = np.where(large, 12.0, 7.0) + rng.normal(0, 0.3, N_SYSTEMS)
        starts = tree["posterior"]["transition_year"].to_numpy()[..., :1]
        era = np.where(year < starts, 0, np.where(parameters < capacity, 1, 2))
        parameters[index % 7 == 1] = np.nan
        log10_flop = np.where(index % 5 == 2, np.nan, constant["log10_flop"])
        tree["constant_data"] = constant.assign(
            log10_parameters=("system", parameters), log10_flop=("system", log10_flop)
        )
        tree["membership"] = tree["membership"].dataset.assign(
            era=(("chain", "draw", "system"), era)
        )
        return tree

    return build


@pytest.fixture
def regimes_tree(make_regimes):
    return make_regimes()


@pytest.fixture
def drawn_regimes():
    """Build draws of regimes, with a capacity or without, and systems that are known in part."""

    def build(capacity=True, n_draws=3, **fixed):
        rng, shape = np.random.default_rng(5), (2, n_draws)
        year = np.array([1995.0, 2011.0, 2011.6, 2019.3, 2022.7, 2023.4])
        lines = {
            "level_given_parameters": [13.0, 17.0, 20.0],
            "growth_given_parameters": [0.2, 0.4, 0.3],
            "parameters_level": [5.0, 7.0, 9.0],
            "parameters_growth": [0.1, 0.2, 0.1],
            "sigma": [0.8, 1.1, 0.6],
            "parameters_sd": [1.0, 0.9, 0.7],
        }
        lines |= {"level": lines["level_given_parameters"]}
        found = {
            name: (("chain", "draw", "era"), values + rng.normal(0, 0.05, (*shape, 3)))
            for name, values in lines.items()
        }
        one = {"elasticity": 0.7, "share_after": 0.4}
        one |= {"capacity": 10.0, "drift": 0.05, "share_before": 0.02} if capacity else {}
        if not capacity:
            one["share"] = one.pop("share_after")
        found |= {
            name: (("chain", "draw"), value + rng.uniform(0, 0.02, shape))
            for name, value in one.items()
        }
        dates = np.array([2007.0, 2018.0]) + rng.uniform(0, 1, (*shape, 2))
        found["transition_year"] = (("chain", "draw", "transition"), dates)
        found["offset"] = (("chain", "draw", "domain"), rng.normal(0, 0.3, (*shape, 2)))
        coords = {"era": list(REGIMES), "transition": list(REGIMES[1:]), "domain": ["A", "B"]}
        posterior = xr.Dataset(found, coords)
        for name, values in fixed.items():
            posterior[name] = xr.broadcast(xr.DataArray(values, dims="era"), posterior["level"])[0]
        size = np.array([5.0, 8.0, np.nan, 10.4, 11.0, np.nan])
        edge = 10.0 + 0.05 * (year - 2020)
        era = np.where(year < 2007, 0, np.where(size > edge, 2, 1))
        systems = {"system": [f"s{i}" for i in range(6)]}
        constant = {
            "year": year,
            "log10_flop": np.array([11.0, 17.5, 18.5, 22.0, 24.5, np.nan]),
            "variance": np.array([0.1, 0.2, 0.3, 0.1, 0.1, np.nan]),
            "log10_parameters": size,
            "domain_index": np.arange(6) % 2,
        }
        tree = xr.DataTree.from_dict(
            {
                "posterior": posterior,
                "membership": xr.Dataset(
                    {"era": (("chain", "draw", "system"), np.broadcast_to(era, (*shape, 6)))},
                    systems,
                ),
                "constant_data": xr.Dataset(
                    {name: ("system", values) for name, values in constant.items()}, systems
                ),
            }
        )
        expected = {"level": [5.5, 7.5, 9.5], "growth": [0.15, 0.15, 0.15]}
        tree.attrs = {
            "data": json.dumps({"name": "made up", "rows": 6}),
            "expected_parameters": json.dumps(expected),
            "sampler": json.dumps({"seed": 1}),
        }
        return tree

    return build


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [path for name in names if (path := shutil.which(name))]
    if not found or subprocess.run([found[0], "--version"], capture_output=True).returncode:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=found[0], args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """Open a file in a context with the given options; what it complains of and asks for."""
    contexts = []

    def opened(path, **options):
        contexts.append(browser.new_context(**options))
        tab = contexts[-1].new_page()
        tab.complaints = []
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (tab.complaints.append("dialog"), dialog.dismiss()))
        tab.on("request", lambda request: tab.complaints.append(request.url[:200]))
        tab.goto(path.as_uri())
        tab.complaints = [
            told for told in tab.complaints
            if told != path.as_uri() and not told.startswith("data:")
        ]  # fmt: skip
        return tab

    yield opened
    for context in contexts:
        context.close()
