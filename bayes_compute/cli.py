"""The command ``bayes-compute``: what a user types, and the words that come back.

What is heavy is imported inside the commands, so that ``--help`` answers at once.
"""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_compute import __version__
from bayes_compute.errors import InputError
from bayes_compute.flop_command import flop
from bayes_compute.jobs import fit_into, load, project_into, since_then
from bayes_compute.options import (
    AsOf,
    Assume,
    Chains,
    Ci,
    Data,
    Draws,
    Evidence,
    FineTunes,
    FlatDates,
    Horizon,
    Model,
    Out,
    Quiet,
    Scheduler,
    Seed,
    Selection,
    Tune,
    Workers,
)
from bayes_compute.scripts import models_by_line
from bayes_compute.study_jobs import backtest_into, calibrate_into
from bayes_compute.terminal import complain, tell

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 not to be trusted, 2 a wrong input or call.

    Parameters
    ----------
    arguments : list of str, optional
        ``sys.argv[1:]`` by default.
    """
    # Before NumPy is imported: matrices are small here, and idle threads of OpenBLAS spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that lacks "→" gets its code, which is also what JSON calls it.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(arguments, prog_name="bayes-compute", standalone_mode=False) or 0
    except InputError as error:
        complain(error)
        status = 2
    except typer.TyperException as error:
        complain(f"{error.format_message().rstrip('.')}; see bayes-compute --help")
        status = 2
    except KeyboardInterrupt:
        status = 130
    if status == 130:
        complain("interrupted")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """How much compute might be available to train machine-learning systems?"""
    if version:
        tell(f"bayes-compute {__version__}")
    elif context.invoked_subcommand is None:
        tell(context.get_help())


@app.command()
def report(
    context: typer.Context,
    model: Model = "regimes",
    data: Data = None,
    as_of: AsOf = None,
    selection: Selection = None,
    fine_tunes: FineTunes = False,
    out: Out = None,
    draws: Draws = 1000,
    tune: Tune = 500,
    chains: Chains = 4,
    seed: Seed = 1,
    ci: Ci = 0.9,
    flat_dates: FlatDates = False,
    evidence: Evidence = False,
    horizon: Horizon = None,
    assume: Assume = None,
    quiet: Quiet = False,
) -> None:
    """The main job: fit, check, project, and write everything into one folder."""
    fit_into(True, **context.params)


@app.command()
def fit(
    context: typer.Context,
    model: Model,
    data: Data = None,
    as_of: AsOf = None,
    selection: Selection = None,
    fine_tunes: FineTunes = False,
    out: Out = None,
    draws: Draws = 1000,
    tune: Tune = 500,
    chains: Chains = 4,
    seed: Seed = 1,
    ci: Ci = 0.9,
    flat_dates: FlatDates = False,
    evidence: Evidence = False,
    quiet: Quiet = False,
) -> None:
    """Fit and check: posterior.nc, summary.json, diagnostics.json."""
    fit_into(False, horizon=None, assume=None, **context.params)


@app.command()
def project(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    horizon: Horizon = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="No data on ceilings from after YYYY-MM-DD."),
    ] = None,
    assume: Assume = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATASET|PATH", help="A later table: what happened since."),
    ] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Typical, frontier and record compute under ceilings: projection.json, .nc, figure."""
    from bayes_compute.results_folder import check_folder, read_fit

    fit = read_fit(results)
    check_folder(results)
    later = None if since is None else since_then(since, fit)
    project_into(results, fit, horizon, as_of, assume, later, seed, quiet)


@app.command()
def quote(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    quantity: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUANTITY]...",
            help="Such as growth[2], growth or record[2030]; dates, growth and capacity if none.",
        ),
    ] = None,
    format: Annotated[
        Literal["text", "latex", "markdown", "json"], typer.Option(help="How to write them.")
    ] = "text",
    verify: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tex",
            help="Derive every number in a paper again, from RESULTS ...: do they hold?",
        ),
    ] = None,
) -> None:
    """Numbers of a results folder, ready for a paper; or those of a paper, held against it."""
    if verify is not None:
        from bayes_compute.verification import verify as held

        holds, text = held(verify, [results, *map(Path, quantity or [])])
        tell(text)
        raise typer.Exit(0 if holds else 1)
    from bayes_compute.quoting import quote
    from bayes_compute.results_folder import read_estimands, read_record

    record = read_record(results) | {"estimands": read_estimands(results)}
    tell(quote(record, *(quantity or []), format=format))


@app.command()
def compare(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS RESULTS...", help="Results folders.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write (nothing is by default).")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Models of the same systems by LOO and evidence; or which claims of one model moved."""
    from bayes_compute import claims
    from bayes_compute.comparison import compare
    from bayes_compute.results_folder import check_folder, read_fit, read_record
    from bayes_compute.studies import write_comparison

    records = [read_record(folder) for folder in results]
    if len({(record["model"], bool(record.get("flat_dates"))) for record in records}) == 1:
        if len(results) != 2 or out is not None:
            raise InputError(
                f"compare: got {len(results)} results of {records[0]['model']}"
                f"{' and --out' if out else ''}; expected two, whose claims are set side by side "
                "on standard output, or results of several models"
            )
        tell(claims.describe(claims.compare(*results)))
        return
    if out is not None:
        check_folder(out)
    found = compare(*map(read_fit, results), seed=seed)
    tell(found.describe())
    if out is not None:
        write_comparison(found.record, out)
        tell(f"Everything is in {out}")


@app.command()
def transitions(
    data: Data = None,
    as_of: AsOf = None,
    selection: Selection = None,
    fine_tunes: FineTunes = False,
    max_k: Annotated[int, typer.Option(min=1, help="The most transitions to allow.")] = 4,
    ci: Ci = 0.9,
) -> None:
    """How many transitions and when, exactly and without sampling."""
    from bayes_compute.changepoint.evidence import transitions
    from bayes_compute.systems import describe

    systems, observations = load(data, as_of, selection, fine_tunes)
    tell(describe(systems) + "\n")
    tell(transitions(observations, max_k=max_k).describe(ci))


@app.command()
def calibrate(
    context: typer.Context,
    model: Model,
    data: Data = None,
    as_of: AsOf = None,
    selection: Selection = None,
    fine_tunes: FineTunes = False,
    replications: Annotated[int, typer.Option(min=10, help="Data sets to simulate.")] = 100,
    workers: Workers = None,
    scheduler: Scheduler = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder (results/calibrate/MODEL).")
    ] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Simulation-based calibration: do fits find what was simulated, as often as they say?"""
    calibrate_into(**context.params)


@app.command()
def backtest(
    context: typer.Context,
    model: Model = "regimes",
    workers: Workers = None,
    scheduler: Scheduler = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder (results/backtest/MODEL).")
    ] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Refit on the dated tables, and score what each said of what followed."""
    backtest_into(**context.params)


app.command()(flop)


@app.command()
def data(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET|PATH]")] = None,
    as_of: AsOf = None,
    selection: Selection = None,
    fine_tunes: FineTunes = False,
) -> None:
    """What is shipped, with provenance; or a check of one table."""
    from bayes_compute import facts
    from bayes_compute.systems import describe, shipped

    if dataset is None:
        tell("Tables of systems, for --data\n")
        for name, entry in shipped().items():
            tell(_origin(name, f"{entry['title']}; as of {entry['vintage']}", entry))
        tell("\nTables of facts, for bayes_compute.load_facts\n")
        for name, entry in facts.tables().items():
            tell(_origin(name, entry["title"], entry))
        return
    if dataset in facts.tables():
        if selection or fine_tunes:
            raise InputError(
                f"{dataset}: got --selection or --fine-tunes; expected a table of systems; "
                "leave them out for a table of facts"
            )
        tell(facts.describe(facts.load_facts(dataset, as_of)))
        return
    systems, observations = load(dataset, as_of, selection, fine_tunes)
    n = observations.with_compute.n
    tell(describe(systems))
    tell(
        f"a model would see {n} systems with training compute, and a model of regimes "
        f"{observations.n - n} more with parameters"
    )


@app.command()
def models() -> None:
    """The models, a line each."""
    for name, line in models_by_line().items():
        tell(f"{name}: {line}")


def _origin(name: str, title: str, entry: dict) -> str:
    """What a shipped table is and where it comes from."""
    origins = "; ".join(source["title"] for source in entry["sources"])
    licences = ", ".join(licence["name"] for licence in entry["licenses"])
    return (
        f"{name}: {title}\n  {entry['description']}\n  from {origins} ({licences})\n"
        f"  {entry['hash']}"
    )
