import json
import re
import shlex
import subprocess
import sys
from math import hypot, log10
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayes_compute as bc
from bayes_compute import flop, hardware_steps
from bayes_compute.cli import main
from bayes_compute.confidence import WITHIN_FACTOR, Z90, log10_sd
from bayes_compute.errors import InputError
from bayes_compute.flop import training_flop
from bayes_compute.hardware import rmax_share

ROOT = Path(__file__).parents[1]

numbers = st.floats(1e3, 1e13)
factors = st.floats(1.001, 100)


@pytest.fixture
def command(capsys):
    """Run ``bayes-compute flop``: status, standard output and error."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["flop", *arguments])
        return stop.value.code, *capsys.readouterr()

    return call


# Worked examples


@pytest.mark.parametrize(
    ("known", "published"),
    [
        ({"parameters": 175e9, "tokens": 300e9}, 3.14e23),
        ({"published": "3640 petaFLOP/s-days", "confidence": "Confident"}, 3.14e23),
        ({"parameters": 540.4e9, "tokens": 780e9}, 2.53e24),
        ({"time": "8404992 TPU-hours", "hardware": "TPU v4", "mfu": 0.462}, 2.53e24),
        ({"parameters": 405e9, "tokens": 15.6e12}, 3.8e25),
        ({"time": "30.84M GPU-hours", "hardware": "H100 SXM", "mfu": 0.38}, 3.8e25),
        ({"time": "30.84M GPU-hours", "hardware": "H100 SXM", "mfu": 0.43}, 3.8e25),
        ({"accelerators": 57000, "hardware": "TPU v4", "time": "100 days"}, 5e25),
        ({"parameters": 671e9, "active_parameters": 37e9, "tokens": 14.8e12}, 3.4e24),
    ],
)
def test_published_value_lies_in_the_interval(known, published):
    lower, upper = training_flop(**known).interval(0.9)
    assert lower < published < upper


@pytest.mark.parametrize(
    ("known", "published"),
    [
        ({"parameters": "175B", "tokens": "300B"}, 3.14e23),
        ({"parameters": "540.4B", "tokens": "780B"}, 2.53e24),
        ({"parameters": "405B", "tokens": "15.6T"}, 3.8e25),
    ],
)
def test_6nd_is_what_the_developers_published(known, published):
    assert training_flop(**known).median == pytest.approx(published, rel=0.01)


def test_examples_of_the_pages_hold(command):
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/flop.md", "README.md")]
    blocks = re.findall(r"```console\n(.*?)```", "\n".join(pages), re.DOTALL)
    commands = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    assert len(commands) > 10
    for part in commands:
        line, _, expected = part.partition("\n")
        _, out, err = command(*shlex.split(line)[2:])
        assert (out + err).rstrip() == expected.rstrip(), line


# Arithmetic


def test_parameters_and_tokens():
    estimate = training_flop(parameters=2e9, tokens=3e9, epochs=4)
    assert estimate.median == pytest.approx(6 * 2e9 * 3e9 * 4, rel=1e-12)
    assert estimate.log10_sd == log10_sd(1.5)
    assert estimate.interval(0.9) == pytest.approx(
        (estimate.median / 1.5, estimate.median * 1.5), rel=1e-4
    )


def test_active_parameters_count_instead_of_all():
    mixture = training_flop(parameters=671e9, active_parameters=37e9, tokens=1e12)
    assert mixture.median == training_flop(active_parameters=37e9, tokens=1e12).median
    assert mixture.median == pytest.approx(6 * 37e9 * 1e12, rel=1e-12)


def test_rule_for_language_says_little_elsewhere():
    vision = training_flop(parameters=1e8, tokens=1e9, domain="vision")
    assert vision.median == training_flop(parameters=1e8, tokens=1e9).median
    assert vision.log10_sd == flop.OTHER_DOMAIN_SD
    assert "a rule for language models, not vision" in vision.describe()


def test_accelerators_and_time():
    estimate = training_flop(
        accelerators=8, peak_rate="312 TFLOP/s", time="34 days", utilisation=0.4
    )
    assert estimate.median == pytest.approx(8 * 312e12 * 34 * 86400 * 0.4, rel=1e-12)
    assert estimate.log10_sd == hardware_steps.GIVEN_UTILISATION_SD


def test_accelerator_time_is_number_times_time():
    one = training_flop(accelerators=8, hardware="A100", time="34 days")
    other = training_flop(hardware="A100", time=f"{8 * 34 * 24} GPU-hours")
    assert one.log10_median == pytest.approx(other.log10_median, abs=1e-12)
    assert one.log10_sd == other.log10_sd == hardware_steps.UTILISATION_SD


def test_mfu_is_not_held_all_the_time():
    known = {"accelerators": 8, "peak_rate": "312 TFLOP/s", "time": "34 days", "mfu": 0.5}
    prior, exact = training_flop(**known), training_flop(**known, effective_time=0.9)
    peak = 8 * 312e12 * 34 * 86400
    assert prior.median == pytest.approx(peak * 0.5 * hardware_steps.EFFECTIVE_TIME)
    assert exact.median == pytest.approx(peak * 0.5 * 0.9)
    assert prior.log10_sd > exact.log10_sd == hardware_steps.MFU_SD


def test_supercomputer_by_its_peak():
    estimate = training_flop(
        rpeak="500 PFLOP/s", time="10 days", share="20 %", precision_ratio=4, utilisation=0.3
    )
    assert estimate.median == pytest.approx(500e15 * 864000 * 0.2 * 4 * 0.3, rel=1e-12)


def test_supercomputer_by_rmax_takes_the_ratio_of_the_list():
    part, month = rmax_share("2022-03-13")
    by_rmax = training_flop(rmax="400 PFLOP/s", time="10 days", as_of="2022-03-13")
    by_rpeak = training_flop(rpeak=f"{400 / part!r} PFLOP/s", time="10 days")
    assert month == "2021-11"
    assert by_rmax.log10_median == pytest.approx(by_rpeak.log10_median, abs=1e-12)
    assert by_rmax.log10_sd == pytest.approx(hypot(by_rpeak.log10_sd, hardware_steps.RMAX_SHARE_SD))


def test_conversion_from_64_bits_is_a_step_of_its_own():
    steps = training_flop(rpeak="500 PFLOP/s", time="10 days").steps
    (step,) = (step for step in steps if step.what == "16-bit rate per Rpeak")
    assert (step.value, step.log10_sd) == (12.0, 0.23)


@pytest.mark.parametrize(("label", "factor"), WITHIN_FACTOR.items())
def test_published_figure_is_within_the_factor_of_its_class(label, factor):
    estimate = training_flop(published=1e25, confidence=label.lower())
    assert estimate.interval(0.9) == pytest.approx((1e25 / factor, 1e25 * factor), rel=1e-3)


def test_published_figure_without_a_class_is_likely():
    estimate = training_flop(published=1e25)
    assert estimate.log10_sd == log10(10) / Z90
    assert "Assumed: published figure 1e25 FLOP, within ×10" in estimate.describe()


# Properties


@given(numbers, numbers, factors)
def test_more_of_anything_is_more_flop(parameters, tokens, factor):
    less = training_flop(parameters=parameters, tokens=tokens)
    for more in (
        training_flop(parameters=parameters * factor, tokens=tokens),
        training_flop(parameters=parameters, tokens=tokens * factor),
        training_flop(parameters=parameters, tokens=tokens, epochs=factor),
    ):
        assert more.log10_median - less.log10_median == pytest.approx(log10(factor), abs=1e-9)
        assert more.log10_sd == less.log10_sd


@settings(deadline=None)  # the first reading of a unit imports pint
@given(st.floats(1, 1e6), st.floats(1, 1e4), st.floats(1, 1e3), st.floats(0.01, 0.5), factors)
def test_more_hardware_is_more_flop(count, teraflop_s, days, utilisation, factor):
    def run(count, teraflop_s, days, utilisation):
        return training_flop(
            accelerators=count,
            peak_rate=f"{teraflop_s!r} TFLOP/s",
            time=f"{days!r} days",
            utilisation=utilisation,
        ).log10_median

    less = run(count, teraflop_s, days, utilisation)
    gain = pytest.approx(log10(factor), abs=1e-9)
    assert run(count * factor, teraflop_s, days, utilisation) - less == gain
    assert run(count, teraflop_s * factor, days, utilisation) - less == gain
    assert run(count, teraflop_s, days * factor, utilisation) - less == gain
    assert run(count, teraflop_s, days, utilisation * 2) - less == pytest.approx(log10(2))


@settings(deadline=None)  # the first reading of a unit imports pint
@given(st.floats(1, 1e3), st.floats(0.1, 1e3))
def test_units_of_the_inputs_do_not_matter(rate, days):
    one = training_flop(accelerators=8, peak_rate=f"{rate!r} TFLOP/s", time=f"{days!r} days")
    other = training_flop(
        accelerators="8", peak_rate=f"{rate * 1e12!r} FLOP/s", time=f"{days * 24!r} h"
    )
    assert one.log10_median == pytest.approx(other.log10_median, abs=1e-12)


def test_disagreement_is_said():
    known = {"parameters": 175e9, "tokens": 300e9, "confidence": "Confident"}
    agreeing = training_flop(**known, published=4e23)
    assert not agreeing.warnings
    apart = training_flop(**known, published=3.15e25)
    (warning,) = apart.warnings
    assert "parameters and tokens and a published figure disagree" in warning
    assert "a factor of 100 apart, 6.5 combined sds" in warning
    assert warning in apart.explain()


# Calls that are refused


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({}, "got nothing to go by"),
        ({"parameters": 1e9}, "parameters: .*expected tokens"),
        ({"tokens": 1e9}, "tokens: .*expected parameters or active_parameters"),
        ({"epochs": 2}, "epochs: .*expected tokens"),
        ({"time": "3 days"}, "time: .*expected accelerators or rmax"),
        ({"hardware": "A100", "time": "3 d"}, "hardware: .*expected accelerators or time in GPU"),
        ({"accelerators": 8, "hardware": "A100"}, "accelerators: .*expected time"),
        ({"accelerators": 8, "time": "3 d"}, "hardware: got none"),
        ({"rmax": "1 PFLOP/s"}, "rmax: .*expected time"),
        ({"rmax": "1 PFLOP", "time": "3 d"}, "rmax: .*a rate is a count a second"),
        ({"confidence": "likely", "parameters": 1e9, "tokens": 1e9}, "confidence: .*published"),
        ({"published": 1e25, "confidence": "sure"}, "confidence: got 'Sure'"),
        ({"published": 1e25, "mfu": 0.4}, "mfu: got nothing to use it with"),
        ({"published": 1e70}, "got 10.70 FLOP; expected 1 to 1e60"),
        ({"parameters": 1e9, "active_parameters": 2e9, "tokens": 1}, "active_parameters: got 2e"),
        ({"parameters": 1, "tokens": 1, "domain": "langage"}, "did you mean language"),
        ({"time": "8 GPU-hours", "accelerators": 8, "hardware": "A100"}, "GPU-hours count them"),
        ({"time": "8 GPU-hours", "rmax": "1 PFLOP/s"}, "nothing|days or hours"),
        (
            {"accelerators": 8, "hardware": "A100", "peak_rate": "3 TFLOP/s", "time": "3 d"},
            "hardware: got peak_rate too",
        ),
        (
            {"accelerators": 8, "hardware": "A100", "time": "3 d", "utilisation": 1, "mfu": 1},
            "utilisation: got mfu too",
        ),
        (
            {"accelerators": 8, "hardware": "A100", "rmax": "1 PFLOP/s", "time": "3 d"},
            "the same hardware would count twice",
        ),
    ],
)
def test_call_that_is_refused(known, message):
    with pytest.raises(InputError, match=message) as refusal:
        training_flop(**known)
    assert "\n" not in str(refusal.value)


# Command


def test_command_answers_in_words_first(command):
    status, out, err = command("--parameters", "175B", "--tokens", "300B", "--explain")
    assert (status, err) == (0, "")
    assert re.match(r"3\.[12]e23 FLOP \(90 % equal-tailed interval: 2\.1e23 to 4\.7e23\)\n", out)
    assert "2 forward, 4 backward" in out
    for number in ("1.75e11", "3e11"):
        assert number in out


def test_command_gives_the_asked_probability(command):
    estimate = training_flop(parameters=175e9, tokens=300e9)
    _, out, _ = command("--parameters", "175B", "--tokens", "300B", "--ci", "0.5")
    assert "(50 % equal-tailed interval: " in out
    status, _, _ = command("--published", "1e25", "--ci", "0.9999999999999999")
    assert status == 0
    _, out, _ = command(*shlex.split("--parameters 175B --tokens 300B --ci 0.5 --format json"))
    ends = json.loads(out)["interval"]
    assert (ends["kind"], ends["prob"]) == ("eti", 0.5)
    assert (ends["lower_flop"], ends["upper_flop"]) == estimate.interval(0.5)


def test_command_speaks_the_formats(command):
    known = shlex.split("--parameters 175B --tokens 300B --published 3e23 --explain --format")
    _, latex, _ = command(*known, "latex")
    assert r"\times 10^{23}$ FLOP (90\,\% equal-tailed interval: $" in latex
    assert latex.count(r"\begin{tabular}{lrll}") == 2
    _, markdown, _ = command(*known, "markdown")
    assert "×10²³ FLOP" in markdown and "| --- | ---: | --- | --- |" in markdown
    _, text, _ = command(*known, "json")
    record = json.loads(text)
    assert [part["method"] for part in record["parts"]] == [
        "parameters and tokens",
        "a published figure",
    ]
    assert record["median_flop"] == pytest.approx(10 ** record["log10_median"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "flop: got nothing to go by"),
        ("--peak-rate '312 TFLOPS' --accelerators 8 --time 1d", '"FLOPS" is written for both'),
        ("--parameters many --tokens 3", "parameters: got 'many'"),
        ("--hardware H100 --accelerators 8 --time 1d", "say which"),
        ("--published 1e25 --ci 2", "is not between 0 and 1"),
        ("--published 1e25 --format word", "'--format'"),
        ("--utilization 40 --accelerators 8 --hardware A100 --time 1d", "write '40 %'"),
        ("--rmax '1 PFLOP/s' --time 1d --as-of soon", "as_of: got 'soon'"),
    ],
)
def test_command_refuses_in_one_line(command, line, message):
    status, out, err = command(*shlex.split(line))
    assert (status, out) == (2, "")
    assert err.startswith("bayes-compute: ") and err.count("\n") == 1
    assert message in err


def test_command_needs_nothing_heavy_for_plain_numbers():
    code = (
        "import sys\nfrom bayes_compute.cli import main\n"
        "try: main(['flop', '--parameters', '175B', '--tokens', '300B'])\n"
        "finally: print([n for n in ('numpy', 'pandas', 'pint', 'pymc') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_public_function_is_that_of_the_command():
    assert bc.training_flop is training_flop
