import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from bayes_compute import plots
from bayes_compute.axes import with_prefix
from bayes_compute.plots import compute_over_time, date_posterior, selection_floor
from bayes_compute.summaries import summary

PLOTS = (compute_over_time, date_posterior, selection_floor)


@pytest.fixture
def ax():
    return Figure(figsize=plots.SIZE, layout="constrained").subplots()


def texts(ax):
    """All that is written in the axes, legend included."""
    ax.figure.draw_without_rendering()
    legend = ax.get_legend()
    found = [text.get_text() for text in ax.texts]
    if legend is not None:
        found += [legend.get_title().get_text(), *(t.get_text() for t in legend.get_texts())]
    return "\n".join(found)


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("dates", [(), (2010.0,), (2000.0, 2016.0)], ids=["0", "1", "2"])
def test_draws_on_the_given_axes_for_any_number_of_transitions(plot, dates, make_fit, ax):
    assert plot(make_fit(dates), ax) is ax
    ax.figure.draw_without_rendering()


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
    points = [np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    assert sum(len(p) for p in points) == datatree["constant_data"]["year"].size
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for x, y in np.concatenate(points):
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
    lines = [line for line in ax.lines if str(line.get_label()).startswith("era ")]
    medians = datatree["posterior"]["transition_year"].median(("chain", "draw")).to_numpy()
    spans = [np.asarray(line.get_xdata())[[0, -1]] for line in lines]
    ends = [spans[0][1], spans[1][1]]
    starts = [spans[1][0], spans[2][0]]
    np.testing.assert_allclose(ends, medians, atol=0.15)
    np.testing.assert_allclose(starts, medians, atol=0.15)


def test_an_era_that_is_nowhere_the_most_probable_keeps_its_place_in_the_legend(datatree, ax):
    posterior = datatree["posterior"].dataset
    dates = posterior["transition_year"] * 0 + 2010
    datatree["posterior"] = posterior.assign(transition_year=dates)
    compute_over_time(datatree, ax)
    assert texts(ax).count("/year (") == 3


def test_line_of_one_era_is_the_median_of_level_and_growth(one_era_tree, ax):
    compute_over_time(one_era_tree, ax)
    (line,) = (line for line in ax.lines if str(line.get_label()).startswith("era "))
    date, shown = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
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


@pytest.mark.parametrize(
    ("log10_flop", "text"), [(0, "1 FLOP"), (4, "10 kFLOP"), (18, "1 EFLOP"), (34, "10000 QFLOP")]
)
def test_flop_with_a_prefix(log10_flop, text):
    assert with_prefix(log10_flop) == text


@pytest.mark.parametrize("plot", PLOTS)
def test_data_and_dates_without_any_spread_can_be_drawn(plot, datatree, ax):
    datatree["observed_data"] = datatree["observed_data"].dataset * 0 + 20
    datatree["constant_data"] = datatree["constant_data"].dataset * 0 + 2020
    posterior = datatree["posterior"].dataset
    datatree["posterior"] = posterior.assign(
        transition_year=posterior["transition_year"] * 0 + 2020
    )
    plot(datatree, ax)
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
