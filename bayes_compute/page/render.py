"""The page of a report, made of what the other files of its folder say."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from inspect import getdoc
from typing import Any

import xarray as xr
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from markupsafe import escape as in_html
from plotly.offline import get_plotlyjs

from bayes_compute import plots, predictive_checks, published, seed, sensitivity, validation
from bayes_compute.answer import checks, floors, remarks
from bayes_compute.escaping import as_json, escape
from bayes_compute.page.chart import chart, legend, systems_of
from bayes_compute.page.prose import markdown, powers, prose
from bayes_compute.projection import numbers
from bayes_compute.quoting import sentences, table
from bayes_compute.systems import shipped
from bayes_compute.wording import ends, kind, level, prior_mark, sentence, stated

_FOLDER = files("bayes_compute.page")
_ON_CARDS = ("transition_year", "growth_factor")


def page(
    dt: xr.DataTree,
    record: dict[str, Any],
    projected: dict[str, Any] | None,
    figures: dict[str, bytes],
) -> str:
    """Give ``report.html``.

    Parameters
    ----------
    dt : xarray.DataTree
        What :func:`bayes_compute.fit` returned.
    record : dict
        ``summary.json`` of it.
    projected : dict, optional
        ``projection.json``, once it is projected.
    figures : dict of bytes
        SVG of each figure, by name.

    Returns
    -------
    str
        HTML with its style, scripts, figures and data inside. Text from the data is inert, and
        the browser is told to fetch nothing and to run these two scripts alone.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_seen
    )
    environment.filters |= {
        "prose": prose,
        "markdown": markdown,
        "powers": _raised,
        "in_json": _in_json,
    }
    of_systems = "membership" in dt
    rows = {row["name"]: row for row in record["quantities"]}
    systems = systems_of(dt) if of_systems else []
    scripts = [get_plotlyjs(), _text("page.js")] if of_systems else []
    lead, *rest = _words(record, projected)
    return environment.from_string(_text("page.html")).render(
        record=record,
        projected=projected,
        figures={name: _figure(name, svg) for name, svg in figures.items()},
        lead=lead,
        rest="\n".join(rest),
        cards=_cards(record, projected),
        systems=systems,
        legend=legend(dt, rows) if of_systems else [],
        chart=chart(dt, rows, systems) if of_systems else None,
        scripts=scripts,
        hashes=" ".join(f"'sha256-{_hash(script)}'" for script in scripts) or "'none'",
        style=_text("page.css"),
        source=shipped().get(record["data"].get("name")),
        level=level(record),
        kind=kind(record),
        # What the sections say, in the words of those who know.
        checks=checks, remarks=remarks, floors=floors, sentences=sentences, table=table,
        numbers=numbers, seed=seed, priors=sensitivity, published=published, hardware=validation,
        predictive=predictive_checks,
    )  # fmt: skip


def _seen(value: Any) -> Any:
    """Text as it stands on the page: what it holds cannot turn round what stands beside it."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return escape(value, "text") if plain else value


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _raised(text: str) -> Markup:
    """Text with powers of ten."""
    return Markup(powers(str(in_html(text))))


def _hash(script: str) -> str:
    """As a content security policy names a script."""
    return b64encode(sha256(script.encode()).digest()).decode()


def _in_json(value: Any) -> Markup:
    """JSON that no HTML parser reads as markup."""
    text = as_json(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _figure(name: str, svg: bytes) -> dict[str, str]:
    """A figure as an address that holds it, with what it shows and how to read it."""
    summary, _, rest = (getdoc(getattr(plots, name)) or name).partition("\n\n")
    how, _, _ = rest.partition("Parameters\n---")
    return {
        "src": f"data:image/svg+xml;base64,{b64encode(svg).decode()}",
        "alt": " ".join(summary.split()),
        "how": " ".join(how.split()),
    }


def _words(record: dict[str, Any], projected: dict[str, Any] | None) -> list[str]:
    """What is said first, of a projection the record and a year some years ahead; and the rest."""
    if projected is None:
        return ["", *sentences(record).splitlines()]
    record_now, *lines = numbers.describe(projected).splitlines()
    ahead = min(1, len(numbers.said(projected["estimands"]["record"])) - 1)
    return [f"{record_now} {lines.pop(ahead)}", *lines]


def _cards(record: dict[str, Any], projected: dict[str, Any] | None) -> list[dict[str, str]]:
    """The numbers that are looked for first."""
    cards = [
        {
            "label": f"Record by the end of {row['date'][:4]}",
            "value": stated(row),
            "ends": ends(row),
        }
        for row in numbers.said(projected["estimands"]["record"] if projected else [])[-3:]
    ]
    rows = {row["name"]: row for row in record["quantities"]}
    for name, row in rows.items():
        if name.partition("[")[0] in _ON_CARDS:
            mark = f"; {mark}" if (mark := prior_mark(row)) else ""
            label = sentence(record, rows, name).partition(":")[0]
            cards.append({"label": label, "value": stated(row), "ends": ends(row) + mark})
    return cards
