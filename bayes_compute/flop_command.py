"""The command ``bayes-compute flop``: options as text, and an estimate in words."""

from typing import Annotated, Literal

import typer

from bayes_compute.options import Ci
from bayes_compute.terminal import tell


def _given(help: str, *names: str, metavar: str = "NUMBER") -> typer.models.OptionInfo:
    return typer.Option(*names, metavar=metavar, help=help)


Text = str | None


def flop(
    parameters: Annotated[Text, _given("Trainable parameters: 175B, 7e9.")] = None,
    active_parameters: Annotated[
        Text, _given("Those at work on one token, for a mixture of experts.")
    ] = None,
    tokens: Annotated[Text, _given("Tokens of the training set: 300B, 1.5T.")] = None,
    epochs: Annotated[Text, _given("Passes through it (1).")] = None,
    domain: Annotated[
        Text, _given("language (the default), vision, games, ...", metavar="DOMAIN")
    ] = None,
    accelerators: Annotated[Text, _given("How many were used: 16384.")] = None,
    hardware: Annotated[
        Text, _given("Their name: A100, 'H100 SXM', 'TPU v4'.", metavar="NAME")
    ] = None,
    precision: Annotated[
        Text, _given("fp16 or bf16 (the default), fp8, tf32, fp32, fp64.", metavar="PRECISION")
    ] = None,
    peak_rate: Annotated[
        Text, _given("Peak rate of one, instead of its name: '312 TFLOP/s'.", metavar="RATE")
    ] = None,
    time: Annotated[
        Text,
        _given("'34 days', or '30.84M GPU-hours' instead of --accelerators.", metavar="TIME"),
    ] = None,
    utilisation: Annotated[
        Text,
        _given(
            "Share of the peak rate over the whole run: 0.35 or '35 %' (a prior).",
            "--utilisation",
            "--utilization",
            metavar="SHARE",
        ),
    ] = None,
    mfu: Annotated[
        Text, _given("Model FLOP utilisation as published, instead.", metavar="SHARE")
    ] = None,
    effective_time: Annotated[
        Text, _given("Share of the time at that MFU (a prior).", metavar="SHARE")
    ] = None,
    rmax: Annotated[
        Text, _given("Rate of a supercomputer in LINPACK: '442 PFLOP/s'.", metavar="RATE")
    ] = None,
    rpeak: Annotated[Text, _given("Its peak rate in 64 bits.", metavar="RATE")] = None,
    share: Annotated[Text, _given("Share of the machine (1).", metavar="SHARE")] = None,
    as_of: Annotated[
        Text, _given("TOP500 list that gives Rmax / Rpeak (the newest).", metavar="DATE")
    ] = None,
    precision_ratio: Annotated[
        Text, _given("Its peak rate in training over Rpeak (a prior for 16 bits).")
    ] = None,
    published: Annotated[
        Text, _given("A published figure: 3.8e25, '3640 petaFLOP/s-days'.", metavar="FLOP")
    ] = None,
    confidence: Annotated[
        Text, _given("Confident, Likely (the default) or Speculative.", metavar="CLASS")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show every step.")] = False,
    ci: Ci = 0.9,
    format: Annotated[
        Literal["text", "latex", "markdown", "json"], typer.Option(help="How to write it.")
    ] = "text",
) -> None:
    """FLOP of one training run from what is known about it.

    Every answer has an interval, and several sources are combined. Rates and times carry their
    unit: FLOP is a count, FLOP/s a rate.
    """
    known = dict(locals())
    for name in ("explain", "ci", "format"):
        del known[name]
    from bayes_compute.flop import training_flop

    estimate = training_flop(**known)
    tell(estimate.explain(ci, format) if explain else estimate.describe(ci, format))
