"""Six operations a parameter and data point: training compute from the sizes of a system."""

import numpy as np
import pandas as pd

from bayes_compute.observations import known


def six_operations(systems: pd.DataFrame) -> np.ndarray:
    """Training compute by the rule of six operations a parameter, data point and epoch.

    Parameters
    ----------
    systems : pandas.DataFrame
        With the columns ``parameters``, ``training_dataset_size`` and ``epochs``; one epoch is
        taken where none is given.

    Returns
    -------
    (n,) float array
        FLOP; NaN where parameters or data are not known, infinite beyond 1e308.
    """
    epochs = amounts(systems, "epochs")
    with np.errstate(over="ignore"):
        sizes = 6 * amounts(systems, "parameters") * amounts(systems, "training_dataset_size")
        return sizes * np.where(np.isnan(epochs), 1.0, epochs)


def amounts(systems: pd.DataFrame, name: str) -> np.ndarray:
    """Values of a column, NaN where none is known."""
    return np.where(known(systems, name), systems[name].to_numpy(float), np.nan)
