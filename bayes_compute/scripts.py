"""The scripts of ``models``, looked at without running them: importing PyMC takes seconds."""

import ast
from pathlib import Path

from bayes_compute.errors import InputError


def models_by_line() -> dict[str, str]:
    """Name and first line of the docstring of each model script, which is not run."""
    return {name: text.partition("\n")[0] for name, (text, _) in scripts().items()}


def scripts() -> dict[str, tuple[str, set[str]]]:
    """Docstring and names of functions of each model script, which is not run."""
    from bayes_compute.models import __path__ as folders

    scripts = sorted(Path(folders[0]).glob("[!_]*.py")) if folders else []
    found = {}
    for script in scripts:
        module = ast.parse(script.read_text(encoding="utf-8"))
        names = {part.name for part in module.body if isinstance(part, ast.FunctionDef)}
        found[script.stem] = ast.get_docstring(module) or "", names
    return found


def known(model: str) -> set[str]:
    """Functions of a model's script, if there is one."""
    if model not in (there := scripts()):
        raise InputError(f"model: got {model!r}; expected one of {', '.join(there)}")
    return there[model][1]
