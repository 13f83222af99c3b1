"""Claims in a paper held against the posteriors that they come from.

A claim is a line of LaTeX with a key at its end, as :mod:`~bayes_compute.macros`,
:func:`~bayes_compute.quoting.table` and :func:`~bayes_compute.quoting.quote` write it. It is
derived again from the draws, by the same code, and compared.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from bayes_compute.errors import InputError
from bayes_compute.macros import macros, projection_macros
from bayes_compute.projection.numbers import projection_record
from bayes_compute.quoting import quote, table
from bayes_compute.results_folder import read_projected
from bayes_compute.summary_record import summary_record

_CLAIM = re.compile(r"^(.*?)(?<!\\)%\s*(\w+/.+@[0-9a-f]{8}-[0-9a-f]{8})\s*$")
_MACRO = re.compile(
    r"^\s*(?:\\(?:global|long|protected)\s*)*"
    r"\\(?:(?:(?:re)?new|provide)command\*?|DeclareRobustCommand\*?|[gex]?def)"
    r"\s*\{?\\(bc[A-Z][A-Za-z]*)\}?\s*\{(.*)\}[^}]*$"
)
_INPUT = re.compile(r"\\(?:input|include)(?![a-zA-Z])\s*(?:\{([^}]*)\}|([^\s{}\\]+))")
_COMMENT = re.compile(r"(?<!\\)%.*")


class Claim(NamedTuple):
    """A line of a paper that says what a posterior says.

    Attributes
    ----------
    where : str
        File and line.
    form : str
        Name of a macro, ``"row"`` of a table, or ``"sentence"``.
    text : str
        What is claimed, in LaTeX.
    key : str
        Empty where a macro of ours has lost it.
    """

    where: str
    form: str
    text: str
    key: str


def verify(file: str | os.PathLike[str], folders: list[Path]) -> tuple[bool, str]:
    """Derive every claim of a paper again, and say which hold.

    Parameters
    ----------
    file : path
        LaTeX; what it inputs is looked for in the working folder, as LaTeX does, beside it and,
        where LaTeX is installed, where that looks.
    folders : list of path
        Results folders.

    Returns
    -------
    hold : bool
        Whether all of them do.
    text : str
        A line for each that does not, and how many do.

    Raises
    ------
    InputError
        If a file or what it inputs cannot be read, no claim is made, or a folder holds no finished
        run.
    """
    texts = _files(Path(file))
    found = [claim for path, text in texts.items() for claim in _parsed(text, str(path))]
    if not found:
        raise InputError(
            f"{file}: got no line with a key; expected macros, tables or sentences of "
            "bayes-compute; input macros.tex, or keep the comments at the ends of its lines"
        )
    derived = {(claim.key, claim.form): claim for folder in folders for claim in _derived(folder)}
    wrong = [f"{claim.where}: {said}" for claim in found if (said := _held(claim, derived))]
    return not wrong, "\n".join([*wrong, f"{len(found) - len(wrong)} of {len(found)} claims hold"])


def _held(claim: Claim, derived: dict[tuple[str, str], Claim]) -> str:
    """What is wrong with a claim; nothing if it holds."""
    name = f"{claim.key or 'no key'} ({claim.form})"
    again = derived.get((claim.key, claim.form))
    if again is None:
        quantity = claim.key.partition("@")[0]
        others = [
            f"; {other.key} has {other.text}"
            for other in derived.values()
            if quantity and other.form == claim.form and other.key.startswith(f"{quantity}@")
        ]
        return f"unknown key: {name} is of none of these results{''.join(others)}"
    same = again.text in claim.text if claim.form == "sentence" else again.text == claim.text
    return "" if same else f"differs: {name}: got {claim.text}; expected {again.text}"


def _derived(folder: Path) -> list[Claim]:
    """Everything that may be claimed of a results folder, from its draws."""
    tree = read_projected(folder)
    record = summary_record(tree)
    parts = [macros(record), table(record, "latex")]
    rows = [*record["quantities"]]
    if "projection" in tree.children:
        projected = projection_record(tree)
        record["estimands"] = projected["estimands"]
        parts.append(projection_macros(projected))
        rows += [row for of_estimand in record["estimands"].values() for row in of_estimand]
    parts += [quote(record, row["name"], format="latex") for row in rows]
    return [claim for part in parts for claim in _parsed(part, str(folder))]


def _parsed(text: str, where: str) -> list[Claim]:
    """Claims of lines: those with a key, and macros of ours that ought to have one."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        keyed = _CLAIM.match(line)
        said, key = keyed.groups() if keyed else (line, "")
        said = " ".join(_COMMENT.sub("", said).split())
        if not said:  # of the paper
            continue
        macro = _MACRO.match(said)
        if macro and (keyed or macro[1] != "bcNumber"):
            found.append(Claim(f"{where}:{number}", f"\\{macro[1]}", macro[2], key))
        elif keyed:
            form = "row" if said.endswith(r"\\") else "sentence"
            found.append(Claim(f"{where}:{number}", form, said, key))
    return found


def _files(path: Path) -> dict[Path, str]:
    """Text of a file and of what it inputs, each once."""
    texts: dict[Path, str] = {}
    waiting = [(path, False)]
    while waiting:
        path, installed = waiting.pop(0)
        if path in texts:
            continue
        texts[path] = _read(path, "replace" if installed else "strict")
        for line in texts[path].splitlines():
            for match in _INPUT.finditer(_COMMENT.sub("", line)):
                name = (match[1] or match[2] or "").strip().strip('"')
                if (own := _own(name, path)) is not None:
                    waiting.append((own, installed))
                elif (there := _installed(name)) is not None:
                    waiting.append((there, True))
                elif not installed:  # else it may be a name that TeX makes up as it goes
                    raise InputError(
                        f"{path}: got \\input of {name}, which is neither here nor beside it; "
                        "expected a file; run this where LaTeX runs"
                    )
    return texts


def _own(name: str, by: Path) -> Path | None:
    """What a file inputs from here or from beside it."""
    names = [name] if name.endswith(".tex") else [f"{name}.tex", name]
    for path in (folder / n for n in names for folder in (Path(), by.parent)):
        if os.path.isfile(path):  # which asks of any name, as long as it may be
            return path
    return None


def _installed(name: str) -> Path | None:
    """What LaTeX finds elsewhere, where it is installed."""
    search = shutil.which("kpsewhich")
    if not (search and name):
        return None
    try:
        told = subprocess.run([search, "--", name], capture_output=True, text=True, check=False)
    except (OSError, ValueError):  # no name of a file
        return None
    return Path(told.stdout.strip()) if told.returncode == 0 else None


def _read(path: Path, errors: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors=errors)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: got {reason!r}; expected a LaTeX file in UTF-8; check path and encoding"
        ) from error
