"""The command ``bayes-compute``: what a user types, and the words that come back.

What is heavy is imported inside the commands, so that ``--help`` answers at once.
"""

import sys
import time
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_compute import __version__
from bayes_compute.errors import InputError, NotConverged
from bayes_compute.flop_command import flop
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
    Seed,
    Selection,
    Tune,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 not to be trusted, 2 a wrong input or call.

    Parameters
    ----------
    arguments : list of str, optional
        ``sys.argv[1:]`` by default.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that lacks "→" gets its code, which is also what JSON calls it.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(arguments, prog_name="bayes-compute", standalone_mode=False) or 0
    except InputError as error:
        _complain(error)
        status = 2
    except typer.TyperException as error:
        _complain(f"{error.format_message().rstrip('.')}; see bayes-compute --help")
        status = 2
    except KeyboardInterrupt:
        status = 130
    if status == 130:
        _complain("interrupted")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """How much compute might be available to train machine-learning systems?"""
    if version:
        typer.echo(f"bayes-compute {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


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
    _fit_into(True, **context.params)


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
    _fit_into(False, horizon=None, assume=None, **context.params)


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
    later = None if since is None else _since(since, fit)
    _project_into(results, fit, horizon, as_of, assume, later, seed, quiet)


@app.command()
def quote(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    quantity: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUANTITY]...", help="Such as growth[2] or growth; dates and growth if none."
        ),
    ] = None,
    format: Annotated[
        Literal["text", "latex", "markdown", "json"], typer.Option(help="How to write them.")
    ] = "text",
) -> None:
    """Numbers of a results folder, ready for a paper."""
    from bayes_compute.quoting import quote
    from bayes_compute.results_folder import read_record

    typer.echo(quote(read_record(results), *(quantity or []), format=format))


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

    systems, observations = _load(data, as_of, selection, fine_tunes)
    typer.echo(describe(systems) + "\n")
    typer.echo(transitions(observations, max_k=max_k).describe(ci))


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
        typer.echo("Tables of systems, for --data\n")
        for name, entry in shipped().items():
            typer.echo(_origin(name, f"{entry['title']}; as of {entry['vintage']}", entry))
        typer.echo("\nTables of facts, for bayes_compute.load_facts\n")
        for name, entry in facts.tables().items():
            typer.echo(_origin(name, entry["title"], entry))
        return
    if dataset in facts.tables():
        if selection or fine_tunes:
            raise InputError(
                f"{dataset}: got --selection or --fine-tunes; expected a table of systems; "
                "leave them out for a table of facts"
            )
        typer.echo(facts.describe(facts.load_facts(dataset, as_of)))
        return
    systems, observations = _load(dataset, as_of, selection, fine_tunes)
    n = observations.with_compute.n
    typer.echo(describe(systems))
    typer.echo(
        f"a model would see {n} systems with training compute, and a model of regimes "
        f"{observations.n - n} more with parameters"
    )


@app.command()
def models() -> None:
    """The models, a line each."""
    for name, line in _models().items():
        typer.echo(f"{name}: {line}")


def _origin(name: str, title: str, entry: dict) -> str:
    """What a shipped table is and where it comes from."""
    origins = "; ".join(source["title"] for source in entry["sources"])
    licences = ", ".join(licence["name"] for licence in entry["licenses"])
    return (
        f"{name}: {title}\n  {entry['description']}\n  from {origins} ({licences})\n"
        f"  {entry['hash']}"
    )


def _load(data: str | None, as_of: str | None, selection: str | None, fine_tunes: bool):
    """Systems and what a model sees of them; the newest shipped table by default."""
    from bayes_compute.observations import Observations
    from bayes_compute.systems import load_systems, shipped

    systems = load_systems(data or [*shipped()][-1], as_of, selection, fine_tunes)
    return systems, Observations.from_systems(systems)


def _models() -> dict[str, str]:
    """Name and first line of the docstring of each model script, which is not run."""
    return {name: text.partition("\n")[0] for name, (text, _) in _scripts().items()}


def _scripts() -> dict[str, tuple[str, set[str]]]:
    """Docstring and names of functions of each model script, which is not run."""
    import ast

    from bayes_compute.models import __path__ as folders

    scripts = sorted(Path(folders[0]).glob("[!_]*.py")) if folders else []
    found = {}
    for script in scripts:
        module = ast.parse(script.read_text(encoding="utf-8"))
        names = {part.name for part in module.body if isinstance(part, ast.FunctionDef)}
        found[script.stem] = ast.get_docstring(module) or "", names
    return found


def _observe(model: str, as_of: str | None, **given: object):
    """What a model that is not of systems in eras sees: it knows its own tables."""
    for name, value in given.items():
        if value:
            raise InputError(
                f"{name}: got {value!r}; expected none: {model} is fitted to its own shipped "
                f"tables; leave it out"
            )
    from importlib import import_module

    return import_module(f"bayes_compute.models.{model}").observe(as_of)


def _fit_into(
    whole_report: bool,
    model: str,
    data: str | None,
    as_of: str | None,
    selection: str | None,
    fine_tunes: bool,
    out: Path | None,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    ci: float,
    flat_dates: bool,
    evidence: bool,
    horizon: int | None,
    assume: list[str] | None,
    quiet: bool,
) -> None:
    start = time.perf_counter()
    if model not in (known := _scripts()):
        raise InputError(f"model: got {model!r}; expected one of {', '.join(known)}")
    from bayes_compute.report import write_failure
    from bayes_compute.results_folder import check_folder, read_record
    from bayes_compute.systems import describe

    say = (lambda *_: None) if quiet else typer.echo
    of_systems = "regression" in known[model][1]
    systems, readings = None, None
    if of_systems:
        systems, observations = _load(data, as_of, selection, fine_tunes)
        readings = _calibrating(systems, data) if evidence else None
        say(describe(systems) + "\n")
        if whole_report:
            from bayes_compute.projection.projection import check

            check(observations.source["as_of"], horizon, assume or ())
    else:
        observations = _observe(
            model, as_of, data=data, selection=selection, fine_tunes=fine_tunes,
            flat_dates=flat_dates, evidence=evidence, horizon=horizon, assume=assume,
        )  # fmt: skip
    out = check_folder(out or Path("results") / model)
    from bayes_compute.answer import answer
    from bayes_compute.inference import fit
    from bayes_compute.report import write_fit, write_report

    settings = {"draws": draws, "tune": tune, "chains": chains, "seed": seed, "prob": ci}
    settings["progress"] = not quiet
    published = observations
    try:
        if readings is not None:
            systems, observations = _with_evidence(systems, readings, settings)
        posterior = fit(model, observations, flat_dates=flat_dates, **settings)
    except NotConverged as failure:
        write_failure(failure, out)
        _complain(f"{failure}; nothing quotable was written, see {out / 'diagnostics.json'}")
        raise typer.Exit(1) from None
    if whole_report:
        dated = "transition_year" in posterior["posterior"]
        flat = None
        if dated and not flat_dates:
            flat = _or_failure(lambda: fit(model, observations, flat_dates=True, **settings))
        other = None
        if evidence:
            other = _or_failure(lambda: fit(model, published, flat_dates=flat_dates, **settings))
        write_report(posterior, out, flat, systems, other)
    else:
        write_fit(posterior, out)
    say(answer(read_record(out)))
    if whole_report and of_systems:
        _project_into(out, posterior, horizon, None, assume, None, seed, quiet)
    say(f"\nEverything is in {out}; {time.perf_counter() - start:.0f} s")


def _project_into(
    out: Path,
    fit,
    horizon: int | None,
    as_of: str | None,
    assume: list[str] | None,
    since,
    seed: int,
    quiet: bool,
) -> None:
    """Project a fit, and write what follows into its folder."""
    from bayes_compute.projection.numbers import describe
    from bayes_compute.projection.projection import project
    from bayes_compute.report import write_projection

    try:
        project(
            fit, horizon, as_of=as_of, assumptions=assume or (), since=since, seed=seed,
            progress=not quiet,
        )  # fmt: skip
    except NotConverged as failure:
        _complain(f"{failure}; no projection was written")
        raise typer.Exit(1) from None
    record = write_projection(fit, out)
    if not quiet:
        typer.echo("\nThe maximum:\n\n" + describe(record))


def _since(data: str, fit):
    """Systems of a later table, selected as those of the fit."""
    import json

    selection = json.loads(fit.attrs["data"])["selection"]
    return _load(data, None, selection, False)[1]


def _calibrating(systems, data: str | None):
    """Readings that tell what those of a table are worth: nothing later than the table."""
    from bayes_compute.models import calibration
    from bayes_compute.systems import shipped

    own = None if data in shipped() else data
    return calibration.observe(systems.attrs["source"]["as_of"], own)


def _with_evidence(systems, readings, settings: dict):
    """Systems with every reading weighed; what readings are worth, `readings` say."""
    from bayes_compute.inference import fit
    from bayes_compute.measurement import with_evidence
    from bayes_compute.observations import Observations

    systems = with_evidence(systems, fit("calibration", readings, **settings))
    return systems, Observations.from_systems(systems)


def _or_failure(fitted: Callable):
    """A fit, or why there is none to quote."""
    try:
        return fitted()
    except NotConverged as failure:
        return failure


def _complain(message: object) -> None:
    """One line on standard error, whatever the message holds."""
    line = "".join(c if c.isprintable() else " " for c in str(message))
    typer.echo(f"bayes-compute: {' '.join(line.split())}", err=True)
