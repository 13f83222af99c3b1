import matplotlib as mpl
import numpy as np
import pytest
from conftest import N_SYSTEMS, REGIMES
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from bayes_compute import plots
from bayes_compute.era_probability import era_probability
from bayes_compute.plots import (
    compute_over_time,
    date_posterior,
    parameter_gap,
    selection_floor,
)
from bayes_compute.plots.axes import in_words, with_prefix
from bayes_compute.plots.canvas import styled
from bayes_compute.summaries import summary

PLOTS = (compute_over_time, parameter_gap, date_posterior, selection_floor)


@pytest.fixture
def ax():
    return Figure(figsize=plots.SIZE, layout="constrained").subplots()


def points(ax):
    """Where the systems are drawn."""
    drawn = [np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    return np.concatenate(drawn)


def line(ax, start):
    """Dates and values of the line whose label starts so."""
    (found,) = (each for each in ax.lines if str(each.get_label()).startswith(start))
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def texts(ax):
    """All that is written in the axes, legend included."""
    ax.figure.draw_without_rendering()
    legend = ax.get_legend()
    found = [text.get_text() for text in ax.texts]
    if legend is not None:
        found += [legend.get_title().get_text(), *(t.get_text() for t in legend.get_texts())]
    return "\n".join(found)


def test_matplotlib_that_turns_interactive_with_the_first_figure_stays_so():
    """As in a notebook, where no figure would be shown otherwise."""
    before = mpl.is_interactive()
    try:
        styled()(mpl.interactive)(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("dates", [(), (2010.0,), (2000.0, 2016.0)], ids=["0", "1", "2"])
def test_draws_on_the_given_axes_for_any_number_of_transitions(plot, dates, make_fit, ax):
    assert plot(make_fit(dates), ax) is ax
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("plot", PLOTS)
def test_draws_regimes_that_coexist_by_their_names(plot, regimes_tree, ax):
    assert plot(regimes_tree, ax) is ax
    written = texts(ax)
    assert "bespoke" in written
    assert "cloud" in written
    assert "era " not in written


@pytest.mark.parametrize("plot", PLOTS)
def test_makes_a_figure_of_its_own_and_leaves_the_settings_alone(plot, datatree):
    import matplotlib.pyplot as plt

    mpl.use("agg")
    before = dict(mpl.rcParams)
    ax = plot(datatree)
    assert tuple(ax.figure.get_size_inches()) == plots.SIZE
    assert dict(mpl.rcParams) == before
    plt.close(ax.figure)


def test_every_system_is_shown_in_the_colour_of_its_era(datatree, ax):
    compute_over_time(datatree, ax)
    assert len(points(ax)) == datatree["constant_data"]["year"].size
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for x, y in points(ax):
        assert left <= x <= right
        assert low <= y <= high


def test_legend_states_growth_with_kind_and_level(datatree, ax):
    compute_over_time(datatree, ax)
    written = texts(ax)
    assert "90 % equal-tailed interval" in written
    assert "average domain" in written
    for era in "123":
        assert f"era {era}: ×" in written
    assert written.count("/year (") == 3


def test_dates_are_written_with_their_interval(datatree, ax):
    compute_over_time(datatree, ax)
    row = summary(datatree).loc["transition_year[1→2]"]
    assert f"1→2: {row['median']:.1f} ({row.lower:.1f} to {row.upper:.1f})" in texts(ax)


@pytest.mark.parametrize("plot", [compute_over_time, date_posterior])
def test_a_date_set_by_the_prior_says_so(plot, datatree, ax):
    datatree["prior"] = datatree["posterior"].dataset
    plot(datatree, ax)
    assert texts(ax).count("largely set by the prior") >= 2


def test_lines_cover_the_dates_of_their_era_only(datatree, ax):
    compute_over_time(datatree, ax)
    medians = datatree["posterior"]["transition_year"].median(("chain", "draw")).to_numpy()
    spans = [line(ax, f"era {era}")[0][[0, -1]] for era in "123"]
    ends = [spans[0][1], spans[1][1]]
    starts = [spans[1][0], spans[2][0]]
    np.testing.assert_allclose(ends, medians, atol=0.15)
    np.testing.assert_allclose(starts, medians, atol=0.15)


def test_lines_of_regimes_start_at_their_transitions_and_stay(regimes_tree, ax):
    compute_over_time(regimes_tree, ax)
    cloud, bespoke = regimes_tree["posterior"]["transition_year"].median(("chain", "draw"))
    spans = [line(ax, f"{name}: ×")[0][[0, -1]] for name in REGIMES]
    constant = regimes_tree["constant_data"]
    last = float(constant["year"].max())
    assert spans[0][1] == pytest.approx(float(cloud), abs=0.15)
    np.testing.assert_allclose(spans[1], [float(cloud), last], atol=0.15)
    np.testing.assert_allclose(spans[2], [float(bespoke), last], atol=0.15)


def test_systems_without_compute_are_left_out_of_compute_over_time(regimes_tree, ax):
    compute_over_time(regimes_tree, ax)
    log10_flop = regimes_tree["constant_data"]["log10_flop"].to_numpy()
    known = log10_flop[np.isfinite(log10_flop)]
    assert len(known) < N_SYSTEMS
    np.testing.assert_array_equal(np.sort(points(ax)[:, 1]), np.sort(known))


def test_gap_shows_every_system_with_parameters_hollow_without_compute(regimes_tree, ax):
    parameter_gap(regimes_tree, ax)
    constant = regimes_tree["constant_data"]
    known = np.isfinite(constant["log10_parameters"].to_numpy())
    hollow = known & ~np.isfinite(constant["log10_flop"].to_numpy())
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert len(points(ax)) == known.sum()
    for x, y in points(ax):
        assert left <= x <= right
        assert low <= y <= high
    drawn = [c for c in ax.collections if isinstance(c, PathCollection)]
    empty = [len(c.get_offsets()) for c in drawn if not len(c.get_facecolors())]
    assert sum(empty) == hollow.sum()
    assert f"compute undisclosed: {hollow.sum()}" in texts(ax)


def test_gap_counts_systems_with_compute_and_parameters(regimes_tree, ax):
    parameter_gap(regimes_tree, ax)
    constant = regimes_tree["constant_data"].dataset
    modal = era_probability(regimes_tree).argmax("era")
    both = np.isfinite(constant["log10_flop"]) & np.isfinite(constant["log10_parameters"])
    written = texts(ax).splitlines()
    for k, name in enumerate(REGIMES):
        assert f"{name}: {int((both & (modal == k)).sum())}" in written


def test_gap_draws_the_capacity_from_the_cloud_transition_on(regimes_tree, ax):
    parameter_gap(regimes_tree, ax)
    date, capacity = max(
        ((np.asarray(each.get_xdata()), np.asarray(each.get_ydata())) for each in ax.lines),
        key=lambda drawn: len(drawn[0]),
    )
    posterior = regimes_tree["posterior"]
    start = float(posterior["transition_year"].sel(transition="cloud").median())
    assert date[0] == pytest.approx(start, abs=0.15)
    assert date[-1] == regimes_tree["constant_data"]["year"].max()
    expected = posterior["capacity"] + posterior["drift"] * (date[-1] - 2020)
    assert capacity[-1] == pytest.approx(float(expected.median()))


def test_gap_states_the_capacity_with_its_interval(regimes_tree, ax):
    parameter_gap(regimes_tree, ax)
    row = summary(regimes_tree).loc["capacity"]
    ends = f"($10^{{{row.lower:.2f}}}$ to $10^{{{row.upper:.2f}}}$)"
    stated = f"capacity in 2020:\n$10^{{{row['median']:.2f}}}$ parameters\n{ends}"
    assert stated in texts(ax)
    assert "90 % equal-tailed interval" in texts(ax)
    regimes_tree["prior"] = regimes_tree["posterior"].dataset
    assert "largely set by the prior)" in texts(parameter_gap(regimes_tree, ax))


@pytest.mark.parametrize("start", [1990.0, 2012.0])
@pytest.mark.parametrize("capacity", [8.0, 11.7])
def test_gap_keeps_what_it_says_of_the_capacity_inside(start, capacity, make_regimes, ax):
    parameter_gap(make_regimes((start, 2018.0), capacity), ax)
    ax.figure.draw_without_rendering()
    (said,) = (text for text in ax.texts if text.get_text().startswith("capacity"))
    box, inside = said.get_window_extent(), ax.bbox
    assert inside.x0 <= box.x0
    assert box.x1 <= inside.x1
    assert inside.y0 <= box.y0
    assert box.y1 <= inside.y1


def test_gap_before_any_cloud_has_no_capacity_to_show(make_regimes, ax):
    tree = make_regimes()
    posterior = tree["posterior"].dataset
    tree["posterior"] = posterior.assign(transition_year=posterior["transition_year"] + 30)
    parameter_gap(tree, ax)
    assert "capacity in" not in texts(ax)


def test_gap_of_a_model_without_capacity_says_so(datatree, ax):
    parameter_gap(datatree, ax)
    assert "no capacity" in texts(ax)


def test_an_era_that_is_nowhere_the_most_probable_keeps_its_place_in_the_legend(datatree, ax):
    posterior = datatree["posterior"].dataset
    dates = posterior["transition_year"] * 0 + 2010
    datatree["posterior"] = posterior.assign(transition_year=dates)
    compute_over_time(datatree, ax)
    assert texts(ax).count("/year (") == 3


def test_line_of_one_era_is_the_median_of_level_and_growth(one_era_tree, ax):
    compute_over_time(one_era_tree, ax)
    date, shown = line(ax, "era ")
    posterior = one_era_tree["posterior"].isel(era=0)
    trend = posterior["level"] + posterior["growth"] * (date[-1] - 2010)
    assert shown[-1] == pytest.approx(float(trend.median()))


def test_early_decades_are_squeezed_and_invert_exactly(make_fit, ax):
    tree = make_fit()
    year = tree["constant_data"]["year"].to_numpy().copy()
    year[0] = 1950.0
    constant = tree["constant_data"].dataset
    tree["constant_data"] = constant.assign(year=("system", year))
    compute_over_time(tree, ax)
    transform = ax.xaxis.get_transform()
    dates = np.array([1950.0, 1970.0, 1990.0, 2020.0])
    placed = transform.transform(dates)
    np.testing.assert_allclose(transform.inverted().transform(placed), dates)
    assert placed[1] - placed[0] < 0.5 * (placed[3] - placed[2])
    assert "squeezed" in texts(ax)


def test_compute_is_labelled_in_powers_of_ten_and_in_si_prefixes(datatree, ax):
    compute_over_time(datatree, ax)
    ax.figure.draw_without_rendering()
    left = [t.get_text() for t in ax.get_yticklabels()]
    right = [t.get_text() for t in ax.child_axes[0].get_yticklabels()]
    assert "$10^{18}$" in left
    assert right[left.index("$10^{18}$")] == "1 EFLOP"


def test_parameters_are_labelled_in_powers_of_ten_and_in_words(regimes_tree, ax):
    parameter_gap(regimes_tree, ax)
    ax.figure.draw_without_rendering()
    left = [t.get_text() for t in ax.get_yticklabels()]
    right = [t.get_text() for t in ax.child_axes[0].get_yticklabels()]
    assert right[left.index("$10^{9}$")] == "1 B"


@pytest.mark.parametrize(
    ("log10_parameters", "text"),
    [(0, "1"), (2, "100"), (3, "1 k"), (7, "10 M"), (11, "100 B"), (12, "1 T"), (16, "10000 T")],
)
def test_parameters_in_words(log10_parameters, text):
    assert in_words(log10_parameters) == text


@pytest.mark.parametrize(
    ("log10_flop", "text"), [(0, "1 FLOP"), (4, "10 kFLOP"), (18, "1 EFLOP"), (34, "10000 QFLOP")]
)
def test_flop_with_a_prefix(log10_flop, text):
    assert with_prefix(log10_flop) == text


@pytest.mark.parametrize("plot", PLOTS)
def test_data_and_dates_without_any_spread_can_be_drawn(plot, regimes_tree, ax):
    constant, posterior = regimes_tree["constant_data"].dataset, regimes_tree["posterior"].dataset
    regimes_tree["constant_data"] = (constant * 0 + 20).assign(year=constant["year"] * 0 + 2020)
    regimes_tree["posterior"] = posterior.assign(
        transition_year=posterior["transition_year"] * 0 + 2020
    )
    plot(regimes_tree, ax)
    ax.figure.draw_without_rendering()
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


def test_prior_and_posterior_of_a_date_share_one_scale(datatree, ax):
    date_posterior(datatree, ax)
    areas = []
    for patch in ax.patches:
        values, edges, baseline = patch.get_data()
        areas.append(np.sum((values - baseline) * np.diff(edges)))
    first, first_prior, second, second_prior = areas
    assert first == pytest.approx(first_prior, rel=0.02)
    assert second == pytest.approx(second_prior, rel=0.02)


def test_selection_floor_states_the_verdict_of_each_date(datatree, ax):
    selection_floor(datatree, ax)
    assert texts(ax).count("too few systems to tell") == 2


def test_selection_floor_leaves_out_systems_without_compute(regimes_tree, ax):
    selection_floor(regimes_tree, ax)
    assert np.isfinite(points(ax)).all()
    assert texts(ax).count("too few systems to tell") == 2


@pytest.mark.parametrize(
    ("plot", "tree"),
    [
        (selection_floor, "datatree"),
        (selection_floor, "one_era_tree"),
        (selection_floor, "regimes_tree"),
        (parameter_gap, "regimes_tree"),
    ],
)
def test_notes_stand_above_all_that_is_drawn(plot, tree, request, ax):
    plot(request.getfixturevalue(tree), ax)
    ax.figure.draw_without_rendering()
    notes = ax.get_legend().get_window_extent()
    assert notes.y0 >= ax.bbox.y1
    assert ax.figure.bbox.containsx(notes.x0)
    assert ax.figure.bbox.containsx(notes.x1)
    assert ax.figure.bbox.containsy(notes.y1)


@pytest.mark.parametrize(("sd", "width"), [(0.02, 1 / 12), (2.0, 0.25)])
def test_bins_of_a_date_are_finer_where_it_is_known_to_within_months(sd, width, datatree, ax):
    rng = np.random.default_rng(1)
    posterior = datatree["posterior"].dataset
    dates = posterior["transition_year"]
    dates = dates.copy(data=np.add([2000, 2016], rng.normal(0, sd, dates.shape)))
    datatree["posterior"] = posterior.assign(transition_year=dates)
    date_posterior(datatree, ax)
    for patch in ax.patches[::2]:
        np.testing.assert_allclose(np.diff(patch.get_data().edges), width)
