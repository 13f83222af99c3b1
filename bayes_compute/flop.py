"""The FLOP of one training run from what is known about it: a distribution, never a bare number.

Each method is a product of steps that say how sure they are; several methods are combined by
their precision. Worked examples, each against its published value, stand in ``docs/flop.md``.
"""

import datetime as dt
import difflib
from math import inf

from bayes_compute.confidence import DEFAULT_CONFIDENCE, WITHIN_FACTOR, log10_sd
from bayes_compute.errors import InputError
from bayes_compute.estimates import Estimate, Step, combine, product
from bayes_compute.hardware_steps import accelerator_steps, machine_steps, utilisation_steps
from bayes_compute.table import refuse, shown
from bayes_compute.units import COUNT, DEVICE_TIME, NUMBER, PARAMETERS, TIME, TOKENS, quantity

# Spreads are sds of log10 [1]; log10_sd(f) is that of "within a factor f in 90 % of cases".

# FLOP per parameter and token: 2 forward, 4 backward (Kaplan et al. 2020, arXiv:2001.08361).
FLOP_PER_PARAMETER_TOKEN = 6.0
# Left out by the rule: attention over long contexts adds up to a third, embeddings count as
# parameters without as many FLOP, and published totals may count recomputation. Gopher's is 25 %
# above the rule, that of OPT-175B 36 %, GPT-3's on it.
LANGUAGE_SD = log10_sd(1.5)
# Root mean square of log10(recorded / rule) over the 233 systems of other domains in
# systems-2025-08 (fine-tunes left out). The rule counts one use of each parameter a token; images,
# games and proteins have other units, and convolutions use a parameter many times.
OTHER_DOMAIN_SD = 2.8

DOMAINS = ("language", "multimodal", "vision", "games", "speech", "biology", "other")

_GPU_HOURS = "time in GPU-hours"
_RUN = ("accelerators", "rmax", "rpeak", _GPU_HOURS)
# What is of no use without one of others, and what to do about it.
_NEEDS = (
    ("parameters", ("tokens",), "add the number of tokens, such as 300B"),
    ("active_parameters", ("tokens",), "add the number of tokens, such as 300B"),
    ("tokens", ("parameters", "active_parameters"), "add the number, such as 175B"),
    ("epochs", ("tokens",), ""),
    ("domain", ("tokens",), ""),
    ("hardware", ("accelerators", _GPU_HOURS), "add how many there were, such as 16384"),
    ("peak_rate", ("accelerators", _GPU_HOURS), "add how many there were, such as 16384"),
    ("precision", ("hardware",), ""),
    ("accelerators", ("time",), "add how long the run took, such as '34 days'"),
    ("rmax", ("time",), "add how long the run took, such as '34 days'"),
    ("rpeak", ("time",), "add how long the run took, such as '34 days'"),
    ("time", _RUN, "add what ran that long"),
    ("utilisation", _RUN, "add what was utilised"),
    ("mfu", _RUN, "add what was utilised"),
    ("effective_time", ("mfu",), ""),
    ("share", ("rmax", "rpeak"), "add the rate of the machine"),
    ("as_of", ("rmax",), "it chooses the TOP500 list that gives Rmax / Rpeak"),
    ("precision_ratio", ("rmax", "rpeak"), "add the rate of the machine"),
    ("confidence", ("published",), "add the published figure"),
)
_EXCLUDE = (
    ("hardware", "peak_rate", "the name stands for a rate"),
    ("utilisation", "mfu", "one is of the whole run, the other of an undisturbed stretch"),
    (_GPU_HOURS, "accelerators", "GPU-hours count them already"),
    (_GPU_HOURS, "rmax", "a machine runs for days or hours"),
    (_GPU_HOURS, "rpeak", "a machine runs for days or hours"),
    ("accelerators", "rmax", "the same hardware would count twice"),
    ("accelerators", "rpeak", "the same hardware would count twice"),
)


def training_flop(
    *,
    parameters: float | str | None = None,
    active_parameters: float | str | None = None,
    tokens: float | str | None = None,
    epochs: float | str | None = None,
    domain: str | None = None,
    accelerators: float | str | None = None,
    hardware: str | None = None,
    precision: str | None = None,
    peak_rate: str | None = None,
    time: str | None = None,
    utilisation: float | str | None = None,
    mfu: float | str | None = None,
    effective_time: float | str | None = None,
    rmax: str | None = None,
    rpeak: str | None = None,
    share: float | str | None = None,
    as_of: str | dt.date | None = None,
    precision_ratio: float | str | None = None,
    published: float | str | None = None,
    confidence: str | None = None,
) -> Estimate:
    """Estimate the FLOP of one training run from all that is given about it.

    Three methods and a published figure, combined as independent if several are given:
    parameters × tokens; accelerators × time; a supercomputer (Rmax, Rpeak) × time.
    Quantities may be text with a unit; a time and a rate must be.

    Parameters
    ----------
    parameters : float or str
        Trainable parameters, such as ``175e9`` or ``"175B"``.
    active_parameters : float or str
        Those at work on one token, for a mixture of experts: they count instead.
    tokens : float or str
        Tokens of the training set, such as ``"300B"``.
    epochs : float or str
        Passes through it; 1 by default.
    domain : str
        One of `DOMAINS`; "language" by default. The rule is one for language models, so that
        for others it says little.
    accelerators : float or str
        How many were used.
    hardware : str
        Their name: see :func:`bayes_compute.hardware.peak_of`.
    precision : str
        "bf16", "fp16", "tf32", "fp32", "fp64" or "fp8"; by default 16-bit tensor cores if any.
    peak_rate : str
        Peak rate of one, such as ``"312 TFLOP/s"``, instead of `hardware`.
    time : str
        Length of the run, such as ``"34 days"``; or accelerator time, such as
        ``"30.84M GPU-hours"``, instead of a number of accelerators.
    utilisation : float or str
        Share of the peak rate reached over the whole run; a prior by default.
    mfu : float or str
        Model FLOP utilisation as published, of a stretch without interruption, instead.
    effective_time : float or str
        Share of the time at that `mfu`; a prior by default.
    rmax, rpeak : str
        Rate of a supercomputer in LINPACK, or its peak, both in 64 bits, as TOP500 gives them.
    share : float or str
        Share of the machine that was used; 1 by default.
    as_of : str or datetime.date
        Date of the TOP500 list that gives Rmax / Rpeak where only Rmax is known.
    precision_ratio : float or str
        The machine's peak rate in training over `rpeak`; a prior for 16 bits by default.
    published : float or str
        A published figure [FLOP], such as ``3.8e25`` or ``"3640 petaFLOP/s-days"``.
    confidence : {"Confident", "Likely", "Speculative"}
        How sure that is: within a factor of 3, 10 or 30 in 90 % of cases. Likely by default.

    Returns
    -------
    Estimate
        A log-normal distribution [FLOP] with its steps.

    Raises
    ------
    InputError
        A value is wrong, of another kind than expected, or of no use without another one.

    Examples
    --------
    >>> import bayes_compute as bc
    >>> print(bc.training_flop(parameters=175e9, tokens="300B").describe())
    3.2e23 FLOP (90 % equal-tailed interval: 2.1e23 to 4.7e23)
    """
    known = dict(locals())
    given = {name for name, value in known.items() if value is not None}
    if not given:
        raise InputError(
            "flop: got nothing to go by; expected parameters and tokens, accelerators and time, "
            "rmax or rpeak and time, or a published figure; such as parameters 175B, tokens 300B"
        )
    seconds, counted = 0.0, None
    if time is not None:
        seconds, counted = quantity("time", time, TIME, DEVICE_TIME)
    _check_use({*given, *([_GPU_HOURS] if counted is DEVICE_TIME else [])})
    run = [
        Step("time", seconds, f"as given: {time}", unit="s"),
        *utilisation_steps(utilisation, mfu, effective_time),
    ]
    estimates = []
    if {"parameters", "active_parameters", "tokens"} & given:
        estimates.append(_from_tokens(parameters, active_parameters, tokens, epochs, domain))
    if accelerators is not None or counted is DEVICE_TIME:
        steps = accelerator_steps(accelerators, hardware, precision, peak_rate)
        estimates.append(product("accelerators and time", [*steps, *run]))
    if rmax is not None or rpeak is not None:
        steps = machine_steps(rmax, rpeak, share, as_of, precision_ratio)
        estimates.append(product("a supercomputer and time", [*steps, *run]))
    if published is not None:
        estimates.append(_published(published, confidence))
    return combine(*estimates)


def _check_use(given: set[str]) -> None:
    """Refuse what would have no effect, what lacks its other half, and what excludes another."""
    for name, partners, remedy in _NEEDS:
        if name in given and not given & set(partners):
            refuse(name, "nothing to use it with", " or ".join(partners), remedy or "add it")
    for one, other, why in _EXCLUDE:
        if {one, other} <= given:
            refuse(one, f"{other} too", "one of the two", f"leave one out: {why}")


def _from_tokens(
    parameters: float | str | None,
    active_parameters: float | str | None,
    tokens: float | str | None,
    epochs: float | str | None,
    domain: str | None,
) -> Estimate:
    numbers = {
        name: quantity(name, value, kind)[0]
        for name, value, kind in (
            ("parameters", parameters, PARAMETERS),
            ("active_parameters", active_parameters, PARAMETERS),
            ("tokens", tokens, TOKENS),
            ("epochs", epochs, NUMBER),
        )
        if value is not None
    }
    active, total = numbers.get("active_parameters", 0.0), numbers.pop("parameters", inf)
    if active > total:
        got, most = f"{active:.4g}", f"at most the {total:.4g} parameters"
        refuse("active_parameters", got, most, "exchange them or correct one")
    if not active:
        numbers = {"parameters": total, **numbers}
    domain = _domain(domain)
    sd, warnings = LANGUAGE_SD, []
    if domain != "language":
        sd = OTHER_DOMAIN_SD
        warnings = [f"6 FLOP per parameter and token is a rule for language models, not {domain}"]
    why = "2 forward, 4 backward (arXiv:2001.08361)"
    rule = Step("FLOP per parameter and token", FLOP_PER_PARAMETER_TOKEN, why, sd)
    given = (Step(name.replace("_", " "), value, "as given") for name, value in numbers.items())
    return product("parameters and tokens", [rule, *given], *warnings)


def _domain(domain: str | None) -> str:
    name = "language" if domain is None else str(domain).lower()
    if name in DOMAINS:
        return name
    near = difflib.get_close_matches(name, DOMAINS, n=1)
    remedy = f"did you mean {near[0]}?" if near else "choose other"
    refuse("domain", shown(str(domain)), f"one of {', '.join(DOMAINS)}", remedy)


def _published(published: float | str, confidence: str | None) -> Estimate:
    value, _ = quantity("published", published, COUNT)
    label = DEFAULT_CONFIDENCE if confidence is None else str(confidence).capitalize()
    if label not in WITHIN_FACTOR:
        classes = ", ".join(WITHIN_FACTOR)
        refuse("confidence", shown(label), f"one of {classes}", "leave it out for Likely")
    sd = log10_sd(WITHIN_FACTOR[label])
    why = f"as published, {label}" + (" for want of a class" if confidence is None else "")
    step = Step("published figure", value, why, sd, "FLOP", assumed=confidence is None)
    return product("a published figure", [step])
