"""What the commands do that take a while: load, fit, project, and write."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from bayes_compute.errors import InputError, NotConverged
from bayes_compute.scripts import known
from bayes_compute.terminal import complain, tell


def load(data: str | None, as_of: str | None, selection: str | None, fine_tunes: bool):
    """Systems and what a model sees of them; the newest shipped table by default."""
    from bayes_compute.observations import Observations
    from bayes_compute.systems import load_systems, shipped

    newest = [*shipped()][-1]
    systems = load_systems(newest if data is None else data, as_of, selection, fine_tunes)
    return systems, Observations.from_systems(systems)


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
    functions = known(model)
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

    What the answer does not wait for is done in a process beside this one: the comparisons, from
    the start, and the projection, if every ceiling is kept from an earlier run; otherwise most of
    the ceilings, since compiling takes longest then, and two processes would compile the same.
    """
    from bayes_compute.answer import answer
    from bayes_compute.beside import Beside
    from bayes_compute.ceilings.kept import fit_each, missing
    from bayes_compute.inference import fit
    from bayes_compute.posterior import script
    from bayes_compute.report import write_report
    from bayes_compute.results_folder import read_record

    say = tell if settings["progress"] else lambda *_: None
    as_of, dated = observations.source["as_of"], len(script(model).TRANSITIONS) > 0
    with Beside() as beside:
        to_fit = missing(as_of)
        n_there = len(to_fit) - len(to_fit) // 4
        if to_fit:
            beside.submit(fit_each, to_fit[:n_there], as_of)

        def later(of, flat_dates: bool) -> Callable:
            given = {"flat_dates": flat_dates, **settings}
            if to_fit:
                return partial(_compared, model, of, **given)
            return beside.submit(_compared, model, of, **given | {"progress": False})

        other = later(published, flat_dates) if published is not None else None
        flat = later(observations, True) if dated and not flat_dates else None
        posterior = fit(model, observations, flat_dates=flat_dates, **settings)
        of_fit = posterior, horizon, assume, settings["seed"]
        projected = None if to_fit else beside.submit(_projected, *of_fit)
        write_report(
            posterior, out, flat and partial(_or_failure, flat), systems,
            other and partial(_or_failure, other),
        )  # fmt: skip
        say(answer(read_record(out)))
        if to_fit:
            say("\nFitting the ceilings, once on this machine ...")
            fit_each(to_fit[n_there:], as_of)

        def project():
            found = projected or beside.submit(_projected, *of_fit)
            for name, group in found().items():
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
