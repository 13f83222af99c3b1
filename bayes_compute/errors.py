"""Why there is no answer: the input was wrong, a fit cannot be trusted, work was cut off."""


class InputError(ValueError):
    """The input or the call was wrong (exit status 2).

    Its message is one line: where (file, row, column), what was found, what was expected,
    and the remedy.
    """


class NotConverged(RuntimeError):  # noqa: N818 - the public name says what happened
    """A fit failed its diagnostics, so none of its numbers may be quoted (exit status 1).

    Attributes
    ----------
    diagnostics : dict
        What ``diagnostics.json`` holds: thresholds, values, failures and remedies.
    """

    def __init__(self, message: str, diagnostics: dict | None = None) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics or {}


class Unfinished(RuntimeError):  # noqa: N818 - the public name says what happened
    """Work was cut off before its end; what was finished is kept (exit status 1)."""
