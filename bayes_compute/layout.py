"""Rows of text laid out as a table: aligned columns, LaTeX, or Markdown."""

from collections.abc import Sequence

from bayes_compute.escaping import comment, escape


def tabulate(
    rows: list[tuple[str, ...]], format: str, sides: str, comments: Sequence[str] = ()
) -> str:
    """Lay out rows, the first of which is the head.

    Parameters
    ----------
    rows : list of tuple of str
        Cells as plain text: they are made inert here.
    format : {"text", "latex", "markdown"}
        LaTeX is a ``tabular`` for the ``booktabs`` package.
    sides : str
        Alignment of each column, ``l`` or ``r``, as LaTeX has it; text is aligned left.
    comments : sequence of str
        For each row what is said of it behind its line; nothing where it is empty.

    Returns
    -------
    str
        Ends with a newline.
    """
    lines = [[escape(cell, format) for cell in row] for row in rows]
    behind = [f" {comment(text, format)}" if text else "" for text in comments or [""] * len(rows)]
    if format == "latex":
        body = [rf"{' & '.join(line)} \\{after}" for line, after in zip(lines, behind, strict=True)]
        body = [r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule"]
        return "\n".join([rf"\begin{{tabular}}{{{sides}}}", *body, r"\end{tabular}"]) + "\n"
    if format == "markdown":
        lines = [[*line[:-1], line[-1] + after] for line, after in zip(lines, behind, strict=True)]
        lines.insert(1, ["---:" if side == "r" else "---" for side in sides])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + after
        for line, after in zip(lines, behind, strict=True)
    )
    return "\n".join(line.rstrip() for line in padded) + "\n"
