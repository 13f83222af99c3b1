"""Models side by side: scores and evidence against brute force, and what is refused."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import special, stats

import bayes_compute as bc
from bayes_compute import comparison, leave_one_out, plots, results_folder, studies
from bayes_compute.comparison import Comparison, Row, compare
from bayes_compute.comparison_tables import describe
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.model_evidence import model_evidence
from bayes_compute.models import jones_regimes, sevilla_eras, three_eras
from bayes_compute.observations import Observations
from bayes_compute.studies import write_comparison

SETTINGS = {"draws": 1000, "tune": 300, "chains": 4, "seed": 7, "progress": False}
N = 30


@pytest.fixture(scope="module")
def observations():
    """Two domains, one line, one error of figures, and one system off."""
    rng = np.random.default_rng(3)
    year, domain = np.sort(rng.uniform(1995, 2024, N)), np.arange(N) % 2
    flop = 16.5 + 0.4 * (year - 2010) + 0.8 * domain + rng.normal(0, 0.7, N)
    flop[20] += 2
    source = {"name": "simulated", "rows": N, "sha256": "", "as_of": "2024", "selection": "all"}
    return Observations(
        system=tuple(f"s{i}" for i in range(N)),
        year=year,
        log10_flop=flop,
        variance=np.full(N, 0.1),
        log10_parameters=np.full(N, np.nan),
        domain=domain,
        domains=("Language", "Other"),
        source=source,
    )


@pytest.fixture(scope="module")
def fits(observations):
    return [bc.fit(model, observations, **SETTINGS) for model in ("one_era", "sevilla_eras")]


@pytest.fixture(scope="module")
def found(fits):
    return compare(*fits)


def dense_evidence(o, kept):
    """Log evidence of one era: one multivariate normal, scatters summed over grids.

    The trapezoidal rule over 5 sds either way of two normal logarithms, 0.25 sds apart.
    """
    z = np.arange(-20, 21) * 0.25
    log_weight = stats.norm.logpdf(z) + np.log(0.25)
    x, n = o.year[kept] - 2010, int(kept.sum())
    one = np.eye(2)[o.domain[kept]]
    # growth ~ N(0.4, 0.3^2 + 0.2^2), level ~ N(16, 3^2), offsets of two domains add up to zero
    fixed = 9 + (0.3**2 + 0.2**2) * np.outer(x, x) + np.diag(o.variance[kept])
    offsets = one @ (np.eye(2) - 0.5) @ one.T
    residual, total = o.log10_flop[kept] - 16 - 0.4 * x, np.empty((len(z), len(z)))
    for i, offset_sd in enumerate(0.7 * np.exp(0.6 * z)):
        sigma = 1.2 * np.exp(0.5 * z)
        covariance = fixed + offset_sd**2 * offsets + sigma[:, None, None] ** 2 * np.eye(n)
        factor = np.linalg.cholesky(covariance)
        white = np.linalg.solve(factor, residual[:, None])[..., 0]
        log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        total[i] = -0.5 * (white**2).sum(axis=1) - log_det - 0.5 * n * np.log(2 * np.pi)
    return float(special.logsumexp(total + log_weight + log_weight[:, None]))


def test_evidence_is_that_of_dense_algebra(found, observations):
    (row,) = (row for row in found.rows if row.name == "one_era")
    whole = dense_evidence(observations, np.ones(N, bool))
    assert row.log_evidence_error < 0.03
    # The grid of scatters is coarser in the package: the evidence is within a hundredth
    assert row.log_evidence == pytest.approx(whole, abs=4 * row.log_evidence_error + 0.01)
    assert (row.high_k, row.evidence_of) == (0, f"log10 FLOP of {N} systems")


def test_scores_are_those_of_dense_algebra(fits, found, observations):
    elpd, _ = leave_one_out.leave_one_out(fits[0])
    whole = dense_evidence(observations, np.ones(N, bool))
    for i in (0, 9, 20, N - 1):
        exact = whole - dense_evidence(observations, np.arange(N) != i)
        # Scores of 2,000 draws: their sd is some hundredths where a system is far off
        assert float(elpd.elpd_i[i]) == pytest.approx(exact, abs=0.1 if i == 20 else 0.04), i
    (row,) = (row for row in found.rows if row.name == "one_era")
    assert row.elpd == pytest.approx(float(elpd.elpd_i.sum()))


def test_evidence_of_eras_is_that_of_a_grid():
    """One domain, so that but two hyperparameters are left."""
    rng = np.random.default_rng(4)
    n = 30
    year = np.sort(rng.uniform(1995, 2024, n))
    flop = 14 + 0.3 * (year - 2010) + 2.0 * (year > 2012) + rng.normal(0, 0.6, n)
    source = {"name": "simulated", "rows": n, "sha256": "", "as_of": "2024", "selection": "all"}
    o = Observations(
        tuple(f"s{i}" for i in range(n)), year, flop, np.full(n, 0.1), np.full(n, np.nan),
        np.zeros(n, int), ("Other",), source,
    )  # fmt: skip
    likelihood = three_eras.regression(o)
    z = np.linspace(-5, 5, 21)
    log_weight = stats.norm.logpdf(z) + np.log(z[1] - z[0])
    total = [
        [
            likelihood.log_likelihood(likelihood.Point(mean, growth_sd, np.zeros(1)))[0]
            for growth_sd in 0.2 * np.exp(0.7 * z)
        ]
        for mean in 0.4 + 0.3 * z
    ]
    exact = special.logsumexp(np.array(total) + log_weight + log_weight[:, None])
    evidence = model_evidence(bc.fit("three_eras", o, **SETTINGS))
    assert evidence.error < 0.03
    assert evidence.log == pytest.approx(exact, abs=4 * evidence.error + 0.005)


def test_a_system_far_off_is_scored_by_a_fit_without_it(fits, observations, monkeypatch):
    """With every k too high each would be fitted again: stand-ins say which."""
    asked = []

    def fit(model, rest, **settings):
        asked.append(({*observations.system} - {*rest.system}, settings["seed"]))
        if len(asked) == 1:
            raise NotConverged("no", {})
        return fits[0]

    monkeypatch.setattr(leave_one_out, "fit", fit)
    real = leave_one_out.whole_density(fits[0])
    real *= 0.1  # so tame that smoothing does for all ...
    real[:, [3, 20]] *= 400  # ... but two, for which nothing does
    monkeypatch.setattr(leave_one_out, "whole_density", lambda dt: real)
    elpd, refitted = leave_one_out.leave_one_out(fits[0])
    assert asked == [({"s3"}, 7), ({"s20"}, 7)]
    assert refitted == 1
    assert elpd.pareto_k[20] == 0
    assert elpd.pareto_k[3] > elpd.good_k
    density = leave_one_out.flop_density(fits[0], observations)[:, 20]
    assert float(elpd.elpd_i[20]) == pytest.approx(np.log(np.mean(np.exp(density))))


def test_given_dates_are_given_to_the_month(observations):
    for name, likelihood, dates in (
        ("sevilla", sevilla_eras.regression(observations), sevilla_eras.DATES),
        ("jones", jones_regimes, jones_regimes.DATES),
    ):
        if name == "jones":
            sizes = replace(observations, log10_parameters=np.linspace(4, 12, N))
            likelihood = jones_regimes.regression(sizes)
            assert np.array_equal(likelihood.above[0], sizes.log10_parameters >= 11)
        for k, date in enumerate(dates):
            (cell,) = np.flatnonzero(np.exp(likelihood.cells.log_mass[k, k]) > 1e-9)
            start, stop = likelihood.cells.edges[cell : cell + 2]
            assert start < date <= stop, name
            month = (np.floor(12 * observations.year) + 0.5) / 12
            assert not np.any((month > start) & (month < stop)), name


def test_lines_that_meet_are_fitted_and_checked(observations):
    found = bc.fit("three_eras_continuous", observations, **SETTINGS)
    posterior = found["posterior"].to_dataset()
    date = posterior["transition_year"].to_numpy() - 2010
    level, growth = posterior["level"].to_numpy(), posterior["growth"].to_numpy()
    ends = level[..., :-1] + growth[..., :-1] * date
    np.testing.assert_allclose(ends, level[..., 1:] + growth[..., 1:] * date, atol=1e-9)
    assert {"sigma", "transition_year"} <= set(found["prior"].data_vars)


def row(name, kind="log10 FLOP of 9 systems", **values):
    numbers = {"elpd": -20.0, "se": 2.0, "elpd_diff": -1.0, "dse": 0.5, "weight": 0.5}
    numbers |= {"refitted": 0, "high_k": 0, "log_evidence": -30.0, "log_evidence_error": 0.01}
    return Row(name, **numbers | values, evidence_of=kind, also_saw="")


@pytest.fixture
def made_up(observations):
    both = "log10 FLOP and log10 parameters of 12 systems"
    rows = (
        row("regimes", both, elpd_diff=0.0, dse=0.0, log_evidence=-99.0),
        row("three_eras", high_k=3),
        row("one_era", log_evidence=-32.5),
    )
    return Comparison(rows, observations.source, bc.transitions(observations))


def test_evidence_of_unlike_data_is_refused(made_up):
    assert made_up.log_bayes_factor("three_eras", "one_era") == 2.5
    with pytest.raises(InputError, match=r"got regimes, of .* parameters .* and one_era, of log10"):
        made_up.log_bayes_factor("regimes", "one_era")
    with pytest.raises(InputError, match="model: got 'x'; expected one of regimes, three_eras"):
        made_up.log_bayes_factor("x", "one_era")


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_tables_keep_kinds_of_evidence_apart(made_up, format):
    text = made_up.describe(format)
    first, second = (
        text.index("of log10 FLOP and log10 parameters"),
        text.index("of log10 FLOP of 9"),
    )
    assert first < text.index("-99.00 ± 0.01") < second < text.index("-32.50 ± 0.01")
    assert "2.50" in text
    assert "Number of transitions K" in text
    assert describe(made_up.record, format) == text


def test_what_differs_is_named(datatree, one_era_tree, make_fit):
    with pytest.raises(InputError, match="got 1 fits; expected two or more"):
        compare(datatree)
    with pytest.raises(InputError, match="got three_eras twice"):
        compare(datatree, make_fit())
    other = one_era_tree
    with pytest.raises(InputError, match="three_eras and one_era, which differ in the year of sys"):
        other["constant_data"] = other["constant_data"].dataset.assign(
            year=other["constant_data"]["year"] + 1
        )
        compare(datatree, other)
    source = json.loads(other.attrs["data"]) | {"as_of": "2023-01-01"}
    other.attrs["data"] = json.dumps(source)
    with pytest.raises(InputError, match=r"differ in as_of \(2022-01-01 and 2023-01-01\)"):
        compare(datatree, other)
    del other["log_likelihood"]
    with pytest.raises(InputError, match="got one_era; expected models of systems"):
        compare(datatree, other)


def test_a_comparison_is_written_into_a_folder_of_its_own(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "write_figure", lambda *_: None)  # takes most of the time
    write_comparison(made_up.record, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", "comparison.md"}
    written = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in written["models"]] == ["regimes", "three_eras", "one_era"]
    assert "| regimes |" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_figure_names_every_model_and_its_evidence(made_up):
    ax = Figure(figsize=plots.SIZE, layout="constrained").subplots()
    assert plots.comparison(made_up.record, ax) is ax
    ax.figure.draw_without_rendering()
    assert [text.get_text().split("\n")[0] for text in ax.get_yticklabels()] == [
        "regimes", "three_eras", "one_era"
    ]  # fmt: skip
    assert {"-99.0", "-30.0", "-32.5"} <= {text.get_text() for text in ax.texts}


def test_the_name_of_a_table_is_no_mathematics(made_up):
    record = made_up.record
    record["data"]["name"] = r"a$\frac{$.csv"
    axes = plots.comparison(record)
    axes.figure.draw_without_rendering()
    assert axes.get_legend().get_title().get_text().startswith(r"a\$\frac{\$.csv, as of")


def test_the_command_says_and_writes_it(made_up, monkeypatch, tmp_path, capsys):
    from bayes_compute.cli import main

    import_module("bayes_compute.claims")  # takes its readers by name: not the ones of this test
    monkeypatch.setattr(results_folder, "read_fit", str)
    monkeypatch.setattr(results_folder, "read_record", lambda folder: {"model": str(folder)})
    monkeypatch.setattr(comparison, "compare", lambda *fits, seed: made_up)
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a", "b", "--out", str(tmp_path / "c")])
    assert stop.value.code == 0
    assert made_up.describe() in capsys.readouterr().out
    assert (tmp_path / "c" / "comparison.md").is_file()
