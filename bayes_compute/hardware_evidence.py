"""What a table says of a system's hardware and owner, which no model of regimes sees."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Evidence:
    """A quantity from outside the model: a number of each system, or whether something holds."""

    name: str
    of: Callable[[pd.DataFrame], np.ndarray]  # NaN where the table does not say
    says: str
    unit: str = ""
    is_share: bool = False


def _column(name: str) -> Callable[[pd.DataFrame], np.ndarray]:
    return lambda systems: systems[name].to_numpy(float)


def _holds(systems: pd.DataFrame, column: str, pattern: str) -> np.ndarray:
    """1 or 0, and NaN where there is no text."""
    found = systems[column].astype("string").str.contains(pattern, case=False)
    return found.to_numpy(float, na_value=np.nan)


def _systems_of_organization(systems: pd.DataFrame) -> np.ndarray:
    """Most systems that one of the organizations of a system has in the table."""
    names = systems["organization"].astype("string").str.replace('"', "")
    one_a_row = names.str.split(r"\s*,\s*", regex=True).explode().astype("string")
    counts = one_a_row.map(one_a_row.value_counts()).astype("Float64")
    return counts.groupby(level=0).max().to_numpy(float, na_value=np.nan)


def _industry(systems: pd.DataFrame) -> np.ndarray:
    return _holds(systems, "sector", "industry")


def _tpu(systems: pd.DataFrame) -> np.ndarray:
    tpu = _holds(systems, "training_hardware", "tpu")
    gpu = _holds(systems, "training_hardware", "nvidia|amd|gpu")
    return np.where((tpu == 1) | (gpu == 1), tpu, np.nan)


def _rented_tpu(systems: pd.DataFrame) -> np.ndarray:
    google = _holds(systems, "organization", "google|deepmind")
    return np.where(google == 0, _tpu(systems), np.nan)


EVIDENCE = (
    Evidence("accelerators", _column("hardware_quantity"), "used more accelerators"),
    Evidence("training time", _column("training_time_hours"), "were trained for longer", "h"),
    Evidence("training power", _column("training_power_w"), "drew more power in training", "W"),
    Evidence(
        "systems of the organization",
        _systems_of_organization,
        "came from the organization with more systems in the table",
    ),
    Evidence("industry", _industry, "industry took part in {}", is_share=True),
    Evidence("TPU rather than GPU", _tpu, "{} were trained on TPUs", is_share=True),
    Evidence(
        "rented TPU",
        _rented_tpu,
        "outside Google, {} were trained on TPUs, which only Google lets",
        is_share=True,
    ),
)
