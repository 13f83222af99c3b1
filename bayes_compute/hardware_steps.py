"""Steps from hardware to FLOP: accelerators or a supercomputer, how long, how well used."""

import datetime as dt

from bayes_compute.confidence import log10_sd
from bayes_compute.errors import InputError
from bayes_compute.estimates import Step
from bayes_compute.units import ACCELERATORS, NUMBER, RATE, RATE_EACH, quantity, share

# Spreads are sds of log10 [1]; log10_sd(f) is that of "within a factor f in 90 % of cases".

# Share of the peak rate over a whole run where nothing is said of it. systems-2025-08 without
# fine-tunes: published utilisation has median 0.38, sd of log10 0.14 (53 systems); compute counted
# without the hardware, above 1e22 FLOP, over the peak of the accelerators' whole time has 0.30,
# 0.14 (13 systems).
UTILISATION = 0.35
UTILISATION_SD = 0.15
# A utilisation given for the whole run: it says 0.3 for anything between 0.25 and 0.35.
GIVEN_UTILISATION_SD = log10_sd(1.2)
# Model FLOP utilisation (MFU) as papers give it, of a stretch without interruption. It moves with
# the phase of a run: Llama 3 405B 38 to 43 % (arXiv:2407.21783); PaLM 46.2 % (arXiv:2204.02311).
MFU_SD = log10_sd(1.1)
# Share of the time that runs at the published MFU: the rest are restarts, repeated steps and
# phases on fewer accelerators. In 13 runs above 1e23 FLOP in systems-2025-08 whose MFU is not
# itself computed from their FLOP: median 0.82, sd of log10 0.09; in the 11 of them where it can be
# a share 0.75. Llama 3 had over 0.9 for 54 days (arXiv:2407.21783).
EFFECTIVE_TIME = 0.8
EFFECTIVE_TIME_SD = log10_sd(1.4)

# One system's Rmax / Rpeak about its list's: root mean square of log10 over the first systems of
# the 67 lists from 1993-06 to 2026-06.
RMAX_SHARE_SD = 0.08
# 16-bit tensor rate over the 64-bit rate that Rpeak counts, where the machine is not known:
# A64FX 4, MI250X 8, H100 15, V100, A100, MI300A and Data Center GPU Max 16 (Rpeak counts the
# 64-bit tensor cores of A100 and H100); their mean in log10, and its sd.
PRECISION_RATIO = 12.0
PRECISION_RATIO_SD = 0.23


def accelerator_steps(
    accelerators: float | str | None,
    hardware: str | None,
    precision: str | None,
    peak_rate: str | None,
) -> list[Step]:
    """Number and peak rate of accelerators; without a number it is the time that counts them.

    Raises
    ------
    InputError
        A value is wrong, or neither `hardware` nor `peak_rate` is given.
    """
    steps = []
    if accelerators is not None:
        number, _ = quantity("accelerators", accelerators, ACCELERATORS)
        steps.append(Step("accelerators", number, "as given"))
    if peak_rate is not None:
        rate, _ = quantity("peak_rate", peak_rate, RATE, RATE_EACH)
        return [*steps, Step("peak rate of one", rate, "as given", unit="FLOP/s")]
    if hardware is None:
        raise InputError(
            "hardware: got none; expected the name of the accelerators, such as 'A100'; add it "
            "or give peak_rate, such as '312 TFLOP/s'"
        )
    # pandas takes half a second, which other ways of estimating need not wait for.
    from bayes_compute.hardware import peak_of

    peak = peak_of(hardware, precision)
    return [*steps, Step("peak rate of one", peak.flop_s, peak.what, unit="FLOP/s")]


def machine_steps(
    rmax: str | None,
    rpeak: str | None,
    share_used: float | str | None,
    as_of: str | dt.date | None,
    precision_ratio: float | str | None,
) -> list[Step]:
    """Peak rate of a supercomputer at the precision of training: utilisation is a share of it.

    `rpeak` is used if it is given, else `rmax` and what the TOP500 list says of their ratio.
    """
    if rpeak is not None:
        rate, _ = quantity("rpeak", rpeak, RATE)
        steps = [Step("Rpeak of the machine", rate, "as given, in 64 bits", unit="FLOP/s")]
    else:
        from bayes_compute.hardware import rmax_share

        rate, _ = quantity("rmax", rmax or "", RATE)
        part, month = rmax_share(as_of)
        why = f"Rmax / Rpeak is {part:.3f} over the TOP500 list of {month}"
        steps = [
            Step("Rmax of the machine", rate, "as given, in 64 bits", unit="FLOP/s"),
            Step("Rpeak per Rmax", 1 / part, why, RMAX_SHARE_SD, assumed=True),
        ]
    if precision_ratio is None:
        why = "prior: 16-bit tensor rate over 64-bit rate, 4 (A64FX) to 16 (V100, A100, MI300A)"
        sd = PRECISION_RATIO_SD
        steps.append(Step("16-bit rate per Rpeak", PRECISION_RATIO, why, sd, assumed=True))
    else:
        ratio, _ = quantity("precision_ratio", precision_ratio, NUMBER)
        steps.append(Step("training rate per Rpeak", ratio, "from 64 bits, as given"))
    if share_used is not None:
        steps.append(Step("share of the machine", share("share", share_used), "as given"))
    return steps


def utilisation_steps(
    utilisation: float | str | None,
    mfu: float | str | None,
    effective_time: float | str | None,
) -> list[Step]:
    """What share of the peak rate the whole run reached."""
    if utilisation is not None:
        part = share("utilisation", utilisation)
        why = "share of the peak rate over the whole run, as given"
        return [Step("utilisation", part, why, GIVEN_UTILISATION_SD)]
    if mfu is None:
        why = "prior: most published are 0.2 to 0.6 (PaLM 0.46, Llama 3 0.38 to 0.43)"
        return [Step("utilisation", UTILISATION, why, UTILISATION_SD, assumed=True)]
    step = Step("MFU", share("mfu", mfu), "model FLOP utilisation, as given", MFU_SD)
    if effective_time is not None:
        part = share("effective_time", effective_time)
        return [step, Step("effective time", part, "share of the time at that MFU, as given")]
    why = "prior: the rest are restarts, repeated steps, phases on fewer accelerators"
    sd = EFFECTIVE_TIME_SD
    return [step, Step("effective time", EFFECTIVE_TIME, why, sd, assumed=True)]
