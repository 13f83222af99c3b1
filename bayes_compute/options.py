"""The options that commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def _probability(value: float) -> float:
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1, such as 0.9")
    return value


MOST_SEED = 2**64 - 1  # of nutpie

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A name that `models` lists.")]
Data = Annotated[
    str | None,
    typer.Option(metavar="DATASET|PATH", help="A shipped table (the newest by default) or a CSV."),
]
AsOf = Annotated[
    str | None, typer.Option(metavar="DATE", help="Only what was published by YYYY-MM-DD.")
]
Selection = Annotated[
    Literal["notable", "all"] | None,
    typer.Option(help="Systems to keep (notable where the source has such a flag)."),
]
FineTunes = Annotated[bool, typer.Option("--fine-tunes", help="Keep systems with a base model.")]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Results folder (results/MODEL by default).")
]
Draws = Annotated[int, typer.Option(min=20, help="Draws kept from each chain.")]
Tune = Annotated[int, typer.Option(min=20, help="Draws to adapt each chain.")]
Chains = Annotated[int, typer.Option(min=2, help="Chains; R-hat compares them.")]
Seed = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="Seed: the same one gives the same numbers.")
]
Ci = Annotated[float, typer.Option(callback=_probability, help="Probability of the intervals.")]
FlatDates = Annotated[
    bool,
    typer.Option(
        "--flat-dates",
        help="Flat priors on the transition dates; of regimes, on the capacity too, and wide ones "
        "on levels.",
    ),
]
Evidence = Annotated[
    bool,
    typer.Option("--evidence", help="Weigh every reading of compute, not published figures alone."),
]
Horizon = Annotated[
    int | None, typer.Option(metavar="YEAR", help="Last year to project to (ten years ahead).")
]
Assume = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=MEDIAN[/FACTOR]",
        help="Change an assumption of projection.md; may be given again for another.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler (workers of this machine by default)."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Workers to start here (one a core by default).")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
