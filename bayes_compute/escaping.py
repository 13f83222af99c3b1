"""Text from the data made inert in what we write: plain text, LaTeX, Markdown."""

import re
import unicodedata

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


def escape(text: str, format: str) -> str:
    """Make text inert in a format; line breaks and control characters become spaces."""
    text = "".join(
        " " if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in text
    )
    if format == "markdown":
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", text)
    if format == "latex":
        text = re.sub(r"[\\{}$&#_%~^<>|\[\]×→]", lambda found: _LATEX[found.group()], text)
        text = re.sub(r"(?<![\w-])-(?=\d)", "$-$", text)
        return text.replace(r" \%", r"\,\%")
    return text
