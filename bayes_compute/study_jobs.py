"""What the commands do that share many fits out: calibrate and backtest."""

from collections.abc import Callable
from pathlib import Path

import typer

from bayes_compute.errors import Unfinished
from bayes_compute.jobs import load
from bayes_compute.scripts import known
from bayes_compute.terminal import complain, tell


def calibrate_into(
    model: str,
    data: str | None,
    as_of: str | None,
    selection: str | None,
    fine_tunes: bool,
    replications: int,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    seed: int,
    quiet: bool,
) -> None:
    """Calibrate a model on the design of a table; status 1 if it is not calibrated.

    Parameters are those of the command ``calibrate``.
    """
    known(model)
    from bayes_compute.calibration import calibrate
    from bayes_compute.ranks import describe
    from bayes_compute.results_folder import check_folder
    from bayes_compute.studies import write_calibration

    _, observations = load(data, as_of, selection, fine_tunes)
    out = check_folder(out or Path("results") / "calibrate" / model)
    ranks = _finished(
        calibrate, model, observations, out / "fits", replications=replications, seed=seed,
        scheduler=scheduler, workers=workers, progress=not quiet,
    )  # fmt: skip
    record = write_calibration(ranks, out)
    if not quiet:
        tell(describe(record) + f"\nEverything is in {out}")
    if not record["calibrated"]:
        rejected = [row["quantity"] for row in record["quantities"] if row["rejected"]]
        complain(f"{model}: not calibrated: {', '.join(rejected)}; see {out / 'calibration.md'}")
        raise typer.Exit(1)


def backtest_into(
    model: str,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    seed: int,
    quiet: bool,
) -> None:
    """Backtest a model on the dated tables; status 1 if not one of them could be scored.

    Parameters are those of the command ``backtest``.
    """
    known(model)
    from bayes_compute.backtesting.scores import backtest, describe
    from bayes_compute.results_folder import check_folder
    from bayes_compute.studies import write_backtest

    out = check_folder(out or Path("results") / "backtest" / model)
    record = _finished(
        backtest, model, out / "tables", seed=seed, scheduler=scheduler, workers=workers,
        progress=not quiet,
    )  # fmt: skip
    write_backtest(record, out)
    if not quiet:
        tell(describe(record) + f"\nEverything is in {out}")
    failed = {name: v["reason"] for name, v in record["vintages"].items() if "failure" in v}
    for name, reason in failed.items():
        complain(f"{name}: {reason}")
    if len(failed) == len(record["vintages"]):
        raise typer.Exit(1)


def _finished(study: Callable, *given, **settings):
    """What a study of many fits finds; status 1 if the scheduler is lost."""
    try:
        return study(*given, **settings)
    except Unfinished as cut_off:
        complain(cut_off)
        raise typer.Exit(1) from None
