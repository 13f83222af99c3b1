"""Rows of text laid out as a table: aligned columns, LaTeX, or Markdown."""

from bayes_compute.escaping import escape


def tabulate(rows: list[tuple[str, ...]], format: str, sides: str) -> str:
    """Lay out rows, the first of which is the head.

    Parameters
    ----------
    rows : list of tuple of str
        Cells as plain text: they are made inert here.
    format : {"text", "latex", "markdown"}
        LaTeX is a ``tabular`` for the ``booktabs`` package.
    sides : str
        Alignment of each column, ``l`` or ``r``, as LaTeX has it; text is aligned left.

    Returns
    -------
    str
        Ends with a newline.
    """
    lines = [[escape(cell, format) for cell in row] for row in rows]
    if format == "latex":
        body = [" & ".join(line) + r" \\" for line in lines]
        body = [r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule"]
        return "\n".join([rf"\begin{{tabular}}{{{sides}}}", *body, r"\end{tabular}"]) + "\n"
    if format == "markdown":
        lines.insert(1, ["---:" if side == "r" else "---" for side in sides])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded) + "\n"
