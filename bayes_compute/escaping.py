"""Text from the data made inert in what we write: plain text, LaTeX, Markdown, JSON."""

import json
import re
import unicodedata
from typing import Any

_LATEX = {c: f"\\{c}" for c in "{}$&#_%"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # A line of a table that starts with a bracket would be read as an option of the line above.
    "[": "{[}",
    "]": "{]}",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
}
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
_SET_BY_LATEX = "ßæøÆØœŒłŁ–—‘’“”…"


def escape(text: str, format: str) -> str:
    """Make text inert in a format; line breaks and control characters become spaces.

    LaTeX gets powers of ten as mathematics, and the code points of characters that its first font
    encoding lacks.
    """
    text = "".join(" " if _unseen(c) else c for c in text)
    if format == "markdown":
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", text)
    if format == "latex":
        text = "".join(map(_latex, text))
        text = re.sub(r"\b10\\textasciicircum\{\}(-?\d+(\.\d+)?)", r"$10^{\1}$", text)
        text = re.sub(r"(?<![\w{-])-(?=\d)", "$-$", text)
        return text.replace(r" \%", r"\,\%")
    return text


def escape_lines(text: str) -> str:
    """Make text of several lines inert on a terminal; its line breaks stay."""
    return "\n".join(escape(line, "text") for line in text.split("\n"))


def as_json(value: object, **layout: Any) -> str:
    """Strict JSON (no NaN) in which control characters stand as their codes, in what encoding ever.

    Parameters
    ----------
    value : object
    **layout
        As :func:`json.dumps` takes it.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    return "".join(json.dumps(c)[1:-1] if _unseen(c) and c != "\n" else c for c in text)


def _unseen(c: str) -> bool:
    """Whether a character acts and is not seen: on a terminal, on what is written beside it."""
    return unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"


def comment(text: str, format: str) -> str:
    """Put text where it stays beside a line but is not printed; in brackets in plain text."""
    text = escape(text, "text")
    if format == "latex":
        return f"% {text}"
    if format == "markdown":
        for c in "&<>|":
            text = text.replace(c, f"&#{ord(c)};")
        return f"<!-- {text} -->"
    return f"[{text}]"


def _latex(c: str) -> str:
    if c.isascii() or c in _LATEX or c in _SET_BY_LATEX:
        return _LATEX.get(c, c)
    base, *marks = unicodedata.normalize("NFD", c)
    known = base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS
    return c if known else f"U+{ord(c):04X}"
