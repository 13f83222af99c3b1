"""What the commands do that take a while: load, fit, project, and write."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from bayes_compute.errors import InputError, NotConverged, Unfinished
from bayes_compute.terminal import complain, tell


def load(data: str | None, as_of: str | None, selection: str | None, fine_tunes: bool):
    """Systems and what a model sees of them; the newest shipped table by default."""
    from bayes_compute.observations import Observations
    from bayes_compute.systems import load_systems, shipped

    newest = [*shipped()][-1]
    systems = load_systems(newest if data is None else data, as_of, selection, fine_tunes)
    return systems, Observations.from_systems(systems)


def models_by_line() -> dict[str, str]:
    """Name and first line of the docstring of each model script, which is not run."""
    return {name: text.partition("\n")[0] for name, (text, _) in scripts().items()}


def scripts() -> dict[str, tuple[str, set[str]]]:
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


def fit_into(
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
    """Fit a model and write its results, those of a projection too if the report is whole.

    Parameters are those of the commands ``report`` and ``fit``.
    """
    start = time.perf_counter()
    functions = _known(model)
    from bayes_compute.report import write_failure
    from bayes_compute.results_folder import check_folder, read_record
    from bayes_compute.systems import describe

    say = (lambda *_: None) if quiet else tell
    of_systems = "regression" in functions
    systems, readings = None, None
    if of_systems:
        systems, observations = load(data, as_of, selection, fine_tunes)
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
    try:
        published = None
        if readings is not None:
            published = observations
            systems, observations = _with_evidence(systems, readings, settings)
        if whole_report and of_systems:
            _report_into(
                out, model, systems, observations, published, flat_dates, settings, horizon, assume
            )
        else:
            posterior = fit(model, observations, flat_dates=flat_dates, **settings)
            (write_report if whole_report else write_fit)(posterior, out)
            say(answer(read_record(out)))
    except NotConverged as failure:
        write_failure(failure, out)
        complain(f"{failure}; nothing quotable was written, see {out / 'diagnostics.json'}")
        raise typer.Exit(1) from None
    say(f"\nEverything is in {out}; {time.perf_counter() - start:.0f} s")


def _report_into(
    out: Path,
    model: str,
    systems,
    observations,
    published,
    flat_dates: bool,
    settings: dict,
    horizon: int | None,
    assume: list[str] | None,
) -> None:
    """Fit systems, compare with other priors and ``published`` figures, project, write all of it.

    What the answer does not wait for is done in a process beside this one: the comparisons, if
    every ceiling is kept from an earlier run; otherwise the ceilings. Compiling takes longest
    then, and two processes would compile the same.
    """
    from bayes_compute.answer import answer
    from bayes_compute.beside import Beside
    from bayes_compute.ceilings.kept import fit_each, missing
    from bayes_compute.inference import fit
    from bayes_compute.posterior import eras, script
    from bayes_compute.report import write_report
    from bayes_compute.results_folder import read_record

    say = tell if settings["progress"] else lambda *_: None
    as_of = observations.source["as_of"]
    with Beside() as beside:
        to_fit = missing(as_of)
        if to_fit:
            beside.submit(fit_each, to_fit, as_of)

        def later(of, flat_dates: bool) -> Callable:
            given = {"flat_dates": flat_dates, **settings}
            if to_fit:
                return partial(_compared, model, of, **given)
            return beside.submit(_compared, model, of, **given).result

        flat = other = None
        if published is not None:
            other = later(published, flat_dates)
        if len(eras(script(model))["transition"]) and not flat_dates:
            flat = later(observations, True)
        posterior = fit(model, observations, flat_dates=flat_dates, **settings)
        projected = beside.submit(_projected, posterior, horizon, assume, settings["seed"])
        write_report(
            posterior, out, flat and _or_failure(flat), systems, other and _or_failure(other)
        )
        say(answer(read_record(out)))
        if to_fit:
            say("\nFitting the ceilings, once on this machine ...")

        def project():
            for name, group in projected.result().items():
                posterior[name] = group
            return posterior

        try:
            _project_into(out, project, say)
        except InputError as too_early:  # for ceilings; the fit stands
            complain(f"no projection: {too_early}")


def _compared(*given, **settings):
    """A fit without what it says of each system, which comparisons do not look at."""
    from bayes_compute.inference import fit

    fitted = fit(*given, **settings)
    return fitted.filter(lambda group: group.name in (None, "prior", "posterior", "constant_data"))


def _projected(fit, horizon: int | None, assume: list[str] | None, seed: int) -> dict:
    """What a projection adds to a fit."""
    from bayes_compute.projection.projection import project

    kept = {*fit.children}
    project(fit, horizon, assumptions=assume or (), seed=seed)
    return {name: fit[name].copy() for name in fit.children if name not in kept}  # detached


def _project_into(out: Path, project: Callable, say: Callable) -> None:
    """Write what a projection says into the folder of its fit."""
    from bayes_compute.projection.numbers import describe
    from bayes_compute.report import write_projection

    try:
        projected = project()
    except NotConverged as failure:
        complain(f"{failure}; no projection was written")
        raise typer.Exit(1) from None
    say("\nThe maximum:\n\n" + describe(write_projection(projected, out)))


def project_into(
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
    from bayes_compute.projection.projection import project

    given = {"as_of": as_of, "assumptions": assume or (), "since": since, "seed": seed}
    _project_into(
        out,
        lambda: project(fit, horizon, **given, progress=not quiet),
        (lambda *_: None) if quiet else tell,
    )


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
    _known(model)
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
    _known(model)
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


def _known(model: str) -> set[str]:
    """Functions of a model's script, if there is one."""
    if model not in (known := scripts()):
        raise InputError(f"model: got {model!r}; expected one of {', '.join(known)}")
    return known[model][1]


def _finished(study: Callable, *given, **settings):
    """What a study of many fits finds; status 1 if the scheduler is lost."""
    try:
        return study(*given, **settings)
    except Unfinished as cut_off:
        complain(cut_off)
        raise typer.Exit(1) from None


def since_then(data: str, fit):
    """Systems of a later table, selected as those of the fit."""
    selection = json.loads(fit.attrs["data"])["selection"]
    return load(data, None, selection, False)[1]


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
