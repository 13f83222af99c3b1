"""Hardware by name, and the spreads of training_flop against the tables that they rest on."""

from math import log10, sqrt

import numpy as np
import pytest

from bayes_compute import flop, hardware_steps
from bayes_compute.confidence import Z90
from bayes_compute.errors import InputError
from bayes_compute.facts import load_facts
from bayes_compute.hardware import peak_of, rmax_share
from bayes_compute.systems import load_systems


@pytest.fixture(scope="module")
def systems():
    return load_systems("systems-2025-08", selection="all")


@pytest.mark.parametrize(
    ("name", "precision", "found", "rate"),
    [
        ("A100", None, "NVIDIA A100", 312e12),
        ("nvidia v100", None, "NVIDIA V100", 125e12),
        ("H100 SXM", None, "NVIDIA H100 SXM5 80GB", 989.4e12),
        ("a100 80gb", None, "NVIDIA A100 SXM4 80 GB", 312e12),
        ("TPU-v4", None, "Google TPU v4", 275e12),
        ("RTX4090", None, "NVIDIA GeForce RTX 4090", 330e12),
        ("GTX 1080 Ti", None, "NVIDIA GeForce GTX 1080 Ti", 11.34e12),
        ("A100", "fp32", "NVIDIA A100", 19.5e12),
        ("A100", "BF16", "NVIDIA A100", 312e12),
        ("H100 SXM", "fp8", "NVIDIA H100 SXM5 80GB", 1979e12),
    ],
)
def test_peak_rate_by_name(name, precision, found, rate):
    peak = peak_of(name, precision)
    assert (peak.hardware, peak.flop_s) == (found, rate)
    assert found in peak.what


def test_every_name_of_the_table_is_found_or_has_no_rate():
    for row in load_facts("accelerators").to_dict("records"):
        try:
            assert peak_of(row["hardware"]).hardware == row["hardware"]
        except InputError as refusal:
            assert "a listed rate" in str(refusal), row["hardware"]


@pytest.mark.parametrize(
    ("name", "precision", "message"),
    [
        ("H100", None, "say which: NVIDIA H100 NVL .*, NVIDIA H100 PCIe .*, NVIDIA H100 SXM5 80GB"),
        ("TPU v5", None, "say which: Google TPU v5p .459 TFLOP/s., Google TPU v5e"),
        ("Trainum2", None, "did you mean Amazon Trainium2"),
        ("xyzzy", None, "give peak_rate instead"),
        ("!", None, "expected a name"),
        ("TPU v1", None, "a listed rate; give peak_rate"),
        ("A100", "fp8", "a listed rate in fp8"),
        ("A100", "fp4", "precision: got 'fp4'; expected one of bf16"),
    ],
)
def test_hardware_that_is_refused(name, precision, message):
    with pytest.raises(InputError, match=message):
        peak_of(name, precision)


def test_list_before_the_first_is_refused():
    with pytest.raises(InputError, match="as_of: got 1990-01-01; expected a date since"):
        rmax_share("1990-01-01")


def test_utilisation_prior_is_what_the_table_has(systems):
    published = systems["hardware_utilization"].dropna()
    log = np.log10(published[published.between(0, 1, inclusive="neither")])
    assert len(log) == 53
    assert 10 ** log.median() == pytest.approx(0.38, abs=0.01)
    assert log.std() == pytest.approx(0.14, abs=0.01)
    lower, upper = (10 ** (log10(0.35) + sign * Z90 * 0.15) for sign in (-1, 1))
    assert 0.85 < log.between(log10(lower), log10(upper)).mean() < 0.97


def runs(systems):
    """Share of the peak of the whole time that runs reached, and their published utilisation."""
    accelerators = load_facts("accelerators").set_index("hardware")
    peak = accelerators["tensor_fp16_flop_s"].fillna(accelerators["fp16_flop_s"])
    whole = systems["training_hardware"].map(peak) * systems["hardware_quantity"]
    whole *= systems["training_time_hours"] * 3600
    return systems["training_compute_flop"] / whole, systems["hardware_utilization"]


def test_utilisation_prior_is_what_whole_runs_reached(systems):
    reached, _ = runs(systems)
    method = systems["estimation_method"].fillna("")
    counted = method.str.contains("Operation counting|Reported") & ~method.str.contains("Hardware")
    log = np.log10(reached[counted & (systems["training_compute_flop"] > 1e22) & (reached < 1.5)])
    assert len(log) == 13
    assert 10 ** log.median() == pytest.approx(0.30, abs=0.01)
    assert log.std() == pytest.approx(0.14, abs=0.01)


def test_effective_time_prior_is_what_runs_reached_of_their_mfu(systems):
    reached, published = runs(systems)
    ratio = (reached / published)[systems["training_compute_flop"] > 1e23]
    apart = ratio[(abs(ratio - 1) > 0.02) & ratio.between(0.1, 10)]
    assert len(apart) == 13
    assert apart.median() == pytest.approx(0.82, abs=0.01)
    assert np.log10(apart).std() == pytest.approx(0.09, abs=0.01)
    assert (apart <= 1).sum() == 11
    assert apart[apart <= 1].median() == pytest.approx(0.75, abs=0.01)


def test_spread_outside_of_language_is_what_the_table_has(systems):
    first = systems["domain"].str.split(",").str[0]
    rule = 6 * systems["parameters"] * systems["training_dataset_size"]
    rule *= systems["epochs"].fillna(1)
    log = np.log10(systems["training_compute_flop"] / rule).replace([np.inf, -np.inf], np.nan)
    other = log[first != "Language"].dropna()
    assert len(other) == 233
    assert sqrt((other**2).mean()) == pytest.approx(flop.OTHER_DOMAIN_SD, abs=0.05)


def test_spread_of_rmax_per_rpeak_is_what_the_lists_have():
    lists = load_facts("top500")
    first = lists["n1_rmax_flop_s"] / lists["n1_rpeak_flop_s"]
    whole = lists["sum_rmax_flop_s"] / lists["sum_rpeak_flop_s"]
    spread = sqrt((np.log10(first / whole) ** 2).mean())
    assert spread == pytest.approx(hardware_steps.RMAX_SHARE_SD, abs=0.005)


def test_16_bit_rate_per_64_bit_rate_is_that_of_known_chips():
    log = np.log10([4, 8, 15, 16, 16, 16, 16])
    assert 10 ** log.mean() == pytest.approx(hardware_steps.PRECISION_RATIO, abs=0.5)
    assert log.std(ddof=1) == pytest.approx(hardware_steps.PRECISION_RATIO_SD, abs=0.01)
