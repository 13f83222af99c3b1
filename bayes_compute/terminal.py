"""What a command says, on standard output and on standard error."""

import os
import sys

import typer

from bayes_compute.errors import InputError
from bayes_compute.escaping import escape_lines


def tell(text: str) -> None:
    """Lines on standard output, whatever the names in them hold."""
    try:
        typer.echo(escape_lines(text))
    except BrokenPipeError:  # of a reader that has seen enough
        raise
    except OSError as error:
        # What could not be written would be tried, and complained of, again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(
            f"standard output: got {error.strerror!r}; expected one that can be written to; "
            "choose another"
        ) from error


def complain(message: object) -> None:
    """One line on standard error, whatever the message holds."""
    line = "".join(c if c.isprintable() else " " for c in str(message))
    typer.echo(f"bayes-compute: {' '.join(line.split())}", err=True)
