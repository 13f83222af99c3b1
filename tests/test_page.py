"""``report.html``: what it holds, and what a browser makes of it."""

import json
import re
from collections import Counter
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from conftest import HOSTILE, REGIMES, without_ceilings

import bayes_compute as bc
from bayes_compute import files, report
from bayes_compute.observations import day_of, decimal_year
from bayes_compute.page import render
from bayes_compute.page.chart import chart, systems_of
from bayes_compute.page.prose import markdown, prose
from bayes_compute.page.render import page
from bayes_compute.projection.numbers import projection_record
from bayes_compute.report import write_projection, write_report
from bayes_compute.summary_record import summary_record

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 504 324" width="504" height="324"/>'


def rows_of(dt):
    return {row["name"]: row for row in summary_record(dt)["quantities"]}


@pytest.fixture(scope="module")
def projected(make_regimes):
    """A fit of regimes with hostile names, projected."""
    with pytest.MonkeyPatch.context() as patched:
        without_ceilings(patched)
        return bc.project(make_regimes(), 2031)


@pytest.fixture(scope="module")
def written(projected, tmp_path_factory):
    """Its page, with all that one may hold but the figures themselves."""
    folder = tmp_path_factory.mktemp("page")

    def drawn(_, folder, names):
        for name in names:
            files.write_file(folder, name, lambda path: path.write_bytes(SVG))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(report, "_write_figures", drawn)
        write_report(projected, folder)
        write_projection(projected, folder)
    return folder / "report.html"


class Outline(HTMLParser):
    """Tags with their attributes, and text outside scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.raw = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.raw = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.raw = False

    def handle_data(self, data):
        if not self.raw:
            self.texts.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def outline(written):
    return Outline(written.read_text(encoding="utf-8"))


# What the file holds


def test_the_answer_stands_first_in_words(outline):
    text = " ".join("".join(outline.texts).split())
    answer = text.index("the largest training run on record is")
    assert answer < text.index("Compute over time")
    for said in ("90 %: ", "Growth in the cloud regime", "worst R-hat", "made up", "0" * 64):
        assert said in text


def test_sections_come_in_order_and_every_section_has_its_heading(outline):
    ids = [attrs["aria-labelledby"] for attrs in outline.all("section")]
    assert ids == [attrs["id"] for attrs in outline.all("h2")]
    expected = "answer compute gap dates growth projection diagnostics priors data"
    assert ids == expected.split()
    assert len(outline.all("h1")) == 1


def test_everything_can_be_read_by_a_screen_reader(outline):
    assert outline.all("html")[0]["lang"] == "en"
    assert all(attrs["alt"].endswith(".") for attrs in outline.all("img"))
    assert all(attrs["scope"] in ("col", "row") for attrs in outline.all("th"))
    boxes = [attrs for attrs in outline.all("div") if attrs.get("class") == "scroll"]
    assert boxes and all(box["aria-label"] and box["tabindex"] == "0" for box in boxes)
    ids = Counter(attrs["id"] for _, attrs in outline.tags if "id" in attrs)
    assert set(ids.values()) == {1}
    assert outline.all("a")[0]["href"] == "#answer"


def test_what_is_for_readers_of_the_source_is_not_shown(outline):
    assert not any("<!--" in text for text in outline.texts)


def test_checks_stand_with_the_diagnostics(outline):
    text = " ".join("".join(outline.texts).split())
    said = re.search(r"\d+ of \d+ posterior predictive checks fail", text)
    assert text.index("worst R-hat") < said.start() < text.index("What the priors say")
    assert "largest system by the end of" in text
    assert "Figure: running maximum" in [attrs.get("aria-label") for attrs in outline.all("div")]


def test_nothing_is_to_be_fetched(outline):
    addresses = [
        attrs[name]
        for _, attrs in outline.tags
        for name in ("src", "href", "srcset", "action", "data")
        if name in attrs
    ]
    assert [at for at in addresses if not at.startswith(("data:", "#"))] == []
    (policy,) = (a["content"] for a in outline.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[\w+/]{43}='", policy)) == 2, "its two scripts, no other"


def test_names_are_text(outline):
    assert {"alert" in str(attrs) for _, attrs in outline.tags} == {False}
    names = [name.replace("\n", " ") for name in HOSTILE]
    assert set(names) <= set(outline.texts), "each is a cell of the table of systems"


def test_one_era_and_eras_have_no_section_that_they_cannot_fill(make_fit):
    for dates, there in (((), False), ((2000.0, 2016.0), True)):
        dt = make_fit(dates)
        figures = {"date_posterior": SVG} if dates else {}
        html = page(dt, summary_record(dt), None, figures | {"selection_floor": SVG})
        assert ("The transition from era 1 to era 2" in html) == there
        assert 'id="gap"' not in html
        assert 'id="projection"' not in html


def test_a_model_that_is_not_of_systems_has_no_chart(datatree):
    dt = datatree.drop_nodes("membership")
    dt.attrs = datatree.attrs | {"model": "top500"}
    html = page(dt, summary_record(dt), None, {"top500": SVG})
    assert "Plotly" not in html
    assert "script-src 'none'" in Outline(html).all("meta")[1]["content"]
    assert "Rate of the largest machine" in html


def test_the_page_is_written_again_with_a_projection_if_there_was_one(
    projected, tmp_path, monkeypatch
):
    monkeypatch.setattr(report, "_write_figures", lambda *_: None)
    monkeypatch.setattr(render, "page", lambda *given: f"projected: {given[2] is not None}")
    write_report(projected, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").read_text() == "projected: False"
    write_projection(projected, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").read_text() == "projected: True"
    report.write_fit(projected, tmp_path / "fit")
    write_projection(projected, tmp_path / "fit")
    assert not (tmp_path / "fit" / "report.html").exists()


# What it is made of


def test_days_come_back_from_decimal_years():
    days = pd.date_range("1949-12-30", "2028-03-01", freq="D")
    assert np.all(day_of(decimal_year(days)) == days.to_numpy())


def test_the_chart_shows_each_system_once_where_it_most_probably_belongs(projected):
    systems = systems_of(projected)
    known = [row for row in systems if row["log10_flop"] is not None]
    drawn = chart(projected, rows_of(projected), systems)
    points = [trace for trace in drawn["data"] if trace["meta"]["systems"]]
    assert len(points) == len(REGIMES)
    assert sum(len(trace["x"]) for trace in points) == len(known) < len(systems)
    for row in known:
        trace = points[int(np.argmax(row["probability"]))]
        (at,) = (
            k
            for k, said in enumerate(trace["customdata"])
            if said.startswith(f"{row['system']} · ")
        )
        assert trace["x"][at] == row["date"]
        assert trace["y"][at] == pytest.approx(10 ** row["log10_flop"], rel=1e-3)
        assert "P(bespoke) = " in trace["text"][at]


def test_data_cannot_end_their_script():
    text = render._in_json({"a": "</script><!--&\u2028\u2029"})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"a": "</script><!--&\u2028\u2029"}


def test_plain_text_stays_text_and_its_indented_lines_are_a_list():
    html = prose("a <b>\n  one\n  two\n\n10^2.5 FLOP")
    assert html == (
        "<p>a &lt;b&gt;</p>\n<ul><li>one</li><li>two</li></ul>\n<p>10<sup>2.5</sup> FLOP</p>"
    )


def test_markdown_makes_tables_and_nothing_that_could_act():
    html = markdown("| a |\n|---|\n| <i> [x](https://x.y) ![x](x) <https://x.y> |\n", "what")
    assert {tag for tag, _ in Outline(html).tags} == {
        "div", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert 'scope="col"' in html
    assert 'aria-label="what"' in html


def test_the_numbers_of_the_cards_are_those_that_are_quoted(projected):
    record = summary_record(projected)
    cards = {card["label"]: card for card in render._cards(record, projection_record(projected))}
    assert next(iter(cards)) == "Record by the end of 2025"
    growth = cards["Growth in the cloud regime"]
    assert f"{growth['value']} ({growth['ends']})" in bc.quote(record, "growth[cloud]")


# What a browser makes of it


@pytest.fixture
def opened(open_page, written):
    """Open the page in a context with the given options."""
    return partial(open_page, written)


def wait_until(tab, expression):
    """Not `wait_for_function`, which the page's own policy forbids."""
    for _ in range(200):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(50)
    pytest.fail(f"not within ten seconds: {expression}")


def shown_systems(tab):
    return tab.locator("#chart .points path").count()


def test_opens_without_complaint_or_request(opened):
    tab = opened()
    tab.wait_for_selector("#chart .points path")
    assert tab.complaints == []


def position(tab, name):
    """Where on the screen a system is drawn; none if its compute is undisclosed."""
    tab.locator("#chart").scroll_into_view_if_needed()
    return tab.evaluate(
        """name => {
            const k = chart.data.findIndex(t => t.customdata?.some(s => s.startsWith(name)));
            if (k < 0) return null;
            const point = chart.data[k].customdata.findIndex(s => s.startsWith(name));
            const {left, top} = chart.getBoundingClientRect();
            const {xaxis, yaxis} = chart._fullLayout;
            return [left + xaxis._offset + xaxis.d2p(chart.data[k].x[point]),
                    top + yaxis._offset + yaxis.d2p(chart.data[k].y[point])];
        }""",
        name,
    )


def test_pointing_at_a_system_shows_its_name_as_text(opened):
    tab = opened()
    tab.click("#all")
    pointed = 0
    for name in (name.replace("\n", " ") for name in HOSTILE):
        if (at := position(tab, name)) is None:
            continue
        tab.mouse.move(*at)
        wait_until(tab, f"told.textContent.startsWith({json.dumps(name)})")
        label = tab.text_content("#chart .hoverlayer")
        assert name in label
        assert "FLOP" in label and "P(cloud) = " in label
        pointed += 1
    assert pointed >= 3
    assert tab.evaluate("document.querySelectorAll('img[src=x], #chart script').length") == 0
    assert tab.complaints == []


def test_a_tap_shows_a_system_and_moves_nothing(opened):
    tab = opened(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    before = tab.evaluate("chart.layout.xaxis.range")
    said, flop = "t.customdata[t.y.indexOf(Math.max(...t.y))]", "Math.max(...t.y)"
    largest = tab.evaluate(  # which no other system covers
        f"chart.data.filter(t => t.meta.systems).map(t => [{flop}, {said}])"
        ".sort((a, b) => b[0] - a[0])[0][1]"
    )
    tab.touchscreen.tap(*position(tab, largest))
    wait_until(tab, f"told.textContent === {json.dumps(largest)}")
    assert largest.partition(" · ")[0] in tab.text_content("#chart .hoverlayer")
    assert tab.evaluate("chart.layout.xaxis.range") == before


def test_a_regime_is_switched_off_and_on_by_mouse_and_by_keyboard(opened):
    tab = opened()
    every = shown_systems(tab)
    button = tab.get_by_role("button", name="cloud")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert tab.evaluate("chart.data.filter(t => t.visible === false).every(t => t.meta.era === 1)")
    hidden = tab.evaluate(
        "chart.data.filter(t => t.visible === false && t.meta.systems)[0].x.length"
    )
    assert hidden > 0
    assert shown_systems(tab) == every - hidden
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert shown_systems(tab) == every


def test_arrow_keys_go_from_system_to_system(opened):
    tab = opened()
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        tab.press("#chart", key)
        told.append(tab.text_content("#told"))
    assert told[0] == told[2] != told[1]
    assert all(re.search(r" · \d{4}-\d\d-\d\d · 10\^[\d.]+ FLOP · P\(", each) for each in told)
    assert tab.complaints == []


def test_dragging_zooms_and_all_years_can_be_seen(opened):
    tab = opened()
    span = "Date.parse(chart.layout.xaxis.range[1]) - Date.parse(chart.layout.xaxis.range[0])"
    tab.locator("#chart").scroll_into_view_if_needed()
    first, box = tab.evaluate(span), tab.locator("#chart .nsewdrag").bounding_box()
    y = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + box["width"] / 4, y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 2, y, steps=4)
    tab.mouse.up()
    wait_until(tab, f"{span} < {0.3 * first}")
    tab.click("#all")
    wait_until(tab, f"{span} >= {first}")
    year = tab.evaluate("chart.data.flatMap(t => t.meta.systems ? t.x : []).sort()[0]")
    assert tab.evaluate("chart.layout.xaxis.range[0]") <= year


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_no_wider_than_the_screen(opened, width):
    tab = opened(viewport={"width": width, "height": 740}, is_mobile=True, has_touch=width < 400)
    for details in tab.locator("details").all():
        details.locator("summary").click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("chart.layout.dragmode") == (False if width < 400 else "zoom")


def test_text_stands_out_from_what_is_behind_it(opened):
    """Contrast of at least 4.5 to 1: WCAG 2.2, success criterion 1.4.3."""
    tab = opened()
    tab.locator("button[data-era]").first.click()
    low = tab.evaluate(
        """() => {
            const luminance = colour => {
                const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
                    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = node => {
                for (; node; node = node.parentElement) {
                    const colour = getComputedStyle(node).backgroundColor;
                    if (!/, 0\\)$/.test(colour)) return colour;
                }
                return "rgb(255, 255, 255)";
            };
            return [...document.body.querySelectorAll("*:not(script)")]
                .filter(e => !e.closest("#chart svg, [aria-hidden]") && e.checkVisibility())
                .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
                .map(e => {
                    const pair = [getComputedStyle(e).color, behind(e)].map(luminance);
                    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
                    return [ratio, e.textContent.slice(0, 40)];
                })
                .filter(([ratio]) => ratio < 4.5);
        }"""
    )
    assert low == []


def test_printed_it_shows_figures_and_no_controls(opened):
    tab = opened()
    assert tab.pdf(format="A4").startswith(b"%PDF")
    tab.emulate_media(media="print")
    assert not tab.is_visible("#chart")
    assert not tab.is_visible("details.systems")
    assert tab.is_visible("figure.printed img")


def test_without_scripts_the_figure_stands_in_for_the_chart(opened):
    tab = opened(java_script_enabled=False)
    assert tab.is_visible("figure.printed img")
    assert not tab.is_visible("#chart")
