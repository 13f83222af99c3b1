"""What is said in plain text and in Markdown, as HTML in which text is text."""

import re

from markdown_it import MarkdownIt
from markupsafe import Markup
from markupsafe import escape as in_html

_COMMENT = re.compile("<!--.*?-->")
_POWER = re.compile(r"\b10\^(-?\d+(?:\.\d+)?)")


def prose(text: str) -> Markup:
    """Lines of text as paragraphs, indented ones as lists.

    Parameters
    ----------
    text : str
        Plain text: nothing in it is markup.
    """
    parts: list[str] = []
    for line in text.splitlines():
        if not line.startswith("  "):
            parts += [f"<p>{in_html(line)}</p>"] if line.strip() else []
        elif parts and parts[-1].endswith("</ul>"):
            parts[-1] = f"{parts[-1].removesuffix('</ul>')}<li>{in_html(line.strip())}</li></ul>"
        else:
            parts.append(f"<ul><li>{in_html(line.strip())}</li></ul>")
    return Markup(powers("\n".join(parts)))


def markdown(text: str, label: str) -> Markup:
    """Tables and paragraphs of Markdown; links, images and HTML are left as the text they are.

    Parameters
    ----------
    text : str
        Of the tables that a report writes.
    label : str
        What the tables hold: each has a box of its own to scroll in, which bears this name.
    """
    text = _COMMENT.sub("", text)  # keys, for who reads the source
    parser = MarkdownIt("zero").enable(["table", "escape", "entity", "backticks"])
    tokens = parser.parse(text)
    for token in tokens:
        if token.type == "th_open":
            token.attrSet("scope", "col")
    html = parser.renderer.render(tokens, parser.options, {})
    box = f'<div class="scroll" role="region" tabindex="0" aria-label="{in_html(label)}"><table>'
    return Markup(powers(html.replace("<table>", box).replace("</table>", "</table></div>")))


def powers(html: str) -> str:
    """Powers of ten with their exponent raised."""
    return _POWER.sub(r"10<sup>\1</sup>", html)
