"""What a fit says, in words."""

from bayes_compute import seed
from bayes_compute.pair_statistics import GIVEN_SIZE, PAIRS
from bayes_compute.predictive_checks import verdict
from bayes_compute.published import describe as published
from bayes_compute.quoting import sentences
from bayes_compute.sensitivity import describe as priors
from bayes_compute.wording import level, named


def answer(record: dict) -> str:
    """Say what a fit says, how far it can be trusted and what it rests on.

    Parameters
    ----------
    record : dict
        What :func:`~bayes_compute.report.read_record` returns.
    """
    lines = [checks(record)]
    if record.get("flat_dates"):
        lines.append("with flat priors (--flat-dates)")
    lines += ["", sentences(record)]
    said = remarks(record) + floors(record)
    lines += ["", *said] if "counts" in record else said
    if "seed" in record:
        lines += ["", seed.describe(record["seed"])]
    told = [
        row["text"]
        for row in record.get("hardware", [])
        if row["verdict"] != "too few" and row["measure"] in (PAIRS, GIVEN_SIZE)
    ]
    if told:
        lines += ["", "Is it the hardware? Cloud and bespoke systems where the table says more:"]
        lines += [f"  {text}" for text in told]
    if "evidence" in record:
        lines += ["", "All evidence beside published figures:", ""]
        lines += [published(record["evidence"], level(record))]
    if "checks" in record:
        lines += ["", verdict(record["checks"])]
    if "prior_check" in record:
        lines += ["", "What the priors say:", "", priors(record["prior_check"], level(record))]
    return "\n".join(lines)


def checks(record: dict) -> str:
    """How a fit was sampled, and what its diagnostics are."""
    checks, sampler = record["diagnostics"], record["sampler"]
    rows = "systems" if "counts" in record else "rows"
    return (
        f"{record['model']} on {record['data']['rows']} {rows}: {sampler['chains']} chains of "
        f"{sampler['draws']} draws, seed {sampler['seed']}; "
        f"worst R-hat {checks['worst_r_hat']:.3f}, "
        f"smallest ESS {min(checks['smallest_ess_bulk'], checks['smallest_ess_tail']):.0f}, "
        f"{checks['divergences']} divergences"
    )


def remarks(record: dict) -> list[str]:
    """Where systems belong, and what is the prior's."""
    lines = []
    if "counts" in record:
        counts = (
            f"{n['modal']} {f'in era {era}' if era.isdigit() else era}"
            for era, n in record["counts"].items()
        )
        lines.append(f"Systems by where they most probably belong: {', '.join(counts)}")
    for said, mark in (
        ("Largely set by the prior", "largely_prior"),
        ("Outside of the interval of the prior", "outside_prior"),
    ):
        marked = [named(record, row["name"]) for row in record["quantities"] if row.get(mark)]
        between = "; " if "counts" in record else ", "  # words may hold commas
        lines += [f"{said}: {between.join(marked)}"] if marked else []
    return lines


def floors(record: dict) -> list[str]:
    """Whether at each date the table itself jumped."""
    return [
        f"Selection floor at {jump['date']:.1f} ({jump['transition']}): {jump['text']}"
        for jump in record.get("selection_floor", [])
    ]
