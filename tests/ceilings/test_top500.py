"""The largest machine: what made lists up is recovered, and each formula holds."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.special import logsumexp
from scipy.stats import norm

import bayes_compute as bc
from bayes_compute import plots, systems
from bayes_compute.assumptions import Assumption
from bayes_compute.ceilings import top500 as ceiling
from bayes_compute.ceilings.machines import Capacity, observe
from bayes_compute.changepoint.evidence import ConjugatePrior, transitions
from bayes_compute.draws import arrays
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.models import top500 as model
from bayes_compute.observations import Observations, decimal_year
from bayes_compute.summaries import summary

TRUTH = {
    "transition_year": 2010.0,
    "growth": np.array([0.30, 0.12]),
    "walk_sd": 0.05,
    "share_level": -0.9,
    "share_sd": 0.2,
    "share_memory": 1.5,
    "peak_share_level": 1.0,
    "peak_share_growth": 0.0,
    "peak_share_sd": 0.4,
    "ratio_growth": 0.1,
    "ratio_sd": 0.1,
    "vendor_level": np.array([1.1, 0.6, 0.9]),
    "record_rate": 2.0,
    "record_rise": 0.15,
}


@pytest.fixture(scope="module")
def data():
    return observe()


@pytest.fixture(scope="module")
def fitted(data):
    return bc.fit("top500", data, draws=500, tune=500, progress=False)


def simulate(seed: int) -> Capacity:
    """Make lists, designs and records up, each as the model's docstring says."""
    t, rng = TRUTH, np.random.default_rng(seed)
    year = np.arange(1993.45, 2026.5, 0.5)
    dt = np.diff(year)
    before = np.clip(t["transition_year"] - year[:-1], 0, dt)
    rise = t["growth"] @ np.array([before, dt - before])
    rise = rise + t["walk_sd"] * np.sqrt(dt) * rng.standard_normal(len(dt))
    total = 12 + np.append(0, np.cumsum(rise))
    share = [t["share_level"] + t["share_sd"] * rng.standard_normal()]
    kept = np.exp(-0.5 / t["share_memory"])
    for _ in dt:
        noise = t["share_sd"] * np.sqrt(1 - kept**2) * rng.standard_normal()
        share.append(t["share_level"] + kept * (share[-1] - t["share_level"]) + noise)
    first = total + share
    logit = t["peak_share_level"] + t["peak_share_sd"] * rng.standard_normal(len(first))
    vendor = rng.integers(3, size=40)
    designed = rng.uniform(2011, 2026, 40)
    ratio = t["vendor_level"][vendor] + t["ratio_growth"] * (designed - ceiling.RATIO_YEAR)
    ratio = ratio + t["ratio_sd"] * rng.standard_normal(40)
    n = rng.poisson(t["record_rate"] * 6.5)
    came = np.append(2018.0, np.sort(rng.uniform(2019, 2025.5, n)))
    higher = np.append(18.0, t["record_rise"] * rng.standard_exponential(n))
    return Capacity(
        year, total, first, first + np.log10(1 + np.exp(-logit)), designed, ratio, vendor,
        ("a", "b", "c"), came, np.cumsum(higher), 2025.5, {"name": "made up", "rows": len(year)},
    )  # fmt: skip


def test_what_made_the_data_up_is_recovered():
    dt = bc.fit("top500", simulate(3), draws=1000, tune=1000, progress=False)
    posterior = dt["posterior"].dataset
    for name, truth in TRUTH.items():
        draws = posterior[name]
        low, high = (draws.quantile(q, ("chain", "draw")).to_numpy() for q in (5e-4, 1 - 5e-4))
        assert np.all((low <= truth) & (truth <= high)), (name, low, truth, high)


# --- formulas


def test_rises_by_date_are_normal_densities(data):
    growth, walk_sd = np.array([0.31, 0.11]), 0.07
    found = model._rises_by_date(data, growth, walk_sd).eval()
    edges = model.transition_edges(data)
    dt, rise = np.diff(data.list_year), np.diff(data.log10_sum)
    for cell in (0, 100, len(found) - 1):
        date = (edges[cell] + edges[cell + 1]) / 2
        trend = growth[0] * np.minimum(data.list_year, date)
        trend = trend + growth[1] * np.maximum(data.list_year - date, 0)
        expected = norm.logpdf(rise, np.diff(trend), walk_sd * np.sqrt(dt)).sum()
        assert found[cell] == pytest.approx(expected - np.log(len(found)), rel=1e-10)


def test_a_quantile_of_the_date_is_where_its_probability_has_passed():
    weight, edges = np.array([0.1, 0.0, 0.6, 0.3]), np.arange(2000.0, 2005.0)
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight) - 7
    for quantile in (0.05, 0.1, 0.4, 0.85):
        found = model._date_at(quantile, log_weight, edges).eval()
        expected = np.interp(quantile, np.append(0, np.cumsum(weight)) + 1e-12 * edges, edges)
        assert found == pytest.approx(expected, abs=1e-6) or quantile == 0.1


def test_date_agrees_with_its_conditional_distribution(data, fitted):
    draws = arrays(fitted["posterior"].dataset)
    edges = model.transition_edges(data)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = []
    date = draws["transition_year"]
    for s in range(0, len(date), 50):
        each = model._rises_by_date(data, draws["growth"][s], float(draws["walk_sd"][s])).eval()
        mean.append(np.exp(each - logsumexp(each)) @ middle)
    error = date.std() / np.sqrt(len(mean))
    assert abs(np.mean(mean) - date.mean()) < 5 * error


def with_constants(posterior: xr.Dataset, **values: float) -> xr.Dataset:
    return posterior.assign(
        {name: xr.full_like(posterior[name], value) for name, value in values.items()}
    )


SURE = {
    name: Assumption(a.median, 1.0, a.unit, a.reason) for name, a in ceiling.ASSUMPTIONS.items()
}


def test_without_scatter_the_first_of_the_list_follows_its_trend(data, fitted):
    still = with_constants(
        fitted["posterior"].dataset,
        growth=0.2, growth_mean=0.2, growth_sd=0.0, walk_sd=0.0, share_sd=0.0,
        share_level=data.log10_first[-1] - data.log10_sum[-1], peak_share_level=np.log(4),
        peak_share_growth=0.0, peak_share_sd=0.0, vendor_sd=0.0, ratio_sd=0.0, ratio_level=1.0,
        ratio_growth=0.05,
    )  # fmt: skip
    year = np.array([2017.0, 2030.5])
    found = ceiling.top500(still, year, data, assumptions=SURE)
    taihulight = np.log10(1.25435904e17) + 1 + 0.05 * (2016 + 5.5 / 12 - 1 - 2018)
    later = data.list_year[-1] + 4.0  # the newest list by mid-2030
    first = data.log10_first[-1] + 0.2 * 4 - np.log10(0.8) + 1 + 0.05 * (later - 1 - 2018)
    assert found[:, 0] == pytest.approx(taihulight, abs=1e-3)
    assert found[:, 1] == pytest.approx(first, abs=1e-3)


def test_records_of_clusters_are_a_compound_poisson_process(data, fitted):
    still = with_constants(fitted["posterior"].dataset, record_rate=2.0, record_rise=0.2)
    year = data.clusters_until + np.array([3.0, 1.0])  # in any order
    found = ceiling.top500(still, year, data, "ai_clusters", SURE) - data.log10_record[-1]
    for k, dt in enumerate((3.0, 1.0)):
        mean, sd = 2 * 0.2 * dt, np.sqrt(2 * 2 * dt) * 0.2
        assert abs(found[:, k].mean() - mean) < 4.5 * sd / np.sqrt(len(found))
        assert found[:, k].std() == pytest.approx(sd, rel=0.12)


@given(
    year=st.lists(st.floats(2017, 2045), min_size=1, max_size=6),
    hypothesis=st.sampled_from(ceiling.HYPOTHESES),
    seed=st.integers(0, 1000),
)
def test_the_largest_machine_never_shrinks(data, fitted, year, hypothesis, seed):
    some = fitted["posterior"].dataset.isel(draw=slice(10))
    drawn = ceiling.top500(some, np.sort(year), data, hypothesis, seed=seed)
    assert drawn.shape == (40, len(year))
    assert np.isfinite(drawn).all()
    assert (np.diff(drawn, axis=1) >= 0).all()


def test_a_year_without_machines_is_refused(data, fitted):
    with pytest.raises(InputError, match=r"expected years from the first, 2016\.8, on"):
        ceiling.top500(fitted["posterior"].dataset, np.array([2010.0]), data, "ai_clusters")
    with pytest.raises(InputError, match="expected one of top500, ai_clusters"):
        ceiling.top500(fitted["posterior"].dataset, np.array([2020.0]), data, "clouds")


# --- data


def test_planted_later_rows_cannot_enter(tmp_path, monkeypatch):
    shutil.copytree(systems.data_folder(), tmp_path, dirs_exist_ok=True)
    before = observe("2022-06-30")
    monkeypatch.setattr(systems, "data_folder", lambda: tmp_path)
    package = json.loads((tmp_path / "datapackage.json").read_text(encoding="utf-8"))
    for name, dated, later in (
        ("top500", "2022-06,2022-06-01,", "2022-07,2022-07-01,"),
        ("accelerators", "2021-11-08", "2022-07-01"),  # MI250X
        ("ai-clusters", "2022-05-30", "2022-07-01"),  # Frontier
    ):
        (entry,) = (each for each in package["resources"] if each["name"] == name)
        path = tmp_path / entry["path"]
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        planted = ["New " * (name != "top500") + line for line in lines if dated in line]
        planted = [line.replace(dated, later, 1) for line in planted]
        path.write_text("".join(lines + planted), encoding="utf-8", newline="")
        entry["hash"] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        entry["bytes"] = path.stat().st_size
    (tmp_path / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    after = observe("2022-06-30")
    for name in ("list_year", "design_year", "log10_ratio", "record_year", "log10_record"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.clusters_until == before.clusters_until
    assert after.source["rows"] == before.source["rows"]


def test_as_of_before_there_are_accelerators_is_refused():
    with pytest.raises(InputError, match="give a date from 2013 on"):
        observe("2010-01-01")


def test_records_are_existing_clusters_in_16_bits(data):
    assert np.all(np.diff(data.log10_record) > 0)
    assert 10 ** data.log10_record[-1] == pytest.approx(2.7288e20)  # Colossus, 2025-07-22
    assert data.clusters_until < 2026


def test_one_row_a_design(data):
    made_by_amd = data.log10_ratio[data.vendor == data.vendors.index("AMD")]
    assert made_by_amd == pytest.approx(np.log10([8, 16, 16, 8]), abs=0.01)


# --- against what others found


def test_growth_of_the_sum_fell_in_2013(data, fitted):
    """Strohmaier et al. 2015, doi:10.1109/MC.2015.338: the sum's growth fell in 2013."""
    rows = summary(fitted)
    date = rows.loc["transition_year"]
    assert date["lower"] < 2013.5 < date["upper"] + 0.5
    factor = 10 ** rows.loc[["growth[1]", "growth[2]"], ["lower", "upper"]].to_numpy()
    assert factor[0, 0] < 1.85 < factor[0, 1]  # 90x in 7 years, 1000x in 11: 1.87 to 1.9
    assert factor[1, 1] < factor[0, 0]


def test_the_exact_core_finds_the_transition_too(data):
    """Rises a year as eras of constants, whose evidence is closed."""
    dt = np.diff(data.list_year)
    n, rate = len(dt), np.diff(data.log10_sum) / dt
    seen = Observations(
        tuple(map(str, range(n))), data.list_year[1:], rate, np.zeros(n), np.full(n, np.nan),
        np.zeros(n, int), ("Other",), {"name": "rises"},
    )  # fmt: skip
    exact = transitions(seen, 3, prior=ConjugatePrior(0.25, 0.0, 1.0, 1e-4, 2.0, 0.02))
    assert exact.probability[0] < 1e-3
    assert np.argmax(exact.probability) == 1
    low, high = exact.quantile(1, np.array([0.05, 0.95]))[0]
    assert low < 2013.27 < high


def test_leading_clusters_grow_as_published(fitted):
    """Pilz et al. 2025, arXiv:2504.16026: 2.5x a year since 2019, of the top ten of their day."""
    rows = load_facts("ai-clusters")
    rows = rows[(rows["status"] == "Existing") & rows["standard_analysis"]]
    rows = rows[(rows["op_s_16_bit"] > 0) & (rows["certainty"] != "Unlikely")]
    rows = rows.dropna(subset="first_operational_date").sort_values("first_operational_date")
    year = decimal_year(rows["first_operational_date"])
    rate = rows["op_s_16_bit"].to_numpy()
    leading = np.array([(rate[:i] > rate[i]).sum() < 10 for i in range(len(rate))])
    leading &= (year >= 2019) & (year < 2025.25)
    assert 10 ** np.polyfit(year[leading], np.log10(rate[leading]), 1)[0] == pytest.approx(
        2.5, abs=0.1
    )
    posterior = fitted["posterior"].dataset
    low, high = (posterior["record_rate"] * posterior["record_rise"]).quantile([0.05, 0.95])
    assert low < np.log10(2.5) < high


@pytest.mark.parametrize(
    ("year", "rate"),
    [
        (2018.9, 3.456e18),  # Summit, in ai_clusters
        (2021.9, 2.15e18),  # Fugaku: 4 times its 5.37e17 FLOP/s in 64 bits
        (2022.5, 1.441e19),  # Frontier, in ai_clusters
        (2024.95, 4.368e19),  # El Capitan, in ai_clusters
    ],
)
def test_first_systems_are_converted_to_what_they_are_in_16_bits(data, fitted, year, rate):
    drawn = ceiling.top500(fitted["posterior"].dataset, np.array([year]), data)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert low < np.log10(rate) < high


def test_the_largest_run_is_beyond_the_first_of_top500(data, fitted):
    """100 days at 40 %: Grok-3 exceeds both, clusters by less than a longer run makes up."""
    runs = bc.load_systems("systems-2025-08")
    posterior = fitted["posterior"].dataset
    listed, clusters = (
        ceiling.exceeded(posterior, runs, data, each).loc["Grok-3"] for each in ceiling.HYPOTHESES
    )
    assert listed["probability"] > 0.75
    assert listed["log10_flop"] - listed["ceiling"] > np.log10(2)
    assert 0 < clusters["log10_flop"] - clusters["ceiling"] < np.log10(1.5)
    before = ceiling.exceeded(posterior, runs, data, "top500").drop("Grok-3")
    assert before["probability"].max() < 0.6


def test_plot_names_both_hypotheses(fitted):
    ax = Figure(figsize=plots.SIZE, layout="constrained").subplots()
    assert plots.top500(fitted, ax) is ax
    ax.figure.draw_without_rendering()
    written = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any("TOP500" in each for each in written)
    assert any("AI cluster" in each for each in written)
