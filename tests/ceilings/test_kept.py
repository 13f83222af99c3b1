"""Fits of ceilings that are kept."""

import pytest

import bayes_compute as bc
from bayes_compute import inference
from bayes_compute.ceilings import kept


@pytest.fixture
def fits(monkeypatch, tmp_path):
    """Ceilings fitted so far, in a cache of their own."""
    done = []

    def fit(name, data, **settings):
        done.append((name, data.source["as_of"]))
        return real(name, data, **settings | {"draws": 200, "tune": 300})

    real = inference.fit
    monkeypatch.setattr(inference, "fit", fit)
    monkeypatch.setattr(inference, "_checked", lambda tree, *_: tree)
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "cache")
    return done


def test_a_fit_is_kept_for_its_day_and_code(fits, monkeypatch):
    _, first = kept.fitted("run_length", "2025-08-31")
    data, again = kept.fitted("run_length", "2025-08-31")
    assert len(fits) == 1
    assert again.equals(first)
    assert data.source["as_of"] == "2025-08-31"
    _, earlier = kept.fitted("run_length", "2023-08-31")
    assert len(fits) == 2
    assert not earlier.equals(first)
    monkeypatch.setattr(kept, "version", lambda _: "another")
    kept.fitted("run_length", "2025-08-31")
    assert len(fits) == 3


def test_too_few_data_and_failed_fits_are_not_kept(fits, monkeypatch):
    with pytest.raises(bc.InputError, match="power: got"):
        kept.fitted("power", "2012-01-01")

    def fail(*_):
        raise bc.NotConverged("run_length: no", {})

    monkeypatch.setattr(inference, "_checked", fail)
    with pytest.raises(bc.NotConverged):
        kept.fitted("run_length", "2025-08-31")
    assert not list(kept.folder().glob("*"))


def test_a_refused_fit_is_tried_once_more_with_twice_the_draws(fits, monkeypatch):
    asked = []

    def fit(name, data, **settings):
        asked.append((settings["draws"], settings["tune"]))
        if len(asked) == 1:
            raise bc.NotConverged("run_length: ess_tail is 337", {})
        return counted(name, data, **settings)

    counted = inference.fit
    monkeypatch.setattr(inference, "fit", fit)
    kept.fitted("run_length", "2025-08-31")
    assert asked == [(kept.DRAWS, kept.TUNE), (2 * kept.DRAWS, 2 * kept.TUNE)]
    assert len(list(kept.folder().glob("*"))) == 1


def test_what_is_missing_is_fitted_and_kept(fits, monkeypatch):
    monkeypatch.setattr(kept, "NAMES", ("run_length",))
    assert kept.missing("2017-12-31") == ["run_length"]
    kept.fit_each(["run_length"], "2017-12-31")
    assert [path.name.split("-")[0] for path in kept.folder().iterdir()] == ["run_length"]
    assert kept.missing("2017-12-31") == []
    kept.fitted("run_length", "2017-12-31")
    assert len(fits) == 1
    monkeypatch.setattr(kept, "NAMES", ("power",))
    assert kept.missing("2012-01-01") == []  # too few data: left to `fitted`, which says so
    kept.fit_each(["power"], "2012-01-01")
