"""The model of errors recovers those that made readings up."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

import bayes_compute as bc
from bayes_compute import plots
from bayes_compute.models import calibration
from bayes_compute.observations import DOMAINS
from bayes_compute.plots.readings import _within
from bayes_compute.reading_mixture import ASSUMED, Errors
from bayes_compute.readings import CHIPS, CLASSES, Readings

N = 500
TRUTH = Errors(
    bias=np.array([-0.1, -2.0, -1.5, -1.0, -1.2]),
    operations_sd=np.array([0.15, 1.2, 0.9, 0.8, 1.0]),
    passes=-0.5,
    operations_gross=np.array([0.2, 0.1]),
    utilization=-0.5,
    utilization_growth=0.03,
    chip_effect=np.array([0.1, -0.1, 0.05, 0.0, -0.05]),
    utilization_sd=0.15,
    hardware_gross=0.06,
    figure_sd=np.array([0.1, 0.3, 0.6, 0.4]),
    figure_gross=np.array([0.05, 0.12, 0.15, 0.1]),
    gross_sd=1.5,
    copied_operations=np.array([[0.6, 0.2], [0.3, 0.1]]),
    copied_hardware=0.4,
    held=np.array([0.3, 0.6]),
    assumed=np.array([-0.5, -0.45, -0.4, -0.5, -0.42]),
    revised=np.array([[0.1, 0.7], [0.3, 0.8], [0.2, 0.9], [0.4, 0.8]]),
)


def simulate(e: Errors, seed: int) -> Readings:
    """Make readings up, each as the model's docstring says."""
    rng = np.random.default_rng(seed)
    z, year = rng.normal(21, 2, N), rng.uniform(2014, 2025, N)
    domain, chip = (
        rng.choice(len(DOMAINS), N, p=[0.4, 0.2, 0.1, 0.1, 0.2]),
        rng.integers(len(CHIPS), size=N),
    )
    label, one_pass = rng.integers(len(CLASSES), size=N), rng.random(N) < 0.5
    counted = (domain > 0).astype(int)

    def error(sd, gross):
        return np.hypot(sd, e.gross_sd * (rng.random(N) < gross)) * rng.standard_normal(N)

    undisclosed = rng.random(N) < 0.2  # when operations were read; then nothing else is
    timed = (rng.random(N) < 0.5) & ~undisclosed
    share = e.copied_operations[counted, timed.astype(int)]
    holds = rng.random(N) < share * np.where(undisclosed, e.held[counted], 1)
    bias = e.bias[domain] + e.passes * (one_pass & (counted == 1))
    operations = z + bias + error(e.operations_sd[domain], e.operations_gross[counted])
    use = e.utilization + e.utilization_growth * (year - 2021) + e.chip_effect[chip]
    use = use + e.utilization_sd * rng.standard_normal(N)
    reported = rng.random(N) < 0.3
    rare = rng.random(N) < e.hardware_gross
    hardware = z - use + np.where(rare, e.gross_sd * rng.standard_normal(N), 0)
    hardware = np.where(reported, hardware + 0.05 * rng.standard_normal(N), hardware)
    older_label = rng.integers(len(CLASSES), size=N)
    gross = rng.random(N) < e.figure_gross[older_label]
    older = z + np.hypot(e.figure_sd[older_label], e.gross_sd * gross) * rng.standard_normal(N)
    in_older = (rng.random(N) < 0.6) & ~undisclosed
    revised = rng.random(N) < e.revised[older_label, gross.astype(int)]
    figure = z + error(e.figure_sd[label], e.figure_gross[label])
    figure = np.where(in_older & ~revised, older, figure)
    copied = timed & ~(holds & ~undisclosed) & (rng.random(N) < e.copied_hardware)
    assumed = np.where(reported, use, e.assumed[domain])
    from_hardware = hardware + assumed + ASSUMED * rng.standard_normal(N)
    figure = np.where(copied, from_hardware, figure)
    operations = np.where(holds, figure, operations)  # what was published, worked out from them
    as_published = z + e.figure_sd[0] * rng.standard_normal(N)
    operations = np.where(holds & undisclosed, as_published, operations)
    older = np.where(in_older & ~copied, older, np.nan)
    return Readings(
        tuple(f"s{i}" for i in range(N)), year, figure, np.full(N, np.nan), older, operations,
        np.where(timed, hardware, np.nan), np.where(reported & timed, use, np.nan), domain,
        one_pass, label, older_label, chip, np.ones(N, bool), undisclosed, np.arange(N),
        {"name": "simulated", "rows": N},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("as_of", "name"),
    [
        (None, "systems-2025-08"),
        ("2025-08-31", "systems-2025-08"),
        ("2025-08-30", "systems-2022-03"),  # the tables between have figures only
        ("2022-03-13", "systems-2022-03"),
    ],
)
def test_no_later_table_says_what_readings_are_worth(as_of, name):
    readings = calibration.observe(as_of)
    assert readings.source["name"] == name
    assert as_of is None or readings.source["as_of"] <= as_of


def test_a_day_without_a_table_is_refused():
    with pytest.raises(bc.InputError, match=r"as_of 2022-03-12; .* take 2022-03-13 or later$"):
        calibration.observe("2022-03-12")


def test_what_are_no_readings_is_refused_in_one_line():
    observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    with pytest.raises(bc.InputError, match="calibration: got Observations; expected Readings; "):
        bc.fit("calibration", observations, progress=False)


def test_an_own_table_is_taken_if_it_has_enough(tmp_path):
    newest = bc.load_systems("systems-2025-08", selection="all").drop(columns="fine_tune")
    for rows, name in ((len(newest), "mine.csv"), (40, "systems-2022-03")):
        newest.head(rows).to_csv(tmp_path / "mine.csv", index=False)
        source = calibration.observe("2025-08-30", str(tmp_path / "mine.csv")).source
        assert source["name"] == name
        assert ("too_few" in source) == (name != "mine.csv")
    assert source["too_few"].startswith("mine.csv: ")


@pytest.fixture(scope="module")
def fitted():
    return bc.fit("calibration", simulate(TRUTH, 4), progress=False)


def test_errors_that_made_readings_up_are_recovered(fitted):
    """Of 47 quantities in two data sets, at most 0.9 % of tests miss one at 0.9999.

    Quantities of one fit are not independent: they are taken for a quarter as many.
    """
    fits = [fitted, bc.fit("calibration", simulate(TRUTH, 5), progress=False)]
    covered = []
    for fit in fits:
        assert bc.summary(fit)["r_hat"].max() < 1.01
        draws = fit["posterior"].dataset
        for name in Errors._fields:
            low, *middle, high = (
                draws[name].quantile(q, ("chain", "draw")).to_numpy()
                for q in (5e-5, 0.05, 0.95, 1 - 5e-5)
            )
            truth = np.asarray(getattr(TRUTH, name))
            assert np.all((low <= truth) & (truth <= high)), (name, low, truth, high)
            covered.extend(np.ravel((middle[0] <= truth) & (truth <= middle[1])))
    n = len(covered) // 4
    assert np.mean(covered) >= stats.binom.ppf(1e-3, n, 0.9) / n


def test_every_error_has_a_unit_or_is_a_share(fitted):
    table = bc.summary(fitted)
    for name, row in table.iterrows():
        share = any(
            part in str(name) for part in ("gross[", "hardware_gross", "copied", "revised", "held")
        )
        assert (row["unit"] == "") == share, name
        if share:
            assert 0 < row["lower"] < row["upper"] < 1


def test_the_figure_shows_within_what_factor_readings_are_right(fitted):
    sd, gross, gross_sd = np.array([0.1, 1.0]), np.array([0.05, 0.2]), np.array([1.5, 2.0])
    for share in (0.5, 0.9):
        within = _within(share, sd, gross, gross_sd)
        fine, rare = stats.norm(0, sd), stats.norm(0, np.hypot(sd, gross_sd))
        inside = 1 - 2 * ((1 - gross) * fine.sf(within) + gross * rare.sf(within))
        np.testing.assert_allclose(inside, share, atol=1e-9)
    ax = plots.reading_errors(fitted, Figure(figsize=plots.SIZE, layout="constrained").subplots())
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[-1] == "published, confident"
    assert len(names) == len(CLASSES) + 1 + len(DOMAINS)
    (row,) = (line for line in ax.lines if line.get_marker() == "s" and line.get_ydata()[0] == 9)
    (within,), draws = row.get_xdata(), fitted["posterior"].dataset.sel(confidence="Confident")
    sd, gross = draws["figure_sd"].to_numpy(), draws["figure_gross"].to_numpy()
    rare = np.hypot(sd, draws["gross_sd"].to_numpy())
    tails = (1 - gross) * stats.norm.sf(within / sd) + gross * stats.norm.sf(within / rare)
    assert np.mean(1 - 2 * tails >= 0.9) == pytest.approx(0.5, abs=0.01), "the median of draws"
